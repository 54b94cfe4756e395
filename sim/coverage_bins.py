"""Which bins of the coverage plan a design has hit: read off its plan and golden trace."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from bnnhw.graph import (
    Affine,
    Conv,
    Dense,
    IntConv,
    IntDense,
    Node,
    Shuffle,
    Slice,
    Threshold,
)
from bnnhw.plan import (
    AddPlan,
    ArgmaxPlan,
    Block,
    ConcatPlan,
    ConverterPlan,
    ForkPlan,
    IntMvtuPlan,
    MvtuPlan,
    ParallelWindowPlan,
    Plan,
    PoolPlan,
    QueuePlan,
    TernaryPlan,
    ThresholdPlan,
    TopKPlan,
    UnitPlan,
    WindowPlan,
)

from .coverage_numbers import threshold_bins

__all__ = ["bins_of"]

Edges = Mapping[str, np.ndarray]


def bins_of(plan: Plan, edges: Edges, *, stall_in: int, stall_out: int) -> set[str]:
    """Name every bin that a design and its traffic are in.

    Parameters
    ----------
    plan : Plan
    edges : mapping of str to array of values
        The golden trace of what was sent.
    stall_in, stall_out : int
        Percentage of clocks in which source and sink waited.
    """
    found = {f"stalls: {_stall(stall_in)} × {_stall(stall_out)}"}
    for block in plan.blocks:
        found.update(_of_block(plan, block))
    for node in plan.graph.nodes:
        found.update(_of_node(plan, node, edges))
    found.update(_of_input(plan))
    found.update(_of_answer(plan, edges))
    return found


def _stall(percent: int) -> str:
    return "none" if not percent else "some" if percent <= 50 else "much"


def _fold(number: int, size: int) -> str:
    if number == size:
        return "all"
    return "one" if number == 1 else "ragged" if size % number else "some"


def _times(number: int) -> str:
    return str(number) if number < 3 else "more"


def _bits(bits: int) -> str:
    return str(bits) if bits < 3 else "8" if bits == 8 else "3 to 7"


def _of_block(plan: Plan, block: Block) -> Iterator[str]:
    if isinstance(block, UnitPlan):
        yield from _of_unit(plan, block)
    elif isinstance(block, WindowPlan):
        yield f"window: {'parallel' if isinstance(block, ParallelWindowPlan) else 'serial'}"
    elif isinstance(block, TernaryPlan):
        yield "window: ternary"
    elif isinstance(block, PoolPlan):
        yield from _of_pool(block)
    elif isinstance(block, ThresholdPlan):
        levels = block.levels
        yield f"loose thresholds: {'1' if levels == 1 else '2 or 3' if levels < 4 else 'more'}"
        yield f"threshold turned: {'yes' if any(block.flips) else 'no'}"
    else:
        yield from _of_joint(block)


def _of_unit(plan: Plan, block: UnitPlan) -> Iterator[str]:
    node = plan.graph.node(block.layer)
    shape = f"{_fold(block.pe, block.rows)} × "
    if isinstance(node, Dense):
        yield f"dense PE × SIMD: {shape}{_fold(block.simd, block.columns)}"
    elif isinstance(node, Conv):
        yield f"conv PE × SIMD: {shape}{_lanes(node, block.simd)}"
    else:
        simd = _fold(block.simd, block.columns)
        if "ragged" not in shape + simd:
            yield f"integer PE × SIMD: {shape}{simd}"
    yield f"NF × SF: {_times(block.neuron_folds)} × {_times(block.synapse_folds)}"
    for name, count in (("SF", block.synapse_folds), ("NF", block.neuron_folds)):
        yield from _counter(name, count)
    yield f"weights in: {block.weight_style}"
    if isinstance(block, IntMvtuPlan):
        yield f"multiplier: {block.multiplier}"
        yield f"integer activation bits: {_bits(min(block.bits_in, 8))}"
    elif isinstance(block, MvtuPlan):
        yield f"activation bits: {_bits(block.bits_in)}"
        yield f"pipeline: {block.every}"
        yield from threshold_bins(block)


def _lanes(node: Conv, simd: int) -> str:
    channels = node.weight.shape[1]
    if simd > channels:
        return "window"
    return "one" if simd == 1 and channels > 1 else "all" if simd == channels else "some"


def _counter(name: str, count: int) -> Iterator[str]:
    if count == 1:
        yield f"counter: {name} × 1"
    for what, number in (("2^n - 1", count + 1), ("2^n", count), ("2^n + 1", count - 1)):
        if number > 2 and not number & (number - 1):
            yield f"counter: {name} × {what}"


def _of_pool(block: PoolPlan) -> Iterator[str]:
    yield f"pool: {block.operation}"
    pairs = list(zip(block.kernel, block.stride, strict=True))
    if any(k > s for k, s in pairs):
        yield "pool: overlapping"
    if any(k < s for k, s in pairs):
        yield "pool: gaps"
    if all(k == s for k, s in pairs):
        yield "pool: apart"
    if any(block.padding):
        yield "pool: padded"


def _of_joint(block: Block) -> Iterator[str]:
    if isinstance(block, AddPlan):
        yield f"add: {'2' if len(block.bits) == 2 else '3 or more'}"
        yield f"add: {'equal' if len(set(block.factors)) == 1 else 'other'} steps"
    elif isinstance(block, ConcatPlan):
        yield f"concat: {'2' if len(block.bits) == 2 else '3 or more'}"
        if max(block.words) > 1:
            yield "concat: words of a channel"
    elif isinstance(block, ForkPlan):
        yield f"fork: {'2' if block.copies == 2 else '3 or more'}"
    elif isinstance(block, QueuePlan):
        depth = block.depth
        yield f"queue: {'2' if depth < 3 else 'to 15' if depth < 16 else '16 or more'}"
    elif isinstance(block, ConverterPlan):
        yield from _of_converter(block)


def _of_converter(block: ConverterPlan) -> Iterator[str]:
    into, out = block.lanes_in, block.lanes_out
    kind = "gear"
    if into == out:
        kind = "wires"
    elif out % into == 0:
        kind = "collect"
    elif into % out == 0:
        kind = "share"
    yield f"lanes: {kind}"
    if block.elements_in % into or block.elements_out % out:
        yield "lanes: tail"


def _of_node(plan: Plan, node: Node, edges: Edges) -> Iterator[str]:
    if isinstance(node, Dense | Conv):
        yield from _of_sums(plan, node, edges)
    if isinstance(node, IntDense | IntConv):
        for value in (-128, 0, 127):
            if (node.weight == value).any():
                yield f"integer weight: {value}"
    if isinstance(node, Conv | IntConv):
        yield from _of_geometry(plan, node)
    if isinstance(node, Affine):
        yield from _of_affine(node, edges)
    if isinstance(node, Threshold):
        for way, word in ((1, "no"), (-1, "yes")):
            if (node.direction == way).any():
                yield f"threshold turned: {word}"
    if isinstance(node, Shuffle) and 1 < node.groups < plan.graph.edges[node.name].shape[0]:
        yield "move: shuffle"
    if isinstance(node, Slice):
        whole = plan.graph.edges[node.inputs[0]].shape[0]
        if node.start == 0 and node.stop < whole:
            yield "move: slice at 0"
        if node.start and node.stop == whole:
            yield "move: slice to end"
        if node.start and node.stop < whole:
            yield "move: slice inside"


def _of_sums(plan: Plan, node: Dense | Conv, edges: Edges) -> Iterator[str]:
    grid, values = plan.graph.edges[node.name].grid, edges[node.name]
    if values.min() == grid.low:
        yield "count at: 0"
    if values.max() == grid.high:
        yield "count at: all"
    rows = node.weight.reshape(len(node.weight), -1)
    if rows.shape[1] > 1:
        if (rows == 0).all(axis=1).any():
            yield "weights equal: row of -1"
        if (rows == 1).all(axis=1).any():
            yield "weights equal: row of +1"
        if len(rows) > 1 and len(set(rows.ravel().tolist())) == 1:
            yield "weights equal: matrix"


def _of_geometry(plan: Plan, node: Conv | IntConv) -> Iterator[str]:
    down, across = node.weight.shape[2:]
    _, *size = plan.graph.edges[node.inputs[0]].shape
    yield "kernel: " + (f"{'1' if down == 1 else 'n'} × {'1' if across == 1 else 'n'}")
    if down > 1 and across > 1 and not (down % 2 and across % 2):
        yield "kernel: even"
    if (down, across) == tuple(size) and down * across > 1:
        yield "kernel: whole image"
    window = node.window
    stride, dilation, pads = window.stride, window.dilation, window.padding
    # A stride along an axis with one window says nothing.
    _, *places = plan.graph.edges[node.name].shape
    steps = [s for s, n in zip(stride, places, strict=True) if n > 1]
    yield from (f"stride: {step}" for step in set(steps) if step < 4)
    if len(set(steps)) > 1:
        yield "stride: unequal"
    if any(s > k for s, k, n in zip(stride, (down, across), places, strict=True) if n > 1):
        yield "stride: beyond the kernel"
    reach = [d for d, k in zip(dilation, (down, across), strict=True) if k > 1]
    yield from (f"dilation: {step}" for step in set(reach) if step < 3)
    if len(set(reach)) > 1:
        yield "dilation: unequal"
    yield from _of_padding(plan, node, pads)
    channels = plan.graph.edges[node.inputs[0]].shape[0]
    if node.groups == 1 or channels > 1:
        groups = "1" if node.groups == 1 else "depthwise" if node.groups == channels else "some"
        yield f"groups: {groups}"


def _of_padding(plan: Plan, node: Conv | IntConv, pads: tuple[int, ...]) -> Iterator[str]:
    used = sum(map(bool, pads))
    if not used:
        yield "padding: none"
        return
    if len(set(pads)) == 1:
        yield "padding: all round"
    if used == 1:
        yield "padding: one side"
    if len(set(pads)) > 1:
        yield "padding: uneven"
    grid, value = plan.graph.edges[node.inputs[0]].grid, node.pad_value
    on = grid.low <= value <= grid.high and not (value - grid.low) % grid.step
    if value == 0:
        yield f"pad value: {'code of zero' if on else 'true zero'}"
    if value == grid.low:
        yield "pad value: lowest"
    if value == grid.high:
        yield "pad value: highest"


def _of_affine(node: Affine, edges: Edges) -> Iterator[str]:
    yield f"scale: {'shifted' if node.shift else 'plain'}"
    if (np.asarray(node.multiplier) < 0).any():
        yield "scale: negative"
    if node.clip is not None:
        values = edges[node.name]
        if values.min() == node.clip[0]:
            yield "scale: clipped below"
        if values.max() == node.clip[1]:
            yield "scale: clipped above"


def _of_input(plan: Plan) -> Iterator[str]:
    first: Any = plan.blocks[0]
    bits, lanes, size = first.bits_in, first.lanes_in, first.elements_in
    yield f"input bits: {'1' if bits == 1 else '8' if bits == 8 else '2 to 7'}"
    yield f"input lanes: {_fold(lanes, size)}"
    yield from _counter("input words", first.words_in)


def _of_answer(plan: Plan, edges: Edges) -> Iterator[str]:
    block, node = plan.answer, plan.graph.argmax
    classes = block.elements_in
    yield f"classes: {classes if classes < 3 else 'more'}"
    if node is None:
        return
    logits = np.asarray(edges[plan.graph.logits]).reshape(-1, classes)
    scores = node.scale * logits + node.offset
    top = scores.max(axis=1, keepdims=True)
    if ((scores == top).sum(axis=1) > 1).any():
        yield "best: tie"
    winners = scores.argmax(axis=1)
    if classes > 1:
        if (winners == 0).any():
            yield "best: first"
        if (winners == classes - 1).any():
            yield "best: last"
    if isinstance(block, TopKPlan) and classes > 1:
        count = block.elements_out
        yield f"best: top {'all' if count == classes else '1' if count == 1 else 'some'}"
    assert isinstance(block, ArgmaxPlan)
