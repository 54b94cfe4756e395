"""From what is float in a module to integers of a few bits, each step with a bound that is known.

A rounded tensor differs from the exact one by at most half a unit for the rounding itself and by
``|value| / 2**(multipliers - 1)`` or less for the rounded multiplier, apart from values beyond what
the example has shown, which are clipped.
"""

from fractions import Fraction
from math import floor
from typing import Any

import numpy as np
import numpy.typing as npt

from ..graph import Affine as AffineNode
from ..graph import Grid
from .pieces import TooManyPieces, Unbounded
from .qonnx_values import Affine, Const, Pixels, Rectified
from .squash import inverse
from .torch_activation import activation, resolved
from .torch_values import Curve, Layer, Squashed, TorchValue

__all__ = ["even", "fixed", "is_even", "limits", "narrow", "small_weights"]

_HALF = Fraction(1, 2)
_MOST_SHIFT = 48
# Sums of ±1 over thousands of taps are narrower, sums of products of 8 bits are wider.
_WIDE = 16


def _nearest(value: Fraction) -> int:
    return floor(value + _HALF)


def limits(low: float, high: float, bits: int) -> tuple[Fraction, tuple[int, int]]:
    """Give the unit in which values from `low` to `high` fill `bits`, and the ends of integers."""
    if low >= 0:
        top = (1 << bits) - 1
        return Fraction(high or 1.0) / top, (0, top)
    top = (1 << (bits - 1)) - 1
    return Fraction(max(-low, high)) / top, (-top - 1, top)


def is_even(x: Affine, *, zero: bool = True) -> bool:
    """Tell whether all channels have one positive scale, and no offset if `zero`."""
    same = len(set(x.scale)) == 1 and x.scale[0] > 0 and len(set(x.offset)) == 1
    return same and not (zero and x.offset[0])


def fixed(
    layer: Layer, x: Affine, unit: Fraction, clip: tuple[int, int], multipliers: int
) -> Affine:
    """Add a normalisation in fixed point that gives whole multiples of `unit`."""
    factors = [scale / unit for scale in x.scale]
    terms = [offset / unit for offset in x.offset]
    most, limit = max(map(abs, factors)), (1 << (multipliers - 1)) - 1
    shift = _MOST_SHIFT
    if most:
        ratio = Fraction(limit) / most
        shift = max(0, min(shift, floor(ratio).bit_length() - 1))
    half = 1 << (shift - 1) if shift else 0
    multiplier = np.array([_nearest(factor * (1 << shift)) for factor in factors], np.int64)
    offset = np.array([_nearest(term * (1 << shift)) + half for term in terms], np.int64)
    name = layer.site.chain.named("norm")
    node = AffineNode(name, (x.edge,), multiplier, offset, shift, clip)
    edge = layer.site.chain.add(node)
    channels = len(x.scale)
    return Affine(edge, x.shape, (unit,) * channels, (Fraction(0),) * channels)


def even(
    layer: Layer,
    value: TorchValue | None,
    name: str,
    *,
    zero: bool = False,
    bits: int | None = None,
) -> Affine:
    """Give a tensor as an edge whose channels have one scale, exactly where possible.

    Parameters
    ----------
    layer : Layer
    value : TorchValue
    name : str
        Of the argument, which the example has shown.
    zero : bool
        Whether 0 must be a value of the edge, as padding needs it.
    bits : int or None
        How many bits a rounded one has; by default those of activations.
    """
    value = resolved(layer, value)
    key = "even", value, layer.seen.get(name), zero, bits
    if not isinstance(value, Affine | Rectified | Curve | Squashed):
        return _even(layer, value, name, zero=zero, bits=bits)
    if key not in layer.known:
        layer.known[key] = _even(layer, value, name, zero=zero, bits=bits)
        layer.known.setdefault(("rounded", value), layer.known[key])
    return layer.known[key]


def _even(
    layer: Layer, value: TorchValue | None, name: str, *, zero: bool, bits: int | None
) -> Affine:
    site = layer.site
    if isinstance(value, Pixels):
        return site.edge(_pixels(layer, value, zero), name)
    if isinstance(value, Curve):
        return _stepped(layer, value, name)
    if isinstance(value, Squashed):
        return _squashed(layer, value, name, zero)
    low, high = layer.seen.get(name, (-1.0, 1.0))
    if isinstance(value, Rectified):
        inner, low = value.inner, 0.0
        if is_even(inner) and not _wide(layer, inner):
            # Exact: the largest of the integer and 0.
            top = max(site.chain.grid(inner.edge).high, 0)
            return fixed_exactly(layer, inner, (0, top))
        value = inner
    elif isinstance(value, Affine):
        if is_even(value, zero=zero) and not _wide(layer, value):
            return value
    else:
        site.refuse(value, name)
    rounding = layer.allow(f"reads {bits or _bits(layer)}-bit integers")
    unit, clip = limits(low, high, bits or rounding.activations)
    return fixed(layer, value, unit, clip, rounding.multipliers)


def _bits(layer: Layer) -> int:
    return layer.rounding.activations if layer.rounding else 8


def _wide(layer: Layer, x: Affine) -> bool:
    return layer.site.chain.grid(x.edge).bits > _WIDE


