"""Single bits of an iCE40 bitstream flipped: what they belong to, and whether images show it."""

import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bnnhw.errors import ToolMissing
from bnnhw.plan import Plan
from bnnhw.target import Board
from rtl_gen.system import divisor_for
from rtl_gen.tools import ToolFailed, find_program, run_tool

from .readback import ReadBack

__all__ = ["KINDS", "Bit", "bits_in_use", "flipped", "logic", "play", "unread"]

KINDS = ("table", "cell", "wires", "memory")
"""Bits of lookup tables; a logic cell's settings; wires, pins and a tile's settings; block RAM."""

_TILE = re.compile(
    r"^\.(logic_tile|io_tile|ramb_tile|ramt_tile|ram_data) (\d+) (\d+)\n((?:[0-9a-f]+\n)+)",
    re.MULTILINE,
)
# Where a logic tile's eight cells lie in its rows, two rows each: 8 bits of table, then 2 others.
_CELLS, _TABLE, _CELL = 36, 8, 10


@dataclass(frozen=True)
class Bit:
    """One bit of an unpacked bitstream.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    tile : str
        Kind of the tile.
    x, y : int
        Of the tile.
    row, column : int
        In its text; of a block RAM the column counts bits from the left.
    offset : int
        Of the character in the text.
    """

    kind: str
    tile: str
    x: int
    y: int
    row: int
    column: int
    offset: int


