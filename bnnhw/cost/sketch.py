"""The blocks that a graph and a folding lead to, without the numbers in them."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from math import prod
from typing import Any

from ..fold import Folding
from ..fold.folding import WRITABLE
from ..fold.memory import prefers_search
from ..graph import Conv, Dense, Graph, Grid, IntConv, IntDense, Node, Threshold
from ..plan.blocks import Block
from ..plan.branches import with_forks, with_queues
from ..plan.lay_layers import _window, taps_of
from ..plan.layout import Layout
from ..plan.make import _LAY
from ..plan.pack import Counting, Summing
from ..plan.units import IntMvtuPlan, MvtuPlan

__all__ = ["Sketch", "lay", "sketch"]

Weighted = Conv | Dense | IntConv | IntDense


class Sketch(Layout):
    """A layout whose units have the right shape and hold nothing.

    Packing the weights of a layer takes far longer than to say what its unit looks like, and a
    solver asks for thousands of units.
    """

    def vectors(self, node: Weighted) -> tuple[int, int, int]:
        """Give the groups, the rows of a group, and the vectors of a frame."""
        groups = node.groups if isinstance(node, Conv | IntConv) else 1
        return groups, node.rows // groups, prod(self.graph.edges[node.name].shape[1:]) * groups

    def source_of(self, node: Weighted) -> tuple[Block, bool]:
        """Lay the window of a convolution; tell what a unit reads, and whether that masks."""
        if isinstance(node, Conv | IntConv):
            return _window(self, node)
        return self.at(node.inputs[0], self.folding.layers[node.name].simd), False


def lay(to: Layout, node: Node) -> None:
    """Lay a node, unless another one has taken it in."""
    if node.name not in to.absorbed:
        _WAYS[type(node)](to, node)


def sketch(graph: Graph, folding: Folding, *, queues: bool = True) -> list[Block]:
    """Give the blocks of the plan, each behind the ones that it reads.

    Contents (weights, thresholds, offsets) are empty where the plan has some.

    Parameters
    ----------
    graph : Graph
    folding : Folding
    queues : bool
        Put queues in, which takes the schedules of all blocks.

    Raises
    ------
    UsageError
        If the folding does not suit the graph, or something has no hardware.
    """
    folding.check(graph)
    to = Sketch(graph, folding)
    for node in graph.nodes:
        if type(node) not in _WAYS:
            raise to.unsupported(node.name, f"is a {type(node).__name__}")
        lay(to, node)
    blocks = list(to.blocks.values())
    forked = with_forks(blocks)
    return with_queues(forked, max(block.cycles for block in blocks)) if queues else forked


@lru_cache(maxsize=4096)
def _has_offsets(graph: Graph, name: str, source: Grid, masked: bool) -> bool:
    """Tell whether something is added to the counts of a layer without thresholds."""
    node = graph.node(name)
    assert isinstance(node, Conv | Dense)
    grid = graph.edges[name].grid
    counting = Counting(source, node.weight.reshape(node.rows, -1), masked)
    return counting.offsets(grid) is not None or counting.largest.bit_length() != grid.bits


@lru_cache(maxsize=4096)
def _weight_bits(graph: Graph, name: str, source: Grid) -> int:
    """Give the width of the weights of a layer as its hardware has them."""
    node = graph.node(name)
    assert isinstance(node, IntConv | IntDense)
    grid = graph.edges[name].grid
    return Summing(source, node.weight.reshape(node.rows, -1).astype(int), grid).weight_bits


def _binary(to: Sketch, node: Conv | Dense) -> None:
    graph, fold = to.graph, to.folding.layers[node.name]
    if fold.weights == "unrolled":
        # What is unrolled depends on each weight.
        _LAY[type(node)](to, node)
        return
    last, masked = to.source_of(node)
    source = taps_of(to, node, last)
    readers = graph.consumers(node.name)
    threshold = readers[0] if len(readers) == 1 and isinstance(readers[0], Threshold) else None
    groups, rows, vectors = to.vectors(node)
    style = fold.weight_style(rows, node.columns, groups=groups)
    levels, bits, search, edge = 1, graph.edges[node.name].grid.bits, False, node.name
    if threshold:
        to.absorbed.add(threshold.name)
        edge, bits, levels = threshold.name, threshold.grid.bits, threshold.levels.shape[1]
        folds = groups * -(-rows // fold.pe) * fold.hold
        search = style not in WRITABLE and prefers_search(levels, folds)
    try:
        moved = threshold is None and _has_offsets(graph, node.name, source, masked)
    except ValueError as error:
        raise to.unsupported(node.name, f"gives sums whose {error}") from error
    unit = MvtuPlan(
        name=node.name, layer=node.name, edge=edge, sources=(last.name,), rows=rows,
        columns=node.columns, vectors=vectors, groups=groups, elements_in=vectors * node.columns,
        bits_in=source.bits, lanes_in=fold.simd,
        elements_out=vectors * rows, bits_out=bits, lanes_out=fold.pe,
        thresholds=() if threshold else None, offsets=() if moved else None, levels=levels,
        weights=(), masked=masked, weight_style=style, search=search, every=fold.every,
        hold=fold.hold, replay=fold.replay,
    )  # fmt: skip
    to.lay(unit, edge)


def _integer(to: Sketch, node: IntConv | IntDense) -> None:
    last, _ = to.source_of(node)
    source = taps_of(to, node, last)
    fold, width = to.folding.layers[node.name], _weight_bits(to.graph, node.name, source)
    groups, rows, vectors = to.vectors(node)
    unit = IntMvtuPlan(
        name=node.name, layer=node.name, edge=node.name, sources=(last.name,), rows=rows,
        columns=node.columns, vectors=vectors, groups=groups, elements_in=vectors * node.columns,
        bits_in=source.bits, lanes_in=fold.simd,
        elements_out=vectors * rows, bits_out=to.graph.edges[node.name].grid.bits,
        lanes_out=fold.pe, width=width, weights=(), offsets=(), multiplier=fold.multiplier,
        weight_style=fold.weight_style(rows, node.columns, width, groups),
    )  # fmt: skip
    to.lay(unit, node.name)


_WAYS: Mapping[type[Node], Callable[[Any, Any], None]] = {
    **_LAY,
    Conv: _binary,
    Dense: _binary,
    IntConv: _integer,
    IntDense: _integer,
}
