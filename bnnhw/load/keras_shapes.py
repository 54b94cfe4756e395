"""Handlers of the Keras layers without weights: pools, joins, padding, flattening, activations."""

from collections.abc import Callable
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from .keras_layers import padded, padding_of, picture_shape
from .keras_quant import activated
from .keras_settings import Settings
from .qonnx_joins import add_branches, concat_channels
from .qonnx_math import add as add_constant
from .qonnx_math import mul
from .qonnx_quant import relu as relu_of
from .qonnx_values import Affine, Arranged, Const, Pixels, Site, Value
from .qonnx_windows import average_pool, global_average_pool, max_pool

__all__ = [
    "activation",
    "add",
    "average",
    "concatenate",
    "flat",
    "flatten",
    "global_average",
    "global_largest",
    "largest",
    "relu",
    "rescaling",
    "same",
    "softmax",
    "zero_padding",
]

_SIZE_CAP = 1 << 12


def same(site: Site, settings: Settings, x: Value | None) -> Value | None:
    """Layers that do nothing at inference, such as Dropout."""
    for name in ("rate", "noise_shape", "stddev", "data_format", "l1", "l2"):
        settings.raw(name)
    return x


def _pool(
    site: Site, settings: Settings, x: Value | None, run: Callable[..., Value], **more: Any
) -> Value:
    settings.fixed("data_format", "channels_last")
    size = settings.pair("pool_size", (2, 2))
    stride = settings.pair("strides", size)
    inner = getattr(x, "inner", x) if not isinstance(x, Pixels | Affine) else x
    attributes = {
        "kernel_shape": size,
        "strides": stride,
        "pads": padding_of(site, settings, inner, size, stride),
        "dilations": None,
    }
    return run(site, attributes | more, x)


def largest(site: Site, settings: Settings, x: Value | None) -> Value:
    """MaxPooling2D."""
    return _pool(site, settings, x, max_pool)


def average(site: Site, settings: Settings, x: Value | None) -> Value:
    """AveragePooling2D: Keras divides by the cells of the image alone, never by those around it."""
    return _pool(site, settings, x, average_pool, count_include_pad=0)


def _global(
    site: Site, settings: Settings, x: Value | None, run: Callable[[tuple[int, int]], Value]
) -> Value:
    settings.fixed("data_format", "channels_last")
    channels, height, width = picture_shape(site, x)
    result = run((height, width))
    return result if settings.flag("keepdims", False) else site.reshaped(result, [1, channels])


def global_average(site: Site, settings: Settings, x: Value | None) -> Value:
    """GlobalAveragePooling2D."""
    return _global(site, settings, x, lambda size: global_average_pool(site, {}, x))


def global_largest(site: Site, settings: Settings, x: Value | None) -> Value:
    """GlobalMaxPooling2D."""
    rest = {"strides": None, "pads": None, "dilations": None}
    return _global(site, settings, x, lambda size: max_pool(site, {"kernel_shape": size} | rest, x))


def flat(site: Site, x: Value | None) -> Value:
    """Give an image as features in the order height, width, channels."""
    if isinstance(x, Pixels):
        if len(x.shape) != 4 or x.shape[1] == 1:
            return site.reshaped(x, [1, prod(x.shape)])
        x = site.edge(x, "the image")
    if not isinstance(x, Affine | Arranged):
        site.refuse(x, "the tensor to flatten")
    index = site.order(x)
    if index.ndim == 4:
        index = index.transpose(0, 2, 3, 1)
    return site.ordered(x, index.reshape(1, -1))


def flatten(site: Site, settings: Settings, x: Value | None) -> Value:
    """Flatten, channels last."""
    settings.fixed("data_format", "channels_last")
    return flat(site, x)


def zero_padding(site: Site, settings: Settings, x: Value | None) -> Value | None:
    """ZeroPadding2D: ((top, bottom), (left, right)), before a convolution."""
    settings.fixed("data_format", "channels_last")
    said = settings.raw("padding")
    pairs = said if isinstance(said, list) and len(said) == 2 else []
    sizes = [size for pair in pairs if isinstance(pair, list) and len(pair) == 2 for size in pair]
    if len(sizes) != 4 or not all(type(size) is int and 0 <= size <= _SIZE_CAP for size in sizes):
        site.fail(f"has the padding {str(said)[:80]}")
    top, bottom, left, right = sizes
    return padded(site, x, (top, left, bottom, right), Fraction(0))


def rescaling(site: Site, settings: Settings, x: Value | None) -> Value:
    """Rescaling: scale * x + offset."""
    if isinstance(settings.raw("scale"), list) or isinstance(settings.raw("offset"), list):
        site.unsupported("has a scale for each channel")
    scale, offset = settings.number("scale", 1.0), settings.number("offset", 0.0)
    x = mul(site, {}, x, Const(np.array(scale, object)))
    return add_constant(site, {}, x, Const(np.array(offset, object)))


def activation(site: Site, settings: Settings, x: Value | None) -> Value | None:
    """Activation: by name."""
    return activated(site, settings.raw("activation"), x)


def relu(site: Site, settings: Settings, x: Value | None) -> Value:
    """ReLU without a ceiling and without a slope below 0."""
    for name in ("negative_slope", "threshold"):
        settings.fixed(name, 0)
    settings.fixed("max_value")
    return relu_of(site, {}, x)


def softmax(site: Site, settings: Settings, x: Value | None) -> Value | None:
    """Softmax over the classes."""
    settings.fixed("axis", -1, 1)
    return activated(site, "softmax", x)


def add(site: Site, settings: Settings, *branches: Value | None) -> Value:
    """Add: the sum of two branches or more."""
    total: Value = site.edge(branches[0], "a branch")
    for branch in branches[1:]:
        total = add_branches(site, total, branch, 1)
    return total


def concatenate(site: Site, settings: Settings, *branches: Value | None) -> Value:
    """Concatenate: the channels of two branches or more."""
    rank = len(site.edge(branches[0], "a branch").shape)
    settings.fixed("axis", -1, rank - 1)
    return concat_channels(site, 1, branches)
