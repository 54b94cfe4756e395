# amaranth: UnusedElaboratable=no
"""Arrays as tiles: the same ports as the flat array in every clock, and a text that stays small."""

import re
from pathlib import Path
from typing import Any

import pytest

from bnnhw.errors import UsageError
from rtl_gen.array import PEArray
from rtl_gen.product.tiled import emit_tiled, tile_rows
from rtl_gen.shell import Port
from rtl_gen.tools import find_program, run_tool
from rtl_gen.verilog import emit

CLOCKS = 3000


def both(naming: str, *, rows: int, **given: Any) -> tuple[str, str, list[Port]]:
    flat, ports = emit(PEArray(**given), name="flat", header={}, naming=naming)
    tile = PEArray(**{**given, "pe": rows})
    tiles = given["pe"] // rows
    tiled, others = emit_tiled(tile, tiles, name="tiled", header={}, naming=naming)
    assert ports == others
    return flat, tiled, ports


def bench(ports: list[Port]) -> str:
    """Drive both with the same random words and stalls; every output must agree in every clock."""
    clock, reset = ports[0].name, ports[1].name
    inputs = [p for p in ports[2:] if p.direction == "input"]
    outputs = [p for p in ports[2:] if p.direction == "output"]
    lines = ["`timescale 1ns/1ps", "module bench;", f"  reg {clock} = 0, {reset} = RST;"]
    lines += [f"  reg [{p.width - 1}:0] {p.name} = 0;" for p in inputs]
    for unit in ("flat", "tiled"):
        lines += [f"  wire [{p.width - 1}:0] {unit}_{p.name};" for p in outputs]
        pins = [f".{p.name}({p.name})" for p in ports[:2] + inputs]
        pins += [f".{p.name}({unit}_{p.name})" for p in outputs]
        lines.append(f"  {unit} u_{unit} ({', '.join(pins)});")
    differ = " || ".join(f"flat_{p.name} !== tiled_{p.name}" for p in outputs)
    # A word that is on offer stays; a new one comes with a chance of three in four.
    renew = [f"      {p.name} <= $urandom % 4 != 0;" for p in inputs if p.field == "ready"]
    for stream in ("i_activation", "i_weight"):
        of = {p.field: p.name for p in ports if p.stream == stream}
        content = [of[field] for field in ("data", "last") if field in of]
        renew += [
            f"      if (!{of['valid']} || flat_{of['ready']}) begin",
            f"        {of['valid']} <= $urandom % 4 != 0;",
            *(f"        {name} <= {{8{{$urandom}}}};" for name in content),
            "      end",
        ]
    valid = next(p.name for p in outputs if (p.stream, p.field) == ("o", "valid"))
    ready = next(p.name for p in inputs if p.field == "ready")
    lines += [
        "  integer clock, words = 0;",
        "  initial begin",
        f"    for (clock = 0; clock < {CLOCKS}; clock = clock + 1) begin",
        f"      if (clock == 4) {reset} <= !RST;",
        f"      if (clock == {CLOCKS // 2}) {reset} <= RST;",
        f"      if (clock == {CLOCKS // 2 + 2}) {reset} <= !RST;",
        *renew,
        "      #4;",
        f'      if ({differ}) begin $display("DIFFER %0d", clock); $finish; end',
        f"      words = words + (flat_{valid} && {ready});",
        f"      #1 {clock} = 1; #5 {clock} = 0;",
        "    end",
        '    $display("SAME %0d words", words); $finish;',
        "  end",
        "endmodule",
    ]
    return "\n".join(lines).replace("RST", "0" if reset == "aresetn" else "1")


def simulate(folder: Path, flat: str, tiled: str, ports: list[Port]) -> str:
    icarus, vvp = find_program("iverilog"), find_program("vvp")
    assert icarus and vvp, "install Icarus Verilog: apt-get install iverilog"
    # Both hold modules of the same kinds; those of the tile have names of their own already.
    (folder / "flat.v").write_text(flat)
    (folder / "tiled.v").write_text(tiled)
    (folder / "bench.v").write_text(bench(ports))
    files = ["bench.v", "flat.v", "tiled.v"]
    run_tool([icarus, "-g2005-sv", "-s", "bench", "-o", "b.vvp", *files], cwd=folder)
    return run_tool([vvp, "b.vvp"], cwd=folder).output


@pytest.mark.parametrize(
    ("given", "rows", "naming"),
    [
        ({"pe": 4, "simd": 3, "folds": 1}, 1, "plain"),
        ({"pe": 6, "simd": 5, "folds": 3}, 2, "axis"),
        ({"pe": 3, "simd": 16, "folds": 2, "every": 1}, 1, "axis"),
        ({"pe": 4, "simd": 2, "folds": 2}, 4, "plain"),
    ],
)
def test_tiled_is_flat_clock_by_clock(
    tmp_path: Path, given: dict[str, Any], rows: int, naming: str
) -> None:
    told = simulate(tmp_path, *both(naming, rows=rows, **given))
    found = re.search(r"SAME (\d+) words", told)
    assert found is not None and int(found[1]) > CLOCKS // (3 * given["folds"]), told


@pytest.mark.parametrize(
    ("pattern", "wrong"),
    [
        (r"i_weight_data\[tile \* 6", "i_weight_data[0 * 6"),
        (r"\.i_activation_last\(\w+", ".i_activation_last(1'b0"),
    ],
)
def test_the_bench_catches_a_wrong_tile(tmp_path: Path, pattern: str, wrong: str) -> None:
    flat, tiled, ports = both("plain", rows=2, pe=4, simd=3, folds=2)
    broken, count = re.subn(pattern, wrong, tiled)
    assert count == 1
    assert "DIFFER" in simulate(tmp_path, flat, broken, ports)


def test_text_does_not_grow() -> None:
    """A loop, not a copy a row."""
    tile: dict[str, Any] = {"pe": 1, "simd": 8, "folds": 1}
    sizes = [len(emit_tiled(PEArray(**tile), n, name="a", header={})[0]) for n in (8, 256)]
    assert sizes[1] - sizes[0] < 100


def test_rows_of_a_tile() -> None:
    found = [tile_rows(*size) for size in ((256, 2048), (256, 8), (256, 64), (6, 1000), (7, 5000))]
    assert found == [1, 256, 32, 2, 1]


def test_wrong() -> None:
    tile: dict[str, Any] = {"pe": 1, "simd": 2, "folds": 1}
    with pytest.raises(ValueError, match=r"^Tiles must be a positive integer, not 0$"):
        emit_tiled(PEArray(**tile), 0, name="a", header={})
    with pytest.raises(UsageError, match=r"^The module name 'a b' is not usable"):
        emit_tiled(PEArray(**tile), 2, name="a b", header={})
