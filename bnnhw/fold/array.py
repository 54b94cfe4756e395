"""The closed forms of an array that nothing stops: its clocks, and the room behind it."""

from .folding import WRITABLE
from .pipeline import adder_levels, count_levels

__all__ = [
    "ADDERS_FROM",
    "REORDER",
    "behind_clocks",
    "core_clocks",
    "count_clocks",
    "fuses",
    "queue_clocks",
    "room",
    "room_and_clocks",
    "spread_clocks",
    "unit_room",
]

ADDERS_FROM = 4
"""Bits of an activation from which on codes are added as they are, not plane by plane.

On ECP5 and iCE40 alike that is smaller there; docs/decisions.md has the numbers.
"""


REORDER = 2
"""Clocks from the last result of vectors that take turns to the first one that leaves in order."""


def count_clocks(simd: int, every: int) -> int:
    """Count the registers from a registered group to its registered count.

    A count whose last adder has no register gets one of its own, in front of the accumulator.

    Parameters
    ----------
    simd : int
        Lanes of a group.
    every : int
        Levels of adders between registers, see `bnnhw.fold.pipeline`.
    """
    levels = adder_levels(simd)
    ends = every > 0 and levels > 0 and levels % every == 0
    return count_levels(simd, every) + (0 if ends else 1)


def spread_clocks(every: int) -> int:
    """Count the registers that words have for the way from their memories to all elements.

    One where a register stands behind each level of adders: there it is this way that limits the
    clock. From a block RAM of ECP5 to the elements of 8 rows it is up to 6 ns.
    """
    return int(every == 1)


def core_clocks(simd: int, every: int) -> int:
    """Count the clocks from a group at an array to its sum taken.

    The matches, or the words that are compared in the count, are registered; then come the
    registers of the count, and the accumulator.
    """
    return spread_clocks(every) + count_clocks(simd, every) + 2


def queue_clocks(depth: int) -> int:
    """Give the latency of a queue: up to two words are registers, more lie in a memory."""
    return 1 if depth <= 2 else 2


def room(folds: int, clocks: int, hold: int = 1) -> int:
    """Count the results for which there is room behind an array, so that it never waits.

    The last group of a vector starts only if there is a place for its result; the place is known
    to be free two clocks after the result has left. Results start `folds` clocks apart, so that
    ``ceil((clocks + 2) / folds)`` are under way at full rate; one more place lets the word on offer
    wait for as long as the next one takes.

    Parameters
    ----------
    folds : int
        Groups of a vector.
    clocks : int
        From the last group of a vector to its result taken.
    hold : int
        Vectors that take turns: their results come one after another, as many times `folds` clocks
        apart.
    """
    return hold * (-(-(clocks + 2) // (folds * hold)) + 1)


def room_and_clocks(folds: int, clocks: int, hold: int = 1) -> tuple[int, int]:
    """Give the room behind an array, and the clocks from a vector's last group to its result taken.

    Parameters
    ----------
    folds : int
        Groups of a vector.
    clocks : int
        From the last group of a vector to the clock at which the queue behind takes the result.
    hold : int
        See `room`.
    """
    depth = room(folds, clocks + 1, hold)
    if queue_clocks(depth) > 1:
        depth = room(folds, clocks + 2, hold)
    return depth, clocks + queue_clocks(depth)


def fuses(*, levels: int, search: bool, weight_style: str) -> bool:
    """Tell whether sums start at minus their one threshold, so that their sign is the result.

    Thresholds that are loaded at run time lie as they are, and are compared behind the array.
    """
    return levels == 1 and not search and weight_style not in WRITABLE


def behind_clocks(
    *, thresholds: bool, offsets: bool, levels: int, search: bool, weight_style: str
) -> int:
    """Count the clocks that thresholds or offsets take behind an array."""
    if not thresholds:
        return int(offsets)
    if search:
        return levels.bit_length()
    return int(not fuses(levels=levels, search=search, weight_style=weight_style))


def unit_room(*, folds: int, simd: int, every: int, behind: int, hold: int = 1) -> tuple[int, int]:
    """Give the room of a whole unit, and the clocks from a vector's last group to its result taken.

    A group goes, and is read; a clock later it and its weights go into the array; then comes what
    is behind that, and the queue.

    Parameters
    ----------
    folds, simd, every : int
        As above.
    behind : int
        See `behind_clocks`.
    hold : int
        See `room`.
    """
    return room_and_clocks(folds, 1 + core_clocks(simd, every) + behind, hold)
