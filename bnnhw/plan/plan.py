"""The plan: a graph and a folding, resolved into blocks in a row, once."""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from math import gcd
from typing import Any

import numpy as np

from .. import __version__
from ..errors import UsageError
from ..fold import Folding, LayerFold
from ..graph import Argmax, Dense, Flatten, Graph, Grid, Input, Threshold
from ..names import checked
from .blocks import ArgmaxPlan, Block, ConverterPlan, GuardPlan, MvtuPlan
from .pack import integer_levels, threshold_words, weight_words

__all__ = ["Plan", "make_plan"]


@dataclass(frozen=True)
class Plan:
    """Everything that hardware, manifest, reports and driver need to know of a build.

    Parameters
    ----------
    name : str
        Name of the top module.
    graph : Graph
        What it computes.
    blocks : tuple of Block
        In stream order, first the input guard, last the block that drives the output.
    folding : Folding
        What was asked for, resolved.
    """

    name: str
    graph: Graph
    blocks: tuple[Block, ...]
    folding: Folding

    @property
    def mvtus(self) -> tuple[MvtuPlan, ...]:
        """The matrix-vector-threshold units, in stream order."""
        return tuple(block for block in self.blocks if isinstance(block, MvtuPlan))

    @property
    def answer(self) -> ArgmaxPlan:
        """The block that drives the output."""
        last = self.blocks[-1]
        assert isinstance(last, ArgmaxPlan)
        return last

    @property
    def logits_grid(self) -> Grid:
        """Values of a logit."""
        return self.graph.edges[self.graph.logits].grid

    @property
    def cycles(self) -> int:
        """Clocks between two images at full rate: those of the slowest block."""
        return max(block.cycles for block in self.blocks)

    @property
    def bottleneck(self) -> Block:
        """The slowest block."""
        return max(self.blocks, key=lambda block: block.cycles)

    @cached_property
    def identity(self) -> str:
        """SHA-256 over graph, plan and versions, as hex."""
        state = {
            "version": __version__,
            "name": self.name,
            "graph": self.graph.digest,
            "blocks": [
                {"kind": block.kind, **_hexadecimal(asdict(block))} for block in self.blocks
            ],
        }
        return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()


def _hexadecimal(fields: dict[str, Any]) -> dict[str, Any]:
    # Python refuses to write the decimal digits of an int as wide as the words of a large array.
    return {
        key: [f"{word:x}" for word in value] if isinstance(value, tuple) else value
        for key, value in fields.items()
    }


