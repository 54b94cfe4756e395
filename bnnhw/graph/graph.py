"""The integer graph: nodes in an order that computes, checked when it is built."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from types import MappingProxyType

import numpy as np

from ..errors import UsageError
from ..names import checked
from .grid import Edge
from .nodes import Argmax, Dense, Input, Node
from .spatial import Conv

__all__ = ["Graph", "Readout"]


@dataclass(frozen=True)
class Readout:
    """How a host turns integer logits into the framework's scores: ``scale[c] * logit + bias[c]``.

    Parameters
    ----------
    scale, bias : tuple of float
        One entry for each class.
    """

    scale: tuple[float, ...]
    bias: tuple[float, ...]

    def __post_init__(self) -> None:
        # NumPy's numbers print otherwise, and the digest is taken of what is printed.
        object.__setattr__(self, "scale", tuple(map(float, self.scale)))
        object.__setattr__(self, "bias", tuple(map(float, self.bias)))


@dataclass(frozen=True, eq=False)
class Graph:
    """A network in integers.

    Parameters
    ----------
    name : str
        Passes `bnnhw.names.checked`; the default name of the hardware.
    nodes : tuple of Node
        In an order in which every node follows the ones that it reads.
    outputs : tuple of str
        Edges that leave: the logits, then the class where the network has an `Argmax`, or the
        classes where it has a `TopK`.
    readout : Readout or None
        Scores of the framework, for hosts.
    meta : mapping of str to str
        Provenance, accuracy and the like; no part of the digest.

    Raises
    ------
    UsageError
        If names collide, an edge is missing, or shapes or grids do not fit.
    """

    name: str
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    readout: Readout | None = None
    meta: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        checked(self.name, "network name")
        object.__setattr__(self, "meta", MappingProxyType(dict(self.meta)))
        if not self.nodes or not isinstance(self.nodes[0], Input):
            raise UsageError(
                f"Graph '{self.name}' does not start with an Input.", "Mend the code that built it."
            )
        if sum(isinstance(node, Input) for node in self.nodes) != 1:
            raise UsageError(
                f"Graph '{self.name}' has more than one Input.",
                "One input is supported; merge them.",
            )
        missing = [name for name in self.outputs if name not in self.edges]
        if missing or not self.outputs:
            raise UsageError(
                f"Graph '{self.name}' names the outputs {list(self.outputs)}, of which {missing} "
                "do not exist.",
                "Name at least one output, each of them a node.",
            )
        if self.readout:
            counts = {len(self.readout.scale), len(self.readout.bias)}
            if counts != {self.edges[self.logits].size}:
                raise UsageError(
                    f"Graph '{self.name}' has a readout of {sorted(counts)} entries for "
                    f"{self.edges[self.logits].size} logits.",
                    "Give one scale and one bias for each logit.",
                )

    @cached_property
    def edges(self) -> Mapping[str, Edge]:
        """Type of every edge, by the name of the node that drives it."""
        edges: dict[str, Edge] = {}
        for node in self.nodes:
            for source in node.inputs:
                if source not in edges:
                    raise UsageError(
                        f"Node '{node.name}' reads '{source}', which no earlier node drives.",
                        "Order the nodes so that each follows the ones that it reads.",
                    )
            if node.name in edges:
                raise UsageError(
                    f"Two nodes are called '{node.name}'.", "Give every node its own name."
                )
            edges[node.name] = node.edge(*(edges[source] for source in node.inputs))
        return MappingProxyType(edges)

    @property
    def input(self) -> Input:
        """The node where images enter."""
        first = self.nodes[0]
        assert isinstance(first, Input)
        return first

    @property
    def logits(self) -> str:
        """Name of the edge that carries the logits."""
        return self.outputs[0]

    @property
    def argmax(self) -> Argmax | None:
        """The node that decides the class, or as a `TopK` the classes, if there is one."""
        found = [node for node in self.nodes if isinstance(node, Argmax)]
        return found[-1] if found else None

    def node(self, name: str) -> Node:
        """Return the node called `name`."""
        return next(node for node in self.nodes if node.name == name)

    def consumers(self, name: str) -> tuple[Node, ...]:
        """Return the nodes that read the edge `name`."""
        return tuple(node for node in self.nodes if name in node.inputs)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over everything that decides an answer, as hex."""
        state = hashlib.sha256(repr((self.name, self.outputs, self.readout)).encode())
        for node in self.nodes:
            state.update(repr(type(node).__name__).encode())
            for item in fields(node):
                value = getattr(node, item.name)
                if isinstance(value, np.ndarray):
                    state.update(repr((item.name, value.shape)).encode())
                    state.update(np.ascontiguousarray(value.astype("<i8")).tobytes())
                else:
                    state.update(repr((item.name, value)).encode())
        return state.hexdigest()

    def __str__(self) -> str:
        rows = [("node", "kind", "reads", "shape", "values")]
        for node in self.nodes:
            edge = self.edges[node.name]
            shape = "×".join(map(str, edge.shape)) or "1"
            rows.append(
                (
                    node.name,
                    type(node).__name__,
                    ", ".join(node.inputs) or "–",
                    shape,
                    str(edge.grid),
                )
            )
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        weights = sum(node.weight.size for node in self.nodes if isinstance(node, Dense | Conv))
        return "\n".join([f"{self.name}: {len(self.nodes)} nodes, {weights} weight bits", *lines])
