"""From values in fractions to a grid of integers with a scale and an offset."""

from collections.abc import Sequence
from fractions import Fraction
from math import gcd, lcm

from ..graph import BIPOLAR, Grid

__all__ = ["common_grid", "common_unit"]


def common_unit(values: Sequence[Fraction]) -> Fraction:
    """Give the largest fraction that all values are multiples of; 0 if all are 0."""
    bottom = lcm(*(value.denominator for value in values))
    return Fraction(gcd(*(int(value * bottom) for value in values)), bottom)


def common_grid(values: Sequence[Fraction]) -> tuple[Grid, Fraction, Fraction]:
    """Find the grid on which the values are ``scale * value + offset``, without offset if possible.

    Two values are always ±1, for bits are cheap.

    Parameters
    ----------
    values : sequence of Fraction
        At least two different ones, sorted.

    Returns
    -------
    Grid, scale, offset
    """
    low, high = values[0], values[-1]
    unit = common_unit([value - low for value in values])
    levels = int((high - low) / unit) + 1
    if levels == 2:
        return BIPOLAR, unit / 2, (high + low) / 2
    if (low / unit).denominator == 1:
        return Grid(int(low / unit), 1, levels), unit, Fraction(0)
    if (2 * low / unit).denominator == 1:
        # Odd numbers, such as −3, −1, 1, 3.
        return Grid(int(2 * low / unit), 2, levels), unit / 2, Fraction(0)
    return Grid(0, 1, levels), unit, low
