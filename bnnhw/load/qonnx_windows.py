"""Handlers of the operators that move a window without weights, or put cells around an image."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from ..graph import Affine as AffineNode
from ..graph import MaxPool, SumPool
from .qonnx_values import Affine, Padded, Rectified, Site, Value

__all__ = ["average_pool", "global_average_pool", "max_pool", "pad", "reduce_mean"]

Attributes = dict[str, Any]
_Window = tuple[tuple[int, int], tuple[int, int], tuple[int, int, int, int]]
_SIZE_CAP = 1 << 12


def _window(site: Site, attributes: Attributes, x: Affine) -> _Window:
    kernel, stride = attributes["kernel_shape"], attributes["strides"] or (1, 1)
    pads, dilation = attributes["pads"] or (0, 0, 0, 0), attributes["dilations"] or (1, 1)
    if kernel is None or len(kernel) != 2 or len(stride) != 2 or min(*kernel, *stride) < 1:
        site.unsupported(f"has the kernel {kernel} and the strides {stride}")
    if len(pads) != 4 or min(pads) < 0 or set(dilation) != {1}:
        site.unsupported(f"has the padding {pads} and the dilations {dilation}")
    if any(size >= kernel[axis % 2] for axis, size in enumerate(pads)):
        site.fail(f"has the padding {pads} around windows of {kernel}")
    for axis in (0, 1):
        if x.shape[2 + axis] + pads[axis] + pads[axis + 2] < kernel[axis]:
            site.fail(f"moves a window of {kernel} over a tensor of shape {x.shape}")
    return (kernel[0], kernel[1]), (stride[0], stride[1]), (pads[0], pads[1], pads[2], pads[3])


def _reshaped(site: Site, x: Affine, edge: str) -> Affine:
    return replace(x, edge=edge, shape=(1, *site.chain.edges[edge].shape))


def max_pool(site: Site, attributes: Attributes, x: Value | None) -> Value:
    """MaxPool; channels that fall where the integers rise are turned around first."""
    if isinstance(x, Rectified):
        # max(x, 0) rises, so the largest of both is that of x, rectified.
        return Rectified(_largest(site, attributes, x.inner))
    return _largest(site, attributes, x)


def _largest(site: Site, attributes: Attributes, x: Value | None) -> Affine:
    source = site.picture(x, "the image")
    window = _window(site, attributes, source)
    if min(source.scale) < 0:
        source = _rising(site, source)
    return _reshaped(
        site, source, site.chain.add(MaxPool(site.chain.named("pool"), (source.edge,), *window))
    )


def _rising(site: Site, x: Affine) -> Affine:
    signs = [-1 if scale < 0 else 1 for scale in x.scale]
    zero = np.zeros(len(signs), np.int64)
    edge = site.chain.add(
        AffineNode(site.chain.named("turn"), (x.edge,), np.array(signs, np.int64), zero)
    )
    return replace(x, edge=edge, scale=tuple(map(abs, x.scale)))


def _mean(site: Site, x: Affine, window: _Window) -> Affine:
    if any(window[2]) and any(x.offset):
        site.unsupported("averages padding with values that have an offset")
    edge = site.chain.add(SumPool(site.chain.named("mean"), (x.edge,), *window))
    cells = window[0][0] * window[0][1]
    # The offset is the same in every cell, so it is its own average.
    return replace(_reshaped(site, x, edge), scale=tuple(scale / cells for scale in x.scale))


def average_pool(site: Site, attributes: Attributes, x: Value | None) -> Value:
    """AveragePool; with padding only where padding counts as 0."""
    source = site.picture(x, "the image")
    window = _window(site, attributes, source)
    if any(window[2]) and not attributes["count_include_pad"]:
        site.unsupported("averages fewer cells at the border")
    return _mean(site, source, window)


def global_average_pool(site: Site, attributes: Attributes, x: Value | None) -> Value:
    """GlobalAveragePool: over the whole image."""
    source = site.picture(x, "the image")
    return _mean(site, source, ((source.shape[2], source.shape[3]), (1, 1), (0, 0, 0, 0)))


def reduce_mean(
    site: Site, attributes: Attributes, x: Value | None, axes: Value | None = None
) -> Value:
    """ReduceMean over height and width."""
    source = site.picture(x, "the image")
    listed = attributes["axes"] if axes is None else site.ints(axes, "the axes")
    if listed is None or sorted(axis % 4 for axis in listed) != [2, 3]:
        site.unsupported(f"averages over the axes {listed}")
    result = global_average_pool(site, attributes, source)
    return result if attributes["keepdims"] else site.reshaped(result, [1, source.shape[1]])


def pad(
    site: Site,
    attributes: Attributes,
    x: Value | None,
    pads: Value | None = None,
    value: Value | None = None,
    axes: Value | None = None,
) -> Value:
    """Pad height and width with a constant, for a convolution."""
    source = site.picture(x, "the image")
    sizes = list(attributes["pads"] or ()) if pads is None else site.ints(pads, "the padding")
    moved = list(range(4)) if axes is None else [axis % 4 for axis in site.ints(axes, "the axes")]
    if len(sizes) != 2 * len(moved) or len(set(moved)) != len(moved):
        site.fail(f"has the padding {sizes} for {len(moved)} axes")
    if min(sizes, default=0) < 0 or max(sizes, default=0) > _SIZE_CAP:
        site.unsupported(f"has the padding {sizes}")
    before, after = (dict(zip(moved, part, strict=True)) for part in
                     (sizes[: len(moved)], sizes[len(moved) :]))  # fmt: skip
    if any(before.get(axis) or after.get(axis) for axis in (0, 1)):
        site.unsupported("pads channels")
    around = before.get(2, 0), before.get(3, 0), after.get(2, 0), after.get(3, 0)
    fill = Fraction(attributes["value"])
    if value is not None:
        fill = site.scalar(site.const(value, "the padding value"), "the padding value")
    return Padded(source, around, fill) if any(around) else source
