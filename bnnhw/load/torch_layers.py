"""Handlers of PyTorch's layers: convolutions, dense layers, batch norm, pools, shapes."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from . import qonnx_layers, qonnx_windows
from .exact import square_root
from .qonnx_orders import arranged
from .qonnx_values import Affine, Arranged, Const, Decision, Padded, Pixels, Rectified
from .torch_activation import moved, resolved, rising
from .torch_joins import concat, slice_channels
from .torch_rounding import even, narrow, small_weights
from .torch_values import Curve, Layer, Squashed, TorchValue

__all__ = ["LAYERS"]

Arguments = dict[str, Any]


def _pair(value: Any, default: int) -> tuple[int, int]:
    if value is None or value == []:
        return default, default
    if isinstance(value, int):
        return value, value
    found = tuple(value) * (2 if len(value) == 1 else 1)
    return found[0], found[1]


def _array(layer: Layer, value: Any, role: str) -> Any:
    return layer.site.const(value, role)


def _padded(layer: Layer, a: Arguments) -> tuple[TorchValue | None, Any]:
    """Give what a convolution reads, its padding undone, and the padding as ONNX has it."""
    padding, x = a.get("padding", 0), a["input"]
    if padding == "valid":
        padding = 0
    elif padding == "same":
        kernel = _array(layer, a["weight"], "the weights").shape[2:]
        if any(size % 2 == 0 for size in kernel):
            layer.site.unsupported(f"pads to the same size around windows of {kernel}")
        dilation = _pair(a.get("dilation"), 1)
        padding = [step * (size // 2) for step, size in zip(dilation, kernel, strict=True)]
    down, right = _pair(padding, 0)
    return x, (down, right, down, right)


def conv2d(layer: Layer, a: Arguments) -> TorchValue:
    """Cross-correlation with ±1 weights, exactly, or with 8-bit weights."""
    x, pads = _padded(layer, a)
    weight = small_weights(layer, _array(layer, a["weight"], "the weights"), rows=True)
    around = x.inner if isinstance(x, Padded) else x
    if not isinstance(x, Padded):
        source = even(layer, around, "input", zero=any(pads))
        x = source
    bias = a.get("bias")
    attributes = {
        "kernel_shape": None,
        "strides": _pair(a.get("stride"), 1),
        "pads": pads,
        "dilations": _pair(a.get("dilation"), 1),
        "group": a.get("groups", 1),
    }
    return qonnx_layers.conv(layer.site, attributes, x, weight, bias)


def linear(layer: Layer, a: Arguments) -> TorchValue:
    """Dense layer: rows of weights."""
    return _dense(layer, a["input"], _array(layer, a["weight"], "the weights"), a.get("bias"))


def matmul(layer: Layer, a: Arguments) -> TorchValue:
    """Product with a constant matrix on the right."""
    if not isinstance(a.get("other"), Const):
        layer.site.unsupported("multiplies two tensors")
    return _dense(layer, a["input"], a["other"].array.T, None)


def addmm(layer: Layer, a: Arguments) -> TorchValue:
    """Product with a constant matrix, and a bias."""
    if not isinstance(a.get("mat2"), Const) or (a.get("beta", 1), a.get("alpha", 1)) != (1, 1):
        layer.site.unsupported("multiplies two tensors")
    return _dense(layer, a["mat1"], a["mat2"].array.T, a["input"], name="mat1")


def _dense(layer: Layer, x: Any, rows: Any, bias: Any, name: str = "input") -> TorchValue:
    if rows.ndim != 2:
        layer.site.fail(f"has weights of shape {rows.shape}")
    weight = small_weights(layer, rows, rows=False)
    source = x if isinstance(x, Arranged) else even(layer, x, name)
    attributes = {"alpha": 1.0, "beta": 1.0, "transB": 1}
    return qonnx_layers.gemm(layer.site, attributes, source, weight, bias)


def batch_norm(layer: Layer, a: Arguments) -> TorchValue:
    """Batch norm at inference: ``weight * (x - mean) / sqrt(var + eps) + bias``, exactly."""
    x, site = resolved(layer, a["input"]), layer.site
    if a.get("training"):
        site.fail("normalises by the batch itself", "Let it track statistics (running_mean).")
    if isinstance(x, Rectified | Curve):
        x = even(layer, x, "input")
    if not isinstance(x, Affine | Pixels | Squashed):
        site.unsupported(f"reads {layer.words(x)}")
    count = x.shape[1]
    parts = []
    for name, default in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
        value = a.get(name)
        array = np.full(count, default) if value is None else _array(layer, value, name)
        if array.shape != (count,):
            site.fail(f"has {name} of shape {array.shape} for {count} channels")
        parts.append(site.exact(array, name).tolist())
    # An eps is a 64-bit number here, and PyTorch adds it to variances of 32 bits.
    eps = Fraction(a.get("eps", 1e-5))
    gains, terms = [], []
    for weight, bias, mean, variance in zip(*parts, strict=True):
        if variance + eps <= 0:
            site.fail(f"has the variance {float(variance)}, not positive with eps")
        gain = weight / square_root(variance + eps)
        gains.append(gain)
        terms.append(bias - mean * gain)
    if not isinstance(x, Pixels):
        return x.changed(gains, terms)
    if len(set(zip(gains, terms, strict=True))) == 1:
        return x.mapped(lambda value: gains[0] * value + terms[0])
    return x.spread(list(zip(gains, terms, strict=True)))


def _window(layer: Layer, a: Arguments) -> dict[str, Any]:
    kernel = _pair(a["kernel_size"], 1)
    down, right = _pair(a.get("padding"), 0)
    if a.get("ceil_mode"):
        layer.site.unsupported("counts windows that reach beyond the border (ceil_mode)")
    return {
        "kernel_shape": kernel,
        "strides": kernel if a.get("stride") in (None, []) else _pair(a["stride"], 1),
        "pads": (down, right, down, right),
        "dilations": _pair(a.get("dilation"), 1),
    }


def max_pool2d(layer: Layer, a: Arguments) -> TorchValue:
    """Largest of each window; of rising functions it is that of what they are functions of."""
    if a.get("return_indices"):
        layer.site.unsupported("gives the places of the largest values")
    x, attributes = resolved(layer, a["input"]), _window(layer, a)
    if isinstance(x, Squashed) and min(x.scale) >= 0:
        inner = qonnx_windows.max_pool(layer.site, attributes, x.inner)
        return replace(x, inner=layer.site.affine(inner, "the image"))
    if isinstance(x, Curve) and isinstance(x.inner, Affine) and rising(x):
        inner = qonnx_windows.max_pool(layer.site, attributes, x.inner)
        return moved(x, layer.site.affine(inner, "the image"))
    if isinstance(x, Affine | Rectified):
        return qonnx_windows.max_pool(layer.site, attributes, x)
    return qonnx_windows.max_pool(layer.site, attributes, even(layer, x, "input"))


def _averaged(layer: Layer, a: Arguments) -> Affine:
    x = resolved(layer, a["input"])
    return x if isinstance(x, Affine) else even(layer, x, "input")


def avg_pool2d(layer: Layer, a: Arguments) -> TorchValue:
    """Average of each window, as a sum."""
    attributes, source = _window(layer, a), _averaged(layer, a)
    whole = a.get("count_include_pad", True)
    if a.get("divisor_override") is not None:
        layer.site.unsupported("divides by a number of its own")
    attributes |= {"count_include_pad": int(whole)}
    return qonnx_windows.average_pool(layer.site, attributes, source)


def adaptive_avg_pool2d(layer: Layer, a: Arguments) -> TorchValue:
    """Average down to a size that divides that of the image."""
    source = layer.site.picture(_averaged(layer, a), "the image")
    size = a["output_size"]
    size = list(size) if isinstance(size, list) else [size, size]
    have = source.shape[2:]
    size = [extent if want is None else want for want, extent in zip(size, have, strict=True)]
    if any(extent % want for want, extent in zip(size, have, strict=True)):
        layer.site.unsupported(f"averages {have} down to {size} with windows of several sizes")
    kernel = tuple(extent // want for want, extent in zip(size, have, strict=True))
    attributes = {"kernel_shape": kernel, "strides": kernel, "pads": None, "dilations": None}
    return qonnx_windows.average_pool(layer.site, attributes | {"count_include_pad": 1}, source)


def mean(layer: Layer, a: Arguments) -> TorchValue:
    """Average over height and width."""
    source = layer.site.picture(_averaged(layer, a), "the image")
    axes = a.get("dim")
    axes = axes if isinstance(axes, list) else [axes]
    if None in axes or sorted(axis % 4 for axis in axes) != [2, 3]:
        layer.site.unsupported(f"averages over the axes {axes}")
    result = qonnx_windows.global_average_pool(layer.site, {}, source)
    return result if a.get("keepdim") else layer.site.reshaped(result, [1, source.shape[1]])


def pad(layer: Layer, a: Arguments) -> TorchValue:
    """Cells of one value around an image, for the convolution behind it."""
    sides, value = list(a["pad"]), a.get("value")
    if a.get("mode", "constant") != "constant" or any(sides[4:]) or len(sides) % 2:
        layer.site.unsupported(f"pads {sides} in the mode {a.get('mode')!r}")
    left, right, top, bottom = (sides + [0] * 4)[:4]
    if min(sides) < 0:
        layer.site.unsupported("cuts off borders")
    x = a["input"]
    if not any(sides):
        unpadded: TorchValue = x
        return unpadded
    if isinstance(x, Padded):
        layer.site.unsupported("pads twice")
    source = layer.site.picture(even(layer, x, "input", zero=True), "the image")
    return Padded(source, (top, left, bottom, right), Fraction(value or 0))


def same(layer: Layer, a: Arguments) -> TorchValue:
    """Give the tensor itself."""
    if a["input"] is None:
        layer.site.refuse(None, "the tensor")
    found: TorchValue = a["input"]
    return found


def reshape(layer: Layer, a: Arguments) -> TorchValue:
    """Another shape with the same order of elements; the shape is that of the example's output."""
    x, shape = a["input"], list(a["shape"])
    if isinstance(x, Curve | Squashed | Rectified) or not isinstance(x, Affine | Pixels | Arranged):
        if list(getattr(x, "shape", ())) == shape:
            same_shape: TorchValue = x
            return same_shape
        x = resolved(layer, x)
    if isinstance(x, Rectified | Curve) and len(shape) > 2:
        # Axes that part the channels, as a shuffle written out makes them.
        x = even(layer, x, "input")
    if isinstance(x, Rectified | Squashed | Curve):
        return _reshaped_inner(layer, x, shape)
    if isinstance(x, Padded):
        layer.site.unsupported("reshapes a padded tensor")
    return layer.site.reshaped(x, shape)


