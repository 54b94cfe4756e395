"""Handlers of the operators that calculate: exactly, on constants, pixels and layers' outputs."""

import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from .exact import fractions_of, square_root
from .qonnx_joins import add_branches, is_tensor
from .qonnx_values import Affine, Const, Pixels, Site, Value

__all__ = ["add", "batch_normalization", "div", "mul", "power", "scaled", "sqrt", "sub"]

Attributes = dict[str, Any]
_Step = Callable[[Fraction], tuple[Fraction, Fraction]]


def scaled(site: Site, x: Value | None, constant: Any, step: _Step, role: str) -> Value:
    """Apply ``scale * x + offset``, where `step` makes both out of each element of `constant`."""
    if isinstance(x, Pixels):
        channels = _input_channels(x, constant)
        if channels:
            return x.spread([step(value) for value in fractions_of(site.exact(channels[0], role))])
        scale, offset = step(site.scalar(constant, f"{role} of the input"))
        return x.mapped(lambda value: scale * value + offset)
    if not isinstance(x, Affine):
        site.refuse(x, "the tensor")
    pairs = [step(value) for value in site.channels(constant, x.shape, role)]
    return x.changed([scale for scale, _ in pairs], [offset for _, offset in pairs])


def _input_channels(x: Pixels, constant: Any) -> list[Any]:
    """Give, as the one element, a constant that holds a value for each channel of the input.

    An image of one channel becomes as many: thermometer code, when its bits are taken.
    """
    if len(x.shape) != 4 or constant.ndim < 3:
        return []
    *front, count, height, width = (1,) * (4 - constant.ndim) + constant.shape
    fits = count > 1 and front == [1] and height == width == 1 and x.shape[1] in (1, count)
    return [constant.reshape(-1)] if fits and len(x.tables) in (1, count) else []


def _binary(
    site: Site,
    a: Value | None,
    b: Value | None,
    fold: Callable[[Any, Any], Any],
    steps: list[_Step],
) -> Value:
    """Fold two constants, or apply one: on the right by `steps[0]`, on the left by `steps[1]`."""
    if isinstance(a, Const) and isinstance(b, Const):
        if a.array.dtype.kind in "iu" and b.array.dtype.kind in "iu":
            site.unsupported("calculates with integers")
        return _folded(site, a, b, fold)
    if isinstance(b, Const):
        return scaled(site, a, b.array, steps[0], "a constant")
    if is_tensor(a) and is_tensor(b) and fold in (operator.add, operator.sub):
        return add_branches(site, a, b, 1 if fold is operator.add else -1)
    if not isinstance(a, Const):
        if a is not None and b is not None and fold in (operator.mul, operator.truediv):
            does = "multiplies" if fold is operator.mul else "divides"
            site.unsupported(f"{does} by a factor that depends on the data")
        site.unsupported("joins two branches")
    if len(steps) < 2:
        site.unsupported("divides a constant by a tensor")
    return scaled(site, b, a.array, steps[1], "a constant")


def _folded(site: Site, a: Const, b: Const, fold: Callable[[Any, Any], Any]) -> Value:
    for signs, other in ((a, b), (b, a)):
        # Floats times ±1 stay exact, however many there are.
        if fold is operator.mul and signs.array.size and (np.abs(signs.array) == 1).all():
            return Const(_broadcast(site, np.sign(signs.array).astype(np.int64), other.array, fold))
    left, right = site.exact(a.array, "a constant"), site.exact(b.array, "a constant")
    if fold is operator.truediv and not right.all():
        site.fail("divides by 0")
    return Const(_broadcast(site, left, right, fold))


def _broadcast(site: Site, a: Any, b: Any, fold: Callable[[Any, Any], Any]) -> Any:
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        site.fail(f"combines tensors of the shapes {a.shape} and {b.shape}")
    if shape not in (a.shape, b.shape):
        # Two small tensors could blow up to a huge one.
        site.unsupported(f"spreads both tensors, {a.shape} and {b.shape}")
    return np.asarray(fold(a, b))


