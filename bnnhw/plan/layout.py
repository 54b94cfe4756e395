"""From a graph and a folding to blocks: what is laid so far, and where each edge is to be had."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd, prod

from ..errors import UsageError
from ..fold import Folding
from ..fold.layers import layers_of
from ..graph import (
    Add,
    Affine,
    Concat,
    Conv,
    Dense,
    Graph,
    IntConv,
    IntDense,
    MaxPool,
    Node,
    Shuffle,
    Slice,
    SumPool,
    Threshold,
)
from .blocks import Block, ConverterPlan
from .units import UnitPlan

__all__ = ["BITS_CAP", "INPUT_CAP", "Layout", "Place", "a_kind"]

BITS_CAP = 8
"""Widest activation that a unit with ±1 weights reads."""

INPUT_CAP = 8
"""Widest code that enters: a byte."""

_WEIGHTED = (Conv, Dense, IntConv, IntDense)
_ON_IMAGES = (Add, Affine, Concat, Conv, IntConv, MaxPool, Shuffle, Slice, SumPool, Threshold)


def a_kind(node: Node) -> str:
    """Give the kind of a node with its article."""
    kind = type(node).__name__
    return f"{'an' if kind[0] in 'AEIOU' else 'a'} {kind}"


@dataclass(frozen=True)
class Place:
    """Where an edge of the graph is to be had.

    Parameters
    ----------
    block : str
        Block whose output it is.
    carried : str
        Edge whose elements, in stream order, are on its wires: a Flatten moves none.
    """

    block: str
    carried: str


class Layout:
    """Blocks laid so far, while the nodes of a graph are walked.

    Parameters
    ----------
    graph : Graph
    folding : Folding
        Suits the graph.
    """

    def __init__(self, graph: Graph, folding: Folding) -> None:
        self.graph = graph
        self.folding = folding
        self.blocks: dict[str, Block] = {}
        self.places: dict[str, Place] = {}
        self.absorbed: set[str] = set()
        """Nodes that the unit in front of them, or the block behind them, takes in."""
        found = [node for node in graph.nodes if isinstance(node, _ON_IMAGES)]
        self.order = "hwc" if any(len(graph.edges[n.name].shape) == 3 for n in found) else "chw"
        self._layers = {layer.name: layer for layer in layers_of(graph)}
        folds = folding.layers
        self.pace = max(
            (
                layer.cycles(folds[name].pe, folds[name].simd)
                for name, layer in self._layers.items()
            ),
            default=0,
        )
        self._converted: dict[tuple[str, int], str] = {}

    @property
    def weighted(self) -> list[Node]:
        """Nodes with weights."""
        return [node for node in self.graph.nodes if isinstance(node, _WEIGHTED)]

    @property
    def first_lanes(self) -> int:
        """Lanes that the first node with weights reads."""
        first = self.weighted[0].name
        return min(self.folding.layers[first].simd, self._layers[first].lanes_limit)

    def unsupported(self, node: str, why: str) -> UsageError:
        """Make the error that names a node; `why` is the rest of the sentence."""
        return UsageError(
            f"Network '{self.graph.name}': node '{node}' {why}.",
            "Hardware exists for convolutions and fully connected layers with 1-bit weights on "
            "activations of at most 8 bits or with 8-bit weights, pools, thresholds, scale and "
            "offset, sums, joins, slices and shuffles of channels, ended by an Argmax or a TopK.",
        )

    def own_name(self, wanted: str) -> str:
        """Name a block that stands for no node, unlike every node and every other block."""
        taken = {node.name for node in self.graph.nodes} | set(self.blocks)
        name, number = wanted, 2
        while name in taken:
            name, number = f"{wanted}_{number}", number + 1
        return name

    def lay(self, block: Block, *edges: str) -> None:
        """Add a block, whose output is the edges `edges` of the graph."""
        self.blocks[block.name] = block
        for edge in edges:
            self.places[edge] = Place(block.name, edge)

    def source(self, edge: str) -> Block:
        """Give the block whose output an edge is."""
        return self.blocks[self.places[edge].block]

    def carried(self, edge: str) -> tuple[int, ...]:
        """Give the shape of what is on the wires of an edge."""
        return self.graph.edges[self.places[edge].carried].shape

    def check_order(self, node: Node) -> None:
        """Refuse what works on channels where words of the stream are no pixels.

        That is behind an image that was flattened, whose channels are still the fastest index on
        the wires, and on edges of two axes, where they are the slowest.
        """
        kind = a_kind(node).lower()
        for edge in node.inputs:
            carried, shape = self.carried(edge), self.graph.edges[edge].shape
            if len(shape) == 2:
                raise self.unsupported(node.name, f"is {kind} on an edge of two axes")
            mixed = self.order == "hwc" and carried[0] != 1 and prod(carried[1:]) != 1
            if carried != shape and mixed:
                raise self.unsupported(node.name, f"is {kind} behind a flattened image")

    def at(self, edge: str, lanes: int) -> Block:
        """Give the block that carries an edge on so many lanes, the absent ones cleared."""
        last = self.source(edge)
        ragged = isinstance(last, UnitPlan) and bool(last.rows % last.pe)
        if getattr(last, "thresholds", None) is not None:
            ragged = False  # Rows past the last one never fire.
        if lanes == last.lanes_out and not ragged:
            return last
        key = (last.name, lanes)
        if key not in self._converted:
            size, bits = last.elements_out, last.bits_out
            converter = ConverterPlan(
                name=self.own_name(f"{edge}_lanes"), edge=self.places[edge].carried,
                sources=(last.name,), elements_in=size, bits_in=bits, lanes_in=last.lanes_out,
                elements_out=size, bits_out=bits, lanes_out=lanes,
            )  # fmt: skip
            self.lay(converter)
            self._converted[key] = converter.name
        return self.blocks[self._converted[key]]

    def lanes(
        self, node: Node, edges: Sequence[str], channels: Sequence[int], *, keep: bool = True
    ) -> int:
        """Choose the lanes of something that takes the words of a pixel one by one.

        Parameters
        ----------
        node : Node
            Which; the folding may name it.
        edges : sequence of str
            What it reads.
        channels : sequence of int
            What the lanes must divide.
        keep : bool
            Take the lanes of the first edge if they suit, instead of the fewest that do.

        Returns
        -------
        int
            What the folding says, else enough that no unit with weights waits for it.

        Raises
        ------
        UsageError
            If the folding gives a number that does not suit.
        """
        sizes = [self.graph.edges[edge].size for edge in edges]
        most = gcd(*channels)
        suited = [n for n in range(1, most + 1) if most % n == 0]
        if node.name in self.folding.lanes:
            return self.chosen(node, suited)
        quick = [n for n in suited if sum(-(-size // n) for size in sizes) <= self.pace]
        quick = quick or suited[-1:]
        present = self.source(edges[0]).lanes_out
        return present if keep and present in quick else quick[0]

    def chosen(self, node: Node, suited: Sequence[int]) -> int:
        """Give the lanes that the folding says, which must be among those that suit."""
        lanes = self.folding.lanes[node.name]
        if lanes not in suited:
            raise UsageError(
                f"Node '{node.name}': lanes = {lanes} does not suit its channels.",
                f"Give one of {', '.join(map(str, suited))}.",
            )
        return lanes
