"""Every way to fold every layer, and to give lanes to every other node, as a web of choices."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from typing import Any

import numpy as np

from ..errors import UsageError
from ..fold import Folding, LayerFold, serial
from ..fold.folding import MOVES
from ..fold.layers import Layer
from ..fold.memory import prefers_luts
from ..graph import Conv, Dense, Flatten, Graph, Input, IntConv, IntDense, Node
from ..plan.blocks import Block, ConverterPlan
from ..plan.joints import ForkPlan
from ..plan.layout import Place
from ..plan.units import UnitPlan
from .estimate import weighted_layers
from .link import link_price
from .model import Cost, price, price_all
from .sketch import Sketch, lay
from .sparing import sparing
from .web import Ints, Stage, Web

__all__ = ["MAX_PAIRS", "Network", "divisors"]

MAX_PAIRS = 4096
"""Most products a clock in one layer: place and route of more takes longer than anybody waits."""

# A ROM of more bits is not worth a thought in lookup tables.
_MOST_ROM = 1 << 15

_Live = tuple[tuple[str, int, tuple[int, ...]], ...]


def divisors(number: int) -> list[int]:
    """Give the divisors of a number, ascending."""
    low = [d for d in range(1, math.isqrt(number) + 1) if number % d == 0]
    return sorted({*low, *(number // d for d in low)})


@dataclass(frozen=True, eq=False)
class Piece:
    """A node laid in one way.

    Parameters
    ----------
    pick : LayerFold, int or None
        The way: of a layer, or the lanes of something else.
    wants : tuple of int
        Lanes on which it reads each of its inputs.
    lanes : int
        Lanes that leave.
    cycles : int
        Clocks an image.
    cost : Cost
        Without what changes lanes in front of it.
    """

    pick: LayerFold | int | None
    wants: tuple[int, ...]
    lanes: int
    cycles: int
    cost: Cost

    @cached_property
    def vector(self) -> Ints:
        """The cost as numbers."""
        return self.cost.vector


class Network:
    """A network with every way to lay each of its nodes.

    Parameters
    ----------
    graph : Graph
    family : str
    dsp : bool
        As `price` has it.

    Raises
    ------
    UsageError
        If no layer has weights, or something has no hardware.
    """

    def __init__(self, graph: Graph, family: str, *, dsp: bool = False) -> None:
        self.graph, self.family, self.dsp = graph, family, dsp
        self.layers = {layer.name: layer for layer in weighted_layers(graph)}
        self._bench = Sketch(graph, serial(graph))
        for node in graph.nodes:
            lay(self._bench, node)
        self._blocks, self._places = dict(self._bench.blocks), dict(self._bench.places)
        absorbed = self._bench.absorbed
        self.steps = [
            node
            for node in graph.nodes
            if node.name not in absorbed and not isinstance(node, Flatten)
        ]
        self._roots = {
            node.name: tuple(self._places[edge].block for edge in node.inputs)
            for node in self.steps
        }
        self._readers = Counter(root for roots in self._roots.values() for root in roots)
        known: dict[Any, list[Piece]] = {}
        self._pieces = {node.name: self._ways(node, known) for node in self.steps}

    @property
    def weight_bits(self) -> int:
        """Bits of all weights."""
        return sum(
            layer.rows * layer.columns * layer.groups * layer.weight_bits
            for layer in self.layers.values()
        )

    def targets(self) -> list[int]:
        """Every number of clocks an image that a folding can have, ascending."""
        each = [[piece.cycles for piece in pieces] for pieces in self._pieces.values()]
        floor = max(min(cycles) for cycles in each)
        return sorted({cycles for own in each for cycles in own if cycles >= floor})

    def folding(self, picks: Sequence[Any]) -> Folding:
        """Turn the picks of a way through the web into a folding."""
        chosen = {name: pick for name, pick in picks if pick is not None}
        layers = {name: chosen[name] for name in self.layers}
        lanes = {
            node.name: chosen[node.name]
            for node in self.steps
            if isinstance(node, MOVES) and node.name in chosen
        }
        first = next(iter(self.layers.values()))
        own = min(layers[first.name].simd, first.lanes_limit)
        given = chosen[self.graph.input.name]
        return Folding(layers, None if given == own else given, lanes)

    def _ways(self, node: Node, known: dict[Any, list[Piece]]) -> list[Piece]:
        """Lay a node in every way; layers that are alike are laid once."""
        if node.name not in self.layers:
            return list(self._moves(node))
        layer = self.layers[node.name]
        key = (replace(layer, name=""), self._kind(node))
        if key not in known:
            known[key] = list(self._folds(node, layer))
        return known[key]

    def _kind(self, node: Node) -> tuple[Block, ...]:
        """Give all that the price of a layer depends on, but its folding."""
        return tuple(
            replace(block, name="", edge="", sources=(), **_unnamed(block))
            for block in self._laid(node, (1,), LayerFold(1, 1))
        )

    def _folds(self, node: Node, layer: Layer) -> Iterator[Piece]:
        lanes = divisors(layer.lanes_limit)
        if layer.whole(layer.columns):
            lanes.append(layer.columns)
        multipliers = ("dsp", "lut") if isinstance(node, IntConv | IntDense) else ("dsp",)
        for pe in divisors(layer.rows):
            for simd in lanes:
                if pe * simd > MAX_PAIRS:
                    continue
                given = simd if simd <= layer.lanes_limit else layer.lanes_limit
                for style in self._styles(layer, pe, simd):
                    for multiplier in multipliers:
                        fold = LayerFold(pe, simd, style, multiplier)
                        try:
                            piece = self._piece(node, (given,), fold)
                        except UsageError:
                            break  # A whole window that pads with true zeros.
                        yield piece
                        if self.family == "ecp5":
                            for other in sparing(
                                layer, fold, piece.cost.ebr, partial(self._spends, node, given)
                            ):
                                yield self._piece(node, (given,), other)

    def _spends(self, node: Node, given: int, fold: LayerFold) -> int:
        """Count the block RAMs of a layer."""
        return self._piece(node, (given,), fold).cost.ebr

    @staticmethod
    def _styles(layer: Layer, pe: int, simd: int) -> tuple[str, ...]:
        depth = layer.groups * -(-layer.rows // pe) * -(-layer.columns // simd)
        width = pe * simd * layer.weight_bits
        if depth == 1:
            return ("auto",)
        if prefers_luts(width, depth):
            return ("auto", "block")
        return ("auto", "lut") if width * depth <= _MOST_ROM else ("auto",)

    def _moves(self, node: Node) -> Iterator[Piece]:
        """Lay a node without weights on all lanes that suit it."""
        if isinstance(node, Input):
            first = next(iter(self.layers.values()))
            size = self.graph.edges[node.name].size
            for lanes in divisors(first.lanes_limit):
                if lanes <= size:
                    yield self._piece(node, (), lanes)
        elif isinstance(node, MOVES):
            edges = [self.graph.edges[edge] for edge in node.inputs]
            for lanes in divisors(math.gcd(*(edge.shape[0] for edge in edges))):
                try:
                    yield self._piece(node, (lanes,) * len(edges), lanes)
                except UsageError:
                    continue
        else:
            yield self._piece(node, (1,), None)

    def _piece(self, node: Node, given: tuple[int, ...], pick: LayerFold | int | None) -> Piece:
        blocks = self._laid(node, given, pick)
        cost = price_all(blocks, self.family, dsp=self.dsp)
        if not blocks[0].sources:
            cost += link_price([blocks[0], *list(self._blocks.values())[1:]], self.family)
        wants = tuple(self._bench.blocks[source].lanes_out for source in blocks[0].sources)
        cycles = max(block.cycles for block in blocks)
        return Piece(pick, wants, blocks[-1].lanes_out, cycles, cost)

    def _laid(
        self, node: Node, given: tuple[int, ...], pick: LayerFold | int | None
    ) -> list[Block]:
        """Lay a node behind blocks that give its inputs on so many lanes; no converters."""
        to = self._bench
        to.blocks.clear()
        to._converted.clear()
        for edge, root, lanes in zip(node.inputs, self._roots[node.name], given, strict=True):
            block = self._blocks[root]
            to.blocks[root] = Block(
                name=root, edge=block.edge, elements_in=block.elements_out, bits_in=block.bits_out,
                lanes_in=lanes, elements_out=block.elements_out, bits_out=block.bits_out,
                lanes_out=lanes,
            )  # fmt: skip
            to.places[edge] = Place(root, self._places[edge].carried)
        stubs = set(to.blocks)
        if isinstance(pick, LayerFold):
            to.folding = Folding({node.name: pick}).on_family(self.family)
        elif isinstance(node, Input):
            to.folding = Folding({}, pick)
        else:
            to.folding = Folding({}, None, {} if pick is None else {node.name: pick})
        lay(to, node)
        return [
            block
            for name, block in to.blocks.items()
            if name not in stubs and not isinstance(block, ConverterPlan)
        ]

    def web(self, cycles: int) -> Web | None:
        """Join all ways that take at most so many clocks an image; None if a node has none."""
        return _Weaver(self, cycles).web()

    def pieces(self, node: Node, cycles: int) -> list[Piece]:
        """Give the ways to lay a node in at most so many clocks an image."""
        return [piece for piece in self._pieces[node.name] if piece.cycles <= cycles]

    def read(self, live: _Live, node: Node, wants: tuple[int, ...]) -> tuple[_Live, Ints]:
        """Let a node read its inputs; give what is still to be read, and the price of the joints.

        What lies between a block and its readers is known when the last of them is.
        """
        held = {root: (lanes, taken) for root, lanes, taken in live}
        for root, want in zip(self._roots[node.name], wants, strict=True):
            lanes, taken = held[root]
            held[root] = (lanes, tuple(sorted((*taken, want))))
        cost = np.zeros(5, np.int64)
        for root in dict.fromkeys(self._roots[node.name]):
            lanes, taken = held[root]
            if len(taken) == self._readers[root]:
                block = self._blocks[root]
                cost = cost + _joint(block.elements_out, block.bits_out, lanes, taken, self.family)
                del held[root]
        return tuple((root, *rest) for root, rest in held.items()), cost

    def opened(self, live: _Live, node: Node, lanes: int) -> _Live:
        """Add what a node gives to what is to be read."""
        root = self._places[node.name].block if node.name in self._places else node.name
        return (*live, (root, lanes, ())) if self._readers[root] else live


def _unnamed(block: Block) -> dict[str, Any]:
    return {"layer": ""} if isinstance(block, UnitPlan) else {}


@lru_cache(maxsize=1 << 16)
def _joint(elements: int, bits: int, lanes: int, taken: tuple[int, ...], family: str) -> Ints:
    """Price the converters and forks between a block and its readers."""

    def side(kind: type[Block], lanes_in: int, lanes_out: int, **more: Any) -> Cost:
        block = kind(
            name="", edge="", elements_in=elements, bits_in=bits, lanes_in=lanes_in,
            elements_out=elements, bits_out=bits, lanes_out=lanes_out, **more,
        )  # fmt: skip
        return price(block, family)

    cost = Cost()
    readers = Counter(taken)
    for want, count in readers.items():
        if want != lanes:
            cost += side(ConverterPlan, lanes, want)
            if count > 1:
                cost += side(ForkPlan, want, want, copies=count)
    copies = readers[lanes] + sum(want != lanes for want in readers)
    if copies > 1:
        cost += side(ForkPlan, lanes, lanes, copies=copies)
    return cost.vector


class _Weaver:
    """Makes the web: places are what is still to be read, on which lanes.

    A layer is two stages, first its SIMD and then its PE: what changes lanes in front of it depends
    on the one, its own price on both.
    """

    def __init__(self, network: Network, cycles: int) -> None:
        self._network = network
        self._cycles = cycles
        self._places: dict[Any, int] = {((), None): 0}
        self._stages: list[Stage] = []

    def web(self) -> Web | None:
        """Weave all steps."""
        for node in self._network.steps:
            pieces = self._network.pieces(node, self._cycles)
            if not pieces:
                return None
            if isinstance(node, Conv | Dense | IntConv | IntDense):
                by_simd: dict[tuple[int, tuple[int, ...]], list[Piece]] = {}
                for piece in pieces:
                    assert isinstance(piece.pick, LayerFold)
                    by_simd.setdefault((piece.pick.simd, piece.wants), []).append(piece)
                self._reads(node, list(by_simd))
                self._folds(node, by_simd)
            else:
                self._moves(node, pieces)
        return Web(self._stages)

    def _reads(self, node: Node, ways: list[tuple[int, tuple[int, ...]]]) -> None:
        arcs = []
        for (live, _), tail in self._places.items():
            for way in ways:
                after, cost = self._network.read(live, node, way[1])
                arcs.append((tail, (after, way), cost, (node.name, None)))
        self._close(arcs)

    def _folds(self, node: Node, ways: dict[Any, list[Piece]]) -> None:
        vectors = {id(piece): piece.vector for pieces in ways.values() for piece in pieces}
        arcs = []
        for (live, way), tail in self._places.items():
            for piece in ways[way]:
                head = (self._network.opened(live, node, piece.lanes), None)
                arcs.append((tail, head, vectors[id(piece)], (node.name, piece.pick)))
        self._close(arcs)

    def _moves(self, node: Node, pieces: list[Piece]) -> None:
        arcs = []
        for (live, _), tail in self._places.items():
            for piece in pieces:
                after, cost = self._network.read(live, node, piece.wants)
                head = (self._network.opened(after, node, piece.lanes), None)
                arcs.append((tail, head, cost + piece.vector, (node.name, piece.pick)))
        self._close(arcs)

    def _close(self, arcs: list[tuple[int, Any, Ints, Any]]) -> None:
        """Make a stage of arcs, and number the places that they lead to."""
        places: dict[Any, int] = {}
        heads = [places.setdefault(head, len(places)) for _, head, _, _ in arcs]
        self._stages.append(
            Stage(
                np.array([tail for tail, *_ in arcs]),
                np.array(heads),
                np.array([cost for _, _, cost, _ in arcs]),
                [pick for *_, pick in arcs],
                len(places),
            )
        )
        self._places = places
