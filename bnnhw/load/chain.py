"""Layers in the making: gives nodes their names and collects them."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from ..graph import (
    BIPOLAR,
    Affine,
    Argmax,
    Conv,
    Dense,
    Edge,
    Flatten,
    Graph,
    Grid,
    Input,
    IntConv,
    IntDense,
    Node,
    Readout,
    Threshold,
    TopK,
)
from ..names import mapped
from .scores import Verdict

__all__ = ["Chain", "graph_name"]


def graph_name(*proposals: str | None) -> str:
    """Make the first proposal that is not empty a safe name."""
    first = next((text for text in proposals if text), "network")
    return next(iter(mapped([first], "net").values()))


class Chain:
    """Collects nodes with simple names: ``image``, ``conv1``, ``sign1``, ``pool1``, ``argmax``."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.edges: dict[str, Edge] = {}

    def add(self, node: Node) -> str:
        """Add a node that has its name."""
        self.edges[node.name] = node.edge(*(self.edges[source] for source in node.inputs))
        self.nodes.append(node)
        return node.name

    def named(self, *stems: str) -> str:
        """Give the next name of the first of `stems`, which count together."""
        kinds = [node.name.rstrip("0123456789") for node in self.nodes]
        return f"{stems[0]}{1 + sum(kinds.count(stem) for stem in stems)}"

    def input(
        self, shape: tuple[int, ...], lut: npt.NDArray[np.int64], grid: Grid = BIPOLAR
    ) -> str:
        """Add the input with a table of codes, or one for each channel that it is to have."""
        if lut.ndim == 2:
            edge = (len(lut), *shape[1:])
            return self.add(Input("image", (), edge, grid, lut, shape[0]))
        return self.add(Input("image", (), shape, grid, lut))

    def image(
        self, shape: tuple[int, ...], lut: npt.NDArray[np.int64], grid: Grid = BIPOLAR
    ) -> str | None:
        """Add the input once; None if it is there with another table."""
        if not self.nodes:
            return self.input(shape, lut, grid)
        first = self.nodes[0]
        assert isinstance(first, Input) and first.lut is not None
        known = np.array_equal(first.lut, lut) and first.grid == grid
        return "image" if known else None

    def flat(self, source: str) -> str:
        """Give an edge as a vector: itself, or behind a Flatten, one for each edge."""
        if len(self.edges[source].shape) == 1:
            return source
        for node in self.nodes:
            if isinstance(node, Flatten) and node.inputs == (source,):
                return node.name
        name = self.named("flat")
        return self.add(Flatten("flat" if name == "flat1" else name, (source,)))

    def dense(self, source: str, weight: npt.NDArray[Any], *, binary: bool = True) -> str:
        """Add a dense layer: weight bits or small integers of shape (rows, columns)."""
        kind = Dense if binary else IntDense
        return self.add(kind(self.named("fc"), (source,), weight))

    def conv(
        self, source: str, weight: npt.NDArray[Any], *, binary: bool = True, **geometry: Any
    ) -> str:
        """Add a convolution: weight bits or small integers; `geometry` as the node has it."""
        kind = Conv if binary else IntConv
        return self.add(kind(self.named("conv"), (source,), weight, **geometry))

    def threshold(
        self, source: str, levels: npt.ArrayLike, direction: npt.ArrayLike, grid: Grid = BIPOLAR
    ) -> str:
        """Add a Threshold: ``sign`` with ±1 out, else ``act``."""
        stems = ("sign", "act") if grid == BIPOLAR else ("act", "sign")
        table = np.asarray(levels, np.int64)
        return self.add(
            Threshold(self.named(*stems), (source,), table, np.asarray(direction), grid)
        )

    def grid(self, name: str) -> Grid:
        """Give the values of an edge."""
        return self.edges[name].grid

    def graph(
        self,
        name: str,
        logits: str,
        verdict: Verdict,
        scores: tuple[list[Fraction], list[Fraction]] | None,
        meta: Mapping[str, str],
    ) -> Graph:
        """Add what decides the class and close the graph.

        Parameters
        ----------
        name : str
        logits : str
            Edge that carries the logits.
        verdict : Verdict
        scores : pair of lists of Fraction, or None
            Scale and bias that turn logits into the scores of the framework.
        meta : mapping of str to str
        """
        source, offset = logits, np.asarray(verdict.offset)
        if verdict.multiplier is not None:
            source = self.add(Affine("score", (logits,), verdict.multiplier, offset))
            offset = np.zeros(len(offset), np.int64)
        if verdict.k is None:
            last = self.add(Argmax("argmax", (source,), offset, verdict.scale))
        else:
            last = self.add(TopK("topk", (source,), offset, verdict.scale, verdict.k))
        readout = scores and Readout(tuple(map(float, scores[0])), tuple(map(float, scores[1])))
        return Graph(name, tuple(self.nodes), (logits, last), readout or None, meta)
