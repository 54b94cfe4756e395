"""From a graph and a folding to a plan."""

from collections.abc import Callable, Mapping
from typing import Any

from ..fold import Folding
from ..graph import (
    Add,
    Affine,
    Argmax,
    Concat,
    Conv,
    Dense,
    Flatten,
    Graph,
    Input,
    IntConv,
    IntDense,
    MaxPool,
    Node,
    Shuffle,
    Slice,
    SumPool,
    Threshold,
    TopK,
)
from ..names import checked
from .blocks import ArgmaxPlan, Block, GuardPlan, TopKPlan
from .branches import with_forks, with_queues
from .lay_layers import lay_conv, lay_dense, lay_int_conv, lay_int_dense
from .lay_moves import (
    lay_add,
    lay_affine,
    lay_concat,
    lay_pool,
    lay_shuffle,
    lay_slice,
    lay_threshold,
)
from .layout import INPUT_CAP, Layout, Place, a_kind
from .plan import Plan
from .verdict import class_scores

__all__ = ["make_plan"]


def make_plan(graph: Graph, folding: Folding, *, name: str | None = None) -> Plan:
    """Resolve a graph and a folding.

    Parameters
    ----------
    graph : Graph
        Any directed acyclic graph that an Argmax or a TopK ends.
    folding : Folding
        PE and SIMD of every weighted layer.
    name : str or None
        Name of the top module; the graph's where None.

    Raises
    ------
    UsageError
        If the graph holds something that has no hardware yet, the folding does not suit it, or the
        name is not safe.
    """
    name = checked(name or graph.name, "module name")
    folding.check(graph)
    layout = Layout(graph, folding)
    for node in graph.nodes:
        if type(node) not in _LAY:
            raise layout.unsupported(node.name, f"is {a_kind(node)}")
        if node.name not in layout.absorbed:
            _LAY[type(node)](layout, node)
    if not isinstance(graph.nodes[-1], Argmax):
        raise layout.unsupported(graph.nodes[-1].name, "ends the network; an Argmax or a TopK must")
    blocks = list(layout.blocks.values())
    _check_ends(layout, blocks)
    cycles = max(block.cycles for block in blocks)
    return Plan(name, graph, tuple(with_queues(with_forks(blocks), cycles)), folding, layout.order)


def _check_ends(layout: Layout, blocks: list[Block]) -> None:
    read = {source for block in blocks for source in block.sources}
    for block in blocks[:-1]:
        if block.name not in read:
            raise layout.unsupported(block.edge, "is read by nothing")


def _input(to: Layout, node: Input) -> None:
    if node.grid.bits > INPUT_CAP:
        raise to.unsupported(node.name, f"carries codes of {node.grid.bits} bits")
    if not to.weighted:
        raise to.unsupported(node.name, "is followed by no layer with weights")
    lanes = to.folding.input_lanes or to.first_lanes
    size, bits = to.graph.edges[node.name].size, node.grid.bits
    guard = GuardPlan(
        name=to.own_name("guard"), edge=node.name, elements_in=size, bits_in=bits, lanes_in=lanes,
        elements_out=size, bits_out=bits, lanes_out=lanes,
    )  # fmt: skip
    to.lay(guard, node.name)


def _flatten(to: Layout, node: Flatten) -> None:
    source = to.places[node.inputs[0]]
    to.places[node.name] = Place(source.block, source.carried)


def _affine(to: Layout, node: Affine) -> None:
    readers = to.graph.consumers(node.name)
    alone = len(readers) == 1 and isinstance(readers[0], Argmax)
    if alone and node.inputs[0] == to.graph.logits and node.clip is None:
        # The argmax takes it in.
        to.places[node.name] = to.places[node.inputs[0]]
        to.absorbed.add(node.name)
    else:
        lay_affine(to, node)


def _argmax(to: Layout, node: Argmax) -> None:
    edge = node.inputs[0]
    before = to.graph.node(edge)
    affine = before if isinstance(before, Affine) and edge in to.absorbed else None
    if affine is None and edge != to.graph.logits:
        raise to.unsupported(node.name, "does not read the logits")
    if len(to.graph.edges[edge].shape) != 1:
        raise to.unsupported(node.name, "decides between images")
    if node is not to.graph.nodes[-1]:
        raise to.unsupported(node.name, "decides before the network ends")
    to.check_order(node)
    last = to.at(edge, 1)
    grid = to.graph.edges[to.graph.logits].grid
    try:
        multipliers, offsets, shift = class_scores(node, affine, grid)
    except ValueError as error:
        raise to.unsupported(node.name, str(error)) from error
    size, bits = last.elements_out, last.bits_out
    ranks = isinstance(node, TopK)
    answer = (TopKPlan if ranks else ArgmaxPlan)(
        name=node.name, edge=node.name if ranks else to.graph.logits, sources=(last.name,),
        elements_in=size, bits_in=bits, lanes_in=1,
        elements_out=node.k if isinstance(node, TopK) else size, bits_out=bits, lanes_out=1,
        multipliers=multipliers, offsets=offsets, shift=shift,
    )  # fmt: skip
    to.lay(answer, node.name)


_LAY: Mapping[type[Node], Callable[[Layout, Any], None]] = {
    Input: _input,
    Flatten: _flatten,
    Conv: lay_conv,
    Dense: lay_dense,
    IntConv: lay_int_conv,
    IntDense: lay_int_dense,
    Threshold: lay_threshold,
    Affine: _affine,
    MaxPool: lay_pool,
    SumPool: lay_pool,
    Add: lay_add,
    Concat: lay_concat,
    Slice: lay_slice,
    Shuffle: lay_shuffle,
    Argmax: _argmax,
    TopK: _argmax,
}