def add(site: Site, attributes: Attributes, a: Value | None, b: Value | None) -> Value:
    """Add: x + c."""
    return _binary(site, a, b, operator.add, [lambda c: (Fraction(1), c)] * 2)


def sub(site: Site, attributes: Attributes, a: Value | None, b: Value | None) -> Value:
    """Sub: x - c, or c - x."""
    steps: list[_Step] = [lambda c: (Fraction(1), -c), lambda c: (Fraction(-1), c)]
    return _binary(site, a, b, operator.sub, steps)


def mul(site: Site, attributes: Attributes, a: Value | None, b: Value | None) -> Value:
    """Mul: c * x."""
    return _binary(site, a, b, operator.mul, [lambda c: (c, Fraction(0))] * 2)


def div(site: Site, attributes: Attributes, a: Value | None, b: Value | None) -> Value:
    """Div: x / c."""

    def step(c: Fraction) -> tuple[Fraction, Fraction]:
        if c == 0:
            site.fail("divides by 0")
        return 1 / c, Fraction(0)

    return _binary(site, a, b, operator.truediv, [step])


def _root(site: Site, value: Fraction) -> Fraction:
    if value < 0:
        site.fail(f"takes the square root of {float(value)}")
    return square_root(value)


def _each(site: Site, array: Any, function: Callable[[Fraction], Fraction]) -> Value:
    exact = site.exact(array, "a constant")
    result = np.empty(exact.size, object)
    result[:] = [function(value) for value in exact.reshape(-1)]
    return Const(result.reshape(exact.shape))


def sqrt(site: Site, attributes: Attributes, x: Value | None) -> Value:
    """Sqrt: of a constant."""
    return _each(site, site.const(x, "the tensor"), lambda value: _root(site, value))


def power(site: Site, attributes: Attributes, x: Value | None, y: Value | None) -> Value:
    """Pow: a constant to the power 1/2, 1 or 2."""
    base, exponent = site.const(x, "the base"), site.scalar(site.const(y, "the power"), "the power")
    known: dict[Fraction, Callable[[Fraction], Fraction]] = {
        Fraction(1, 2): lambda value: _root(site, value),
        Fraction(1): lambda value: value,
        Fraction(2): lambda value: value * value,
    }
    if exponent not in known:
        site.unsupported(f"has the power {float(exponent)}")
    return _each(site, base, known[exponent])


def batch_normalization(
    site: Site,
    attributes: Attributes,
    x: Value | None,
    gamma: Value | None,
    beta: Value | None,
    mean: Value | None,
    variance: Value | None,
) -> Value:
    """BatchNormalization as at inference: gamma * (x - mean) / sqrt(variance + epsilon) + beta."""
    if not isinstance(x, Pixels | Affine):
        site.refuse(x, "the tensor")
    parameters = []
    for value, role in ((gamma, "scale"), (beta, "B"), (mean, "mean"), (variance, "var")):
        array = site.const(value, role)
        if len(x.shape) < 2 or array.shape != (x.shape[1],):
            site.fail(f"has {role} of shape {array.shape} for a tensor of shape {x.shape}")
        parameters.append(site.exact(array, role).tolist())
    # The attribute is a 32-bit float; its default has the value that frameworks calculate with.
    epsilon = Fraction(attributes["epsilon"])
    scale, offset = [], []
    for g, b, m, v in zip(*parameters, strict=True):
        if v + epsilon <= 0:
            site.fail(f"has the variance {float(v)}, which is not positive with epsilon")
        gain = g / square_root(v + epsilon)
        scale.append(gain)
        offset.append(b - m * gain)
    if isinstance(x, Affine):
        return x.changed(scale, offset)
    if len(set(zip(scale, offset, strict=True))) != 1:
        site.unsupported("treats the channels of the input differently")
    return x.mapped(lambda value: scale[0] * value + offset[0])
