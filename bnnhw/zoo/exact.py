"""From real parameters to integers, in exact arithmetic: thresholds, and fixed point."""

from bisect import bisect_left
from collections.abc import Sequence
from fractions import Fraction
from math import floor

import numpy as np
import numpy.typing as npt

from ..graph import Grid
from ..load.exact import square_root
from .draws import Norm

__all__ = ["MULTIPLIER_LIMIT", "Cut", "fixed_point", "norm_levels"]

MULTIPLIER_LIMIT = 127
"""Largest multiplier of a fixed-point normalisation, so that it has 8 bits with its sign."""

_MOST_SHIFT = 24

_Channel = tuple[Fraction, Fraction, Fraction, Fraction]

Cut = tuple[Fraction, bool]
"""A number, and whether it must be exceeded (True) or reached (False)."""


def norm_levels(
    norm: Norm, grid: Grid, cuts: Sequence[Cut]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int8]]:
    """Find the values of `grid` from which on a normalised value passes each cut.

    Parameters
    ----------
    norm : Norm
    grid : Grid
        Values that are normalised.
    cuts : sequence of Cut
        Rising.

    Returns
    -------
    levels : array of int64, shape (channels, cuts)
    direction : array of int8, shape (channels,)
        As `Threshold` has them.
    """
    channels = _channels(norm)
    levels = [[_level(channel, grid, cut) for cut in cuts] for channel in channels]
    direction = [-1 if gamma < 0 else 1 for gamma, *_ in channels]
    return np.array(levels, np.int64), np.array(direction, np.int8)


def _level(channel: _Channel, grid: Grid, cut: Cut) -> int:
    (gamma, beta, mean, var), (value, strict) = channel, cut
    # a + b * sqrt(v) >= 0 where a * |a| >= -b * |b| * v: no root is taken.
    right = (value - beta) * abs(value - beta) * var

    def turned(code: int) -> bool:
        scaled = gamma * (grid.low + grid.step * code - mean)
        left = scaled * abs(scaled)
        return (left > right if strict else left >= right) != (gamma < 0)

    first = bisect_left(range(grid.levels), True, key=turned)
    # Where the gain is negative, the last value that passes comes before the first that fails.
    return grid.low + grid.step * (first - (gamma < 0))


def fixed_point(
    norm: Norm, exponent: int, scale: Sequence[Fraction] | None = None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], int]:
    """Round a normalisation to ``(value * multiplier + offset) >> shift``.

    The result is in steps of ``2**-exponent``. The shift is the largest with which every multiplier
    stays within 8 bits; multiplier and offset are rounded to the nearest, halves up, and so is the
    result.

    Parameters
    ----------
    norm : Norm
    exponent : int
        Fraction bits that leave.
    scale : sequence of Fraction or None
        What each channel is multiplied with in front of the normalisation.

    Returns
    -------
    multiplier, offset : array of int64, shape (channels,)
    shift : int
    """
    factors, terms = [], []
    for channel, (gamma, beta, mean, var) in enumerate(_channels(norm)):
        slope = gamma / square_root(var) * (1 << exponent)
        terms.append(beta * (1 << exponent) - slope * mean)
        factors.append(slope * (scale[channel] if scale else 1))
    most = max(map(abs, factors))
    shift = _MOST_SHIFT
    while shift and _nearest(most * (1 << shift)) > MULTIPLIER_LIMIT:
        shift -= 1
    half = 1 << (shift - 1) if shift else 0
    multiplier = np.array([_nearest(factor * (1 << shift)) for factor in factors], np.int64)
    offset = np.array([_nearest(term * (1 << shift)) + half for term in terms], np.int64)
    return multiplier, offset, shift


def _channels(norm: Norm) -> list[_Channel]:
    """Give gamma, beta, mean and variance (with eps) of each channel as they are."""
    parts = (norm.gamma, norm.beta, norm.mean, norm.var)
    eps = Fraction(norm.eps)
    return [
        (Fraction(gamma), Fraction(beta), Fraction(mean), Fraction(var) + eps)
        for gamma, beta, mean, var in zip(*(part.tolist() for part in parts), strict=True)
    ]


def _nearest(value: Fraction) -> int:
    return floor(value + Fraction(1, 2))
