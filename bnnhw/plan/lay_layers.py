"""How layers with weights, and the windows in front of them, are laid."""

from math import prod

import numpy as np
import numpy.typing as npt

from ..fold.folding import WRITABLE
from ..fold.memory import prefers_search
from ..graph import Conv, Dense, Grid, IntConv, IntDense, Threshold
from ..graph.sums import with_value
from .blocks import Block, WindowPlan
from .layout import BITS_CAP, Layout
from .pack import Counting, Summing, matrix_words, row_words, signed_words
from .parallel import ParallelWindowPlan, TernaryPlan
from .units import IntMvtuPlan, MvtuPlan

__all__ = ["lay_conv", "lay_dense", "lay_int_conv", "lay_int_dense", "taps_of"]

UNROLLED_EVERY = 1
"""Levels of adders between registers of an unrolled layer whose folding does not say them."""


def lay_conv(to: Layout, node: Conv) -> None:
    """Lay a convolution with ±1 weights."""
    source, masked = _window(to, node)
    matrix = node.weight.transpose(0, 2, 3, 1).reshape(node.rows, -1)
    _binary(to, node, source, matrix, masked)


def lay_dense(to: Layout, node: Dense) -> None:
    """Lay a dense layer with ±1 weights."""
    source = to.at(node.inputs[0], to.folding.layers[node.name].simd)
    _binary(to, node, source, _columns(to, node), False)


def lay_int_conv(to: Layout, node: IntConv) -> None:
    """Lay a convolution with 8-bit weights."""
    source, masked = _window(to, node)
    if masked:
        grid = to.graph.edges[node.inputs[0]].grid
        raise to.unsupported(node.name, f"pads {grid} with {node.pad_value}")
    matrix = node.weight.transpose(0, 2, 3, 1).reshape(node.rows, -1)
    _integer(to, node, source, matrix)


def lay_int_dense(to: Layout, node: IntDense) -> None:
    """Lay a dense layer with 8-bit weights."""
    source = to.at(node.inputs[0], to.folding.layers[node.name].simd)
    _integer(to, node, source, _columns(to, node))


def _columns(to: Layout, node: Dense | IntDense) -> npt.NDArray[np.integer]:
    """Give the matrix with its columns in the order of the stream."""
    shape = to.carried(node.inputs[0])
    if to.order == "hwc" and len(shape) == 3:
        # Columns are in the order of a flattened image, channels slowest; on the stream they are
        # fastest.
        moved = node.weight.reshape(node.rows, *shape).transpose(0, 2, 3, 1)
        return moved.reshape(node.rows, -1)
    return node.weight


def _window(to: Layout, node: Conv | IntConv) -> tuple[Block, bool]:
    """Lay the window, unless pixels are windows already; tell whether it masks."""
    window, edge = node.window, node.inputs[0]
    grid = to.graph.edges[edge].grid
    channels, height, width = to.graph.edges[edge].shape
    simd = to.folding.layers[node.name].simd
    whole = simd > channels // node.groups
    last = to.at(edge, channels if whole else simd)
    if window.taps == 1 and not window.padded and window.stride == (1, 1):
        return last, False
    on = grid.low <= node.pad_value <= grid.high and not (node.pad_value - grid.low) % grid.step
    # A zero that is left out lies in the middle of what a lane can count.
    if window.padded and not on and (grid.low != -grid.high or grid.levels != 1 << grid.bits):
        raise to.unsupported(node.name, f"pads {grid} with {node.pad_value}")
    masked = window.padded and not on
    size = prod(to.graph.edges[node.name].shape[1:]) * node.columns * node.groups
    block = (ParallelWindowPlan if whole else WindowPlan)(
        name=to.own_name(f"{node.name}_window"), edge=to.places[edge].carried,
        sources=(last.name,), elements_in=channels * height * width, bits_in=last.bits_out,
        lanes_in=last.lanes_out, elements_out=size, bits_out=last.bits_out,
        lanes_out=simd, channels=channels, height=height, width=width,
        kernel=window.kernel, stride=window.stride, dilation=window.dilation,
        padding=window.padding, groups=node.groups,
        pad=None if masked else (node.pad_value - grid.low) // grid.step if on else 0,
    )  # fmt: skip
    to.lay(block)
    if not (masked and whole):
        return block, masked
    # In a whole window every tap has a mask of its own: ±1 taps have three values instead of two.
    ternary = TernaryPlan(
        name=to.own_name(f"{node.name}_taps"), edge=block.edge, sources=(block.name,),
        elements_in=size, bits_in=grid.bits, lanes_in=simd, elements_out=size,
        bits_out=with_value(grid, 0).bits, lanes_out=simd, channels=channels,
    )  # fmt: skip
    to.lay(ternary)
    return ternary, False


