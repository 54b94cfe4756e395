"""The node kinds of the integer graph: what they compute in integers, nothing about hardware."""

from dataclasses import dataclass, field
from math import gcd
from operator import index
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ..errors import UsageError
from ..names import checked
from .checks import make_edge
from .grid import BIPOLAR, Edge, Grid

__all__ = ["Argmax", "Dense", "Flatten", "Input", "Node", "Threshold", "TopK"]

_CAP = 1 << 26


def _frozen(array: npt.ArrayLike, dtype: npt.DTypeLike) -> npt.NDArray[np.generic]:
    result = np.array(array, dtype=dtype, order="C")
    result.setflags(write=False)
    return result


def _bad(node: "Node", what: str) -> UsageError:
    return UsageError(
        f"{type(node).__name__} '{node.name}': {what}.",
        "Mend the model or the code that built this graph.",
    )


@dataclass(frozen=True, eq=False)
class Node:
    """One operation; its output edge carries its name.

    Parameters
    ----------
    name : str
        Passes `bnnhw.names.checked`.
    inputs : tuple of str
        Names of the nodes whose outputs it reads.
    """

    arity: ClassVar[int] = 1

    name: str
    inputs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        checked(self.name, "node name")
        if len(self.inputs) != self.arity:
            raise _bad(self, f"has {len(self.inputs)} inputs instead of {self.arity}")

    def edge(self, *edges: Edge) -> Edge:
        """Give the type of the output for the types of the inputs.

        Raises
        ------
        UsageError
            If the inputs do not suit this node.
        """
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Input(Node):
    """Where images enter.

    Parameters
    ----------
    shape : tuple of int
        (channels, height, width) or (features,).
    grid : Grid
        Values that the first layer sees.
    lut : array of 256 codes, or of shape (channels, 256), or None
        Code of each 8-bit pixel, for all channels or for each; None where codes are given
        directly.
    image_channels : int or None
        Channels of the image where each channel has a table; as many, or 1: then every table makes
        a channel out of the same pixels (thermometer code).
    """

    arity: ClassVar[int] = 0

    shape: tuple[int, ...] = ()
    grid: Grid = BIPOLAR
    lut: npt.NDArray[np.int64] | None = None
    image_channels: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "shape", tuple(map(index, self.shape)))
        size = 1
        for extent in self.shape:
            size *= extent
            if extent < 1 or size > _CAP:
                raise _bad(self, f"has the shape {self.shape}, which is empty or too large")
        if not 1 <= len(self.shape) <= 3:
            raise _bad(self, f"has {len(self.shape)} axes instead of 1 to 3")
        if self.lut is not None:
            lut = _frozen(self.lut, np.int64)
            shapes = [(256,), (self.shape[0], 256)][: len(self.shape)]
            if lut.shape not in shapes or lut.min() < 0 or lut.max() >= self.grid.levels:
                raise _bad(self, f"needs a table of 256 codes below {self.grid.levels}")
            object.__setattr__(self, "lut", lut)
        many = self.lut is not None and self.lut.ndim == 2
        if many != (self.image_channels is not None) or self.image_channels not in (
            *(None, 1),
            self.shape[0],
        ):
            raise _bad(self, f"has tables for an image of {self.image_channels} channels")

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of an image, before its pixels become codes."""
        return self.shape if self.image_channels is None else (self.image_channels, *self.shape[1:])

    def encode(self, pixels: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
        """Give the codes of images: shape (n, *image_shape) → (n, *shape)."""
        if self.lut is None:
            return pixels.astype(np.int64)
        if self.lut.ndim == 1:
            return self.lut[pixels.astype(np.intp)]
        channel = np.arange(self.shape[0]).reshape(-1, *(1,) * (len(self.shape) - 1))
        return self.lut[channel, pixels.astype(np.intp)]

    def edge(self, *edges: Edge) -> Edge:
        """Give shape and grid as declared."""
        return make_edge(self, self.shape, self.grid)


@dataclass(frozen=True, eq=False)
class Flatten(Node):
    """Channels, height, width → features; the channel is the slowest index (C, H, W order)."""

    def edge(self, *edges: Edge) -> Edge:
        """Give one axis of the same size."""
        return Edge((edges[0].size,), edges[0].grid)


@dataclass(frozen=True, eq=False)
class Dense(Node):
    """Dot products of the input with rows of ±1 weights.

    Parameters
    ----------
    weight : array of 0 and 1, shape (rows, columns)
        Bit 1 is +1, bit 0 is −1.
    """

    weight: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 0), np.uint8))

    def __post_init__(self) -> None:
        super().__post_init__()
        raw = np.asarray(self.weight)
        if raw.ndim != 2 or not 0 < raw.size <= _CAP:
            raise _bad(self, f"needs weights of shape (rows, columns), not {raw.shape}")
        if not np.isin(raw, (0, 1)).all():
            raise _bad(self, "has a weight that is neither bit 0 (−1) nor bit 1 (+1)")
        object.__setattr__(self, "weight", _frozen(raw, np.uint8))

    @property
    def rows(self) -> int:
        """Number of dot products."""
        return int(self.weight.shape[0])

    @property
    def columns(self) -> int:
        """Number of weights of a row."""
        return int(self.weight.shape[1])

    def edge(self, *edges: Edge) -> Edge:
        """Give the rows; the grid spans every attainable sum."""
        (source,) = edges
        if source.shape != (self.columns,):
            raise _bad(self, f"reads {source.shape} but its rows have {self.columns} weights")
        grid = source.grid
        reach = self.columns * max(abs(grid.low), abs(grid.high))
        # Changing one code moves the sum by `step`, changing one weight by twice a value.
        step = gcd(grid.step, 2 * grid.low) or 1
        return make_edge(self, (self.rows,), Grid(-reach, step, 2 * reach // step + 1))


@dataclass(frozen=True, eq=False)
class Threshold(Node):
    """Count the thresholds that a value reaches, per channel.

    ``n = sum(value >= levels[c])`` where ``direction[c] = +1`` and ``n = sum(value <= levels[c])``
    where it is −1; the output is ``grid.low + grid.step * n``.

    Parameters
    ----------
    levels : array of int, shape (channels, n)
        Thresholds, in values of the input edge; they may lie outside what is attainable (a constant
        channel).
    direction : array of +1 and −1, shape (channels,)
    grid : Grid
        n + 1 levels.
    """

    levels: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    direction: npt.NDArray[np.int8] = field(default_factory=lambda: np.zeros(0, np.int8))
    grid: Grid = BIPOLAR

    def __post_init__(self) -> None:
        super().__post_init__()
        levels, direction = np.asarray(self.levels), np.asarray(self.direction)
        if levels.ndim != 2 or levels.size < 1 or levels.dtype.kind not in "iu":
            raise _bad(
                self,
                "needs integer thresholds of shape (channels, n), "
                f"not {levels.dtype} {levels.shape}",
            )
        if direction.shape != levels.shape[:1] or not np.isin(direction, (-1, 1)).all():
            raise _bad(self, "needs one direction, +1 or −1, for each channel")
        if self.grid.levels != levels.shape[1] + 1:
            raise _bad(
                self, f"has {levels.shape[1]} thresholds for {self.grid.levels} output levels"
            )
        object.__setattr__(self, "levels", _frozen(levels, np.int64))
        object.__setattr__(self, "direction", _frozen(direction, np.int8))

    def edge(self, *edges: Edge) -> Edge:
        """Give the same shape on the output grid."""
        (source,) = edges
        if not source.shape or source.shape[0] != self.levels.shape[0]:
            raise _bad(
                self, f"has thresholds for {self.levels.shape[0]} channels but reads {source.shape}"
            )
        return make_edge(self, source.shape, self.grid)


@dataclass(frozen=True, eq=False)
class Argmax(Node):
    """Index of the largest ``scale * value + offset``; the first of equals wins.

    Parameters
    ----------
    offset : array of int, shape (classes,)
    scale : int
        At least 1; above 1 where offsets stand for fractions of a logit.
    """

    offset: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    scale: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        offset = np.asarray(self.offset)
        if offset.ndim != 1 or offset.dtype.kind not in "iu":
            raise _bad(
                self, f"needs one integer offset for each class, not {offset.dtype} {offset.shape}"
            )
        object.__setattr__(self, "offset", _frozen(offset, np.int64))
        object.__setattr__(self, "scale", index(self.scale))
        if not 1 <= self.scale <= _CAP:
            raise _bad(self, f"needs a scale of at least 1, not {self.scale}")

    def edge(self, *edges: Edge) -> Edge:
        """Give one class index."""
        (source,) = edges
        if source.shape != self.offset.shape:
            raise _bad(self, f"has {self.offset.size} offsets but reads {source.shape}")
        return Edge((), Grid(0, 1, self.offset.size))


@dataclass(frozen=True, eq=False)
class TopK(Argmax):
    """Indices of the `k` largest ``scale * value + offset``, largest first.

    Of equals the first is larger, so that the order is complete.

    Parameters
    ----------
    offset, scale
        As `Argmax` has them.
    k : int
        From 1 to the number of classes.
    """

    k: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "k", index(self.k))
        if not 1 <= self.k <= self.offset.size:
            raise _bad(self, f"sends {self.k} of {self.offset.size} classes")

    def edge(self, *edges: Edge) -> Edge:
        """Give k class indices."""
        return Edge((self.k,), super().edge(*edges).grid)