def bits_in_use(text: str) -> list[Bit]:
    """List every bit of tiles that are used: of those in which some bit is set."""
    found = []
    for match in _TILE.finditer(text):
        tile, x, y, body = match[1], int(match[2]), int(match[3]), match[4]
        if not re.search("[1-9a-f]", body):
            continue
        offset = match.start(4)
        for row, line in enumerate(body.splitlines()):
            each = 4 if tile == "ram_data" else 1
            found += [
                Bit(_kind(tile, column), tile, x, y, row, column, offset + column // each)
                for column in range(each * len(line))
            ]
            offset += len(line) + 1
    return found


def _kind(tile: str, column: int) -> str:
    if tile == "ram_data":
        return "memory"
    place = column - _CELLS
    if tile == "logic_tile" and 0 <= place < _CELL:
        return "table" if place < _TABLE else "cell"
    return "wires"


def unread(bit: Bit, drivers: Mapping[str, str]) -> bool:
    """Tell whether a bit is of a table that nothing reads, by what `logic` gives."""
    return bit.kind == "table" and f"LUT {bit.x} {bit.y} {bit.row // 2}" not in drivers


def flipped(text: str, bit: Bit) -> str:
    """Flip a bit."""
    digit = text[bit.offset]
    if bit.kind == "memory":
        digit = f"{int(digit, 16) ^ 8 >> bit.column % 4:x}"
    else:
        digit = "1" if digit == "0" else "0"
    return text[: bit.offset] + digit + text[bit.offset + 1 :]


def logic(read: ReadBack) -> dict[str, str]:
    """Give what drives each cell that the transmit pin depends on.

    Cells are called by their places and not by numbers of nets, so that two bitstreams have the
    same logic if what this gives is the same.
    """
    text = re.sub(r"\s+", " ", read.verilog)
    drivers: dict[str, list[str]] = {}
    says: dict[str, str] = {}

    def learn(net: str, name: str, what: str) -> None:
        drivers.setdefault(net, []).append(name)
        says[name] = what

    for statement in re.split(r";|\bendmodule\b", text):
        if found := re.search(r"(SB_\w+) #\((.*)\) (\w+) \((.*)\)", statement):
            _learn_cell(learn, *found.groups())
        elif found := re.search(
            r"/\* (FF [\d ]+?) \*/ always @\((.*?)\) (.*?(\w+) <=.*)", statement
        ):
            learn(found[4], found[1], f"@{found[2]} {found[3]}")
        elif found := re.search(r"(?:/\* (FF [\d ]+?) \*/ )?assign (\S+) ?= (.*)", statement):
            place = re.search(r"/\* ((?:LUT|CARRY) [\d ]+?) \*/", found[3])
            name = found[1] or (place[1] if place else f"const {len(says)}")
            learn(found[2], f"{name} out" if found[1] else name, found[3])

    def named(match: re.Match[str]) -> str:
        return "+".join(sorted(drivers.get(match[0], [f"open {match[0] in ('rx', 'clk')}"])))

    todo, seen = list(drivers.get("tx", [])), {}
    while todo:
        name = todo.pop()
        if name not in seen:
            seen[name] = re.sub(r"\b(n\d+|rx|clk|tx|io_\w+)\b", named, says[name])
            todo += [d for net in re.findall(r"\b(?:n\d+|io_\w+)\b", says[name])
                     for d in drivers.get(net, ())]  # fmt: skip
    # Constants are called in the order of writing: what they are stands in their place.
    return {
        name: re.sub(r"const \d+", lambda found: says[found[0]].strip(), what)
        for name, what in seen.items()
        if not name.startswith("const")
    }


def _learn_cell(learn: object, kind: str, parameters: str, name: str, wires: str) -> None:
    assert callable(learn)
    whole = f"{kind} {parameters} {wires}"
    outputs = ("RDATA", "PLLOUTGLOBAL", "PLLOUTCORE", "LOCK")
    for pin, nets in re.findall(r"\.(\w+)\(([^)]*)\)", wires):
        if pin in outputs:
            for k, net in enumerate(re.findall(r"\w+", nets)):
                # Which output it is stands in the name; the inputs are the same for all of them.
                inputs = re.sub(r"\.(?:RDATA|PLLOUT\w+|LOCK|SDO)\([^)]*\),?", "", whole)
                learn(net, f"{name} {pin} {k}", inputs)


def play(verilog: str, plan: Plan, board: Board, lots: Sequence[tuple[bytes, bytes]]) -> str:
    """Send lots of bytes to a chip in Icarus; say what was wrong first, or nothing.

    Nothing is compiled to machine code, and a wire that two cells drive differently is unknown.

    Parameters
    ----------
    verilog : str
        Of a module `chip` with the ports `clk`, `rx` and `tx`, and of all that it holds.
    plan, board : Plan, Board
        What was built.
    lots : sequence of (bytes, bytes)
        What is sent, and what must then come.

    Raises
    ------
    ToolMissing
        If Icarus is not installed.
    """
    for program in ("iverilog", "vvp"):
        if find_program(program) is None:
            raise ToolMissing("Icarus Verilog is not installed.", "apt-get install iverilog")
    divisor = divisor_for(board.clock.sync_hz, board.link.baud)
    work = sum(block.cycles for block in plan.blocks)
    numbers = {
        "DIVISOR": divisor,
        "QUIET": 20 * divisor + work + board.clock.sync_hz // 30_000,
        "SENT": sum(len(sent) for sent, _ in lots),
        "WANTED": sum(len(wanted) for _, wanted in lots),
        "LOTS": len(lots),
    }
    defined = "".join(f"`define {name} {value}\n" for name, value in numbers.items())
    bench = Path(__file__).with_name("readback_bench.v").read_text(encoding="utf-8")
    files = {
        "top.v": f"`timescale 1ns/1ns\n{defined}{verilog}{bench}",
        "sent.hex": b"".join(sent for sent, _ in lots).hex("\n"),
        "wanted.hex": b"".join(wanted for _, wanted in lots).hex("\n"),
        "sizes.hex": "\n".join(f"{len(part):x}" for lot in lots for part in lot),
    }
    with tempfile.TemporaryDirectory() as scratch:
        for name, content in files.items():
            (Path(scratch) / name).write_text(content, encoding="utf-8")
        words = ["iverilog", "-g2012", "-s", "bench", "-o", "bench.vvp", "top.v"]
        try:
            run_tool(words, cwd=Path(scratch))
        except ToolFailed as failed:
            return f"no circuit: {failed.output.splitlines()[0][:80]}"
        return _watched(Path(scratch))


_LONGEST = 120


def _watched(folder: Path) -> str:
    """Run the bench; a circuit that goes round without end is wrong too."""
    try:
        done = subprocess.run(
            ["vvp", "-n", "bench.vvp"], cwd=folder, capture_output=True, text=True, check=False,
            timeout=_LONGEST,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "it does not come to an end"
    told = re.search(r"^(same|other: .*)$", done.stdout, re.MULTILINE)
    if told is None:
        return f"no end: {done.stdout[-80:]}{done.stderr[-80:]}"
    return "" if told[1] == "same" else told[1].removeprefix("other: ")
