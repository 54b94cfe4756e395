"""From scores in fractions to a class in integers, where classes have scales of their own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import numpy as np
import numpy.typing as npt

from ..graph import Grid
from .decide import Undecidable, class_offsets
from .grids import common_unit

__all__ = ["Verdict", "class_scores", "decided"]

# Comparisons of a logit with a class that are worked out in fractions: some seconds at most.
_TABLE_CAP = 1 << 21
_BITS_CAP = 44
_EXACT_BITS = 20


@dataclass(frozen=True, eq=False)
class Verdict:
    """The class is the first largest ``(multiplier or scale) * logit + offset``.

    Parameters
    ----------
    offset : array of int, shape (classes,)
    scale : int
        Of all classes, for the Argmax.
    multiplier : array of int, shape (classes,), or None
        One for each class; takes an `Affine` of its own.
    k : int or None
        Classes to send, in the order of these scores, of equals the first first; None for the first
        class alone.
    """

    offset: npt.NDArray[np.int64]
    scale: int = 1
    multiplier: npt.NDArray[np.int64] | None = None
    k: int | None = None


def decided(
    grid: Grid, scale: Sequence[Fraction], bias: Sequence[Fraction], *, k: int | None = None
) -> Verdict:
    """Find integers that give the class of ``argmax(scale * logit + bias)`` for every logit.

    Parameters
    ----------
    grid : Grid
        Values of every logit.
    scale, bias : sequence of Fraction
        One of each for every class.
    k : int or None
        Classes that are decided, in the order of their scores; None for an `Argmax`.

    Raises
    ------
    Undecidable
        If there are no such integers; the text is the end of a sentence that says why.
    """
    try:
        common, offset = class_offsets(grid, scale, bias, ordered=k is not None)
        return Verdict(offset, common, k=k)
    except Undecidable:
        if min(scale) <= 0 or len(set(scale)) == 1:
            raise
    multiplier, offset = class_scores(grid, scale, bias)
    return Verdict(offset, multiplier=multiplier, k=k)


def class_scores(
    grid: Grid, scale: Sequence[Fraction], bias: Sequence[Fraction]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Find the smallest integer multipliers and offsets that decide as positive scales do.

    Scale and bias are rounded to more and more bits. A rounding is taken only if, for each pair of
    classes and each value of the one logit, the other logit wins from the very same value on: then
    every comparison of two attainable scores, ties included, ends as it does in fractions.

    Parameters
    ----------
    grid : Grid
        Values of every logit.
    scale, bias : sequence of Fraction
        One of each for every class.

    Raises
    ------
    Undecidable
        If the numbers would become too large; the text is the end of a sentence that says why.
    """
    whole = common_unit([*scale, *bias])
    multiplier, offset = ([int(value / whole) for value in part] for part in (scale, bias))
    small = len(scale) * (len(scale) - 1) // 2 * grid.levels <= _TABLE_CAP
    # Small numbers to begin with, such as 1 and 3, are taken as they are; larger ones only where
    # there are too many logits to look for shorter ones.
    if _fits(grid, multiplier, offset, _EXACT_BITS if small else _BITS_CAP):
        return np.array(multiplier, np.int64), np.array(offset, np.int64)
    if not small:
        raise Undecidable(
            f"its scales differ for {len(scale)} classes of {grid.levels} values each"
        )
    largest = max(scale)
    exact = _first_wins(grid, [s / largest for s in scale], [b / largest for b in bias])
    for bits in range(_BITS_CAP):
        unit = largest / (1 << bits)
        multiplier, offset = ([round(value / unit) for value in part] for part in (scale, bias))
        if (
            min(multiplier) > 0
            and _fits(grid, multiplier, offset, _BITS_CAP)
            and _agrees(grid, multiplier, offset, exact)
        ):
            return np.array(multiplier, np.int64), np.array(offset, np.int64)
    raise Undecidable(f"its scales need more than {_BITS_CAP} bits")


def _fits(grid: Grid, multiplier: Sequence[int], offset: Sequence[int], bits: int) -> bool:
    """Tell whether multipliers have at most `bits` bits, and scores stay within 60."""
    most, reach = max(multiplier), max(abs(grid.low), abs(grid.high))
    return most < 1 << bits and most * reach + max(map(abs, offset)) < 1 << 59


def _pairs(count: int) -> Iterator[tuple[int, int]]:
    return ((i, j) for j in range(count) for i in range(j))


def _first_wins(
    grid: Grid, scale: Sequence[Fraction], bias: Sequence[Fraction]
) -> list[npt.NDArray[np.int64]]:
    """Give for each pair (i, j), i < j, and each logit of j the first code of i that wins."""
    rows = []
    for i, j in _pairs(len(scale)):
        # scale[i] * x + bias[i] >= scale[j] * y + bias[j], over one denominator: c*x >= a*y + b
        gap = bias[j] - bias[i]
        bottom = lcm(scale[i].denominator, scale[j].denominator, gap.denominator)
        a, b, c = (int(value * bottom) for value in (scale[j], gap, scale[i]))
        b -= c * grid.low
        codes = [
            min(max(-((-a * y - b) // (c * grid.step)), 0), grid.levels)
            for y in range(grid.low, grid.high + 1, grid.step)
        ]
        rows.append(np.array(codes, np.int64))
    return rows


def _agrees(
    grid: Grid,
    multiplier: Sequence[int],
    offset: Sequence[int],
    exact: Sequence[npt.NDArray[np.int64]],
) -> bool:
    """Tell whether integers win from the same codes on."""
    y = grid.values(np.arange(grid.levels))
    for (i, j), codes in zip(_pairs(len(multiplier)), exact, strict=True):
        least = multiplier[j] * y + (offset[j] - offset[i] - multiplier[i] * grid.low)
        found = -(-least // (multiplier[i] * grid.step))
        if not np.array_equal(found.clip(0, grid.levels), codes):
            return False
    return True
