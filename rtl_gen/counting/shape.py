"""Choose what is added at each level of a count, knowing only how many dots there are."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from bnnhw.fold.pipeline import adder_levels

__all__ = ["Shape", "Step", "shape"]

# Shapes that are looked at further after each level, by two orders.
_BEAM, _FLAT = 60, 20
_SHARES = (2, 3, 4, 5, 6, 7, 8, 10, 12)
# What a dot costs until it is counted, for ranking: measured on finished shapes.
_PAIR_COST, _DOT_COST, _PLAIN_COST = 1.37, 1.27, 1.5


@dataclass(frozen=True)
class Step:
    """What the carries at one weight do in one level. A dot is a bit with a weight.

    Parameters
    ----------
    feeds : int
        Dots that become carries.
    fulls : int
        Full adders: a carry and two dots make a dot, and a carry of the next weight. One cell.
    fives : int
        A carry and four dots make a dot, one of the next weight, and a carry of the weight behind
        that. Two cells.
    halves : int
        A carry and one dot make a dot, and a carry of the next weight. One cell.
    ends : int
        Carries that become dots.
    """

    feeds: int = 0
    fulls: int = 0
    fives: int = 0
    halves: int = 0
    ends: int = 0

    @property
    def cells(self) -> int:
        """Cells that it takes; an end is a part of a feed behind it."""
        return self.feeds + self.fulls + 2 * self.fives + self.halves


@dataclass(frozen=True)
class Shape:
    """Levels of a count.

    Parameters
    ----------
    levels : tuple of tuple of Step
        For each level, a step for each weight, from 1 up.
    cells : int
        Cells of all steps.
    """

    levels: tuple[tuple[Step, ...], ...]
    cells: int


@dataclass(frozen=True)
class _Choice:
    """How one level is filled.

    Parameters
    ----------
    feeds : int
        Feeds at weight 1.
    fives, halves, higher : bool
        Whether there are fives, halves, and feeds at higher weights.
    """

    feeds: int
    fives: bool
    halves: bool
    higher: bool


_State = tuple[int, tuple[int, ...]]  # pairs, and dots of each weight


@lru_cache(maxsize=256)
def shape(pairs: int, heights: tuple[int, ...], levels: int, fives: bool) -> Shape | None:
    """Find levels that leave one dot of each weight at most, with few cells.

    The search is the same each time. A pair is a dot that takes two inputs of a cell, as its value
    is their difference: a feed or an adder takes it, a five does not.

    Parameters
    ----------
    pairs : int
        Pairs of weight 1.
    heights : tuple of int
        Dots of weight 1, 2, 4, …
    levels : int
        Levels that there are.
    fives : bool
        Whether the family's cells make fives.

    Returns
    -------
    Shape or None
        None if nothing was found.
    """
    # Fives leave dots of many weights, for which the last levels can be too few.
    untils = [max(levels - late, 0) for late in range(3)] if fives else []
    for until in dict.fromkeys([*untils, 0]):
        found = _search(pairs, heights, levels, until)
        if found is not None:
            return found
    return None


def _search(pairs: int, heights: tuple[int, ...], levels: int, until: int) -> Shape | None:
    """Look for the cheapest shape whose first `until` levels have fives."""
    most = pairs + sum(count << weight for weight, count in enumerate(heights))
    front: dict[_State, tuple[int, tuple[tuple[Step, ...], ...]]] = {(pairs, heights): (0, ())}
    for level in range(levels):
        following: dict[_State, tuple[int, tuple[tuple[Step, ...], ...]]] = {}
        for state, (cost, path) in front.items():
            for choice in _choices(state, level < until):
                moved = _fill(state, choice)
                # A carry out of the highest weight is never 1, but it may be there.
                if moved is None or len(moved[0][1]) > most.bit_length() + 1:
                    continue
                after, steps = moved
                total = cost + sum(step.cells for step in steps)
                if after not in following or following[after][0] > total:
                    following[after] = (total, (*path, steps))
        front = _best(following, levels - level - 1, until > 0)
    done = [
        (cost, path)
        for (left, dots), (cost, path) in front.items()
        if left == 0 and max(dots, default=0) <= 1
    ]
    if not done:
        return None
    cost, path = min(done, key=lambda entry: entry[0])
    return Shape(path, cost)


def _choices(state: _State, fives: bool) -> Iterator[_Choice]:
    pairs, dots = state
    ready = pairs + (dots[0] if dots else 0)
    feeds = {0, *(ready // share for share in _SHARES), *(-(-ready // share) for share in _SHARES)}
    for count in sorted(feeds):
        for halves in (False, True):
            for higher in (False, True):
                yield _Choice(count, fives, halves, higher)


def _best(found: dict, rest: int, fives: bool) -> dict:
    """Keep what is cheap, and what is flat, as long as it can still be counted in time."""

    def guess(entry: tuple) -> float:
        (pairs, dots), (cost, _) = entry
        if fives:
            return cost + _PAIR_COST * pairs + _DOT_COST * sum(dots)
        return cost + _PLAIN_COST * (pairs + sum(dots))

    def height(entry: tuple) -> float:
        pairs, dots = entry[0]
        return math.hypot(pairs + (dots[0] if dots else 0), *dots[1:])

    def in_time(entry: tuple) -> bool:
        pairs, dots = entry[0]
        highest = max(pairs + (dots[0] if dots else 0), *dots, 0)
        return adder_levels(max(highest, 1)) <= rest

    left = [entry for entry in found.items() if in_time(entry)]
    cheap = sorted(left, key=guess)[:_BEAM]
    flat = sorted(left, key=lambda entry: (height(entry), guess(entry)))[:_FLAT]
    return dict(cheap + flat)


def _fill(state: _State, choice: _Choice) -> tuple[_State, tuple[Step, ...]] | None:
    """Put steps of the chosen kinds at each weight, from the lowest: each takes what it can."""
    pairs, dots = state
    weights = len(dots) + 4
    after, carries = [0] * (weights + 2), [0] * (weights + 2)
    steps: list[Step] = []
    left = 0
    for weight in range(weights):
        ready = dots[weight] if weight < len(dots) else 0
        two_inputs = pairs if weight == 0 else 0
        feeds = 0
        if weight == 0:
            feeds = choice.feeds
            from_pairs = min(feeds, two_inputs)
            two_inputs -= from_pairs
            ready -= feeds - from_pairs
        elif choice.higher:
            feeds = max(ready - 2 * carries[weight], 0) // 3
            if choice.halves and carries[weight] == 0 and ready == 2:
                feeds = 1
            ready -= feeds
        step = _step(ready, two_inputs, carries[weight], feeds, choice)
        if ready < 0 or step is None:
            return None
        operands = 2 * step.fulls + step.halves
        from_pairs = min(two_inputs, operands)
        if weight == 0:
            left = two_inputs - from_pairs
        ready -= operands - from_pairs + 4 * step.fives
        after[weight] += ready + step.fulls + step.fives + step.halves + step.ends
        after[weight + 1] += step.fives
        carries[weight + 1] += step.fulls + step.halves
        carries[weight + 2] += step.fives
        steps.append(step)
    while after and after[-1] == 0:
        after.pop()
    while steps and steps[-1] == Step():
        steps.pop()
    return (left, tuple(after)), tuple(steps)


def _step(ready: int, pairs: int, carries: int, feeds: int, choice: _Choice) -> Step | None:
    """Let each carry meet as many dots as there are."""
    rest = carries + feeds
    available = ready + pairs
    fives = 0
    if choice.fives:
        fives = max(0, min(rest, (available - 2 * rest) // 2, ready // 4))
    fulls = min(rest - fives, (available - 4 * fives) // 2)
    rest -= fives + fulls
    halves = int(choice.halves and rest > 0 and available > 4 * fives + 2 * fulls)
    rest -= halves
    # A feed that ends where it begins is of use only to a pair: it becomes a dot.
    if feeds and rest > carries + min(feeds, pairs):
        return None
    return Step(feeds, fulls, fives, halves, rest)
