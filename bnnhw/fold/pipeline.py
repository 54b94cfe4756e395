"""How many registers stand between the lanes of a group and their count."""

__all__ = ["PIPELINES", "adder_levels", "count_levels"]

PIPELINES = {"area": 0, "balanced": 2, "speed": 1}
"""Levels of adders between registers, by the name of a choice; 0 is no register at all."""


def adder_levels(width: int) -> int:
    """Count the levels of adders behind each other that count `width` bits.

    An adder of two numbers has a carry input that takes one bit more, so 2n + 1 bits need one level
    more than n bits: 1 bit none, 3 bits one, 7 bits two.

    Raises
    ------
    ValueError
        If `width` is below 1.
    """
    if not isinstance(width, int) or width < 1:
        raise ValueError(f"Popcount width must be a positive integer, not {width!r}")
    return width.bit_length() - 1


def count_levels(width: int, every: int) -> int:
    """Count the registers in a popcount, which is its latency in clocks.

    A register stands behind every `every`-th level of adders, and behind the last one if its number
    is a multiple. The same for every target: a target's own cells keep to it.

    Parameters
    ----------
    width : int
        Bits to count.
    every : int
        Levels of adders between registers; 0 is no register at all.

    Raises
    ------
    ValueError
        If `width` is below 1, or `every` below 0.
    """
    levels = adder_levels(width)
    if not isinstance(every, int) or every < 0:
        raise ValueError(f"Levels between registers must be 0 or more, not {every!r}")
    return levels // every if every else 0
