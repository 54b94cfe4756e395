"""Which values a sum of weighted values can take."""

from math import gcd
from typing import Any

import numpy as np
import numpy.typing as npt

from .grid import Grid

__all__ = ["binary_sums", "integer_sums", "with_value"]


def with_value(grid: Grid, value: int) -> Grid:
    """Give the coarsest grid that holds `grid` and `value`."""
    step = gcd(grid.step if grid.levels > 1 else 0, abs(value - grid.low)) or grid.step
    low, high = min(grid.low, value), max(grid.high, value)
    return Grid(low, step, (high - low) // step + 1)


def binary_sums(grid: Grid, count: int) -> Grid:
    """Give the sums of `count` values of `grid`, each times +1 or −1."""
    reach = count * max(abs(grid.low), abs(grid.high))
    # Changing one code moves the sum by `step`, changing one weight by twice a value.
    step = gcd(grid.step if grid.levels > 1 else 0, 2 * grid.low) or 1
    return Grid(-reach, step, 2 * reach // step + 1)


def integer_sums(grid: Grid, weight: npt.NDArray[Any]) -> Grid:
    """Give the sums of values of `grid` times each row of `weight`, over all rows."""
    rows = weight.astype(np.int64)
    positive = np.where(rows > 0, rows, 0).sum(axis=1)
    negative = np.where(rows < 0, rows, 0).sum(axis=1)
    lows = [int(p) * grid.low + int(n) * grid.high for p, n in zip(positive, negative, strict=True)]
    highs = [
        int(p) * grid.high + int(n) * grid.low for p, n in zip(positive, negative, strict=True)
    ]
    # Within a row, sums differ by multiples of the step times the divisor of its weights.
    unit = grid.step * int(np.gcd.reduce(rows, axis=None)) if grid.levels > 1 else 0
    step = gcd(unit, *(low - lows[0] for low in lows)) or 1
    return Grid(min(lows), step, (max(highs) - min(lows)) // step + 1)
