"""Nodes that move a window over an image: convolutions and pools."""

from dataclasses import dataclass, field
from math import gcd
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from .checks import CAP, bad, frozen, make_edge, whole
from .grid import Edge, Grid
from .nodes import Node
from .sums import binary_sums, integer_sums, with_value
from .window import Window

__all__ = ["Conv", "IntConv", "MaxPool", "SumPool"]

_PAD_CAP = 1 << 12


def _tuple(node: Node, what: str, count: int, least: int, most: int) -> None:
    """Make the field `what` of `node` a tuple of plain ints."""
    value = getattr(node, what)
    if not isinstance(value, tuple | list) or len(value) != count:
        raise bad(node, f"needs {count} whole numbers as {what}, not {value!r}")
    numbers = tuple(whole(node, part, what, least=least, most=most) for part in value)
    object.__setattr__(node, what, numbers)


def _positions(node: Node, window: Window, edge: Edge) -> tuple[int, int]:
    if len(edge.shape) != 3:
        raise bad(node, f"reads {edge.shape} instead of (channels, height, width)")
    down, across = window.positions(edge.shape[1:])
    if min(down, across) < 1:
        raise bad(node, f"has a window of {window.extent} that does not fit {edge.shape}")
    return down, across


@dataclass(frozen=True, eq=False)
class _Convolution(Node):
    """What both convolutions have in common: geometry, groups and padding."""

    weight_type: ClassVar[Any] = np.uint8

    weight: npt.NDArray[Any] = field(default_factory=lambda: np.zeros((0, 0, 0, 0), np.uint8))
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    pad_value: int = 0
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        raw = np.asarray(self.weight)
        if raw.ndim != 4 or not 0 < raw.size <= CAP:
            raise bad(
                self, f"needs weights of shape (rows, channels, height, width), not {raw.shape}"
            )
        self._check_weight(raw)
        object.__setattr__(self, "weight", frozen(raw, self.weight_type))
        _tuple(self, "stride", 2, 1, _PAD_CAP)
        _tuple(self, "padding", 4, 0, _PAD_CAP)
        _tuple(self, "dilation", 2, 1, _PAD_CAP)
        limit = 1 << 40
        pad = whole(self, self.pad_value, "pad_value", least=-limit, most=limit)
        object.__setattr__(self, "pad_value", pad)
        groups = whole(self, self.groups, "groups", least=1, most=raw.shape[0])
        if raw.shape[0] % groups:
            raise bad(self, f"has {raw.shape[0]} rows, which {groups} groups do not divide")
        object.__setattr__(self, "groups", groups)

    def _check_weight(self, raw: npt.NDArray[Any]) -> None:
        raise NotImplementedError

    @property
    def rows(self) -> int:
        """Number of output channels."""
        return int(self.weight.shape[0])

    @property
    def channels(self) -> int:
        """Number of input channels, over all groups."""
        return int(self.weight.shape[1]) * self.groups

    @property
    def columns(self) -> int:
        """Number of weights of an output channel."""
        return int(np.prod(self.weight.shape[1:]))

    @property
    def window(self) -> Window:
        """What an output sees of the image."""
        high, wide = map(int, self.weight.shape[2:])
        return Window((high, wide), self.stride, self.padding, self.dilation)

    def _read(self, edge: Edge) -> tuple[tuple[int, int, int], Grid]:
        """Give the shape of the output and the grid of what taps read, padding included."""
        positions = _positions(self, self.window, edge)
        if edge.shape[0] != self.channels:
            raise bad(self, f"reads {edge.shape[0]} channels but has weights for {self.channels}")
        if not self.window.padded:
            return (self.rows, *positions), edge.grid
        if self.pad_value not in (0, *_values(edge.grid, self.pad_value)):
            raise bad(self, f"pads with {self.pad_value}, which is neither 0 nor on {edge.grid}")
        return (self.rows, *positions), with_value(edge.grid, self.pad_value)


def _values(grid: Grid, value: int) -> tuple[int, ...]:
    """Give `value` alone where it is on the grid."""
    on = grid.low <= value <= grid.high and (value - grid.low) % grid.step == 0
    return (value,) if on else ()