def narrow(layer: Layer, value: TorchValue | None, name: str) -> Affine:
    """Give a branch as an edge; sums that are wider than those of ±1 are rounded first."""
    if isinstance(value, Affine) and not _wide(layer, value):
        return value
    return even(layer, value, name)


def fixed_exactly(layer: Layer, x: Affine, clip: tuple[int, int]) -> Affine:
    """Clip an edge, which is exact."""
    ones = np.ones(len(x.scale), np.int64)
    name = layer.site.chain.named("clip")
    edge = layer.site.chain.add(AffineNode(name, (x.edge,), ones, 0 * ones, 0, clip))
    return Affine(edge, x.shape, x.scale, x.offset)


def _pixels(layer: Layer, x: Pixels, zero: bool) -> Pixels:
    """Give pixels as few integers: as they are, or rounded where their values are uneven."""
    values = sorted({value for table in x.tables for value in table})
    steps = {b - a for a, b in zip(values, values[1:], strict=False)}
    low, high = values[0], values[-1]
    if len(steps) == 1:
        (step,) = steps
        # Around bits a 0 leaves the tap out; else hardware pads with numbers of the grid, and among
        # 256 from −1 to 1 there is no 0.
        if not zero or len(values) == 2 or (low / step).denominator == 1:
            return x
    rounding = layer.allow(f"reads {_bits(layer)}-bit pixels")
    unit, (least, most) = limits(float(low), float(high), rounding.activations)
    return x.mapped(lambda value: min(max(_nearest(value / unit), least), most) * unit)


def _stepped(layer: Layer, curve: Curve, name: str) -> Affine:
    """Round a curve, such as a clamp, to steps; their places are exact."""
    rounding = layer.allow(f"reads {_bits(layer)}-bit integers")
    unit, clip = limits(*layer.seen.get(name, (-1.0, 1.0)), rounding.activations)
    try:
        pieces = curve.pieces.linear(1 / unit, Fraction(0))
        pieces = pieces.clamp(Fraction(clip[0]), Fraction(clip[1])).rounded("round")
    except (Unbounded, TooManyPieces) as error:
        layer.site.unsupported(f"reads a curve of which {error}")
    assert not isinstance(curve.inner, Pixels)
    return activation(layer, curve.inner, pieces.linear(unit, Fraction(0)))


def _squashed(layer: Layer, x: Squashed, name: str, zero: bool) -> Affine:
    """Round a tangent or logistic function itself to steps of its own range."""
    bits = layer.rounding.curves if layer.rounding else 6
    rounding = layer.allow(f"reads {x.kind} in {bits} bits")
    low = -1 if x.kind == "tanh" else 0
    top = (1 << (rounding.curves - 1)) - 1 if low else (1 << rounding.curves) - 1
    numbers = list(range(low * top, top + 1))
    bounds = np.array([inverse(x.kind, (Fraction(n) - _HALF) / top) for n in numbers[1:]])
    grid = Grid(numbers[0], 1, len(numbers))
    source = layer.site.chain.grid(x.inner.edge)
    scale = np.array([float(value) for value in x.inner.scale])
    offset = np.array([float(value) for value in x.inner.offset])
    places = (bounds - offset[:, None]) / np.where(scale, scale, 1.0)[:, None]
    ends = source.low - source.step, source.high + source.step
    places = np.clip(places, *ends)
    levels = np.where(scale[:, None] < 0, np.floor(places), np.ceil(places)).astype(np.int64)
    still = np.where(offset[:, None] >= bounds, *ends)
    levels = np.where(scale[:, None] == 0, still, levels)
    direction = np.where(scale < 0, -1, 1).astype(np.int8)
    edge = layer.site.chain.threshold(x.inner.edge, levels, direction, grid)
    unit = Fraction(1, top)
    own = Affine(edge, x.shape, tuple(s * unit for s in x.scale), x.offset)
    return even(layer, own, name, zero=zero)


def small_weights(layer: Layer, weight: npt.NDArray[Any], *, rows: bool) -> Const:
    """Give weights as they are where they are ±1 times a number a row, else rounded to 8 bits.

    Parameters
    ----------
    layer : Layer
    weight : array of floats, the rows first
    rows : bool
        Whether each row has a scale of its own.
    """
    flat = np.abs(weight.reshape(len(weight), -1).astype(np.float64))
    largest = flat.max(axis=1, keepdims=True)
    if (flat == largest).all() and largest.all():
        return Const(weight)
    if ((flat == largest) | (flat == 0)).all():
        count = int((flat == 0).sum())
        layer.site.fail(
            f"has {count} weights of 0 beside ±1",
            "torch.sign gives 0 for 0: use torch.where(w >= 0, 1.0, -1.0) in the module.",
        )
    bits = layer.rounding.weights if layer.rounding else 8
    rounding = layer.allow(f"has {bits}-bit weights")
    top = (1 << (rounding.weights - 1)) - 1
    size = largest if rows else np.full_like(largest, largest.max())
    unit = np.where(size > 0, size, 1.0) / top
    unit = unit.reshape(-1, *(1,) * (weight.ndim - 1))
    codes = np.floor(weight / unit + 0.5).clip(-top, top)
    if not rows:
        unit = unit[:1]
    return Const(codes * unit, unit)
