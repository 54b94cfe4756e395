"""What a tensor of an ONNX graph can be while it is interpreted; errors that name a node."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from ..errors import UsageError
from ..names import printable
from .chain import Chain
from .exact import as_fraction_array, fractions_of
from .grids import common_grid
from .onnx_file import OnnxNode
from .qonnx_orders import Arranged, arranged
from .support import SUPPORTED

__all__ = [
    "Affine",
    "Arranged",
    "Best",
    "Const",
    "Decision",
    "Padded",
    "Pixels",
    "Rectified",
    "Site",
    "Value",
]

_FRACTIONS_CAP = 1 << 18
_RANK_CAP = 8
_ORDER_CAP = 1 << 23
_LEVELS_CAP = 1 << 16


@dataclass(frozen=True, eq=False)
class Const:
    """A tensor that is known.

    Parameters
    ----------
    array : array
        Floats and ints as they stand in the file, or fractions.
    unit : array or None
        Where a quantiser made the tensor: what it is whole multiples of, in as many axes.
    """

    array: npt.NDArray[Any]
    unit: npt.NDArray[Any] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return tuple(self.array.shape)


@dataclass(frozen=True)
class Pixels:
    """A function of each 8-bit pixel of the input image.

    Parameters
    ----------
    tables : tuple of (tuple of 256 Fraction)
        One for all pixels, or one for each channel of a tensor with four axes.
    image : tuple of int
        Shape of the input without the batch axis. Of an image of one channel, every table makes a
        channel; otherwise table k is that of channel k.
    shape : tuple of int
        Shape of this tensor with the batch axis; the elements are in the order of the channels.
    """

    tables: tuple[tuple[Fraction, ...], ...]
    image: tuple[int, ...]
    shape: tuple[int, ...]

    def mapped(self, function: Callable[[Fraction], Fraction]) -> "Pixels":
        """Give the tensor with a function applied to every element."""
        return replace(self, tables=tuple(tuple(map(function, table)) for table in self.tables))

    def spread(self, steps: list[tuple[Fraction, Fraction]]) -> "Pixels":
        """Give the tensor with ``scale * x + offset`` applied, one of each for every channel."""
        tables = self.tables * (len(steps) // len(self.tables))
        return replace(
            self,
            tables=tuple(
                tuple(scale * value + offset for value in table)
                for table, (scale, offset) in zip(tables, steps, strict=True)
            ),
            shape=(1, len(steps), *self.shape[2:]),
        )


@dataclass(frozen=True)
class Affine:
    """``scale[c] * value + offset[c]`` of an integer edge of the graph that is being built.

    Parameters
    ----------
    edge : str
        Its name; its elements are in the order of this tensor, its first axis is the channels.
    shape : tuple of int
        Shape of this tensor with the batch axis first; the channels are axis 1.
    scale, offset : tuple of Fraction
        One of each for every channel.
    """

    edge: str
    shape: tuple[int, ...]
    scale: tuple[Fraction, ...]
    offset: tuple[Fraction, ...]

    def changed(self, scale: list[Fraction], offset: list[Fraction]) -> "Affine":
        """Give the tensor with ``scale * x + offset`` applied, one of each for every channel."""
        return replace(
            self,
            scale=tuple(a * s for a, s in zip(self.scale, scale, strict=True)),
            offset=tuple(b * s + o for b, s, o in zip(self.offset, scale, offset, strict=True)),
        )


@dataclass(frozen=True)
class Padded:
    """A tensor with cells around each image, for the convolution that follows.

    Parameters
    ----------
    inner : Affine
    padding : tuple of int
        (top, left, bottom, right).
    value : Fraction
    """

    inner: Affine
    padding: tuple[int, int, int, int]
    value: Fraction


@dataclass(frozen=True)
class Rectified:
    """``max(x, 0)`` of an `Affine`, for the quantiser that follows."""

    inner: Affine


@dataclass(frozen=True)
class Decision:
    """The index of the largest of an `Affine`, or where `k` is given those of the k largest."""

    scores: Affine
    k: int | None = None


@dataclass(frozen=True)
class Best:
    """The scores of the classes of a `Decision`."""

    decision: Decision


Value = Const | Pixels | Affine | Arranged | Padded | Rectified | Decision | Best

_WORDS = {
    Const: "a constant",
    Pixels: "the input",
    Affine: "a layer's output",
    Arranged: "a rearranged tensor",
    Padded: "a padded tensor",
    Rectified: "the output of a Relu",
    Decision: "a class",
    Best: "the best scores",
}


@dataclass(frozen=True)
class Site:
    """A node while it is interpreted: what its handler may touch, and how it complains.

    Parameters
    ----------
    path : str
        Path of the file, for messages.
    node : OnnxNode
    chain : Chain
        Where layers are added.
    """

    path: str
    node: OnnxNode
    chain: Chain

    def fail(self, what: str, todo: str = "Change the model and export it again.") -> NoReturn:
        """Raise a UsageError that names the node."""
        label = f"{printable(self.node.op)} '{self.node.name}'"
        raise UsageError(f"'{self.path}': {label} {what}.", todo)

    def unsupported(self, what: str) -> NoReturn:
        """Raise a UsageError for what may come later."""
        self.fail(f"{what}, which is not supported yet", SUPPORTED)

    def refuse(self, value: Value | None, role: str) -> NoReturn:
        """Raise a UsageError for an input of the wrong kind."""
        found = "nothing" if value is None else _WORDS[type(value)]
        self.unsupported(f"reads {found} as {role}")

    def const(self, value: Value | None, role: str) -> npt.NDArray[Any]:
        """Give a constant input."""
        if not isinstance(value, Const):
            self.refuse(value, role)
        return value.array

    def affine(self, value: Value | None, role: str) -> Affine:
        """Give an input that is a layer's output."""
        if not isinstance(value, Affine):
            self.refuse(value, role)
        return value

    def edge(self, value: Value | None, role: str) -> Affine:
        """Give an input that is a layer's output, or the image itself as integers."""
        return self._image(value) if isinstance(value, Pixels) else self.affine(value, role)

    def _image(self, x: Pixels) -> Affine:
        values = sorted({value for table in x.tables for value in table})
        count = f"{len(values)} different value{'s' * (len(values) > 1)}"
        if len(values) < 2:
            self.unsupported(f"reads an input of {count}")
        grid, scale, offset = common_grid(values)
        if grid.levels > _LEVELS_CAP:
            self.fail(
                f"reads an input of {count} that nothing has quantised, which is not supported yet",
                "Give the model a quantiser of the image (Quant of 8 bits) and export it again.",
            )
        codes = {value: (value - offset) / scale for value in values}
        lut = grid.codes([[int(codes[value]) for value in table] for table in x.tables])
        name = self.chain.image(x.image, lut[0] if len(lut) == 1 else lut, grid)
        if name is None:
            self.unsupported("reads the input in another way than an earlier layer")
        shape = self.chain.edges[name].shape
        whole = Affine(name, (1, *shape), (scale,) * shape[0], (offset,) * shape[0])
        return self._moved(whole, list(x.shape))

    def picture(self, value: Value | None, role: str) -> Affine:
        """Give an input that is an edge of (channels, height, width)."""
        found = self.edge(value, role)
        if len(found.shape) != 4 or self.chain.edges[found.edge].shape != found.shape[1:]:
            self.unsupported(f"reads a tensor of shape {found.shape} as {role}")
        return found

    def ints(self, value: Value | None, role: str) -> list[int]:
        """Give a constant input that is a short list of integers."""
        array = self.const(value, role)
        if array.dtype.kind not in "iu" or array.ndim > 1 or array.size > 64:
            self.fail(f"needs a list of integers as {role}, not {array.dtype} {array.shape}")
        return [int(element) for element in array.reshape(-1)]

    def exact(self, array: npt.NDArray[Any], role: str) -> npt.NDArray[Any]:
        """Give a constant as an array of fractions."""
        if array.size > _FRACTIONS_CAP:
            self.unsupported(f"calculates with {array.size} constants as {role}")
        return as_fraction_array(array)

    def scalar(self, array: npt.NDArray[Any], role: str) -> Fraction:
        """Give the single value of a constant."""
        found = set(fractions_of(self.exact(array, role)))
        if len(found) != 1:
            self.unsupported(f"has {len(found)} different values as {role}")
        return found.pop()

    def channels(
        self, array: npt.NDArray[Any], shape: tuple[int, ...], role: str
    ) -> list[Fraction]:
        """Give one value of a constant for each channel of a tensor that it is broadcast to."""
        try:
            fits = np.broadcast_shapes(array.shape, shape) == shape
        except ValueError:
            fits = False
        if not fits:
            self.fail(f"has {role} of shape {array.shape} for a tensor of shape {shape}")
        extents = (1,) * (len(shape) - array.ndim) + array.shape
        if any(extent > 1 for axis, extent in enumerate(extents) if axis != 1):
            self.unsupported(f"has {role} that is not the same all over a channel")
        found = fractions_of(self.exact(array, role))
        return found if len(found) == shape[1] else found * shape[1]

    def reshaped(self, value: Value | None, shape: list[int]) -> Value:
        """Give an input in another shape with the same order of elements."""
        if len(shape) > _RANK_CAP:
            self.fail(f"gives a tensor {len(shape)} axes; {_RANK_CAP} are the limit")
        if isinstance(value, Const):
            unit = value.unit
            if unit is not None:
                unit = unit.reshape((1,) * len(shape)) if unit.size == 1 else None
            return Const(value.array.reshape(shape), unit)
        if not isinstance(value, Pixels | Affine | Arranged):
            self.refuse(value, "the tensor to reshape")
        if shape[:1] != [1] or prod(shape) != prod(value.shape):
            self.unsupported(f"gives a tensor of {value.shape} the shape {shape}")
        if isinstance(value, Pixels):
            return replace(value, shape=tuple(shape))
        return self.ordered(value, self.order(value).reshape(shape))

    def order(self, value: Affine | Arranged) -> npt.NDArray[np.int64]:
        """Give the place in its edge of each element of a tensor."""
        if isinstance(value, Arranged):
            return value.index
        size = prod(value.shape)
        if size > _ORDER_CAP:
            self.unsupported(f"rearranges {size} elements")
        return np.arange(size).reshape(value.shape)

    def ordered(self, value: Affine | Arranged, index: npt.NDArray[np.int64]) -> Value:
        """Give the elements of a tensor's edge in another order."""
        inner = value.inner if isinstance(value, Arranged) else value
        same = np.array_equal(index.reshape(-1), np.arange(index.size))
        if same and index.shape[1:2] in ((len(inner.scale),), (index.size,)):
            return self._moved(inner, list(index.shape))
        if len(self.chain.edges[inner.edge].shape) != 3:
            self.unsupported(f"moves the channels of {inner.shape} to {list(index.shape)}")
        return arranged(self.chain, inner, index)

    def _moved(self, x: Affine, shape: list[int]) -> Affine:
        channels = len(x.scale)
        if shape[1:2] == [channels]:
            return replace(x, shape=tuple(shape))
        if shape[1:2] != [prod(shape)]:
            self.unsupported(f"moves the channels of {x.shape} to {shape}")
        # Channels become features, as many of each as it has cells.
        cells = prod(shape) // channels
        scale, offset = (
            tuple(value for value in each for _ in range(cells)) for each in (x.scale, x.offset)
        )
        return Affine(self.chain.flat(x.edge), tuple(shape), scale, offset)
