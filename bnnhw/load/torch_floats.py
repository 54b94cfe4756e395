"""What the operations of a description give in 32-bit floats: for ranges and shapes, not answers.

A file of ONNX has no example with it, so what its layers give for some images is computed here.
Sizes are checked before anything is allocated, for such a file may say any.
"""

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["ELEMENTS_CAP", "TooMuch", "compute", "products"]

ELEMENTS_CAP = 1 << 25
_PRODUCTS_CAP = 1 << 33

Array = npt.NDArray[Any]
Arguments = Mapping[str, Any]


class TooMuch(ValueError):
    """An operation that needs more memory or time than a network does, or that fits no shapes."""


def compute(op: str, arguments: Arguments) -> Array:
    """Compute one operation.

    Parameters
    ----------
    op : str
        As in a description: ``conv2d``.
    arguments : mapping of str to value
        Plain values, or arrays; those of images have the batch first.

    Raises
    ------
    TooMuch
        If the result is too large, or shapes do not fit.
    KeyError
        If there is no such operation.
    """
    function = _FUNCTIONS[op]
    try:
        with np.errstate(all="ignore"):
            found = function(arguments)
    except TooMuch:
        raise
    except (ValueError, TypeError, IndexError, ZeroDivisionError, MemoryError) as error:
        raise TooMuch(f"its shapes do not fit ({type(error).__name__})") from error
    return found.astype(np.float32) if found.dtype == np.float64 else found


def products(op: str, arguments: Arguments, result: Array) -> int:
    """Count the products, or else the elements, that an operation has computed."""
    each = prod(arguments["weight"].shape[1:]) if op in ("conv2d", "linear") else 1
    return result.size * int(each)


