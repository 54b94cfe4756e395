"""The plan: a graph and a folding, resolved into blocks in a row, once."""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import __version__
from ..fold import Folding
from ..fold.folding import WRITABLE
from ..graph import Graph, Grid
from .blocks import ArgmaxPlan, Block, WindowPlan
from .joints import QueuePlan
from .parallel import TernaryPlan
from .units import UnitPlan

__all__ = ["Plan"]


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
        Each behind the ones that it reads; first the input guard, last the block that drives the
        output.
    folding : Folding
        What was asked for, resolved.
    order : str
        Order of the elements of images on streams: ``"chw"``, or ``"hwc"`` where windows move over
        them.
    """

    name: str
    graph: Graph
    blocks: tuple[Block, ...]
    folding: Folding
    order: str = "chw"

    @property
    def units(self) -> tuple[UnitPlan, ...]:
        """The units with weights, in stream order."""
        return tuple(block for block in self.blocks if isinstance(block, UnitPlan))

    @property
    def writable(self) -> tuple[UnitPlan, ...]:
        """The units whose weights are loaded at run time, in the order in which they are."""
        return tuple(unit for unit in self.units if unit.weight_style in WRITABLE)

    @property
    def recorded(self) -> tuple[Block, ...]:
        """The blocks whose output has a name in the Verilog, the last one that of the answer."""
        return tuple(block for block in self.blocks if block.recorded)

    def carries_edge(self, block: Block) -> bool:
        """Tell whether the words of a block are those of its edge, not windows over it."""
        return not isinstance(self.origin(block), (WindowPlan, TernaryPlan))

    def origin(self, block: Block) -> Block:
        """Return the block whose words a queue holds; any other block is its own origin."""
        while isinstance(block, QueuePlan):
            block = self.block(block.sources[0])
        return block

    def block(self, name: str) -> Block:
        """Return the block called `name`."""
        return next(block for block in self.blocks if block.name == name)

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

    def on_stream(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Put the elements of an edge into stream order: (n, *shape) → (n, elements)."""
        if self.order == "hwc" and values.ndim == 4:
            values = np.moveaxis(values, 1, -1)
        return values.reshape(len(values), -1)

    def off_stream(self, edge: str, elements: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Undo `on_stream` for the edge called `edge`."""
        shape = self.graph.edges[edge].shape
        if self.order == "hwc" and len(shape) == 3:
            rows = elements.reshape(len(elements), *shape[1:], shape[0])
            return np.moveaxis(rows, -1, 1)
        return elements.reshape(len(elements), *shape)

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
            "order": self.order,
            "blocks": [
                {"kind": block.kind, **_hexadecimal(asdict(block))} for block in self.blocks
            ],
        }
        return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()


# What blocks were before they had these fields: so nothing that was built changes its identity.
_LATER = {"hold": 1, "replay": "auto"}


def _hexadecimal(fields: dict[str, Any]) -> dict[str, Any]:
    # Python refuses to write the decimal digits of an int as wide as the words of a large array.
    return {
        key: [f"{word:x}" if isinstance(word, int) else word for word in value]
        if isinstance(value, tuple)
        else value
        for key, value in fields.items()
        if key not in _LATER or value != _LATER[key]
    }
