"""What a tensor of a PyTorch module can be besides what tensors of ONNX can be."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from .pieces import Pieces
from .qonnx_values import Affine, Const, Pixels, Rectified, Site, Value

__all__ = ["Curve", "Layer", "Rounding", "Squashed", "TorchValue"]


@dataclass(frozen=True)
class Rounding:
    """How what is float in the module becomes integer in the graph; halves go up.

    Parameters
    ----------
    weights : int
        Bits of weights that are not ±1 times one number, with one scale for each row of a
        convolution and one for all of a dense layer: the largest becomes the largest number.
    activations : int
        Bits of what layers with such weights read, scaled so that the largest value that the
        example has shown becomes the largest number; larger ones are clipped.
    carriers : int
        Bits of what is added to another branch, where no exact unit is common to both.
    multipliers : int
        Bits of the numbers that normalised values are multiplied with for the two above.
    curves : int
        Bits of a hyperbolic tangent or logistic function that a layer with such weights reads.
    """

    weights: int = 8
    activations: int = 8
    carriers: int = 8
    multipliers: int = 16
    curves: int = 6


@dataclass(frozen=True)
class Squashed:
    """``scale[c] * kind(inner) + offset[c]``, where `kind` is "tanh" or "sigmoid"."""

    inner: Affine
    kind: str
    scale: tuple[Fraction, ...]
    offset: tuple[Fraction, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of this tensor."""
        return self.inner.shape

    def changed(self, scale: list[Fraction], offset: list[Fraction]) -> "Squashed":
        """Give the tensor with ``scale * x + offset`` applied, one of each for every channel."""
        return replace(
            self,
            scale=tuple(a * s for a, s in zip(self.scale, scale, strict=True)),
            offset=tuple(b * s + o for b, s, o in zip(self.offset, scale, offset, strict=True)),
        )


@dataclass(frozen=True)
class Curve:
    """A function in pieces of every element, the same all over."""

    inner: Affine | Squashed | Pixels
    pieces: Pieces

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of this tensor."""
        return self.inner.shape


TorchValue = Value | Squashed | Curve


@dataclass(frozen=True)
class Layer:
    """An operation while it is read: what its handler may touch.

    Parameters
    ----------
    site : Site
    rounding : Rounding or None
        None: whatever is not exact is refused.
    seen : mapping of str to (float, float)
        Least and largest value of each argument, and of the output as ``""``, for the example.
    notes : list of str
        Receives what was rounded, in words.
    known : dict
        Edges made so far, by what they were made of.
    """

    site: Site
    rounding: Rounding | None
    seen: Mapping[str, tuple[float, float]]
    notes: list[str]
    known: dict[Any, Affine] = field(default_factory=dict)

    def allow(self, what: str) -> Rounding:
        """Give the way to round, and note what is.

        Raises
        ------
        UsageError
            If nothing may be rounded.
        """
        if self.rounding is None:
            self.site.fail(f"{what}, which is not exact", "Allow rounding, or change the module.")
        self.notes.append(f"{self.site.node.name}: {what}")
        return self.rounding

    def words(self, value: TorchValue | None) -> str:
        """Say what a value is."""
        kinds: dict[type, str] = {
            Affine: "a layer's output", Const: "a constant", Curve: "a bent tensor",
            Pixels: "the input", Rectified: "the output of a ReLU", Squashed: "a squashed tensor",
        }  # fmt: skip
        return kinds.get(type(value), "something else")