def make_plan(graph: Graph, folding: Folding, *, name: str | None = None) -> Plan:
    """Resolve a graph and a folding.

    Parameters
    ----------
    graph : Graph
        A chain of dense layers on ±1 activations; every layer but the last has a threshold.
    folding : Folding
        PE and SIMD of every dense layer.
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
    chain = _Chain(graph, folding)
    for node in graph.nodes:
        chain.add(node)
    if not isinstance(graph.nodes[-1], Argmax):
        raise _unsupported(graph, graph.nodes[-1].name, "ends the network; an Argmax must")
    return Plan(name, graph, tuple(chain.blocks), folding)


def _unsupported(graph: Graph, node: str, why: str) -> UsageError:
    return UsageError(
        f"Network '{graph.name}': node '{node}' {why}.",
        "Hardware exists for chains of fully connected layers with 1-bit weights and 1-bit "
        "activations.",
    )


class _Chain:
    """Lays blocks in a row while it walks the nodes."""

    def __init__(self, graph: Graph, folding: Folding) -> None:
        self.graph = graph
        self.folding = folding
        self.blocks: list[Block] = []
        self.edge = ""
        self.lanes = 0

    def _own_name(self, wanted: str) -> str:
        """Name a block that stands for no node, unlike every node and every other block."""
        taken = {node.name for node in self.graph.nodes} | {block.name for block in self.blocks}
        name, number = wanted, 2
        while name in taken:
            name, number = f"{wanted}_{number}", number + 1
        return name

    def add(self, node: object) -> None:
        if isinstance(node, Input):
            self._input(node)
        elif isinstance(node, Flatten):
            self.edge = self._follow(node)
        elif isinstance(node, Dense):
            self._dense(node)
        elif isinstance(node, Threshold):
            self._follow(node)
            if self.edge != node.name:
                raise _unsupported(
                    self.graph, node.name, "is a threshold that does not follow a dense layer"
                )
        elif isinstance(node, Argmax):
            self._argmax(node)
        else:
            raise _unsupported(
                self.graph, getattr(node, "name", "?"), f"is a {type(node).__name__}"
            )

    def _follow(self, node: Flatten | Dense | Threshold | Argmax) -> str:
        # A fused threshold has moved `edge` on to its own name already.
        if node.inputs[0] != self.edge and node.name != self.edge:
            raise _unsupported(
                self.graph, node.name, f"reads '{node.inputs[0]}', which is not the node before it"
            )
        return node.name

    def _input(self, node: Input) -> None:
        if node.grid.levels != 2 or node.grid.low != -node.grid.high:
            raise _unsupported(self.graph, node.name, f"carries {node.grid} instead of ±1")
        first = next((n for n in self.graph.nodes if isinstance(n, Dense)), None)
        if first is None:
            raise _unsupported(self.graph, node.name, "is followed by no dense layer")
        size = self.graph.edges[node.name].size
        self.lanes = self.folding.input_lanes or self.folding.layers[first.name].simd
        self.edge = node.name
        self.blocks.append(
            GuardPlan(
                name=self._own_name("guard"),
                edge=node.name,
                elements_in=size,
                bits_in=1,
                lanes_in=self.lanes,
                elements_out=size,
                bits_out=1,
                lanes_out=self.lanes,
            )
        )

    def _convert(self, lanes: int) -> None:
        """Change to `lanes`, and clear lanes of absent rows where counts leave."""
        last = self.blocks[-1]
        ragged = isinstance(last, MvtuPlan) and last.thresholds is None and last.rows % last.pe
        if lanes == self.lanes and not ragged:
            return
        self.blocks.append(
            ConverterPlan(
                name=self._own_name(f"{self.edge}_lanes"),
                edge=self.edge,
                elements_in=last.elements_out,
                bits_in=last.bits_out,
                lanes_in=self.lanes,
                elements_out=last.elements_out,
                bits_out=last.bits_out,
                lanes_out=lanes,
            )
        )
        self.lanes = lanes

    def _dense(self, node: Dense) -> None:
        self._follow(node)
        source = self.graph.edges[node.inputs[0]].grid
        if source.levels != 2 or source.low != -source.high:
            raise _unsupported(self.graph, node.name, f"reads {source} instead of ±1")
        fold = self.folding.layers[node.name]
        self._convert(fold.simd)
        consumers = self.graph.consumers(node.name)
        threshold = (
            consumers[0] if len(consumers) == 1 and isinstance(consumers[0], Threshold) else None
        )
        self.blocks.append(self._mvtu(node, threshold, fold))
        self.edge = threshold.name if threshold else node.name
        self.lanes = fold.pe

    def _mvtu(self, node: Dense, threshold: Threshold | None, fold: LayerFold) -> MvtuPlan:
        grid = self.graph.edges[node.name].grid
        flip, words = np.zeros(node.rows, np.bool_), None
        if threshold:
            if threshold.levels.shape[1] != 1:
                raise _unsupported(
                    self.graph, threshold.name, "has more than one threshold a channel"
                )
            levels, flip = integer_levels(threshold, grid)
            words = threshold_words(levels, node.columns, fold.pe)
        return MvtuPlan(
            name=node.name, layer=node.name, edge=threshold.name if threshold else node.name,
            elements_in=node.columns, bits_in=1, lanes_in=fold.simd, elements_out=node.rows,
            bits_out=1 if threshold else grid.bits, lanes_out=fold.pe,
            weights=weight_words(node, flip, fold.pe, fold.simd), thresholds=words,
            weight_style=fold.weight_style(node.rows, node.columns),
        )  # fmt: skip

    def _argmax(self, node: Argmax) -> None:
        self._follow(node)
        if node.inputs[0] != self.graph.logits:
            raise _unsupported(self.graph, node.name, "does not read the logits")
        self._convert(1)
        last = self.blocks[-1]
        # m*value + offset = m*low + m*step*code + offset: the order of m*step*code + offset, and
        # of that divided by what all have in common.
        step = node.scale * self.graph.edges[node.inputs[0]].grid.step
        least = int(node.offset.min())
        common = gcd(step, *(int(offset) - least for offset in node.offset))
        self.blocks.append(
            ArgmaxPlan(
                name=node.name,
                edge=self.graph.logits,
                elements_in=last.elements_out,
                bits_in=last.bits_out,
                lanes_in=1,
                elements_out=last.elements_out,
                bits_out=last.bits_out,
                lanes_out=1,
                scale=step // common,
                offsets=tuple((int(offset) - least) // common for offset in node.offset),
            )
        )
        self.edge = node.name
