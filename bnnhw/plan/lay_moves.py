"""How pools, thresholds, scales, joins and moves of channels are laid."""

from math import prod

import numpy as np

from ..fold.memory import prefers_search
from ..graph import Add, Affine, Concat, Edge, Grid, MaxPool, Shuffle, Slice, SumPool, Threshold
from .blocks import AffinePlan, PoolPlan, ThresholdPlan
from .joints import AddPlan, ConcatPlan, PermutePlan, SlicePlan
from .layout import Layout
from .pack import code_levels, row_words, signed_bits

__all__ = [
    "lay_add",
    "lay_affine",
    "lay_concat",
    "lay_pool",
    "lay_shuffle",
    "lay_slice",
    "lay_threshold",
]


def _pixels(edge: Edge) -> int:
    return prod(edge.shape[1:])


def lay_threshold(to: Layout, node: Threshold) -> None:
    """Lay thresholds that no unit with weights takes in."""
    to.check_order(node)
    edge = node.inputs[0]
    out, grid = to.graph.edges[node.name], to.graph.edges[edge].grid
    lanes = to.source(edge).lanes_out
    if len(out.shape) == 3:
        lanes = to.lanes(node, [edge], out.shape[:1])
    last = to.at(edge, lanes)
    levels, flips = code_levels(node, grid)
    never = 1 << grid.bits
    to.lay(
        ThresholdPlan(
            name=node.name, edge=node.name, sources=(last.name,),
            elements_in=out.size, bits_in=last.bits_out, lanes_in=lanes,
            elements_out=out.size, bits_out=out.grid.bits, lanes_out=lanes,
            thresholds=row_words(levels, lanes, never, never),
            flips=row_words(flips, lanes, 1, 0), levels=levels.shape[1],
            search=prefers_search(levels.shape[1], -(-len(levels) // lanes)),
        ),
        node.name,
    )  # fmt: skip


def lay_pool(to: Layout, node: MaxPool | SumPool) -> None:
    """Lay a pool."""
    edge = node.inputs[0]
    source, out = to.graph.edges[edge], to.graph.edges[node.name]
    channels, height, width = source.shape
    window, grid = node.window, source.grid
    operation = "sum" if isinstance(node, SumPool) else "max"
    if operation == "sum" and window.padded and grid.low:
        # What pads adds the code 0, so the value `low`.
        raise to.unsupported(node.name, f"adds up {grid} with padding")
    lanes = to.lanes(node, [edge], [channels])
    last = to.at(edge, lanes)
    to.lay(
        PoolPlan(
            name=node.name, edge=node.name, sources=(last.name,), operation=operation,
            levels=grid.levels, elements_in=source.size, bits_in=last.bits_out, lanes_in=lanes,
            elements_out=out.size, bits_out=out.grid.bits, lanes_out=lanes, channels=channels,
            height=height, width=width, kernel=window.kernel, stride=window.stride,
            padding=window.padding,
        ),
        node.name,
    )  # fmt: skip


def lay_affine(to: Layout, node: Affine) -> None:
    """Lay scale and offset in fixed point."""
    to.check_order(node)
    edge = node.inputs[0]
    source, out = to.graph.edges[edge], to.graph.edges[node.name]
    # Multipliers are dear: as few as do.
    lanes = to.lanes(node, [edge], source.shape[:1], keep=False)
    last = to.at(edge, lanes)
    multiplier, offset, shift = _on_codes(node, source.grid, out.grid)
    widths = signed_bits(multiplier), signed_bits(offset)
    words = [
        row_words(numbers & ((1 << bits) - 1), lanes, (1 << bits) - 1, 0)
        for numbers, bits in zip((multiplier, offset), widths, strict=True)
    ]
    if len(set(words[0])) == len(set(words[1])) == 1:
        words = [word[:1] for word in words]
    to.lay(
        AffinePlan(
            name=node.name, edge=node.name, sources=(last.name,),
            elements_in=out.size, bits_in=last.bits_out, lanes_in=lanes,
            elements_out=out.size, bits_out=out.grid.bits, lanes_out=lanes,
            multipliers=words[0], offsets=words[1], multiplier_bits=widths[0],
            offset_bits=widths[1], shift=shift, levels=out.grid.levels,
            clip=node.clip is not None,
        ),
        node.name,
    )  # fmt: skip


def _on_codes(node: Affine, source: Grid, out: Grid) -> tuple[np.ndarray, np.ndarray, int]:
    """Give what turns codes into codes as `node` turns values into values."""
    multiplier, offset = node.multiplier * source.step, node.multiplier * source.low + node.offset
    if out.step == 1:
        # A whole number behind the shift is a multiple of 1 << shift in front of it.
        return multiplier, offset - (out.low << node.shift), node.shift
    # The products are then evenly spaced by a multiple of 1 << shift: nothing is rounded.
    step = out.step << node.shift
    ends = np.minimum(offset, offset + multiplier * (source.levels - 1))
    return multiplier // step, (offset - ends.min()) // step, 0


def lay_add(to: Layout, node: Add) -> None:
    """Lay a sum of branches."""
    to.check_order(node)
    out = to.graph.edges[node.name]
    lanes = to.lanes(node, node.inputs[:1], out.shape[:1])
    sources = [to.at(edge, lanes) for edge in node.inputs]
    grids = [to.graph.edges[edge].grid for edge in node.inputs]
    to.lay(
        AddPlan(
            name=node.name, edge=node.name, sources=tuple(block.name for block in sources),
            elements_in=out.size, bits_in=sources[0].bits_out, lanes_in=lanes,
            elements_out=out.size, bits_out=out.grid.bits, lanes_out=lanes,
            bits=tuple(block.bits_out for block in sources),
            factors=tuple(grid.step // out.grid.step or 1 for grid in grids),
        ),
        node.name,
    )  # fmt: skip


def lay_concat(to: Layout, node: Concat) -> None:
    """Lay a join of channels."""
    to.check_order(node)
    out = to.graph.edges[node.name]
    edges = [to.graph.edges[edge] for edge in node.inputs]
    lanes = to.lanes(node, node.inputs, [edge.shape[0] for edge in edges])
    sources = [to.at(edge, lanes) for edge in node.inputs]
    to.lay(
        ConcatPlan(
            name=node.name, edge=node.name, sources=tuple(block.name for block in sources),
            elements_in=out.size, bits_in=sources[0].bits_out, lanes_in=lanes,
            elements_out=out.size, bits_out=out.grid.bits, lanes_out=lanes,
            bits=tuple(block.bits_out for block in sources),
            words=tuple(edge.shape[0] // lanes for edge in edges),
            factors=tuple(edge.grid.step // out.grid.step or 1 for edge in edges),
            offsets=tuple((edge.grid.low - out.grid.low) // out.grid.step for edge in edges),
            pixels=_pixels(out),
        ),
        node.name,
    )  # fmt: skip


def lay_slice(to: Layout, node: Slice) -> None:
    """Lay a choice of channels."""
    to.check_order(node)
    edge = node.inputs[0]
    source, out = to.graph.edges[edge], to.graph.edges[node.name]
    channels = source.shape[0]
    bounds = [number for number in (channels, node.start, node.stop) if number]
    lanes = to.lanes(node, [edge], bounds)
    last = to.at(edge, lanes)
    to.lay(
        SlicePlan(
            name=node.name, edge=node.name, sources=(last.name,),
            elements_in=source.size, bits_in=last.bits_out, lanes_in=lanes,
            elements_out=out.size, bits_out=out.grid.bits, lanes_out=lanes,
            folds=channels // lanes, start=node.start // lanes, stop=node.stop // lanes,
            pixels=_pixels(out),
        ),
        node.name,
    )  # fmt: skip


def lay_shuffle(to: Layout, node: Shuffle) -> None:
    """Lay a shuffle of channels: wires, or one channel a clock."""
    to.check_order(node)
    edge = node.inputs[0]
    out = to.graph.edges[node.name]
    channels = out.shape[0]
    wide = to.source(edge).lanes_out == channels or out.size > to.pace
    if node.name in to.folding.lanes:
        wide = to.chosen(node, (1, channels)) == channels
    last = to.at(edge, channels if wide else 1)
    order = np.arange(channels).reshape(node.groups, -1).T.reshape(-1)
    to.lay(
        PermutePlan(
            name=node.name, edge=node.name, sources=(last.name,),
            elements_in=out.size, bits_in=last.bits_out, lanes_in=last.lanes_out,
            elements_out=out.size, bits_out=out.grid.bits, lanes_out=last.lanes_out,
            order=tuple(order.tolist()),
        ),
        node.name,
    )  # fmt: skip
