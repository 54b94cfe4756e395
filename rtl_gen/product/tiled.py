"""Verilog of a large array: one tile of rows, written once, and a loop that instantiates it."""

from collections.abc import Mapping

from amaranth.hdl import unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from bnnhw.names import checked

from ..array import PEArray
from ..shell import Port, list_ports, make_shell
from ..streams import port
from ..verilog import convert, heading

__all__ = ["TILED_FROM", "emit_tiled", "tile_rows"]

TILED_FROM = 1 << 12
"""Lanes from which an array is written as tiles: above, the flat text takes seconds to make."""

# Lanes of a tile, where PE allows it: enough rows to share one control, few enough to be quick.
_TILE_LANES = 1 << 11


def tile_rows(pe: int, simd: int) -> int:
    """Rows of a tile: the largest divisor of `pe` whose lanes are no more than 2,048, or 1."""
    return max(
        rows for rows in range(1, pe + 1) if not pe % rows and (rows == 1 or rows * simd <= 2048)
    )


def emit_tiled(
    tile: PEArray,
    tiles: int,
    *,
    name: str,
    header: Mapping[str, str],
    naming: str = "plain",
    platform: object = None,
) -> tuple[str, list[Port]]:
    """Write an array of many rows as Verilog whose size does not depend on their number.

    The text holds `tile` as `emit` writes it, and a ``generate`` loop over it. The tiles share all
    inputs; each has its own control, and since all controls see the same words in the same clocks
    they stay in step: the ports behave as those of a `PEArray` of ``tiles * tile.pe`` rows, clock
    by clock.

    Parameters
    ----------
    tile : PEArray
        Some of the rows; see `tile_rows`.
    tiles : int
        How many of them.
    name : str
        Of the top module; the tile is ``NAME_tile``.
    header, naming, platform : see `rtl_gen.verilog.emit`

    Returns
    -------
    text : str
    ports : list of Port

    Raises
    ------
    UsageError
        If `name` is not safe.
    ValueError
        If `tiles` is below 1.
    """
    checked(name, "module name")
    if tiles < 1:
        raise ValueError(f"Tiles must be a positive integer, not {tiles!r}")
    rows, simd, bits = tile.pe, tile.simd, tile.count_bits
    signature = wiring.Signature(
        {
            "i_activation": In(port(simd)),
            "i_weight": In(stream.Signature(data.ArrayLayout(unsigned(simd), tiles * rows))),
            "o": Out(port(tiles * rows, bits)),
        }
    )
    ports = list_ports(signature, naming)
    # The tile has plain ports: words padded to bytes could not be joined.
    inner = convert(make_shell(tile, "plain"), f"{name}_tile", platform)
    top = _top(name, ports, tiles, weight=rows * simd, result=rows * bits)
    return "\n".join([*heading(header, ports), "", inner, *top, ""]), ports


def _top(name: str, ports: list[Port], tiles: int, *, weight: int, result: int) -> list[str]:
    """Write the module with the loop; each tile has so many bits of a weight and of a result."""
    outer = {(port.stream, port.field): port.name for port in ports}
    clock, reset = ports[0].name, ports[1].name
    whole = next(port for port in ports if (port.stream, port.field) == ("o", "data"))
    padding = whole.width - tiles * result
    counts = f"{{{padding}'d0, counts}}" if padding else "counts"
    active_high = reset if reset == "rst" else f"~{reset}"
    pins = [("clk", clock), ("rst", active_high)]
    for member, field in outer:
        if not member:
            continue
        source = outer[member, field]
        if (member, field) == ("i_weight", "data"):
            source += f"[tile * {weight} +: {weight}]"
        elif (member, field) == ("o", "data"):
            source = f"counts[tile * {result} +: {result}]"
        elif (member == "o") != (field == "ready"):
            source = f"{member}_{field}_of[tile]"
        pins.append((f"{member}_{field}", source))
    shared = [pair for pair in outer if pair[0] and (pair[0] == "o") != (pair[1] == "ready")]
    shared.remove(("o", "data"))
    return [
        f"module {name}({', '.join(port.name for port in ports)});",
        *(f"  {p.direction} {_range(p.width)}{p.name};" for p in ports),
        f"  wire [{tiles * result - 1}:0] counts;",
        *(f"  wire [{tiles - 1}:0] {member}_{field}_of;" for member, field in shared),
        "  genvar tile;",
        "  generate",
        f"    for (tile = 0; tile < {tiles}; tile = tile + 1) begin : tiles",
        f"      {name}_tile array (",
        ",\n".join(f"        .{pin}({source})" for pin, source in pins),
        "      );",
        "    end",
        "  endgenerate",
        "  // All tiles are in step; the first speaks for them.",
        *(f"  assign {outer[s, f]} = {s}_{f}_of[0];" for s, f in shared),
        f"  assign {outer['o', 'data']} = {counts};",
        "endmodule",
    ]  # fmt: skip


def _range(width: int) -> str:
    return f"[{width - 1}:0] " if width > 1 else ""
