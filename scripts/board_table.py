"""Write the tables of docs/boards.md from the board files.

    .venv/bin/python scripts/board_table.py

What builds reached is read from docs/boards.json, which scripts/board_builds.py writes. What stands
outside the two lines of `_MARKS` is written by hand and stays.
"""

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bnnhw.target import Board, Programmer
from rtl_gen.build.boards import all_boards
from rtl_gen.build.platform import prepare
from rtl_gen.link import CLOCKS_PER_BIT, SPI_WIRES

__all__ = ["PAGE", "filled", "main"]

PAGE = Path(__file__).resolve().parent.parent / "docs" / "boards.md"
STORE = PAGE.with_name("boards.json")
_MARKS = ("<!-- begin of what scripts/board_table.py writes -->", "<!-- end -->")
_REACHED = (
    "What `bnnhw build` makes of a bundled network for a board, with seed 1 and the folding that "
    "it chooses. Images a second are the accelerator's; the serial line is slower."
)
_PLL = {"none": "", "pad": ", PLL at its own pin", "core": ", PLL"}


class _Wire(wiring.Component):
    def __init__(self) -> None:
        super().__init__({"rx": In(1), "tx": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m, ports = Module(), cast(Any, self)
        m.d.sync += ports.tx.eq(ports.rx)
        return m


class _SpiWires(wiring.Component):
    def __init__(self) -> None:
        super().__init__(SPI_WIRES)

    def elaborate(self, platform: Any) -> Module:
        m, ports = Module(), cast(Any, self)
        m.d.sync += ports.miso.eq(ports.mosi ^ ports.sck)
        return m


def filled(page: str) -> str:
    """Give the page with its tables as the board files have them now."""
    begin, end = _MARKS
    before, _, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"The page must hold the lines {begin!r} and {end!r}")
    return f"{before}{begin}\n\n{_tables()}\n\n{end}{after}"


def _tables() -> str:
    known = all_boards()
    return "\n\n".join(
        (
            _table(
                "name|board|device|LUT4|block RAM|clock MHz",
                [
                    (
                        f"`{board.name}`",
                        board.title,
                        board.device,
                        f"{board.budget.lut4:,}",
                        f"{board.budget.ebr} of {board.budget.ebr_bits:,} bits",
                        _clock(board),
                    )
                    for board in known
                ],
            ),
            _table(
                "name|receives on|sends on|baud|LED|programmer",
                [
                    (
                        f"`{board.name}`",
                        *_pins(board),
                        " or ".join(_programmer(entry) for entry in board.programmers),
                    )
                    for board in known
                ],
            ),
            _table(
                "name|SCK|CS|MOSI|MISO|fastest SCK",
                [(f"`{board.name}`", *_spi_pins(board)) for board in known if board.link.spi],
            ),
            "\n".join(f"- `{board.name}`: {board.notes}" for board in known if board.notes),
            _builds(known),
        )
    )


def _builds(known: tuple[Board, ...]) -> str:
    """Say what builds of a bundled network reached, and with which tools."""
    rows = json.loads(STORE.read_text(encoding="utf-8"))
    fitting = [board for board in known if rows.get(board.name, {}).get("network")]
    table = _table(
        "name|network|LUT4|block RAM|MHz reached, wanted|clocks an image|images a second",
        [_built(board, rows[board.name]) for board in fitting],
    )
    used = sorted({_tools(rows[board.name]) for board in fitting})
    parts = [_REACHED, table, *(f"Built with {tools}." for tools in used)]
    absent = [f"`{board.name}`" for board in known if board.name not in rows]
    if absent:
        parts.append(f"Not built: {', '.join(absent)}.")
    parts += [
        f"`{board.name}`: no bundled network fits. {rows[board.name]['why'][0]}"
        for board in known
        if board.name in rows and board not in fitting
    ]
    return "\n\n".join(parts)


def _built(board: Board, row: dict[str, Any]) -> tuple[str, ...]:
    budget = board.budget
    return (
        f"`{board.name}`",
        row["network"],
        f"{row['lut4']:,} of {budget.lut4:,}",
        f"{row['ebr']} of {budget.ebr}",
        f"{row['mhz']:.1f}, {board.clock.sync_hz / 1e6:g}",
        f"{row['cycles']:,}",
        f"{row['fps']:,.0f}",
    )


def _tools(row: dict[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(row["tools"].items()))


def _table(heads: str, rows: list[tuple[str, ...]]) -> str:
    cells = [tuple(heads.split("|")), ("---",) * (heads.count("|") + 1), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def _clock(board: Board) -> str:
    clock = board.clock
    return f"{clock.source_hz / 1e6:g} → {clock.sync_hz / 1e6:g}{_PLL[clock.pll]}"


def _pins(board: Board) -> tuple[str, str, str, str]:
    """Take receive pin, send pin, rate and LED pin from the constraints of a build."""
    where, uart = _constraints(_Wire(), board), board.link.resource
    rx, tx = where[f"{uart}_0__rx__io"], where[f"{uart}_0__tx__io"]
    return rx, tx, f"{board.link.baud:,}", where[f"{board.led}_0__io"]


def _spi_pins(board: Board) -> tuple[str, ...]:
    """Give the pins of SPI, each with its name on the board where that is another, and the rate."""
    assert board.link.spi is not None
    where = _constraints(_SpiWires(), board)
    cells = []
    for name, given in asdict(board.link.spi).items():
        pin = where[f"bnnhw_spi_0__{name}__io"]
        cells.append(pin if pin == given else f"{pin} (`{given}`)")
    return *cells, f"{board.clock.sync_hz / CLOCKS_PER_BIT / 1e6:g} MHz"


def _constraints(core: wiring.Component, board: Board) -> dict[str, str]:
    files = prepare(core, board, name="plain").files
    text = str(files["plain.pcf" if board.family == "ice40" else "plain.lpf"])
    found = re.findall(r"^set_io (\S+) (\S+)$", text, re.M)
    found += re.findall(r'^LOCATE COMP "(\S+)" SITE "(\S+)";$', text, re.M)
    return dict(found)


def _programmer(entry: Programmer) -> str:
    ways = [way for way, words in (("SRAM", entry.sram), ("flash", entry.flash)) if words]
    return f"{entry.tool} ({', '.join(ways)})"


def main() -> None:
    """Write the page."""
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
