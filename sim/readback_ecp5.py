"""An ECP5 bitstream unpacked: packed again, and its memories and tables held against the design."""

import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bnnhw.errors import CheckFailed
from bnnhw.graph import Dense, Threshold
from bnnhw.plan import Plan
from rtl_gen.tools import environment, find_program, run_tool, toolchain

from .routed import Placed

__all__ = [
    "Compared",
    "compare_rams",
    "compare_tables",
    "compare_weights",
    "ram_cells",
    "rams",
    "repacked",
    "tables",
    "unpacked",
]

_Place = tuple[int, int, int]
"""Column and row of a block RAM, and its number there."""
_TILE = re.compile(r"^\.tile (?:\w+_)?R(\d+)C(\d+):(\w+)\n((?:.+\n)*)", re.MULTILINE)
_WORDS = 2048


@dataclass(frozen=True)
class Compared:
    """What was held against each other.

    Parameters
    ----------
    items : int
        Block RAMs, weights' memories or tables.
    bits : int
    wrong : int
        Bits that differ.
    what : str
        Where the first of them is.
    """

    items: int
    bits: int
    wrong: int
    what: str

    @property
    def passed(self) -> bool:
        """Whether something was compared and nothing differed."""
        return self.bits > 0 and not self.wrong


def unpacked(bitstream: bytes) -> str:
    """Give a bitstream as text, tile by tile, as Project Trellis reads it."""
    return _convert("ecpunpack", ["--input", "chip.bit", "--textcfg", "chip.config"],
                    {"chip.bit": bitstream}, "chip.config").decode()  # fmt: skip


def repacked(text: str) -> bytes:
    """Pack such a text as a build does."""
    return _convert("ecppack", ["--compress", "--input", "chip.config", "--bit", "chip.bit"],
                    {"chip.config": text.encode()}, "chip.bit")  # fmt: skip


def _convert(name: str, words: list[str], files: Mapping[str, bytes], result: str) -> bytes:
    # Unpacking is no step of a build: the program lies beside the packer, in either set of tools.
    packer = toolchain("ecp5").programs["ecppack"]
    program = packer.with_name(packer.name.replace("ecppack", name))
    with tempfile.TemporaryDirectory() as scratch:
        for file, content in files.items():
            (Path(scratch) / file).write_bytes(content)
        found = program if program.exists() else find_program(program.name) or program
        run_tool([found, *words], cwd=Path(scratch), env=environment("ecp5"))
        return (Path(scratch) / result).read_bytes()


def rams(text: str) -> dict[_Place, tuple[int, ...]]:
    """Find what each block RAM of an unpacked bitstream starts with, by its place.

    A block RAM's tile tells the number of its contents, low bit first; that of a group's fourth one
    lies in two tiles, four bits in the first and the others in the second, and tiles do not say
    that bits are 0.

    Returns
    -------
    dict
        2,048 words of 9 bits.
    """
    numbers: dict[_Place, int] = {}
    for row, column, kind, body in _TILE.findall(text):
        for ram, bits in re.findall(r"^word: EBR(\d)\.WID ([01]{9})$", body, re.MULTILINE):
            known = int(bits[::-1], 2)
            second = ram == "3" and kind != "MIB_EBR7"
            mask = 0x1F0 if second else 0x00F if ram == "3" else 0x1FF
            # A block RAM is called by the column at the left of the tile that has its number.
            place = (int(column) - 1 - second, int(row), int(ram))
            numbers[place] = numbers.get(place, 0) | known & mask
    contents = {
        int(number): tuple(int(word, 16) for word in body.split())
        for number, body in re.findall(
            r"^\.bram_init (\d+)\n((?:[0-9a-f]{3}[ \n])+)", text, re.MULTILINE
        )
    }
    assert all(len(words) == _WORDS for words in contents.values())
    return {place: contents[number] for place, number in numbers.items() if number in contents}


