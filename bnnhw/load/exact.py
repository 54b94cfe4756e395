"""Exact arithmetic: fractions, square roots that decide every sign, thresholds by evaluation."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from ..graph import Grid

__all__ = ["Switch", "as_fraction_array", "find_switch", "fractions_of", "square_root"]

# A decision compares A / sqrt(v) + B with 0, where A, B and v come from 32-bit floats.
# Where v is the square of a fraction, the root below is exact. Otherwise the true value is 0 only
# if A = B = 0, and then the computed one is 0 as well. In every other case A² / v differs from B²
# by more than 2**-1000 (each float is a multiple of 2**-149, and the count that A holds is an
# integer), so the true value is at least about 2**-1400 in size, even for the largest floats.
# A root with this many correct bits therefore gives the true sign, always.
_ROOT_BITS = 2048


def square_root(value: Fraction) -> Fraction:
    """Give the root of a positive fraction: exactly if it is a fraction, else to 2048 bits.

    Raises
    ------
    ValueError
        If `value` is negative.
    """
    if value < 0:
        raise ValueError(f"A square root needs a value of at least 0, not {float(value)!r}")
    top, bottom = isqrt(value.numerator), isqrt(value.denominator)
    if top * top == value.numerator and bottom * bottom == value.denominator:
        return Fraction(top, bottom)
    # sqrt(n / d) = sqrt(n * d * 4**s) / (d * 2**s), with s for the bits that n * d lacks.
    product = value.numerator * value.denominator
    shift = max(0, _ROOT_BITS - product.bit_length() // 2)
    return Fraction(isqrt(product << (2 * shift)), value.denominator << shift)


def fractions_of(array: npt.NDArray[Any]) -> list[Fraction]:
    """Give the elements of an array of floats, ints or fractions, in order, as they are."""
    flat = array.reshape(-1).tolist()
    return [value if isinstance(value, Fraction) else Fraction(value) for value in flat]


@dataclass(frozen=True)
class Switch:
    """Where a monotone condition switches.

    Parameters
    ----------
    level : int
        The condition holds for ``value >= level``, or ``value <= level`` if `direction` is −1.
    direction : int
        +1 or −1.
    """

    level: int
    direction: int


def find_switch(holds: Callable[[int], bool], grid: Grid) -> Switch:
    """Find where `holds` switches over the values of `grid`, by evaluating it.

    Parameters
    ----------
    holds : callable
        Monotone over the grid: it switches once, or never.
    grid : Grid

    Returns
    -------
    Switch
        With a level on the grid; a condition that never holds gets the value after the last one.
    """
    low, high = 0, grid.levels - 1
    first, last = holds(grid.low), holds(grid.high)
    if first and last:
        return Switch(grid.low, 1)
    if not first and not last:
        return Switch(grid.high + grid.step, 1)
    while high - low > 1:
        middle = (low + high) // 2
        if holds(grid.low + grid.step * middle) == first:
            low = middle
        else:
            high = middle
    return Switch(grid.low + grid.step * (low if first else high), -1 if first else 1)


def as_fraction_array(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Turn the elements of an array into fractions, in its shape."""
    result = np.empty(array.size, object)
    result[:] = fractions_of(array)
    shaped: npt.NDArray[Any] = result.reshape(array.shape)
    return shaped
