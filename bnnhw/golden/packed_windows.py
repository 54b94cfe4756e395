"""The fast path of nodes that move a window: channels packed into words where an edge is ±1."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..bits import pack_rows
from ..graph import BIPOLAR, Conv, Edge, IntConv, MaxPool, SumPool, Window
from .packed_sums import count_matches, exact_products

__all__ = ["conv", "max_pool", "sum_pool"]

_Codes = npt.NDArray[Any]
# Windows laid out side by side take so much memory at once.
_COLUMNS_BYTES = 16 << 20


def _taps(
    image: npt.NDArray[Any], window: Window, positions: Sequence[int]
) -> Iterator[npt.NDArray[Any]]:
    """Give for each tap what it reads at all positions; rows and columns are axes 1 and 2."""
    (down, across), (high, wide) = positions, window.kernel
    for y in range(high):
        for x in range(wide):
            top, left = y * window.dilation[0], x * window.dilation[1]
            yield image[
                :,
                top : top + (down - 1) * window.stride[0] + 1 : window.stride[0],
                left : left + (across - 1) * window.stride[1] + 1 : window.stride[1],
            ]


def _padded(image: npt.NDArray[Any], window: Window, fill: Any) -> npt.NDArray[Any]:
    """Put `fill` around axes 1 and 2."""
    if not window.padded:
        return image
    top, left, bottom, right = window.padding
    count, high, wide, *rest = image.shape
    result = np.empty((count, high + top + bottom, wide + left + right, *rest), image.dtype)
    result[...] = fill
    result[:, top : top + high, left : left + wide] = image
    return result


def conv(node: Conv | IntConv, out: Edge, edges: Sequence[Edge], codes: Sequence[_Codes]) -> _Codes:
    """Convolve group by group; words where the edge is ±1, else exact products of values."""
    packed = edges[0].grid == BIPOLAR and isinstance(node, Conv)
    image = np.moveaxis(codes[0], 1, -1)
    if not packed:
        image = edges[0].grid.values(image)
    channels, rows = node.weight.shape[1], node.rows // node.groups
    result = np.empty((len(image), node.rows, *out.shape[1:]), np.int32 if packed else np.int64)
    # The taps of one row, channel fastest, are neighbours in memory.
    weight = np.moveaxis(node.weight, 1, -1)
    each = 8 * node.window.taps * int(np.prod(out.shape[1:])) * (-(-channels // 64) if packed
                                                                 else channels)  # fmt: skip
    step = max(1, _COLUMNS_BYTES // each)
    for group in range(node.groups):
        part = image[..., group * channels : (group + 1) * channels]
        own = slice(group * rows, (group + 1) * rows)
        for start in range(0, len(image), step):
            batch = part[start : start + step]
            if packed:
                result[start : start + step, own] = _words(node, out, batch, weight[own])
            else:
                sums = _sums(node, edges[0], out, batch, weight[own])
                result[start : start + step, own] = (sums - out.grid.low) // out.grid.step
    return result


def _words(
    node: Conv | IntConv, out: Edge, image: npt.NDArray[Any], weight: npt.NDArray[Any]
) -> npt.NDArray[Any]:
    (rows, *_, channels), window = weight.shape, node.window
    fill = pack_rows(np.full(channels, node.pad_value > 0, np.uint8))
    cells = list(_taps(_padded(pack_rows(image), window, fill), window, out.shape[1:]))
    vectors = np.concatenate(cells, axis=-1).reshape(-1, window.taps * cells[0].shape[-1])
    counts = count_matches(vectors, pack_rows(weight).reshape(rows, -1), node.columns)
    counts = counts.reshape(rows, len(image), *out.shape[1:])
    if window.padded and node.pad_value == 0:
        counts = _without_masked(counts, node, out, weight, image.shape[1:3])
    return np.moveaxis(counts, 0, 1)


def _without_masked(
    counts: npt.NDArray[Any],
    node: Conv | IntConv,
    out: Edge,
    weight: npt.NDArray[Any],
    size: Sequence[int],
) -> npt.NDArray[Any]:
    # Masked taps stand as bit 0, so they matched the weights that are 0. With these taken out, the
    # sum is 2 * matches - (columns - masked), and its code, in half steps, 2 * matches + masked.
    (rows, *_, channels), window = weight.shape, node.window
    outside = _padded(np.zeros((1, *size), np.int64), window, 1)
    masked = np.stack([tap[0] for tap in _taps(outside, window, out.shape[1:])])
    wrong = (channels - weight.reshape(rows, -1, channels).sum(axis=-1, dtype=np.int64)) @ (
        masked.reshape(window.taps, -1)
    )
    matches = counts - wrong.reshape(rows, 1, *out.shape[1:])
    codes: npt.NDArray[Any] = 2 * matches + channels * masked.sum(axis=0)
    return codes


def _sums(
    node: Conv | IntConv,
    edge: Edge,
    out: Edge,
    image: npt.NDArray[np.int64],
    weight: npt.NDArray[Any],
) -> npt.NDArray[np.int64]:
    numbers = weight.reshape(len(weight), -1).astype(np.int64)
    if isinstance(node, Conv):
        numbers = 2 * numbers - 1
    padded = _padded(image, node.window, node.pad_value)
    cells = np.concatenate(list(_taps(padded, node.window, out.shape[1:])), axis=-1)
    largest = max(abs(edge.grid.low), abs(edge.grid.high), abs(node.pad_value))
    sums = exact_products(cells.reshape(-1, node.columns), numbers, largest)
    return np.moveaxis(sums.reshape(len(image), *out.shape[1:], -1), -1, 1)


def max_pool(node: MaxPool, out: Edge, edges: Sequence[Edge], codes: Sequence[_Codes]) -> _Codes:
    """Take the largest code of each window."""
    image = np.moveaxis(codes[0], 1, -1)
    if node.window.padded:
        # Below every code.
        image = _padded(image.astype(np.int64), node.window, -1)
    best, *others = _taps(image, node.window, out.shape[1:])
    for tap in others:
        best = np.maximum(best, tap)
    return np.moveaxis(best, -1, 1)


def sum_pool(node: SumPool, out: Edge, edges: Sequence[Edge], codes: Sequence[_Codes]) -> _Codes:
    """Add up the values of each window."""
    image = np.moveaxis(edges[0].grid.values(codes[0]), 1, -1)
    total, *others = _taps(_padded(image, node.window, 0), node.window, out.shape[1:])
    for tap in others:
        total = total + tap
    return np.moveaxis((total - out.grid.low) // out.grid.step, -1, 1)
