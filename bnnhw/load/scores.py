"""From scores in fractions to a class in integers, where classes have scales of their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import numpy as np
import numpy.typing as npt

from ..graph import Grid
from .decide import Undecidable, class_offsets
from .grids import common_unit

__all__ = ["Verdict", "class_scores", "decided"]

_VALUES_CAP = 1 << 14
_CLASSES_CAP = 64
# With logits of 14 bits and an offset as large as the products, scores stay within 62 bits.
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
    """

    offset: npt.NDArray[np.int64]
    scale: int = 1
    multiplier: npt.NDArray[np.int64] | None = None


def decided(grid: Grid, scale: Sequence[Fraction], bias: Sequence[Fraction]) -> Verdict:
    """Find integers that give the class of ``argmax(scale * logit + bias)`` for every logit.

    Parameters
    ----------
    grid : Grid
        Values of every logit.
    scale, bias : sequence of Fraction
        One of each for every class.

    Raises
    ------
    Undecidable
        If there are no such integers; the text is the end of a sentence that says why.
    """
    try:
        common, offset = class_offsets(grid, scale, bias)
        return Verdict(offset, common)
    except Undecidable:
        if min(scale) <= 0 or len(set(scale)) == 1:
            raise
    multiplier, offset = class_scores(grid, scale, bias)
    return Verdict(offset, multiplier=multiplier)


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
    small = len(scale) <= _CLASSES_CAP and grid.levels <= _VALUES_CAP
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
            and np.array_equal(exact, _first_wins(grid, multiplier, offset))
        ):
            return np.array(multiplier, np.int64), np.array(offset, np.int64)
    raise Undecidable(f"its scales need more than {_BITS_CAP} bits")


def _fits(grid: Grid, multiplier: Sequence[int], offset: Sequence[int], bits: int) -> bool:
    """Tell whether multipliers have at most `bits` bits, and scores stay within 62."""
    most, reach = max(multiplier), max(abs(grid.low), abs(grid.high))
    return most < 1 << bits and most * reach + max(map(abs, offset)) < 1 << 61


def _first_wins(
    grid: Grid, scale: Sequence[Fraction | int], bias: Sequence[Fraction | int]
) -> npt.NDArray[np.int64]:
    """Give for each pair (i, j), i < j, and each logit of j the first code of i that wins."""
    rows = []
    for j in range(len(scale)):
        for i in range(j):
            # scale[i] * x + bias[i] >= scale[j] * y + bias[j], over one denominator: c*x >= a*y + b
            gap = bias[j] - bias[i]
            bottom = lcm(scale[i].denominator, scale[j].denominator, gap.denominator)
            a, b, c = (int(value * bottom) for value in (scale[j], gap, scale[i]))
            b -= c * grid.low
            rows.append(
                [
                    min(max(-((-a * y - b) // (c * grid.step)), 0), grid.levels)
                    for y in range(grid.low, grid.high + 1, grid.step)
                ]
            )
    return np.array(rows, np.int64)