def compare_rams(placed: Placed, text: str) -> Compared:
    """Hold every block RAM against what the synthesised netlist says for the cell placed there."""
    found, netlist = rams(text), _top(placed.netlist)["cells"]
    items = wrong = 0
    what = ""
    for name, place, _ in ram_cells(placed):
        given = netlist[name]["parameters"]
        wanted = [_bits(given.get(f"INITVAL_{row:02X}", "0")) for row in range(64)]
        # A parameter holds 16 rows of 18 bits, each in 20.
        rows = [row >> 20 * k & 0x3FFFF for row in wanted for k in range(16)]
        there = found.get(place, (0,) * _WORDS)
        differ = sum(
            bin(rows[k] ^ (there[2 * k] | there[2 * k + 1] << 9)).count("1") for k in range(1024)
        )
        what = what or (f"{name} at {place}" if differ else "")
        items, wrong = items + 1, wrong + differ
    return Compared(items, items * _WORDS * 9, wrong, what)


def compare_weights(placed: Placed, plan: Plan, text: str) -> dict[str, Compared]:
    """Hold the block RAMs of dense layers against the weights of the network itself.

    Which bit of a block RAM is which weight follows from its cell's name and place, from the levels
    of its address lines, from how wide it reads, and from the folding, with nothing that the build
    computed. Weights lie complemented, which spares inverters; those of a row whose threshold is an
    upper bound are complemented once more.

    Returns
    -------
    dict
        For each dense layer whose weights lie in block RAM, by its name.
    """
    there = rams(text)
    read: dict[str, dict[int, list[int]]] = {}
    for name, place, cell in ram_cells(placed):
        if found := re.fullmatch(r".*\.(\w+)\.weights\.rom\.rom(\d+)", name):
            words = there.get(place, (0,) * _WORDS)
            read.setdefault(found[1], {})[int(found[2])] = _lanes(words, cell)
    units = {unit.name: unit for unit in plan.units}
    falling = {
        node.inputs[0]: np.asarray(node.direction) < 0
        for node in plan.graph.nodes
        if isinstance(node, Threshold)
    }
    result = {}
    for node in plan.graph.nodes:
        if isinstance(node, Dense) and node.name in read:
            unit, bits = units[node.name], np.asarray(node.weight)
            flips = falling.get(node.name, np.zeros(len(bits), bool))
            lying = 1 - (bits ^ flips[:, None])
            result[node.name] = _compare_words(read[node.name], lying, unit.pe, unit.simd)
    return result


