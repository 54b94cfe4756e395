"""From scores in fractions to a class in integers, equal for every attainable logit."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor

import numpy as np
import numpy.typing as npt

from ..graph import Grid

__all__ = ["Undecidable", "class_offsets"]

_VALUES_CAP = 1 << 14
_CLASSES_CAP = 1024
# Stands for no bound: no logit is as large, and a thousand of them stay within 64 bits.
_FREE = 1 << 40


class Undecidable(ValueError):
    """No integer offsets give the class that the scores give."""


def class_offsets(
    grid: Grid, scale: Sequence[Fraction], bias: Sequence[Fraction], *, ordered: bool = False
) -> tuple[int, npt.NDArray[np.int64]]:
    """Find integers with which ``argmax(m * logit + offset)`` is ``argmax(scale * logit + bias)``.

    The first of equals wins on both sides, and the logits are any values of `grid`.

    Parameters
    ----------
    grid : Grid
        Values of every logit.
    scale, bias : sequence of Fraction
        One of each for every class.
    ordered : bool
        Whether all classes must come in the same order by their scores, not only the first.

    Returns
    -------
    m : int
        1 where that suffices, else a power of two.
    offset : array of int, shape (classes,)

    Raises
    ------
    Undecidable
        If there are no such integers; the text is the end of a sentence that says why.
    """
    if min(scale) <= 0:
        raise Undecidable(f"class {scale.index(min(scale))} has a scale that is not positive")
    if len(set(scale)) == 1 and len(set(bias)) == 1:
        return 1, np.zeros(len(scale), np.int64)
    if len(scale) > _CLASSES_CAP:
        raise Undecidable(f"it has {len(scale)} classes with different scales or biases")
    try:
        return 1, _solved(_upper_bounds(grid, scale, bias))
    except Undecidable:
        if len(set(scale)) != 1:
            raise
        return _ranked(grid, [value / scale[0] for value in bias], ordered)


def _ranked(
    grid: Grid, bias: Sequence[Fraction], ordered: bool
) -> tuple[int, npt.NDArray[np.int64]]:
    """Decide with equal scales: whole steps count first, then the rank of what is left over.

    Logits differ by whole steps. With ``bias = step * (whole + rest)``, 0 <= rest < 1, the order of
    ``code + whole + rest`` is that of ``m * (code + whole) + rank(rest)`` for any m above all
    ranks, and equal rests have equal ranks, so that ties stay ties.
    """
    whole = [floor(value / grid.step) for value in bias]
    rests = [value / grid.step - part for value, part in zip(bias, whole, strict=True)]
    ranks = {rest: rank for rank, rest in enumerate(sorted(set(rests)))}
    m = 1 << (len(ranks) - 1).bit_length()
    # A class that no logit can lift past another's may be moved until it is just out of reach:
    # offsets then stay small, whatever the biases are.
    least = max(whole) - grid.levels - 1
    if ordered:
        whole, least = _closer(whole, grid.levels), 0
    parts = [
        (max(part, least), ranks[rest] if part >= least else 0)
        for part, rest in zip(whole, rests, strict=True)
    ]
    offset = np.array([grid.step * (m * (part - least) + rank) for part, rank in parts], np.int64)
    return m, offset - offset.min()


def _closer(whole: Sequence[int], levels: int) -> list[int]:
    """Shorten gaps that no logit crosses to `levels`, and let the least be 0: orders stay."""
    moved, at = {}, 0
    for last, value in pairwise([min(whole), *sorted(set(whole))]):
        at += min(value - last, levels)
        moved[value] = at
    return [moved[value] for value in whole]


def _upper_bounds(
    grid: Grid, scale: Sequence[Fraction], bias: Sequence[Fraction]
) -> npt.NDArray[np.int64]:
    # Entry [i, j] bounds offset[j] - offset[i] from above. Class i < j wins against j where
    # logit[i] - logit[j] >= offset[j] - offset[i]. So the right side may be any integer above the
    # largest difference that must lose and up to the smallest that must win.
    classes = len(scale)
    bounds = np.zeros((classes, classes), np.int64)
    for i in range(classes):
        for j in range(i + 1, classes):
            loses, wins = _pair(grid, (scale[i], bias[i]), (scale[j], bias[j]))
            if wins <= loses:
                raise Undecidable(
                    f"classes {i} and {j} have scales that no integer offset can stand for"
                )
            bounds[i, j], bounds[j, i] = wins, -(loses + 1)
    return bounds


def _pair(
    grid: Grid, first: tuple[Fraction, Fraction], second: tuple[Fraction, Fraction]
) -> tuple[int, int]:
    """Give the largest difference where `first` loses, the smallest where it wins."""
    span = grid.high - grid.low
    (scale, bias), (other_scale, other_bias) = first, second
    if scale == other_scale:
        # Only the difference counts, and every multiple of the step within the span is attainable.
        wins = grid.step * ceil((other_bias - bias) / scale / grid.step)
        if wins > span:
            return span, _FREE
        return (wins - grid.step, wins) if wins > -span else (-_FREE, -span)
    if grid.levels > _VALUES_CAP:
        raise Undecidable(f"its scales differ and its logits take {grid.levels} values")
    loses, wins = -_FREE, _FREE
    for other in range(grid.low, grid.high + 1, grid.step):
        least = (other_scale * other + other_bias - bias) / scale
        code = min(max(ceil((least - grid.low) / grid.step), 0), grid.levels)
        value = grid.low + grid.step * code
        if code < grid.levels:
            wins = min(wins, value - other)
        if code > 0:
            loses = max(loses, value - grid.step - other)
    return loses, wins


def _solved(bounds: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    # Difference constraints: shortest paths (Bellman-Ford) give integers, or a negative circle
    # shows that there are none. Starting at zero finds zero itself where that is a solution.
    offset = np.zeros(len(bounds), np.int64)
    for _ in range(len(bounds) + 1):
        shorter = (offset[:, None] + bounds).min(axis=0)
        if np.array_equal(shorter, offset):
            result: npt.NDArray[np.int64] = offset - offset.min()
            return result
        offset = shorter
    raise Undecidable("the fractions of its biases cannot be stated by integer offsets")
