"""The fast path of nodes that move a window: channels packed into words where an edge is ±1."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..bits import pack_rows
from ..graph import BIPOLAR, Conv, Edge, IntConv, MaxPool, SumPool, Window
from .packed_kernels import Kernel
from .packed_sums import add_planes, exact_products, factors, plane, plane_sums, to_codes

__all__ = ["conv", "max_pool", "sum_pool"]

_Codes = npt.NDArray[Any]
# Windows laid out side by side take so much memory at once, and their sums about as much: more
# would not stay in the second-level cache of a common core.
_COLUMNS_BYTES = 1 << 19


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
    batches = _batches(len(image), node, out, edge.shape[0])
    return _joined([_products(node, out, edge, image[batch]) for batch in batches], 0)


def _batches(count: int, node: Conv | IntConv, out: Edge, words: int) -> Iterator[slice]:
    """Give slices of images whose windows, `words` numbers at each tap, fit the cap."""
    each = 8 * node.window.taps * int(np.prod(out.shape[1:])) * words
    step = max(1, _COLUMNS_BYTES // each)
    for start in range(0, count, step):
        yield slice(start, start + step)


def _conv_words(node: Conv, out: Edge, edge: Edge, codes: _Codes, kernel: Kernel) -> _Codes:
    channels, rows = node.weight.shape[1], node.rows // node.groups
    words = -(-channels // 64)
    packed = _packed_rows(node, kernel)
    parts = []
    for batch in _batches(len(codes), node, out, words):
        groups = []
        for group in range(node.groups):
            own = slice(group * rows, (group + 1) * rows)
            part = codes[batch, group * channels : (group + 1) * channels]
            matches = _matches(node, out, edge, part, packed[own], kernel)
            groups.append(_to_codes(matches, node, out, edge, node.weight[own], codes.shape[2:]))
        parts.append(np.moveaxis(_joined(groups, 0), 0, 1))
    return _joined(parts, 0)


def _joined(parts: list[_Codes], axis: int) -> _Codes:
    """Put arrays one after the other, without a copy where there is but one."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis)


def _packed_rows(node: Conv, kernel: Kernel) -> npt.NDArray[np.uint64]:
    """Pack weights tap by tap, the channels of one in words of their own."""
    rows, channels = node.weight.shape[:2]
    words = kernel.pack_channels(node.weight.reshape(rows, channels, -1))
    return np.ascontiguousarray(words.transpose(1, 2, 0)).reshape(rows, -1)


def _matches(
    node: Conv,
    out: Edge,
    edge: Edge,
    codes: _Codes,
    packed: npt.NDArray[np.uint64],
    kernel: Kernel,
) -> npt.NDArray[np.int32]:
    """Give matches of one group, (rows, images, down, across)."""
    bits = edge.grid.bits
    ones = (plane(codes, bit, bits) for bit in range(bits))
    vectors = (_vectors(node, out, edge, one, bit, kernel) for bit, one in enumerate(ones))
    matches = add_planes(kernel.count_matches(x, packed, node.columns) for x in vectors)
    return matches.reshape(len(packed), len(codes), *out.shape[1:])


def _vectors(
    node: Conv, out: Edge, edge: Edge, ones: npt.NDArray[np.uint8], bit: int, kernel: Kernel
) -> npt.NDArray[np.uint64]:
    """Lay out what a window sees at each position, as words by positions."""
    images, channels, high, wide = ones.shape
    words = kernel.pack_channels(ones.reshape(images, channels, high * wide))
    # Words and images become one axis, so that rows and columns are the next two.
    every = words.reshape(-1, high, wide)
    if node.window.padded:
        # Around the image stands the code of the padding, or 0 where it has none.
        pad = max(0, _pad_code(node, edge)) >> bit & 1
        fill = np.repeat(pack_rows(np.full(channels, pad, np.uint8)), images)
        every = _padded(every, node.window, fill.reshape(-1, 1, 1))
    x = np.empty((node.window.taps, len(every), *out.shape[1:]), np.uint64)
    for vectors, cell in zip(x, _taps(every, node.window, out.shape[1:]), strict=True):
        vectors[...] = cell
    return x.reshape(node.window.taps * len(words), -1)


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
    (rows, channels, *_), window = weight.shape, node.window
    without_code = window.padded and _pad_code(node, edge) < 0
    if edge.grid == BIPOLAR and not without_code:
        return matches
    sums = plane_sums(matches, weight.reshape(rows, -1), edge)
    if without_code:
        # Taps outside read code 0.
        outside = _padded(np.zeros((1, *size), np.int64), window, 1)
        masked = np.stack([tap[0] for tap in _taps(outside, window, out.shape[1:])])
        ones = 2 * weight.reshape(rows, channels, -1).sum(axis=1, dtype=np.int64) - channels
        missing = (ones @ masked.reshape(window.taps, -1)).reshape(rows, 1, *out.shape[1:])
        sums += (node.pad_value - edge.grid.low) * missing
    return to_codes(sums, out.grid)


def _products(node: Conv | IntConv, out: Edge, edge: Edge, codes: _Codes) -> _Codes:
    """Multiply and add values, group by group."""
    images, channels, high, wide = codes.shape
    values = edge.grid.values(codes.reshape(-1, high, wide))
    largest = max(abs(edge.grid.low), abs(edge.grid.high), abs(node.pad_value))
    # Whatever the products are computed in, small values come there as floats in fewer bytes.
    kind: Any = np.float32 if largest < 1 << 24 else np.int64
    padded = _padded(values.astype(kind), node.window, node.pad_value)
    taps = list(_taps(padded, node.window, out.shape[1:]))
    cells = np.empty((images, channels, len(taps), *out.shape[1:]), kind)
    for number, tap in enumerate(taps):
        cells[:, :, number] = tap.reshape(images, channels, *out.shape[1:])
    # All groups at once, in numbers of one kind: it has to hold the results of the largest.
    weight = factors(node).reshape(node.groups, -1, node.columns)
    sums = exact_products(cells.reshape(images, node.groups, node.columns, -1), weight, largest)
    return to_codes(sums, out.grid).reshape(images, -1, *out.shape[1:])


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
