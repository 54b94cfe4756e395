"""A chain of layers in the making: gives nodes their names and collects them."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from ..graph import (
    BIPOLAR,
    Argmax,
    Dense,
    Edge,
    Flatten,
    Graph,
    Grid,
    Input,
    Node,
    Readout,
    Threshold,
)
from ..names import mapped

__all__ = ["Chain", "graph_name"]


def graph_name(*proposals: str | None) -> str:
    """Make the first proposal that is not empty a safe name."""
    first = next((text for text in proposals if text), "network")
    return next(iter(mapped([first], "net").values()))


class Chain:
    """Collects nodes with simple names: ``image``, ``flat``, ``fc1``, ``sign1``, …, ``argmax``."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.edges: dict[str, Edge] = {}

    def _add(self, node: Node) -> str:
        self.edges[node.name] = node.edge(*(self.edges[source] for source in node.inputs))
        self.nodes.append(node)
        return node.name

    def _count(self, kind: type[Node]) -> int:
        return 1 + sum(isinstance(node, kind) for node in self.nodes)

    def input(self, shape: tuple[int, ...], lut: npt.NDArray[np.int64]) -> str:
        """Add the input with a table of bits, or one for each channel that it is to have."""
        if lut.ndim == 2:
            edge = (len(lut), *shape[1:])
            return self._add(Input("image", (), edge, BIPOLAR, lut, shape[0]))
        return self._add(Input("image", (), shape, BIPOLAR, lut))

    def image(self, shape: tuple[int, ...], lut: npt.NDArray[np.int64]) -> str | None:
        """Add the flattened input once; None if it is there with another table."""
        if not self.nodes:
            return self.flat(self.input(shape, lut))
        first = self.nodes[0]
        assert isinstance(first, Input) and first.lut is not None
        known = np.array_equal(first.lut, lut)
        return self.flat("image") if known else None

    def flat(self, source: str) -> str:
        """Add the Flatten behind the input, unless that is flat already."""
        if len(self.edges[source].shape) == 1:
            return source
        if "flat" not in self.edges:
            self._add(Flatten("flat", (source,)))
        return "flat"

    def dense(self, source: str, weight: npt.NDArray[Any]) -> str:
        """Add a Dense with weight bits of shape (rows, columns)."""
        return self._add(Dense(f"fc{self._count(Dense)}", (source,), weight))

    def sign(self, source: str, levels: npt.ArrayLike, direction: npt.ArrayLike) -> str:
        """Add a Threshold with one level for each channel and ±1 out."""
        column = np.asarray(levels, np.int64).reshape(-1, 1)
        number = self._count(Threshold)
        return self._add(
            Threshold(f"sign{number}", (source,), column, np.asarray(direction), BIPOLAR)
        )

    def grid(self, name: str) -> Grid:
        """Give the values of an edge."""
        return self.edges[name].grid

    def graph(
        self,
        name: str,
        logits: str,
        decision: tuple[int, npt.ArrayLike],
        scores: tuple[list[Fraction], list[Fraction]] | None,
        meta: Mapping[str, str],
    ) -> Graph:
        """Add the Argmax and close the graph.

        Parameters
        ----------
        name : str
        logits : str
            Edge that carries the logits.
        decision : pair of int and array of int
            Scale and offset of the Argmax.
        scores : pair of lists of Fraction, or None
            Scale and bias that turn logits into the scores of the framework.
        meta : mapping of str to str
        """
        scale, offset = decision
        decided = self._add(Argmax("argmax", (logits,), np.asarray(offset), scale))
        readout = scores and Readout(tuple(map(float, scores[0])), tuple(map(float, scores[1])))
        return Graph(name, tuple(self.nodes), (logits, decided), readout or None, meta)
