"""Handlers of PyTorch's functions that work on each element: exact, as functions in pieces."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from .pieces import Pieces, TooManyPieces, Unbounded, constant
from .qonnx_math import scaled
from .qonnx_values import Affine, Const, Decision, Pixels, Value
from .torch_activation import lifted, resolved
from .torch_joins import add_branches
from .torch_rounding import even
from .torch_values import Curve, Layer, Squashed, TorchValue

__all__ = ["ELEMENTWISE"]

Arguments = dict[str, Any]
_ONE, _ZERO = Fraction(1), Fraction(0)
_CONDITIONS: dict[str, Callable[[Fraction], bool]] = {
    "eq": lambda y: y == 0,
    "ge": lambda y: y >= 0,
    "gt": lambda y: y > 0,
    "le": lambda y: y <= 0,
    "lt": lambda y: y < 0,
    "ne": lambda y: y != 0,
}


def _curve(layer: Layer, value: Any, role: str = "a tensor") -> Curve:
    found = lifted(value)
    if found is None:
        layer.site.unsupported(f"reads {layer.words(value)} as {role}")
    return found


def _number(layer: Layer, value: Any, role: str) -> Fraction | None:
    """Give a plain number, or the one value of a constant; None for no argument."""
    if value is None:
        return None
    if isinstance(value, Const):
        return layer.site.scalar(value.array, role)
    if isinstance(value, bool | int | float) and np.isfinite(value):
        return Fraction(value)
    layer.site.fail(f"has {value!r} as {role}")


def _same(layer: Layer, *values: Any) -> tuple[Affine | Squashed | Pixels, list[Pieces]]:
    """Give several tensors and numbers as functions of one tensor."""
    base = next(curve.inner for value in values if (curve := lifted(value)))
    pieces = []
    for value in values:
        curve = lifted(value)
        if curve is None:
            number = _number(layer, value, "a number")
            pieces.append(constant(number or _ZERO))
        elif curve.inner != base:
            layer.site.unsupported("combines two tensors element by element")
        else:
            pieces.append(curve.pieces)
    return base, pieces


def _made(layer: Layer, inner: Any, make: Callable[[], Pieces]) -> TorchValue:
    try:
        return Curve(inner, make())
    except (TooManyPieces, Unbounded, ValueError) as error:
        layer.site.unsupported(f"is a function of which {error}")


def _bent(layer: Layer, value: Any, change: Callable[[Pieces], Pieces]) -> TorchValue:
    curve = _curve(layer, value)
    return _made(layer, curve.inner, lambda: change(curve.pieces))


def compare(layer: Layer, a: Arguments) -> TorchValue:
    """Compare with a number, or with another function of the same tensor: 1 or 0."""
    inner, (left, right) = _same(layer, a["input"], a["other"])
    condition = _CONDITIONS[layer.site.node.op]
    return _made(layer, inner, lambda: left.plus(right, -_ONE).holds(condition))


def where(layer: Layer, a: Arguments) -> TorchValue:
    """Choose by a condition."""
    inner, (mask, yes, no) = _same(layer, a["condition"], a["input"], a["other"])
    return _made(layer, inner, lambda: mask.choose(yes, no))


def logical(layer: Layer, a: Arguments) -> TorchValue:
    """And, or, not."""
    if layer.site.node.op == "logical_not":
        return _bent(layer, a["input"], lambda p: p.holds(lambda y: y == 0))
    inner, (left, right) = _same(layer, a["input"], a["other"])
    both = layer.site.node.op == "logical_and"
    need = Fraction(2 if both else 1)
    left, right = (part.holds(lambda y: y != 0) for part in (left, right))
    total = left.plus(right).linear(_ONE, -need)
    return _made(layer, inner, lambda: total.holds(lambda y: y >= 0))


def sign(layer: Layer, a: Arguments) -> TorchValue:
    """Give −1, 0 or 1."""
    return _bent(layer, a["input"], Pieces.sign)


def clamp(layer: Layer, a: Arguments) -> TorchValue:
    """clamp, hardtanh, relu, relu6."""
    ends: dict[str, tuple[Any, Any]] = {
        "clamp": (a.get("min"), a.get("max")),
        "hardtanh": (a.get("min_val", -1), a.get("max_val", 1)),
        "relu": (0, None),
        "relu6": (0, 6),
    }
    low, high = (_number(layer, end, "an end") for end in ends[layer.site.node.op])
    return _bent(layer, a["input"], lambda p: p.clamp(low, high))


def rounded(layer: Layer, a: Arguments) -> TorchValue:
    """round, floor, ceil."""
    if a.get("decimals"):
        layer.site.unsupported(f"rounds to {a['decimals']} decimals")
    return _bent(layer, a["input"], lambda p: p.rounded(layer.site.node.op))


def absolute(layer: Layer, a: Arguments) -> TorchValue:
    """Give the absolute value."""
    return _bent(layer, a["input"], Pieces.absolute)


def squash(layer: Layer, a: Arguments) -> TorchValue:
    """Tanh and sigmoid, of which what follows is decided exactly."""
    value = resolved(layer, a["input"])
    if not isinstance(value, Affine):
        if isinstance(value, Pixels):
            layer.site.unsupported("bends the input")
        value = even(layer, value, "input")
    count = len(value.scale)
    return Squashed(value, layer.site.node.op, (_ONE,) * count, (_ZERO,) * count)


def softmax(layer: Layer, a: Arguments) -> TorchValue:
    """Keep the order of the scores: the class is that of the scores before it."""
    scores = layer.site.affine(_plain(resolved(layer, a["input"])), "the scores")
    if len(scores.shape) != 2 or a.get("dim") not in (1, -1, None):
        layer.site.unsupported(f"decides along axis {a.get('dim')} of {scores.shape}")
    return Decision(scores)


def _plain(value: TorchValue | None) -> Value | None:
    return None if isinstance(value, Curve | Squashed) else value


def _steps(layer: Layer, value: Any, constants: Any, sign_: int, role: str) -> TorchValue:
    """Multiply (`role` "factor") with, or add (`role` "term") a number, or one for each channel."""
    array = constants.array if isinstance(constants, Const) else np.array(constants)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        layer.site.fail(f"has a {role} that is not finite")
    numbers = set(array.reshape(-1).tolist()) if array.size <= 1 << 16 else {0, 1}
    curve = lifted(value)
    if len(numbers) == 1 and isinstance(value, Curve):
        (number,) = map(Fraction, numbers)
        pair = (number, _ZERO) if role == "factor" else (_ONE, sign_ * number)
        return _bent(layer, curve, lambda p: p.linear(*pair))
    value = resolved(layer, value)

    def step(number: Fraction) -> tuple[Fraction, Fraction]:
        return (number, _ZERO) if role == "factor" else (_ONE, sign_ * number)

    if isinstance(value, Squashed):
        pairs = [step(n) for n in layer.site.channels(array, value.shape, role)]
        return value.changed([scale for scale, _ in pairs], [offset for _, offset in pairs])
    if isinstance(value, Curve) or not isinstance(value, Pixels | Affine):
        value = even(layer, value, "input")
    return scaled(layer.site, value, array, step, f"a {role}")


def add(layer: Layer, a: Arguments) -> TorchValue:
    """Add or subtract: a number, one for each channel, or another branch."""
    op, left, right = layer.site.node.op, a["input"], a["other"]
    factor = _number(layer, a.get("alpha", 1), "alpha")
    if factor != 1:
        layer.site.unsupported(f"adds {factor} times a tensor")
    if op == "rsub":
        left, right = right, left
    minus = -1 if op in ("sub", "rsub") else 1
    first, second = lifted(left), lifted(right)
    if first is None:
        negative = _steps(layer, right, minus, 1, "factor") if minus < 0 else right
        return _steps(layer, negative, left, 1, "term")
    if second is None:
        return _steps(layer, left, right, minus, "term")
    bent = isinstance(left, Curve) or isinstance(right, Curve)
    if bent and first.inner == second.inner:
        return _made(layer, first.inner, lambda: first.pieces.plus(second.pieces, Fraction(minus)))
    return add_branches(layer, left, right, minus)


def multiply(layer: Layer, a: Arguments) -> TorchValue:
    """Multiply with a number, one for each channel, or a level function of the same tensor."""
    left, right = a["input"], a["other"]
    if lifted(left) is None:
        left, right = right, left
    if lifted(right) is None:
        return _steps(layer, left, right, 1, "factor")
    inner, (one, other) = _same(layer, left, right)
    return _made(layer, inner, lambda: one.times(other))


def divide(layer: Layer, a: Arguments) -> TorchValue:
    """Divide by a number, or one for each channel."""
    if a.get("rounding_mode") is not None or lifted(a["input"]) is None:
        layer.site.unsupported("divides by a tensor, or with rounding")
    if lifted(a["other"]) is not None:
        layer.site.unsupported("divides by a tensor")
    other = a["other"]
    array = other.array if isinstance(other, Const) else np.array(other)
    if not array.all():
        layer.site.fail("divides by 0")
    exact = layer.site.exact(array, "a divisor")
    inverse = np.empty(exact.size, object)
    inverse[:] = [1 / value for value in exact.reshape(-1)]
    return _steps(layer, a["input"], Const(inverse.reshape(exact.shape)), 1, "factor")


def negative(layer: Layer, a: Arguments) -> TorchValue:
    """Change the sign."""
    return _steps(layer, a["input"], -1, 1, "factor")


ELEMENTWISE: dict[str, Callable[[Layer, Arguments], TorchValue]] = {
    **dict.fromkeys(_CONDITIONS, compare),
    **dict.fromkeys(("logical_and", "logical_not", "logical_or"), logical),
    **dict.fromkeys(("clamp", "hardtanh", "relu", "relu6"), clamp),
    **dict.fromkeys(("round", "floor", "ceil"), rounded),
    **dict.fromkeys(("tanh", "sigmoid"), squash),
    **dict.fromkeys(("softmax", "log_softmax"), softmax),
    **dict.fromkeys(("add", "sub", "rsub"), add),
    "abs": absolute,
    "div": divide,
    "mul": multiply,
    "neg": negative,
    "sign": sign,
    "where": where,
}
"""By the name of the function."""