def _compare_words(
    columns: Mapping[int, list[int]], weights: npt.NDArray[Any], pe: int, simd: int
) -> Compared:
    """Join block RAMs that lie side by side to words, and look up every weight.

    The array reads words synapse fold fastest; lane s of PE p is bit p·simd + s.
    """
    lanes = [columns[k] for k in sorted(columns)]
    synapse_folds = -(-weights.shape[1] // simd)
    wrong, what = 0, ""
    for (row, column), weight in np.ndenumerate(weights):
        number = row // pe * synapse_folds + column // simd
        at = row % pe * simd + column % simd
        for lane in lanes:
            if at < lane[0]:
                differs = lane[1 + number] >> at & 1 != weight
                break
            at -= lane[0]
        else:
            differs = True
        wrong += bool(differs)
        what = what or (f"row {row}, column {column}" if differs else "")
    return Compared(len(lanes), weights.size, wrong, what)


def _lanes(words: Sequence[int], cell: Mapping[str, Any]) -> list[int]:
    """Read a block RAM as its connected outputs do: bits of a row, then the rows in order."""
    width = _bits(cell["parameters"]["DATA_WIDTH_A"])
    sides = [s for s in "AB" if any(cell["connections"].get(f"DO{s}{k}") for k in range(18))]
    usable, unit = (width, max(width, 9)) if width >= 9 else (8, 9)
    rows = []
    for side in sides:
        fixed = sum(
            1 << k for k in range(14)
            if cell["parameters"].get(f"AD{side}{k}MUX", "").strip() == "1"
        )  # fmt: skip
        start = (fixed >> 3) * 9 // unit if width >= 9 else 0
        groups = [words[k] | (words[k + 1] << 9 if unit == 18 else 0)
                  for k in range(0, _WORDS, unit // 9)]  # fmt: skip
        part = [
            group >> low & (1 << width) - 1 for group in groups for low in range(0, usable, width)
        ]
        rows.append(part[start:])
    high = rows[1] if len(rows) > 1 else [0] * len(rows[0])
    joined = [low | up << width for low, up in zip(rows[0], high, strict=False)]
    return [width * len(sides), *joined]


def tables(text: str) -> dict[str, int]:
    """Find every table of an unpacked bitstream, by the place that nextpnr calls it by."""
    found = {}
    for row, column, _, body in _TILE.findall(text):
        for name, bits in re.findall(r"^word: (SLICE[A-D]\.K[01])\.INIT ([01]{16})$", body, re.M):
            found[f"X{column}/Y{row}/{name}"] = int(bits, 2)
    return found


def compare_tables(placed: Placed, text: str) -> Compared:
    """Hold every table of logic against the netlist's cell that lies there.

    The router may exchange inputs, and an input that nothing drives is 1: what counts are the
    entries that inputs can choose, in any one order of inputs; of a carry cell its first two inputs
    stay so, and the lower quarter as well.
    """
    found = tables(text)
    items = bits = wrong = 0
    what = ""
    for name, cell in _top(placed.routed)["cells"].items():
        mode = cell["parameters"].get("MODE", "LOGIC")
        if cell["type"] != "TRELLIS_COMB" or mode == "RAMW_BLOCK":
            continue
        wanted = _bits(cell["parameters"]["INITVAL"])
        there = found.get(cell["attributes"]["NEXTPNR_BEL"], _UNSET)
        nets: dict[int, list[int]] = {}
        for k, pin in enumerate("ABCD"):
            for net in cell["connections"].get(pin, ()):
                nets.setdefault(net, []).append(k)
        wired = list(nets.values())
        differ = 1 << len(nets)
        for way in _ways(wired, mode):
            differ = min(differ, _differ(wanted, there, wired, way, mode == "CCU2"))
            if not differ:
                break
        what = what or (f"{name} at {cell['attributes']['NEXTPNR_BEL']}" if differ else "")
        items, bits, wrong = items + 1, bits + (1 << len(nets)), wrong + differ
    return Compared(items, bits, wrong, what)


# What a table is of which a bitstream does not speak.
_UNSET = 0xFFFF


def _ways(wired: Sequence[Sequence[int]], mode: str) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Give the inputs at which the router may have left the nets of `wired` inputs."""
    alone = [[pin] for pins in wired for pin in pins]
    for groups in (wired, alone):
        # A net of two inputs may have kept both, or come to one alone.
        for way in permutations(range(4), len(groups)):
            if mode == "CCU2" and any(
                pins[0] // 2 != at // 2 for pins, at in zip(groups, way, strict=True)
            ):
                continue
            at = iter(way)
            if groups is wired:
                yield tuple((place,) for place in at)
            else:
                yield tuple(tuple(next(at) for _ in pins) for pins in wired)


def _differ(
    wanted: int,
    there: int,
    wired: Sequence[Sequence[int]],
    way: Sequence[Sequence[int]],
    quarter: bool,
) -> int:
    """Count the entries that differ, where the net of inputs `wired[k]` has come to `way[k]`."""
    count = 0
    for levels in product((0, 1), repeat=len(wired)):
        first = second = 15
        for level, inputs, others in zip(levels, wired, way, strict=True):
            for pin in inputs if not level else ():
                first &= ~(1 << pin)
            for pin in others if not level else ():
                second &= ~(1 << pin)
        # What a carry is without one in front of it: the same table, both upper inputs 0.
        lower = quarter and wanted >> (first & 3) & 1 != there >> (second & 3) & 1
        count += wanted >> first & 1 != there >> second & 1 or lower
    return count


def ram_cells(placed: Placed) -> Iterator[tuple[str, _Place, Mapping[str, Any]]]:
    """Go through the block RAMs of a placed design: name, place, and the cell as nextpnr has it."""
    for name, cell in sorted(_top(placed.routed)["cells"].items()):
        if cell["type"] in ("DP16KD", "PDPW16KD"):
            bel = cell["attributes"]["NEXTPNR_BEL"]
            place = re.fullmatch(r"X(\d+)/Y(\d+)/EBR(\d)", bel)
            if place is None:
                raise CheckFailed(f"{name} lies at {bel}.", "Look at nextpnr's netlist.")
            column, row, ram = (int(number) for number in place.groups())
            yield name, (column, row, ram), cell


def _top(text: str) -> Any:
    (top,) = [
        module
        for module in json.loads(text)["modules"].values()
        if int(module["attributes"].get("top", "0"), 2)
    ]
    return top


def _bits(value: Any) -> int:
    return int(re.sub("[^1]", "0", str(value)), 2)
