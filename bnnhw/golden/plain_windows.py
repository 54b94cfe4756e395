"""The plain reference of nodes that move a window: loops over the taps."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ..graph import Conv, IntConv, MaxPool, SumPool

__all__ = ["conv", "max_pool", "sum_pool"]

_Values = npt.NDArray[np.int64]
_LOWEST = np.iinfo(np.int64).min


def _around(x: _Values, padding: tuple[int, int, int, int], value: int) -> _Values:
    top, left, bottom, right = padding
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=value)


def _seen(x: _Values, node: Any, tap_y: int, tap_x: int) -> _Values:
    """Give the cell that a tap sees at each position: the image from there on, stride by stride."""
    window = node.window
    down, across = (
        (have - need) // step + 1
        for have, need, step in zip(x.shape[2:], window.extent, window.stride, strict=True)
    )
    y, x0 = tap_y * window.dilation[0], tap_x * window.dilation[1]
    rows, columns = x[:, :, y :: window.stride[0]], window.stride[1]
    return rows[:, :, :down, x0::columns][:, :, :, :across]


def conv(node: Conv | IntConv, x: _Values) -> _Values:
    """Add up weight times value over all taps; padding is a value like any other."""
    weight = node.weight.astype(np.int64)
    if isinstance(node, Conv):
        weight = 2 * weight - 1
    rows, channels, high, wide = weight.shape
    x = _around(x, node.padding, node.pad_value)
    results = []
    for group in range(node.groups):
        own = weight[group * rows // node.groups : (group + 1) * rows // node.groups]
        part = x[:, group * channels : (group + 1) * channels]
        total: Any = 0
        for tap_y in range(high):
            for tap_x in range(wide):
                cells = _seen(part, node, tap_y, tap_x)
                total = total + np.einsum("nchw,rc->nrhw", cells, own[:, :, tap_y, tap_x])
        results.append(total)
    return np.concatenate(results, axis=1)


def max_pool(node: MaxPool, x: _Values) -> _Values:
    """Take the largest; padding is below everything."""
    x = _around(x, node.padding, _LOWEST)
    taps = [_seen(x, node, y, c) for y in range(node.kernel[0]) for c in range(node.kernel[1])]
    return np.asarray(np.max(taps, axis=0))


def sum_pool(node: SumPool, x: _Values) -> _Values:
    """Add up; padding is 0."""
    x = _around(x, node.padding, 0)
    taps = [_seen(x, node, y, c) for y in range(node.kernel[0]) for c in range(node.kernel[1])]
    return np.asarray(np.sum(taps, axis=0))