@dataclass(frozen=True, eq=False)
class Conv(_Convolution):
    """Cross-correlation with ±1 weights.

    Parameters
    ----------
    weight : array of 0 and 1, shape (rows, channels / groups, height, width)
        Bit 1 is +1, bit 0 is −1. The kernel is not flipped.
    stride : tuple of int
        (down, right).
    padding : tuple of int
        (top, left, bottom, right).
    pad_value : int
        Value, not code, of what lies around the image: 0 or any value of the input's grid. On a ±1
        edge 0 leaves the tap out (true zero), and sums then come in steps of 1.
    dilation : tuple of int
        (down, right).
    groups : int
        Divides channels and rows; row r reads the channels of group ``r // (rows / groups)``.
    """

    def _check_weight(self, raw: npt.NDArray[Any]) -> None:
        if not np.isin(raw, (0, 1)).all():
            raise bad(self, "has a weight that is neither bit 0 (−1) nor bit 1 (+1)")

    def edge(self, *edges: Edge) -> Edge:
        """Give (rows, down, across); the grid spans every attainable sum."""
        shape, grid = self._read(edges[0])
        return make_edge(self, shape, binary_sums(grid, self.columns))


@dataclass(frozen=True, eq=False)
class IntConv(_Convolution):
    """Cross-correlation with 8-bit weights.

    Parameters
    ----------
    weight : array of int8, shape (rows, channels / groups, height, width)
    stride, padding, pad_value, dilation, groups
        As `Conv` has them.
    """

    weight_type: ClassVar[Any] = np.int8

    def _check_weight(self, raw: npt.NDArray[Any]) -> None:
        if raw.dtype.kind not in "iu" or raw.min() < -128 or raw.max() > 127:
            raise bad(self, "has a weight that is no whole number from -128 to 127")

    def edge(self, *edges: Edge) -> Edge:
        """Give (rows, down, across); the grid spans every attainable sum of these weights."""
        shape, grid = self._read(edges[0])
        return make_edge(self, shape, integer_sums(grid, self.weight.reshape(self.rows, -1)))


@dataclass(frozen=True, eq=False)
class _Pool(Node):
    """What both pools have in common: geometry."""

    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)

    def __post_init__(self) -> None:
        super().__post_init__()
        _tuple(self, "kernel", 2, 1, _PAD_CAP)
        _tuple(self, "stride", 2, 1, _PAD_CAP)
        _tuple(self, "padding", 4, 0, _PAD_CAP)
        if any(pad >= self.kernel[axis % 2] for axis, pad in enumerate(self.padding)):
            raise bad(self, f"has the padding {self.padding} around windows of {self.kernel}")

    @property
    def window(self) -> Window:
        """What an output sees of the image."""
        return Window(self.kernel, self.stride, self.padding)


@dataclass(frozen=True, eq=False)
class MaxPool(_Pool):
    """Largest value of each window, for each channel; padding never wins.

    Cells that are left over at the bottom and at the right are not seen (floor mode).

    Parameters
    ----------
    kernel : tuple of int
        (height, width).
    stride : tuple of int
        (down, right).
    padding : tuple of int
        (top, left, bottom, right), each below the kernel.
    """

    def edge(self, *edges: Edge) -> Edge:
        """Give (channels, down, across) on the same grid."""
        (source,) = edges
        positions = _positions(self, self.window, source)
        return make_edge(self, (source.shape[0], *positions), source.grid)


@dataclass(frozen=True, eq=False)
class SumPool(_Pool):
    """Sum of each window, for each channel; padding adds nothing.

    An average in integers: what follows takes the division by ``kernel[0] * kernel[1]`` into its
    thresholds or its scale. With the image as its kernel it is the global average.

    Parameters
    ----------
    kernel : tuple of int
        (height, width).
    stride : tuple of int
        (down, right).
    padding : tuple of int
        (top, left, bottom, right), each below the kernel.
    """

    def edge(self, *edges: Edge) -> Edge:
        """Give (channels, down, across); the grid spans every attainable sum."""
        (source,) = edges
        positions = _positions(self, self.window, source)
        most, grid = self.window.taps, source.grid
        least = self.window.fewest_cells(source.shape[1:]) if self.window.padded else most
        # With fewer cells the sum of their lowest values differs by multiples of `low`.
        step = grid.step if least == most else gcd(grid.step, grid.low)
        low = min(most * grid.low, least * grid.low)
        high = max(most * grid.high, least * grid.high)
        span = Grid(low, step, (high - low) // step + 1)
        return make_edge(self, (source.shape[0], *positions), span)
