"""The fast path of nodes that move a window: channels packed into words where an edge is ±1."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..bits import pack_rows
from ..graph import BIPOLAR, Conv, Edge, IntConv, MaxPool, SumPool, Window
from .packed_kernels import Kernel
from .packed_sums import add_planes, exact_products, plane, plane_sums, to_codes

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


def conv(
    node: Conv | IntConv, out: Edge, edges: Sequence[Edge], codes: Sequence[_Codes], kernel: Kernel
) -> _Codes:
    """Convolve group by group: words where the kernel counts planes, else products of values."""
    (edge,), (image,) = edges, codes
    if isinstance(node, Conv) and edge.grid.bits <= kernel.planes:
        return _conv_words(node, out, edge, image, kernel)
    image = edge.grid.values(np.moveaxis(image, 1, -1))
    channels, rows = node.weight.shape[1], node.rows // node.groups
    result = np.empty((len(image), node.rows, *out.shape[1:]), np.int64)
    # The taps of one row, channel fastest, are neighbours in memory.
    weight = np.moveaxis(node.weight, 1, -1)
    for group in range(node.groups):
        part = image[..., group * channels : (group + 1) * channels]
        own = slice(group * rows, (group + 1) * rows)
        for batch in _batches(len(image), node, out, channels):
            result[batch, own] = _sums(node, edge, out, part[batch], weight[own])
    return result


def _batches(count: int, node: Conv | IntConv, out: Edge, words: int) -> Iterator[slice]:
    """Give slices of images whose windows, `words` numbers at each tap, fit the cap."""
    each = 8 * node.window.taps * int(np.prod(out.shape[1:])) * words
    step = max(1, _COLUMNS_BYTES // each)
    for start in range(0, count, step):
        yield slice(start, start + step)


def _conv_words(node: Conv, out: Edge, edge: Edge, codes: _Codes, kernel: Kernel) -> _Codes:
    channels, rows = node.weight.shape[1], node.rows // node.groups
    words, bits = -(-channels // 64), edge.grid.bits
    exact = edge.grid == BIPOLAR and not (node.window.padded and node.pad_value == 0)
    result = np.empty((len(codes), node.rows, *out.shape[1:]), np.int32 if exact else np.int64)
    for group in range(node.groups):
        part = codes[:, group * channels : (group + 1) * channels]
        own = slice(group * rows, (group + 1) * rows)
        weight = np.moveaxis(node.weight[own], 1, -1)
        packed = pack_rows(weight).reshape(rows, -1)
        for batch in _batches(len(codes), node, out, words):
            ones = (plane(part[batch], bit, bits) for bit in range(bits))
            vectors = (_vectors(node, out, edge, one, bit, kernel) for bit, one in enumerate(ones))
            matches = add_planes(kernel.count_matches(x, packed, node.columns) for x in vectors)
            matches = matches.reshape(rows, -1, *out.shape[1:])
            if not exact:
                matches = _to_codes(matches, node, out, edge, weight, codes.shape[2:])
            result[batch, own] = np.moveaxis(matches, 0, 1)
    return result


def _vectors(
    node: Conv, out: Edge, edge: Edge, ones: npt.NDArray[np.uint8], bit: int, kernel: Kernel
) -> npt.NDArray[np.uint64]:
    """Lay out what a window sees at each position, as words by positions."""
    images, channels, high, wide = ones.shape
    words = kernel.pack_channels(ones.reshape(images, channels, high * wide))
    # Around the image stands the code of the padding, or 0 where it has none.
    pad = max(0, _pad_code(node, edge)) >> bit & 1
    fill = pack_rows(np.full(channels, pad, np.uint8)).reshape(-1, 1, 1, 1)
    cells = list(_taps(_padded_words(words, node, (high, wide), fill), node.window, out.shape[1:]))
    x = np.empty((len(cells), len(words), images * int(np.prod(out.shape[1:]))), np.uint64)
    for vectors, cell in zip(x, cells, strict=True):
        vectors.reshape(len(words), images, *out.shape[1:])[...] = cell.reshape(
            len(words), images, *out.shape[1:]
        )
    return x.reshape(-1, x.shape[-1])


def _padded_words(
    words: npt.NDArray[np.uint64], node: Conv, size: Sequence[int], fill: npt.NDArray[np.uint64]
) -> npt.NDArray[np.uint64]:
    """Put the padding's words around images; words and images become one axis."""
    images = words.shape[1]
    every = words.reshape(-1, *size)
    return _padded(every, node.window, np.repeat(fill, images, axis=0).reshape(-1, 1, 1))


def _pad_code(node: Conv, edge: Edge) -> int:
    """Code of the padding; −1 where it is no code of the edge."""
    code, rest = divmod(node.pad_value - edge.grid.low, edge.grid.step)
    return code if rest == 0 and 0 <= code < edge.grid.levels else -1


def _to_codes(
    matches: npt.NDArray[Any],
    node: Conv,
    out: Edge,
    edge: Edge,
    weight: npt.NDArray[Any],
    size: Sequence[int],
) -> npt.NDArray[Any]:
    """Turn matches of all planes into codes of the sum, padding that has no code included."""
    (rows, *_, channels), window = weight.shape, node.window
    sums = plane_sums(matches, weight.reshape(rows, -1), edge)
    if window.padded and _pad_code(node, edge) < 0:
        # Taps outside read code 0.
        outside = _padded(np.zeros((1, *size), np.int64), window, 1)
        masked = np.stack([tap[0] for tap in _taps(outside, window, out.shape[1:])])
        ones = 2 * weight.reshape(rows, -1, channels).sum(axis=-1, dtype=np.int64) - channels
        missing = (ones @ masked.reshape(window.taps, -1)).reshape(rows, 1, *out.shape[1:])
        sums += (node.pad_value - edge.grid.low) * missing
    return to_codes(sums, out.grid)


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
    return np.moveaxis(to_codes(sums, out.grid).reshape(len(image), *out.shape[1:], -1), -1, 1)


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
