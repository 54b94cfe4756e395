"""Nodes with small integers instead of bits: 8-bit dense layers, scale and offset."""

from dataclasses import dataclass, field
from math import gcd

import numpy as np
import numpy.typing as npt

from .checks import CAP, bad, frozen, make_edge, whole
from .grid import Edge, Grid
from .nodes import Node
from .sums import integer_sums

__all__ = ["Affine", "IntDense"]

_CLIP_CAP = 1 << 62


@dataclass(frozen=True, eq=False)
class IntDense(Node):
    """Dot products of the input with rows of 8-bit weights.

    Parameters
    ----------
    weight : array of int8, shape (rows, columns)
    """

    weight: npt.NDArray[np.int8] = field(default_factory=lambda: np.zeros((0, 0), np.int8))

    def __post_init__(self) -> None:
        super().__post_init__()
        raw = np.asarray(self.weight)
        if raw.ndim != 2 or not 0 < raw.size <= CAP:
            raise bad(self, f"needs weights of shape (rows, columns), not {raw.shape}")
        if raw.dtype.kind not in "iu" or raw.min() < -128 or raw.max() > 127:
            raise bad(self, "has a weight that is no whole number from -128 to 127")
        object.__setattr__(self, "weight", frozen(raw, np.int8))

    @property
    def rows(self) -> int:
        """Number of dot products."""
        return int(self.weight.shape[0])

    @property
    def columns(self) -> int:
        """Number of weights of a row."""
        return int(self.weight.shape[1])

    def edge(self, *edges: Edge) -> Edge:
        """Give the rows; the grid spans every attainable sum of these weights."""
        (source,) = edges
        if source.shape != (self.columns,):
            raise bad(self, f"reads {source.shape} but its rows have {self.columns} weights")
        return make_edge(self, (self.rows,), integer_sums(source.grid, self.weight))


@dataclass(frozen=True, eq=False)
class Affine(Node):
    """Scale and offset in fixed point: ``(value * multiplier[c] + offset[c]) >> shift``.

    The shift rounds down, also below zero (floor); half a unit in the offset, ``1 << shift - 1``,
    makes it round to the nearest, halves up. What is beyond `clip` becomes its end.

    Parameters
    ----------
    multiplier, offset : array of int, shape (channels,)
    shift : int
        0 to 48.
    clip : tuple of int or None
        (lowest, highest) value that leaves.
    """

    multiplier: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    offset: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    shift: int = 0
    clip: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        multiplier, offset = np.asarray(self.multiplier), np.asarray(self.offset)
        for what, array in (("multiplier", multiplier), ("offset", offset)):
            kind = array.dtype
            fits = array.ndim == 1 and array.size and array.shape == multiplier.shape
            if not fits or kind.kind not in "iu" or kind == np.uint64:
                raise bad(
                    self, f"needs one integer {what} for each channel, not {kind} {array.shape}"
                )
            object.__setattr__(self, what, frozen(array, np.int64))
        object.__setattr__(self, "shift", whole(self, self.shift, "shift", least=0, most=48))
        if self.clip is not None:
            if not isinstance(self.clip, tuple | list) or len(self.clip) != 2:
                raise bad(self, f"needs two ends to clip to, not {self.clip!r}")
            low, high = (
                whole(self, end, "clip", least=-_CLIP_CAP, most=_CLIP_CAP) for end in self.clip
            )
            if low > high:
                raise bad(self, f"clips to {low} … {high}, which is nothing")
            object.__setattr__(self, "clip", (low, high))

    def edge(self, *edges: Edge) -> Edge:
        """Give the same shape; the grid spans what every channel can give."""
        (source,) = edges
        if not source.shape or source.shape[0] != self.multiplier.size:
            raise bad(self, f"has {self.multiplier.size} multipliers but reads {source.shape}")
        make_edge(self, source.shape, self._products(source.grid))
        return make_edge(self, source.shape, self._shifted(self._products(source.grid)))

    def _products(self, grid: Grid) -> Grid:
        pairs = list(zip(self.multiplier.tolist(), self.offset.tolist(), strict=True))
        ends = [m * end + b for m, b in pairs for end in (grid.low, grid.high)]
        low, high = min(ends), max(ends)
        steps = [m * grid.step for m, _ in pairs] if grid.levels > 1 else []
        step = gcd(*steps, *(m * grid.low + b - low for m, b in pairs)) or 1
        return Grid(low, step, (high - low) // step + 1)

    def _shifted(self, grid: Grid) -> Grid:
        if self.shift:
            low, high = grid.low >> self.shift, grid.high >> self.shift
            # Multiples of the divisor stay evenly spaced; everything else becomes every integer.
            even = grid.step % (1 << self.shift) == 0
            step = grid.step >> self.shift if even else 1
            grid = Grid(low, step, (high - low) // step + 1)
        if self.clip is None:
            return grid
        low, high = (min(max(end, self.clip[0]), self.clip[1]) for end in (grid.low, grid.high))
        return Grid(low, 1, high - low + 1) if (low, high) != (grid.low, grid.high) else grid