def _reshaped_inner(layer: Layer, x: Any, shape: list[int]) -> TorchValue:
    site = layer.site
    if isinstance(x, Squashed):
        cells = prod(shape) // len(x.scale) if shape[1] == prod(shape) else 1
        inner = site.affine(site.reshaped(x.inner, shape), "the tensor")
        scale, offset = (
            tuple(v for v in part for _ in range(cells)) for part in (x.scale, x.offset)
        )
        return Squashed(inner, x.kind, scale, offset)
    if isinstance(x, Curve) and not isinstance(x.inner, Affine):
        return site.reshaped(even(layer, x, "input"), shape)
    found: TorchValue = replace(x, inner=site.affine(site.reshaped(x.inner, shape), "the tensor"))
    return found


def transposed(layer: Layer, a: Arguments) -> TorchValue:
    """Axes in another order, until a layer or a reshape ends it."""
    x = resolved(layer, a["input"])
    x = x if isinstance(x, Arranged) else narrow(layer, x, "input")
    index = layer.site.order(x)
    if "dims" in a:
        order = [axis % index.ndim for axis in a["dims"]]
    else:
        order = list(range(index.ndim))
        one, two = (a[name] % index.ndim for name in ("dim0", "dim1"))
        order[one], order[two] = order[two], order[one]
    if order[0] != 0:
        layer.site.unsupported("moves the batch axis")
    return layer.site.ordered(x, index.transpose(order))


