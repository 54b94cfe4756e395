"""Counts that the rows of a constant matrix share.

Rows of a group split the lanes into classes: the lanes on which all of them agree, or disagree in
the same way, with the group's first row. Each class is counted once, over lanes as the first row
wants them. A row then matches ``2 * part - whole + constant`` lanes, where `whole` is the first
row's own count and `part` the sum of the classes in which the row agrees with it. A group of g rows
has up to 2**(g-1) classes, and all of its sums take about two additions a class: classes are added
in pairs that differ in one row only, and that row needs the sum of one half of each pair.

A row written as another one and a correction is a group of two; rows that agree, or complement each
other, everywhere leave no second class and cost nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from .pipeline import adder_levels

__all__ = ["Leaf", "Program", "Row", "Sum", "leaf_luts", "share", "share_words", "sum_luts"]

_Bits = npt.NDArray[np.uint8]
_Groups = list[list[int]]

GROUP_CAP = 8
"""Most rows of a group that are tried: beyond it classes are single lanes, or nearly so."""
_NEAR = 12
# LUT4 that count 0, 1, 2, … lanes, measured; above that they grow evenly.
_SMALL = (0, 0, 2, 2, 3, 4, 7, 8, 10, 10, 12, 12, 16, 16, 19)


@dataclass(frozen=True)
class Leaf:
    """Ones among some lanes.

    Parameters
    ----------
    lanes : tuple of int
    flips : tuple of int
        1 where the lane's complement is counted.
    plane : int
        Which bit of the lanes' codes.
    """

    lanes: tuple[int, ...]
    flips: tuple[int, ...]
    plane: int = 0


@dataclass(frozen=True)
class Sum:
    """``left + (right << shift)``, of earlier nodes."""

    left: int
    right: int
    shift: int = 0


@dataclass(frozen=True)
class Row:
    """Count of one row: ``sign * (2 * part - whole) + constant``, or of the whole alone.

    Parameters
    ----------
    whole : int
        Node with the count of the group's first row.
    part : int or None
        Node with the count of some of its classes; None counts as all of them.
    sign : int
        −1 where `part` is what the row does not agree with.
    constant : int
    """

    whole: int
    part: int | None
    sign: int
    constant: int


@dataclass(frozen=True)
class Program:
    """How the rows of a matrix are counted.

    Parameters
    ----------
    columns, bits : int
        Lanes of a vector and bits of a lane's code.
    nodes : tuple of Leaf or Sum
        Each behind those that it reads.
    rows : tuple of Row
    groups : tuple of tuple of int
        Rows that share counts.
    """

    columns: int
    bits: int
    nodes: tuple[Leaf | Sum, ...]
    rows: tuple[Row, ...]
    groups: tuple[tuple[int, ...], ...]

    @property
    def tops(self) -> tuple[int, ...]:
        """Largest value of each node."""
        tops: list[int] = []
        for node in self.nodes:
            if isinstance(node, Leaf):
                tops.append(len(node.lanes))
            else:
                tops.append(tops[node.left] + (tops[node.right] << node.shift))
        return tuple(tops)

    @property
    def levels(self) -> tuple[int, ...]:
        """Levels of adders up to each node, its own included."""
        levels: list[int] = []
        for node in self.nodes:
            if isinstance(node, Leaf):
                levels.append(adder_levels(len(node.lanes)))
            else:
                levels.append(max(levels[node.left], levels[node.right]) + 1)
        return tuple(levels)

    def row_level(self, row: Row) -> int:
        """Count the levels of adders up to a row's sum."""
        levels = self.levels
        return levels[row.whole] if row.part is None else _joined(levels, row)

    def stages(self, every: int) -> int:
        """Count the registers from a vector to its rows, the last one included.

        A register stands behind every `every`-th level of adders (0: behind none), and one at the
        end, behind the comparison, which is a level of its own.
        """
        if not isinstance(every, int) or every < 0:
            raise ValueError(f"Levels between registers must be 0 or more, not {every!r}")
        levels = self.levels
        deepest = 1 + max(_joined(levels, row) for row in self.rows)
        return -(-deepest // every) if every else 1

    def counts(self, codes: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
        """Run the program: codes of shape (n, columns) → counts of shape (n, rows)."""
        values: list[npt.NDArray[np.int64]] = []
        for node in self.nodes:
            if isinstance(node, Leaf):
                bits = codes[:, node.lanes].astype(np.int64) >> node.plane & 1
                values.append((bits ^ np.array(node.flips)).sum(1))
            else:
                values.append(values[node.left] + (values[node.right] << node.shift))
        found = []
        for row in self.rows:
            value = values[row.whole]
            if row.part is not None:
                value = 2 * values[row.part] - value
            found.append(row.sign * value + row.constant)
        return np.stack(found, axis=1)

    def luts(self) -> float:
        """Estimate the LUT4 of all counts on ECP5, comparisons not included."""
        tops, total = self.tops, 0.0
        for node, top in zip(self.nodes, tops, strict=True):
            total += leaf_luts(top) if isinstance(node, Leaf) else _sum_luts(tops, node)
        return total + sum(sum_luts(tops[row.whole]) for row in self.rows if row.part is not None)


def _joined(levels: Sequence[int], row: Row) -> int:
    if row.part is None:
        return levels[row.whole]
    return max(levels[row.whole], levels[row.part]) + 1


def leaf_luts(lanes: int) -> float:
    """Estimate the LUT4 that count so many lanes on ECP5."""
    return _SMALL[lanes] if lanes < len(_SMALL) else 1.27 * lanes


def sum_luts(top: int) -> float:
    """Estimate the LUT4 that add a number up to `top` to one that is no larger."""
    bits = top.bit_length()
    return {1: 2, 2: 3, 3: 5}.get(bits, bits + 2)


def _sum_luts(tops: Sequence[int], node: Sum) -> float:
    return sum_luts(max(tops[node.left] >> node.shift, tops[node.right]))


@lru_cache(maxsize=64)
def share_words(words: tuple[int, ...], columns: int, bits: int = 1) -> Program:
    """Find the program of a matrix whose rows are words, column 0 in the lowest bit."""
    size = -(-columns // 8)
    packed = b"".join(word.to_bytes(size, "little") for word in words)
    rows = np.frombuffer(packed, np.uint8).reshape(len(words), size)
    return share(np.unpackbits(rows, axis=1, count=columns, bitorder="little"), bits=bits)


def share(matrix: npt.ArrayLike, *, bits: int = 1, group: int | None = None) -> Program:
    """Find a program for a matrix, the same one every time.

    Parameters
    ----------
    matrix : array of 0 and 1, shape (rows, columns)
        A lane adds its code where the weight is 1, and the complement of its code where it is 0.
    bits : int
        Bits of a code.
    group : int, optional
        Most rows that share counts; the default tries all up to `GROUP_CAP` and takes what is
        estimated to be smallest.

    Raises
    ------
    ValueError
        If the matrix is empty or holds anything else, or `bits` or `group` is below 1.
    """
    weights = np.asarray(matrix)
    if weights.ndim != 2 or not weights.size or not np.isin(weights, (0, 1)).all():
        raise ValueError(f"A matrix must hold zeros and ones, not {weights.dtype} {weights.shape}")
    for name, value in (("bits", bits), ("group", 1 if group is None else group)):
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"Sharing {name} must be a positive integer, not {value!r}")
    clean = weights.astype(np.uint8)
    sizes = range(1, min(GROUP_CAP, len(clean)) + 1) if group is None else [group]
    # Groups as even as can be: a small rest shares little.
    counts = dict.fromkeys(-(-len(clean) // size) for size in sizes)
    programs = [_program(clean, _grouped(clean, count), bits) for count in counts]
    return min(programs, key=Program.luts)


def _grouped(weights: _Bits, count: int) -> _Groups:
    """Put rows into `count` groups of even size, each with those that are most alike."""
    signs = weights.astype(np.int32) * 2 - 1
    likeness = np.abs(signs @ signs.T)
    left, groups = list(range(len(weights))), []
    for index in range(count):
        size = -(-len(left) // (count - index))
        group = [left.pop(0)]
        while len(group) < size:
            near = sorted(left, key=lambda row: (-likeness[group, row].max(), row))[:_NEAR]
            best = min(near, key=lambda row: (_entropy(weights[[*group, row]]), row))
            group.append(best)
            left.remove(best)
        groups.append(group)
    return groups


def _entropy(weights: _Bits) -> float:
    """Say how evenly classes divide the lanes: what few large classes hold is counted cheaply."""
    counts = np.unique(_patterns(weights), return_counts=True)[1]
    return float(-(counts * np.log2(counts / weights.shape[1])).sum())


def _patterns(weights: _Bits) -> npt.NDArray[np.int64]:
    """Give each lane's class: bit k is set where row k + 1 disagrees with row 0."""
    differs = (weights[1:] ^ weights[0]).astype(np.int64)
    patterns: npt.NDArray[np.int64] = (differs << np.arange(len(weights) - 1)[:, None]).sum(0)
    return patterns


class _Builder:
    """Nodes made so far, each only once."""

    def __init__(self) -> None:
        self.nodes: list[Leaf | Sum] = []
        self.tops: list[int] = []
        self._known: dict[Leaf | Sum, int] = {}

    def _node(self, node: Leaf | Sum, top: int) -> int:
        if node not in self._known:
            self._known[node] = len(self.nodes)
            self.nodes.append(node)
            self.tops.append(top)
        return self._known[node]

    def leaf(self, lanes: Sequence[int], flips: Sequence[int], bits: int) -> int:
        """Count some lanes, all planes of them."""
        planes = []
        for plane in range(bits):
            leaf = Leaf(tuple(lanes), tuple(flips), plane)
            planes.append((self._node(leaf, len(lanes)), plane))
        while len(planes) > 1:
            paired = [
                (self.sum(low, high, above - below), below)
                for (low, below), (high, above) in zip(planes[::2], planes[1::2], strict=False)
            ]
            planes = paired + planes[len(planes) & ~1 :]
        return planes[0][0]

    def sum(self, left: int, right: int, shift: int = 0) -> int:
        """Add two nodes."""
        top = self.tops[left] + (self.tops[right] << shift)
        return self._node(Sum(left, right, shift), top)

    def total(self, parts: Sequence[int]) -> int:
        """Add nodes, always the two smallest, so that adders are narrow."""
        left = sorted(parts, key=lambda part: (self.tops[part], part))
        while len(left) > 1:
            left = [*left[2:], self.sum(left[0], left[1])]
            left.sort(key=lambda part: (self.tops[part], part))
        return left[0]


def _program(weights: _Bits, groups: _Groups, bits: int) -> Program:
    build = _Builder()
    rows: dict[int, Row] = {}
    for group in groups:
        rows.update(zip(group, _group(build, weights[group], bits), strict=True))
    return Program(
        columns=int(weights.shape[1]),
        bits=bits,
        nodes=tuple(build.nodes),
        rows=tuple(rows[row] for row in range(len(weights))),
        groups=tuple(tuple(group) for group in groups),
    )


def _group(build: _Builder, weights: _Bits, bits: int) -> list[Row]:
    """Add the counts of a group, and give its rows."""
    patterns = _patterns(weights)
    classes: dict[int, int] = {}
    for pattern in np.unique(patterns).tolist():
        lanes = np.flatnonzero(patterns == pattern)
        flips = 1 - weights[0, lanes]
        classes[pattern] = build.leaf(lanes.tolist(), flips.tolist(), bits)
    top, halves = (1 << bits) - 1, []
    for _ in range(len(weights) - 1):
        halves.append(_half(build, classes))
        classes = _merged(classes, build.sum)
    (whole,) = classes.values()
    rows = [Row(whole, None, 1, 0)]
    for row, (part, sign) in zip(weights[1:], halves, strict=True):
        minus = top * int((row ^ weights[0]).sum())
        if part is None:
            rows.append(Row(whole, None, sign, 0 if sign > 0 else minus))
        else:
            # Of lanes that disagree, those count that the first row does not.
            rows.append(Row(whole, part, sign, minus))
    return rows


def _half(build: _Builder, classes: dict[int, int]) -> tuple[int | None, int]:
    """Sum the classes where the next row agrees, or those where it does not: what is less."""
    sides = [[node for pattern, node in classes.items() if pattern & 1 == k] for k in (0, 1)]
    if not sides[1]:
        return None, 1
    if not sides[0]:
        return None, -1
    tops = [sum(build.tops[node] for node in side) for side in sides]
    side = 0 if (len(sides[0]), tops[0]) <= (len(sides[1]), tops[1]) else 1
    return build.total(sides[side]), (1, -1)[side]


def _merged(classes: dict[int, int], add: Callable[[int, int], int]) -> dict[int, int]:
    """Leave out the next row: classes that differ in it alone become one."""
    merged: dict[int, int] = {}
    for pattern, node in classes.items():
        key = pattern >> 1
        merged[key] = add(merged[key], node) if key in merged else node
    return merged