def taps_of(to: Layout, node: Conv | Dense | IntConv | IntDense, last: Block) -> Grid:
    """Give the values of what `last` sends to a layer: true zeros may be among them."""
    grid = to.graph.edges[node.inputs[0]].grid
    return with_value(grid, 0) if isinstance(last, TernaryPlan) else grid


def _shape(to: Layout, node: Conv | Dense | IntConv | IntDense) -> tuple[int, int, int]:
    """Give the groups, the rows of a group, and the vectors of a frame."""
    groups = node.groups if isinstance(node, Conv | IntConv) else 1
    return groups, node.rows // groups, prod(to.graph.edges[node.name].shape[1:]) * groups


def _binary(
    to: Layout,
    node: Dense | Conv,
    last: Block,
    matrix: npt.NDArray[np.integer],
    masked: bool,
) -> None:
    source, grid = taps_of(to, node, last), to.graph.edges[node.name].grid
    if source.bits > BITS_CAP:
        raise to.unsupported(node.name, f"reads codes of {source.bits} bits")
    fold = to.folding.layers[node.name]
    readers = to.graph.consumers(node.name)
    threshold = readers[0] if len(readers) == 1 and isinstance(readers[0], Threshold) else None
    if threshold:
        matrix = matrix ^ (threshold.direction < 0)[:, None].astype(np.uint8)
    counting = Counting(source, matrix.astype(np.uint8), masked)
    thresholds, offsets, levels, bits = None, None, 1, grid.bits
    if threshold:
        top, bits = counting.largest + 1, threshold.grid.bits
        levels = threshold.levels.shape[1]
        thresholds = row_words(counting.levels(threshold), fold.pe, top, top)
        to.absorbed.add(threshold.name)
    else:
        offsets = _offsets(to, node, counting, grid, fold.pe)
    edge = threshold.name if threshold else node.name
    groups, rows, vectors = _shape(to, node)
    style = fold.weight_style(rows, node.columns, groups=groups)
    # What is written while it runs is compared as it stands.
    search = thresholds is not None and style not in (*WRITABLE, "unrolled")
    search = search and prefers_search(levels, len(thresholds or ()) * fold.hold)
    unit = MvtuPlan(
        name=node.name, layer=node.name, edge=edge, sources=(last.name,), rows=rows,
        columns=node.columns, vectors=vectors, groups=groups, elements_in=vectors * node.columns,
        bits_in=source.bits, lanes_in=fold.simd, elements_out=vectors * rows,
        bits_out=bits, lanes_out=fold.pe, thresholds=thresholds, offsets=offsets, levels=levels,
        weights=matrix_words(counting.matrix, fold.pe, fold.simd), masked=masked,
        weight_style=style, search=search, hold=fold.hold, replay=fold.replay,
        every=UNROLLED_EVERY if style == "unrolled" and fold.pipeline == "auto" else fold.every,
    )  # fmt: skip
    to.lay(unit, edge)


def _offsets(
    to: Layout, node: Dense | Conv, counting: Counting, grid: Grid, pe: int
) -> tuple[int, ...] | None:
    try:
        offsets = counting.offsets(grid)
    except ValueError as error:
        raise to.unsupported(node.name, f"gives sums whose {error}") from error
    if offsets is None:
        if counting.largest.bit_length() == grid.bits:
            return None
        # Counts are codes, but no row reaches the largest ones.
        offsets = np.zeros(len(counting.matrix), np.int64)
    top = (1 << grid.bits) - 1
    return row_words(offsets & top, pe, top, 0)


def _integer(
    to: Layout, node: IntConv | IntDense, last: Block, matrix: npt.NDArray[np.integer]
) -> None:
    source, grid = taps_of(to, node, last), to.graph.edges[node.name].grid
    fold = to.folding.layers[node.name]
    summing = Summing(source, matrix.astype(np.int64), grid)
    width, top = summing.weight_bits, (1 << grid.bits) - 1
    groups, rows, vectors = _shape(to, node)
    unit = IntMvtuPlan(
        name=node.name, layer=node.name, edge=node.name, sources=(last.name,), rows=rows,
        columns=node.columns, vectors=vectors, groups=groups, elements_in=vectors * node.columns,
        bits_in=source.bits, lanes_in=fold.simd, elements_out=vectors * rows,
        bits_out=grid.bits, lanes_out=fold.pe, width=width,
        weights=signed_words(summing.weights, fold.pe, fold.simd, width),
        offsets=row_words(summing.offsets & top, fold.pe, top, 0), multiplier=fold.multiplier,
        weight_style=fold.weight_style(rows, node.columns, width, groups),
    )  # fmt: skip
    to.lay(unit, node.name)