def _sized(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Give a shape that may be allocated."""
    if min(shape, default=1) < 1 or prod(shape) > ELEMENTS_CAP:
        raise TooMuch(f"it makes a tensor of shape {shape}")
    return shape


def _binary(function: Callable[[Any, Any], Array]) -> Callable[[Arguments], Array]:
    def run(a: Arguments) -> Array:
        left, right = np.asarray(a["input"]), np.asarray(a["other"])
        _sized(np.broadcast_shapes(left.shape, right.shape))
        return function(left, right)

    return run


def _unary(function: Callable[[Any], Array]) -> Callable[[Arguments], Array]:
    return lambda a: function(np.asarray(a["input"]))


def _divide(left: Array, right: Array) -> Array:
    return np.asarray(left // right if left.dtype.kind in "iu" else left / right)


def _sigmoid(x: Array) -> Array:
    return np.asarray(0.5 * np.tanh(0.5 * x) + 0.5)


def _where(a: Arguments) -> Array:
    mask, yes, no = (np.asarray(a[key]) for key in ("condition", "input", "other"))
    _sized(np.broadcast_shapes(mask.shape, yes.shape, no.shape))
    return np.where(mask, yes, no)


def _clamp(a: Arguments) -> Array:
    return np.asarray(np.clip(a["input"], a.get("min"), a.get("max")))


def _windows(
    x: Array, kernel: tuple[int, ...], stride: Any, dilation: Any, pads: Any, value: float
) -> Array:
    """Give the windows of images as a view, their height and width in the last two axes."""
    sides = [(0, 0), (0, 0), *((pad, pad) for pad in pads)]
    _sized(tuple(size + 2 * pad for size, (pad, _) in zip(x.shape, sides, strict=True)))
    padded = np.pad(x, sides, constant_values=value)
    spans = tuple(step * (size - 1) + 1 for size, step in zip(kernel, dilation, strict=True))
    found = np.lib.stride_tricks.sliding_window_view(padded, spans, (2, 3))
    found = found[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]
    return np.asarray(found)


def _conv(a: Arguments) -> Array:
    x, weight, groups = np.asarray(a["input"]), np.asarray(a["weight"]), int(a["groups"])
    rows, columns = weight.shape[0], prod(weight.shape[1:])
    fits = x.shape[1] == groups * weight.shape[1] and not rows % groups
    if not fits or np.size(a.get("bias", 0)) not in (1, rows):
        raise TooMuch(f"it convolves {x.shape} with {weight.shape} in {groups} groups")
    windows = _windows(x, weight.shape[2:], a["stride"], a["dilation"], a["padding"], 0.0)
    count, _, height, width = windows.shape[:4]
    _sized((groups, height, width, columns))
    _affordable(count * height * width * rows * columns)
    result = np.empty(_sized((count, rows, height, width)), np.float32)
    parts = weight.reshape(groups, rows // groups, columns).astype(np.float32)
    for number in range(count):
        each = windows[number].reshape(groups, -1, height, width, *weight.shape[2:])
        cells = each.transpose(0, 2, 3, 1, 4, 5).reshape(groups, height * width, columns)
        sums = np.matmul(cells, parts.transpose(0, 2, 1)).transpose(0, 2, 1)
        result[number] = sums.reshape(rows, height, width)
    return result if a.get("bias") is None else result + np.reshape(a["bias"], (-1, 1, 1))


def _affordable(products: int) -> None:
    if products > _PRODUCTS_CAP:
        raise TooMuch(f"it needs {products} products")


def _linear(a: Arguments) -> Array:
    x, weight = np.asarray(a["input"]), np.asarray(a["weight"])
    _sized((*x.shape[:-1], len(weight)))
    _affordable(x.size * len(weight))
    found = x @ weight.T
    return np.asarray(found if a.get("bias") is None else found + a["bias"])


def _batch_norm(a: Arguments) -> Array:
    x = np.asarray(a["input"])
    if any(
        np.size(a[key]) != x.shape[1] for key in ("running_mean", "running_var", "weight", "bias")
    ):
        raise TooMuch(f"it normalises {x.shape[1]} channels by others")
    mean, variance, weight, bias = (
        np.reshape(a[key], (-1,) + (1,) * (x.ndim - 2))
        for key in ("running_mean", "running_var", "weight", "bias")
    )
    return np.asarray((x - mean) / np.sqrt(variance + np.float32(a["eps"])) * weight + bias)


def _max_pool(a: Arguments) -> Array:
    x = np.asarray(a["input"], np.float32)
    windows = _windows(
        x, tuple(a["kernel_size"]), a["stride"], a["dilation"], a["padding"], -np.inf
    )
    return np.asarray(windows.max(axis=(4, 5)))


def _average_pool(a: Arguments) -> Array:
    settings = tuple(a["kernel_size"]), a["stride"], (1, 1), a["padding"], 0.0
    x = np.asarray(a["input"], np.float32)
    sums = _windows(x, *settings).sum(axis=(4, 5))
    if a["count_include_pad"]:
        return np.asarray(sums / prod(a["kernel_size"]))
    return np.asarray(sums / _windows(np.ones_like(x[:1, :1]), *settings).sum(axis=(4, 5)))


def _mean(a: Arguments) -> Array:
    x = np.asarray(a["input"])
    return np.asarray(x.mean(axis=tuple(a["dim"]), keepdims=bool(a["keepdim"])))


def _pad(a: Arguments) -> Array:
    left, right, top, bottom = a["pad"]
    x = np.asarray(a["input"])
    sides = ((0, 0), (0, 0), (top, bottom), (left, right))
    _sized(tuple(size + sum(more) for size, more in zip(x.shape, sides, strict=True)))
    return np.pad(x, sides, constant_values=a["value"])


def _reshape(a: Arguments) -> Array:
    return np.reshape(a["input"], tuple(a["shape"]))


def _cat(a: Arguments) -> Array:
    parts = [np.asarray(part) for part in a["tensors"]]
    _sized((sum(part.size for part in parts),))
    return np.concatenate(parts, axis=a["dim"])


def _narrow(a: Arguments) -> Array:
    x, start = np.asarray(a["input"]), a["start"]
    return np.asarray(np.moveaxis(np.moveaxis(x, a["dim"], 0)[start : start + a["length"]], 0,
                                  a["dim"]))  # fmt: skip


def _softmax(a: Arguments) -> Array:
    x = np.asarray(a["input"])
    powers = np.exp(x - x.max(axis=a["dim"], keepdims=True))
    return np.asarray(powers / powers.sum(axis=a["dim"], keepdims=True))


_FUNCTIONS: dict[str, Callable[[Arguments], Array]] = {
    **{
        op: _binary(getattr(np, name))
        for op, name in {
            "add": "add", "sub": "subtract", "mul": "multiply", "eq": "equal", "ne": "not_equal",
            "ge": "greater_equal", "gt": "greater", "le": "less_equal", "lt": "less",
            "logical_and": "logical_and", "logical_or": "logical_or",
        }.items()
    },
    **{
        op: _unary(getattr(np, name))
        for op, name in {
            "abs": "abs", "ceil": "ceil", "floor": "floor", "identity": "asarray",
            "logical_not": "logical_not", "neg": "negative", "round": "rint", "sign": "sign",
            "tanh": "tanh",
        }.items()
    },
    "avg_pool2d": _average_pool,
    "batch_norm": _batch_norm,
    "cat": _cat,
    "clamp": _clamp,
    "conv2d": _conv,
    "div": _binary(_divide),
    "linear": _linear,
    "log_softmax": lambda a: np.log(_softmax(a)),
    "max_pool2d": _max_pool,
    "mean": _mean,
    "narrow": _narrow,
    "pad": _pad,
    "permute": lambda a: np.transpose(a["input"], a["dims"]),
    "relu": lambda a: np.maximum(a["input"], np.float32(0)),
    "reshape": _reshape,
    "sigmoid": _unary(_sigmoid),
    "softmax": _softmax,
    "where": _where,
}  # fmt: skip