def channel_shuffle(layer: Layer, a: Arguments) -> TorchValue:
    """Deal out channels."""
    x = narrow(layer, resolved(layer, a["input"]), "input")
    index = layer.site.order(x)
    groups, shape = a["groups"], index.shape
    if groups == 1:
        return x
    table = index.reshape(1, groups, shape[1] // groups, *shape[2:])
    return arranged(layer.site.chain, x, table.swapaxes(1, 2).reshape(shape))


def narrowed(layer: Layer, a: Arguments) -> TorchValue:
    """Neighbouring channels."""
    if a["dim"] not in (1, 1 - len(a["shape"])):
        layer.site.unsupported(f"takes a part of axis {a['dim']}")
    return slice_channels(layer, resolved(layer, a["input"]), a["start"], a["start"] + a["length"])


def getitem(layer: Layer, a: Arguments) -> TorchValue:
    """``x[:, a:b]``: neighbouring channels, or everything."""
    x, index = resolved(layer, a["input"]), a["index"]
    index = index if isinstance(index, list) else [index]
    everything = [None, None, None]
    if x is None or (index and all(part == everything for part in index)):
        return same(layer, {"input": x})
    simple = len(index) >= 2 and index[0] == everything and isinstance(index[1], list)
    if not simple or any(part != everything for part in index[2:]) or index[1][2] not in (None, 1):
        layer.site.unsupported(f"takes the elements {index}")
    inner = x.inner if isinstance(x, Rectified) else x
    channels = getattr(inner, "shape", (1, 1))[1]
    start, stop, _ = slice(*index[1]).indices(channels)
    return slice_channels(layer, x, start, stop)


def argmax(layer: Layer, a: Arguments) -> TorchValue:
    """Give the class."""
    scores = resolved(layer, a["input"])
    if not isinstance(scores, Affine) or len(scores.shape) != 2 or a.get("dim") not in (1, -1):
        layer.site.unsupported("decides something else than the class")
    return Decision(scores)


LAYERS: dict[str, Callable[[Layer, Arguments], TorchValue]] = {
    "adaptive_avg_pool2d": adaptive_avg_pool2d,
    "addmm": addmm,
    "argmax": argmax,
    "avg_pool2d": avg_pool2d,
    "batch_norm": batch_norm,
    "cat": concat,
    "channel_shuffle": channel_shuffle,
    "conv2d": conv2d,
    "flatten": reshape,
    "getitem": getitem,
    "identity": same,
    "linear": linear,
    "matmul": matmul,
    "max_pool2d": max_pool2d,
    "mean": mean,
    "narrow": narrowed,
    "pad": pad,
    "permute": transposed,
    "reshape": reshape,
    "transpose": transposed,
}
"""By the name of the function."""
