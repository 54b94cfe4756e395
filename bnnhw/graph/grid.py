"""What an edge of the graph carries: its shape, and the grid of values its elements can take."""

from dataclasses import dataclass
from math import prod
from operator import index

import numpy as np
import numpy.typing as npt

from ..bits import bits_for

__all__ = ["BIPOLAR", "Edge", "Grid"]


@dataclass(frozen=True)
class Grid:
    """Evenly spaced integers: code k in 0 … levels−1 stands for the value ``low + step * k``.

    Parameters
    ----------
    low : int
        Value of code 0.
    step : int
        Distance between neighbours, at least 1.
    levels : int
        Number of values, at least 1.
    """

    low: int
    step: int
    levels: int

    def __post_init__(self) -> None:
        # NumPy's numbers print otherwise, and a graph's digest is taken of what is printed.
        for name in ("low", "step", "levels"):
            object.__setattr__(self, name, index(getattr(self, name)))
        if self.step < 1 or self.levels < 1:
            raise ValueError(
                f"A grid needs step >= 1 and levels >= 1, not {self.step!r} and {self.levels!r}"
            )

    @property
    def high(self) -> int:
        """Largest value."""
        return self.low + self.step * (self.levels - 1)

    @property
    def bits(self) -> int:
        """Width of a code."""
        return bits_for(self.levels)

    def values(self, codes: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Turn codes into values."""
        return self.low + self.step * np.asarray(codes).astype(np.int64)

    def codes(self, values: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Turn values into codes.

        Raises
        ------
        ValueError
            If a value is not on the grid.
        """
        offset = np.asarray(values).astype(np.int64) - self.low
        codes: npt.NDArray[np.int64] = offset // self.step
        if offset.size and (
            np.any(offset % self.step) or codes.min() < 0 or codes.max() >= self.levels
        ):
            raise ValueError(f"A value is not on the grid {self}")
        return codes

    def __str__(self) -> str:
        if self.levels == 1:
            return f"{{{self.low}}}"
        if self.levels == 2:
            return f"{{{self.low}, {self.high}}}"
        return f"{{{self.low}, {self.low + self.step}, …, {self.high}}}"


BIPOLAR = Grid(-1, 2, 2)
"""±1: the code is the bit."""


@dataclass(frozen=True)
class Edge:
    """Type of one edge.

    Parameters
    ----------
    shape : tuple of int
        Without the batch axis; (channels, height, width) for images, (features,) for vectors, ()
        for a class.
    grid : Grid
        Values of its elements.
    """

    shape: tuple[int, ...]
    grid: Grid

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)
