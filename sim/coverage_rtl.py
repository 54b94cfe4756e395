"""Lines, branches and toggles of generated Verilog that a bench has reached, from Verilator.

Instances of one kind count as one: every network has other modules, and what an adder of one layer
cannot reach, such as a bit that its constants never set, that of another can. Points of signals
without a name of their own stay with their instance. The contents of memories are data, no logic,
and do not count; their ports and addresses do.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bnnhw.plan import Block, Plan, PoolPlan, UnitPlan

__all__ = ["KINDS", "Point", "Waiver", "kinds_of", "merged", "points", "rate", "read"]

KINDS = ("line", "branch", "toggle")

_LINE = re.compile(r"C '(.*)' (\d+)$")
# Names that Yosys and Amaranth make up, or number because another signal has the same one.
_NAMELESS = re.compile(r"(signal|some|\w*_\d+_?)$")
_ARRAY = re.compile(r"reg (?:\[\d+:0\] )?(\w+) *\[\d+:0\];")
_MODULE = re.compile(r"^module (\w+) *(\(.*?^endmodule)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Point:
    """Something that a bench may reach.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    where : str
        Kinds of the component and of the parts on the way to it.
    what : str
        Signal and bit with its edge, or line.
    """

    kind: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind} {self.where} {self.what}"


@dataclass
class Waiver:
    """Points that need not be reached, and why.

    Parameters
    ----------
    points : str
        Regular expression of the whole text of a point.
    reason : str
    used : int
        Points that only this one lets pass.
    """

    points: str
    reason: str
    used: int = 0

    def waives(self, point: Point) -> bool:
        """Tell whether it names a point."""
        return re.fullmatch(self.points, str(point)) is not None


def kinds_of(plan: Plan) -> dict[str, str]:
    """Name the kind of each block's component, by the block."""
    return {block.name: _kind(block) for block in plan.blocks}


def _kind(block: Block) -> str:
    if isinstance(block, PoolPlan):
        return f"{block.operation}pool"
    wired = isinstance(block, UnitPlan) and block.weight_style == "unrolled"
    return "unrolled" if wired else block.kind


def _memories(text: str) -> dict[str, set[str]]:
    """Find the memories by module."""
    return {name: set(_ARRAY.findall(body)) for name, body in _MODULE.findall(text)}


def points(data: str, text: str, blocks: Mapping[str, str], design: str) -> dict[Point, int]:
    """Read what Verilator wrote.

    Parameters
    ----------
    data : str
        Content of its file.
    text : str
        The Verilog.
    blocks : mapping of str to str
        Kinds of the instances directly below the core, by name.
    design : str
        Name that nameless points keep.

    Returns
    -------
    dict of Point to int
        How often each was reached.
    """
    memories = _memories(text)
    found: dict[Point, int] = {}
    for line in data.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        fields = dict(part.split("\x02", 1) for part in match[1].split("\x01") if part)
        page, module = fields["page"].split("/", 1)
        kind = page.removeprefix("v_")
        signal = fields["o"].replace("___05F", "__")
        name = re.match(r"\w*", signal)
        assert name is not None and kind in KINDS, line
        if kind == "toggle" and name[0] in memories.get(module, ()):
            continue
        path = fields["h"].removeprefix("TOP.").split(".")
        where, owner = _where(path, blocks, design)
        if kind != "toggle":
            where, signal = f"{design}: {'.'.join(path)}", f"{fields['l']} {signal}"
        elif _NAMELESS.match(name[0]):
            where = f"{design}: {'.'.join(path)}"
        else:
            signal = _renamed(signal, owner, blocks)
        point = Point(kind, where, signal)
        found[point] = found.get(point, 0) + int(match[2])
    return found


def _where(path: list[str], blocks: Mapping[str, str], design: str) -> tuple[str, str]:
    """Name the kinds on the way to an instance, and the block that it is part of."""
    inner = [re.sub(r"_?\d+$", "", part) for part in path[2:]]
    if "" in blocks:
        return "/".join([blocks[""], *inner]), ""
    if not inner:
        return "/".join(["network", *path[1:]]), ""
    owner = path[2]
    if owner not in blocks:
        return f"{design}: {'.'.join(path)}", ""
    return "/".join([blocks[owner], *inner[1:]]), owner


def _renamed(signal: str, owner: str, blocks: Mapping[str, str]) -> str:
    """Put a block's kind in the place of its name, which some signals carry."""
    names = [owner] if owner else sorted(blocks, key=len, reverse=True)
    for name in names:
        if name and signal.startswith(f"{name}_"):
            return f"{blocks[name]}_{signal[len(name) + 1 :]}"
    return signal


def merged(parts: Iterable[Mapping[Point, int]]) -> dict[Point, int]:
    """Add up what several designs have reached."""
    total: dict[Point, int] = {}
    for part in parts:
        for point, count in part.items():
            total[point] = total.get(point, 0) + count
    return total


def rate(
    found: Mapping[Point, int], waivers: Iterable[Waiver] = ()
) -> tuple[dict[str, tuple[int, int]], list[Point]]:
    """Count points that were reached, of those that must be.

    Returns
    -------
    counts : dict of str to (int, int)
        For each kind the points reached, and all that are not waived.
    missed : list of Point
        Neither reached nor waived.
    """
    rules = list(waivers)
    counts = {kind: [0, 0] for kind in KINDS}
    missed = []
    for point, count in found.items():
        if not count:
            rule = next((rule for rule in rules if rule.waives(point)), None)
            if rule is not None:
                rule.used += 1
                continue
            missed.append(point)
        counts[point.kind][0] += count > 0
        counts[point.kind][1] += 1
    return {kind: (reached, of) for kind, (reached, of) in counts.items()}, missed


def read(path: Path) -> str:
    """Read a file of Verilator's, whose separators are control characters."""
    return path.read_text(encoding="latin-1")
