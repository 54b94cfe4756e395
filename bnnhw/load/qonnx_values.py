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
from .onnx_file import OnnxNode

__all__ = ["Affine", "Const", "Decision", "Pixels", "Site", "Value"]

_FRACTIONS_CAP = 1 << 18
_RANK_CAP = 8


@dataclass(frozen=True, eq=False)
class Const:
    """A tensor that is known: floats and ints as they stand in the file, or fractions."""

    array: npt.NDArray[Any]

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
        Its name; it has one axis, the channels.
    shape : tuple of int
        Shape of this tensor with the batch axis first; the channels are axis 1, all others are 1.
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
class Decision:
    """The index of the largest of an `Affine`."""

    scores: Affine


Value = Const | Pixels | Affine | Decision

_WORDS = {Const: "a constant", Pixels: "the input", Affine: "a layer's output", Decision: "a class"}


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
        self.fail(
            f"{what}, which is not supported yet",
            "Fully connected networks with 1-bit inputs, weights and activations are supported.",
        )

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

    def ints(self, value: Value | None, role: str) -> list[int]:
        """Give a constant input that is a short list of integers."""
        array = self.const(value, role)
        if not np.issubdtype(array.dtype, np.integer) or array.ndim > 1 or array.size > 64:
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
        # All axes but the channels have extent 1, so this holds one value for each channel.
        return fractions_of(np.broadcast_to(self.exact(array, role), shape))

    def reshaped(self, value: Value | None, shape: list[int]) -> Value:
        """Give an input in another shape with the same order of elements."""
        if len(shape) > _RANK_CAP:
            self.fail(f"gives a tensor {len(shape)} axes; {_RANK_CAP} are the limit")
        if isinstance(value, Const):
            return Const(value.array.reshape(shape))
        if not isinstance(value, Pixels | Affine):
            self.refuse(value, "the tensor to reshape")
        if shape[:1] != [1] or prod(shape) != prod(value.shape):
            self.unsupported(f"gives a tensor of {value.shape} the shape {shape}")
        if isinstance(value, Pixels):
            return replace(value, shape=tuple(shape))
        if shape[1:2] != [len(value.scale)]:
            self.unsupported(f"moves the channels of {value.shape} to {shape}")
        return replace(value, shape=tuple(shape))
