"""Handlers of the Keras layers that have weights, stated as what QONNX would say."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from .keras_quant import activated, kernel, quantised
from .keras_settings import Settings
from .qonnx_layers import conv, matmul
from .qonnx_math import batch_normalization
from .qonnx_values import Affine, Arranged, Const, Padded, Pixels, Rectified, Site, Value

__all__ = ["Weights", "batch_norm", "convolution", "dense", "depthwise", "same_padding"]

Weights = Mapping[str, npt.NDArray[Any]]


def same_padding(size: int, window: int, stride: int, dilation: int) -> tuple[int, int]:
    """Give the cells that padding "same" puts before and after `size` cells; an odd one is after.

    There are as many positions as strides begin within the image, and just enough cells for them.
    """
    extent = (window - 1) * dilation + 1
    total = max((-(-size // stride) - 1) * stride + extent - size, 0)
    return total // 2, total - total // 2


def picture_shape(site: Site, x: Value | None) -> tuple[int, int, int]:
    """Give (channels, height, width) of a tensor, padding included."""
    inner = x.inner if isinstance(x, Padded | Rectified) else x
    if not isinstance(inner, Pixels | Affine | Arranged):
        site.refuse(inner, "the image")
    if len(inner.shape) != 4:
        site.fail(f"reads a tensor of shape {inner.shape} as an image")
    _, channels, height, width = inner.shape
    top, left, bottom, right = x.padding if isinstance(x, Padded) else (0, 0, 0, 0)
    return channels, height + top + bottom, width + left + right


def padding_of(
    site: Site,
    settings: Settings,
    x: Value | None,
    window: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int] = (1, 1),
) -> tuple[int, int, int, int]:
    """Give the padding (top, left, bottom, right) of a layer that says "valid" or "same"."""
    if settings.choice("padding", "valid", "valid", "same") == "valid":
        return 0, 0, 0, 0
    _, height, width = picture_shape(site, x)
    top, bottom = same_padding(height, window[0], stride[0], dilation[0])
    left, right = same_padding(width, window[1], stride[1], dilation[1])
    return top, left, bottom, right


def padded(
    site: Site, x: Value | None, around: tuple[int, int, int, int], value: Fraction
) -> Value | None:
    """Put cells around an image, for a convolution; those of a layer before it may be there."""
    if not any(around):
        return x
    if isinstance(x, Padded):
        if x.value != value:
            site.unsupported("pads with one number what is padded with another already")
        top, left, bottom, right = (a + b for a, b in zip(x.padding, around, strict=True))
        return Padded(x.inner, (top, left, bottom, right), value)
    return Padded(site.picture(x, "the image"), around, value)


def _quantised_input(site: Site, settings: Settings, x: Value | None) -> Value | None:
    return quantised(site, settings.raw("input_quantizer"), x, "its input quantiser")


def _finished(site: Site, settings: Settings, weights: Weights, sums: Value) -> Value | None:
    """Add the bias and apply the activation."""
    result = site.affine(sums, "the sums")
    if "bias" in weights:
        bias, rows = weights["bias"], len(result.scale)
        if bias.shape != (rows,):
            site.fail(f"has a bias of shape {bias.shape} for {rows} outputs")
        added = [Fraction(value) for value in bias.tolist()]
        result = result.changed([Fraction(1)] * rows, added)
    return activated(site, settings.raw("activation"), result)


def _check_shape(site: Site, weight: npt.NDArray[Any], wanted: tuple[int, ...]) -> None:
    if weight.shape != wanted:
        site.fail(f"has a kernel of shape {weight.shape} instead of {wanted}")


def dense(site: Site, settings: Settings, weights: Weights, x: Value | None) -> Value | None:
    """Dense and QuantDense: the kernel is (inputs, outputs)."""
    x = _quantised_input(site, settings, x)
    weight = weights["kernel"]
    if weight.ndim != 2:
        site.fail(f"has a kernel of shape {weight.shape}")
    _check_shape(site, weight, (weight.shape[0], settings.count("units")))
    found = kernel(site, settings.raw("kernel_quantizer"), weight)
    return _finished(site, settings, weights, matmul(site, {}, x, found))


def convolution(site: Site, settings: Settings, weights: Weights, x: Value | None) -> Value | None:
    """Conv2D and QuantConv2D: the kernel is (height, width, channels / groups, outputs)."""
    groups, filters = settings.count("groups", 1), settings.count("filters")
    weight = weights["kernel"]
    channels = picture_shape(site, x)[0]
    size = settings.pair("kernel_size")
    _check_shape(site, weight, (*size, channels // groups, filters))
    found = kernel(site, settings.raw("kernel_quantizer"), weight)
    turned = Const(found.array.transpose(3, 2, 0, 1))
    return _convolved(site, settings, weights, x, turned, groups)


def depthwise(site: Site, settings: Settings, weights: Weights, x: Value | None) -> Value | None:
    """DepthwiseConv2D and QuantDepthwiseConv2D: the kernel is (height, width, channels, each)."""
    settings.fixed("groups", 1)
    each, weight = settings.count("depth_multiplier", 1), weights["kernel"]
    channels = picture_shape(site, x)[0]
    size = settings.pair("kernel_size")
    _check_shape(site, weight, (*size, channels, each))
    said = settings.raw("depthwise_quantizer")
    found = kernel(site, said, weight.reshape(*size, channels * each))
    turned = Const(found.array.transpose(2, 0, 1).reshape(channels * each, 1, *size))
    return _convolved(site, settings, weights, x, turned, channels)


def _convolved(
    site: Site,
    settings: Settings,
    weights: Weights,
    x: Value | None,
    weight: Const,
    groups: int,
) -> Value | None:
    settings.fixed("data_format", "channels_last")
    size = settings.pair("kernel_size")
    stride, dilation = settings.pair("strides", (1, 1)), settings.pair("dilation_rate", (1, 1))
    x = _quantised_input(site, settings, x)
    around = padding_of(site, settings, x, size, stride, dilation)
    x = padded(site, x, around, settings.number("pad_values", 0.0))
    attributes = {
        "kernel_shape": size,
        "strides": stride,
        "dilations": dilation,
        "pads": None,
        "group": groups,
    }
    return _finished(site, settings, weights, conv(site, attributes, x, weight))


def batch_norm(site: Site, settings: Settings, weights: Weights, x: Value | None) -> Value:
    """BatchNormalization over the last axis; without scale there is no gamma."""
    if not isinstance(x, Pixels | Affine | Arranged):
        site.refuse(x, "the tensor")
    axis, rank = settings.raw("axis"), len(x.shape)
    if axis not in (None, -1, rank - 1, [-1], [rank - 1]):
        site.unsupported(f"normalises the axis {axis}")
    settings.flag("scale", True)
    settings.flag("center", True)
    mean = weights["moving_mean"]
    gamma, beta = (
        weights.get(name, np.full_like(mean, value)) for name, value in (("gamma", 1), ("beta", 0))
    )
    parameters = [gamma, beta, mean, weights["moving_variance"]]
    attributes = {"epsilon": float(settings.number("epsilon", 0.001))}
    if not isinstance(x, Arranged):
        return batch_normalization(site, attributes, x, *map(Const, parameters))
    # Features that stand in another order than those of their edge: turn the parameters around.
    order = x.index.reshape(-1)
    if rank != 2 or any(parameter.shape != order.shape for parameter in parameters):
        site.fail(f"has parameters of shape {mean.shape} for a tensor of shape {x.shape}")
    for place, parameter in enumerate(parameters):
        parameters[place] = np.empty_like(parameter)
        parameters[place][order] = parameter
    flat = site.reshaped(x.inner, [1, order.size])
    result = batch_normalization(site, attributes, flat, *map(Const, parameters))
    return replace(x, inner=site.affine(result, "the tensor"))
