"""From a graph and a folding to blocks in a row."""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import UsageError
from ..fold import Folding
from ..graph import (
    Affine,
    Argmax,
    Conv,
    Dense,
    Flatten,
    Graph,
    Grid,
    Input,
    MaxPool,
    Node,
    SumPool,
    Threshold,
)
from ..names import checked
from .blocks import (
    ArgmaxPlan,
    Block,
    ConverterPlan,
    GuardPlan,
    MvtuPlan,
    PoolPlan,
    ThresholdPlan,
    WindowPlan,
)
from .pack import Counting, code_levels, matrix_words, row_words
from .plan import Plan
from .verdict import class_scores

__all__ = ["make_plan"]

_BITS_CAP = 8


def make_plan(graph: Graph, folding: Folding, *, name: str | None = None) -> Plan:
    """Resolve a graph and a folding.

    Parameters
    ----------
    graph : Graph
        A chain of convolutions, pools, thresholds and dense layers with ±1 weights, which read
        activations of at most 8 bits.
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
    chain = _Chain(graph, folding)
    for node in graph.nodes:
        chain.add(node)
    if not isinstance(graph.nodes[-1], Argmax):
        raise _unsupported(graph, graph.nodes[-1].name, "ends the network; an Argmax must")
    return Plan(name, graph, tuple(chain.blocks), folding, chain.order)


def _unsupported(graph: Graph, node: str, why: str) -> UsageError:
    return UsageError(
        f"Network '{graph.name}': node '{node}' {why}.",
        "Hardware exists for chains of convolutions, pools, thresholds and fully connected layers "
        "with 1-bit weights, on activations of at most 8 bits.",
    )


class _Chain:
    """Lays blocks in a row while it walks the nodes."""

    def __init__(self, graph: Graph, folding: Folding) -> None:
        self.graph = graph
        self.folding = folding
        self.blocks: list[Block] = []
        images = (Conv, MaxPool, SumPool, Threshold)
        found = [n for n in graph.nodes if isinstance(n, images)]
        self.order = "hwc" if any(len(graph.edges[n.name].shape) == 3 for n in found) else "chw"
        self._edge = ""
        # The edge whose elements, in stream order, are on the wires: a Flatten moves none.
        self._carried = ""
        # Scale and offset of the logits, which the argmax takes in.
        self._affine: Affine | None = None
        self._add: dict[type[Node], Callable[[Any], None]] = {
            Input: self._input,
            Flatten: self._flatten,
            Conv: self._conv,
            MaxPool: self._pool,
            SumPool: self._pool,
            Dense: self._dense,
            Threshold: self._threshold,
            Affine: self._scale,
            Argmax: self._argmax,
        }

    def add(self, node: Node) -> None:
        """Lay what a node needs."""
        if type(node) not in self._add:
            kind = type(node).__name__
            article = "an" if kind[0] in "AEIOU" else "a"
            raise _unsupported(self.graph, node.name, f"is {article} {kind}")
        if node.inputs and node.inputs[0] != self._edge and node.name != self._edge:
            raise _unsupported(
                self.graph, node.name, f"reads '{node.inputs[0]}', which is not the node before it"
            )
        self._add[type(node)](node)

    def _own_name(self, wanted: str) -> str:
        """Name a block that stands for no node, unlike every node and every other block."""
        taken = {node.name for node in self.graph.nodes} | {block.name for block in self.blocks}
        name, number = wanted, 2
        while name in taken:
            name, number = f"{wanted}_{number}", number + 1
        return name

    @property
    def _lanes(self) -> int:
        return self.blocks[-1].lanes_out

    def _input(self, node: Input) -> None:
        if node.grid.bits > _BITS_CAP:
            raise _unsupported(self.graph, node.name, f"carries codes of {node.grid.bits} bits")
        first = next((n for n in self.graph.nodes if isinstance(n, Dense | Conv)), None)
        if first is None:
            raise _unsupported(self.graph, node.name, "is followed by no layer with weights")
        lanes = self.folding.input_lanes or self.folding.layers[first.name].simd
        size, bits = self.graph.edges[node.name].size, node.grid.bits
        self.blocks.append(
            GuardPlan(
                name=self._own_name("guard"), edge=node.name,
                elements_in=size, bits_in=bits, lanes_in=lanes,
                elements_out=size, bits_out=bits, lanes_out=lanes,
            )
        )  # fmt: skip
        self._edge = self._carried = node.name

    def _convert(self, lanes: int) -> None:
        """Change to `lanes`, and clear lanes of absent rows where sums leave."""
        last = self.blocks[-1]
        ragged = isinstance(last, MvtuPlan) and last.thresholds is None and last.rows % last.pe
        if lanes == self._lanes and not ragged:
            return
        size, bits = last.elements_out, last.bits_out
        self.blocks.append(
            ConverterPlan(
                name=self._own_name(f"{self._edge}_lanes"), edge=self._carried,
                elements_in=size, bits_in=bits, lanes_in=self._lanes,
                elements_out=size, bits_out=bits, lanes_out=lanes,
            )
        )  # fmt: skip

    def _flatten(self, node: Flatten) -> None:
        self._edge = node.name

    def _threshold(self, node: Threshold) -> None:
        if self._edge == node.name:
            return  # The weighted layer in front of it has taken it in.
        out, source = self.graph.edges[node.name], self.graph.edges[node.inputs[0]]
        if self.graph.edges[self._carried].shape != out.shape:
            raise _unsupported(self.graph, node.name, "is a threshold behind a flattened image")
        if len(out.shape) == 3 and out.shape[0] % self._lanes:
            self._convert(1)
        last, lanes = self.blocks[-1], self._lanes
        levels, flips = code_levels(node, source.grid)
        never = 1 << source.grid.bits
        self.blocks.append(
            ThresholdPlan(
                name=node.name, edge=node.name,
                elements_in=out.size, bits_in=last.bits_out, lanes_in=lanes,
                elements_out=out.size, bits_out=out.grid.bits, lanes_out=lanes,
                thresholds=row_words(levels, lanes, never, never),
                flips=row_words(flips, lanes, 1, 0), levels=levels.shape[1],
            )
        )  # fmt: skip
        self._edge = self._carried = node.name

    def _pool(self, node: MaxPool | SumPool) -> None:
        source = self.graph.edges[node.inputs[0]]
        channels, height, width = source.shape
        last = self.blocks[-1]
        if channels % self._lanes:
            self._convert(1)
        out = self.graph.edges[node.name]
        window, grid = node.window, source.grid
        operation = "sum" if isinstance(node, SumPool) else "max"
        if operation == "sum" and window.padded and grid.low:
            # What pads adds the code 0, so the value `low`.
            raise _unsupported(self.graph, node.name, f"adds up {grid} with padding")
        self.blocks.append(
            PoolPlan(
                name=node.name, edge=node.name, operation=operation, levels=grid.levels,
                elements_in=channels * height * width, bits_in=last.bits_out, lanes_in=self._lanes,
                elements_out=out.size, bits_out=out.grid.bits, lanes_out=self._lanes,
                channels=channels, height=height, width=width, kernel=window.kernel,
                stride=window.stride, padding=window.padding,
            )
        )  # fmt: skip
        self._edge = self._carried = node.name

    def _conv(self, node: Conv) -> None:
        if node.groups != 1:
            raise _unsupported(self.graph, node.name, f"is a convolution in {node.groups} groups")
        source = self.graph.edges[node.inputs[0]]
        self._convert(self.folding.layers[node.name].simd)
        masked = self._window(node, source.grid)
        matrix = node.weight.transpose(0, 2, 3, 1).reshape(node.rows, -1)
        vectors = prod(self.graph.edges[node.name].shape[1:])
        self._mvtu(node, matrix, source.grid, vectors, masked)

    def _window(self, node: Conv, grid: Grid) -> bool:
        """Lay the window, unless pixels are windows already; tell whether it masks."""
        window, last = node.window, self.blocks[-1]
        channels, height, width = self.graph.edges[node.inputs[0]].shape
        if window.taps == 1 and not window.padded and window.stride == (1, 1):
            return False
        on = grid.low <= node.pad_value <= grid.high
        on = on and (node.pad_value - grid.low) % grid.step == 0
        if window.padded and not on and grid.levels != 2:
            raise _unsupported(self.graph, node.name, f"pads {grid} with {node.pad_value}")
        masked = window.padded and not on
        size = prod(self.graph.edges[node.name].shape[1:]) * node.columns
        self.blocks.append(
            WindowPlan(
                name=self._own_name(f"{node.name}_window"), edge=self._carried,
                elements_in=channels * height * width, bits_in=last.bits_out, lanes_in=self._lanes,
                elements_out=size, bits_out=last.bits_out, lanes_out=self._lanes,
                channels=channels, height=height, width=width, kernel=window.kernel,
                stride=window.stride, dilation=window.dilation, padding=window.padding,
                pad=None if masked else (node.pad_value - grid.low) // grid.step if on else 0,
            )
        )  # fmt: skip
        return masked

    def _dense(self, node: Dense) -> None:
        self._convert(self.folding.layers[node.name].simd)
        matrix = node.weight
        shape = self.graph.edges[self._carried].shape
        if self.order == "hwc" and len(shape) == 3:
            # Columns are in the order of a flattened image, channels slowest; on the stream they
            # are fastest.
            moved = matrix.reshape(node.rows, *shape).transpose(0, 2, 3, 1)
            matrix = moved.reshape(node.rows, -1)
        self._mvtu(node, matrix, self.graph.edges[node.inputs[0]].grid, 1, False)

    def _mvtu(
        self,
        node: Dense | Conv,
        matrix: npt.NDArray[np.uint8],
        source: Grid,
        vectors: int,
        masked: bool,
    ) -> None:
        if source.bits > _BITS_CAP:
            raise _unsupported(self.graph, node.name, f"reads codes of {source.bits} bits")
        fold, grid = self.folding.layers[node.name], self.graph.edges[node.name].grid
        readers = self.graph.consumers(node.name)
        threshold = readers[0] if len(readers) == 1 and isinstance(readers[0], Threshold) else None
        if threshold:
            matrix = matrix ^ (threshold.direction < 0)[:, None].astype(np.uint8)
        counting = Counting(source, matrix, masked)
        thresholds, offsets, levels, bits = None, None, 1, grid.bits
        if threshold:
            top, bits = counting.largest + 1, threshold.grid.bits
            levels = threshold.levels.shape[1]
            thresholds = row_words(counting.levels(threshold), fold.pe, top, top)
        else:
            offsets = self._offsets(node, counting, grid, fold.pe)
        self._edge = self._carried = threshold.name if threshold else node.name
        self.blocks.append(
            MvtuPlan(
                name=node.name, layer=node.name, edge=self._edge, rows=node.rows,
                columns=node.columns, vectors=vectors, elements_in=vectors * node.columns,
                bits_in=source.bits, lanes_in=fold.simd, elements_out=vectors * node.rows,
                bits_out=bits, lanes_out=fold.pe, weights=matrix_words(matrix, fold.pe, fold.simd),
                thresholds=thresholds, offsets=offsets, levels=levels, masked=masked,
                weight_style=fold.weight_style(node.rows, node.columns),
            )
        )  # fmt: skip

    def _offsets(
        self, node: Dense | Conv, counting: Counting, grid: Grid, pe: int
    ) -> tuple[int, ...] | None:
        try:
            offsets = counting.offsets(grid)
        except ValueError as error:
            raise _unsupported(self.graph, node.name, f"gives sums whose {error}") from error
        if offsets is None:
            return None
        top = (1 << grid.bits) - 1
        return row_words(offsets & top, pe, top, 0)

    def _scale(self, node: Affine) -> None:
        readers = self.graph.consumers(node.name)
        alone = len(readers) == 1 and isinstance(readers[0], Argmax)
        if not alone or node.inputs[0] != self.graph.logits:
            raise _unsupported(
                self.graph, node.name, "is an Affine that does not lie between logits and Argmax"
            )
        if node.clip is not None:
            raise _unsupported(self.graph, node.name, f"clips scores to {list(node.clip)}")
        self._affine = node
        self._edge = node.name

    def _argmax(self, node: Argmax) -> None:
        if self.graph.logits not in node.inputs and self._affine is None:
            raise _unsupported(self.graph, node.name, "does not read the logits")
        if len(self.graph.edges[node.inputs[0]].shape) != 1:
            raise _unsupported(self.graph, node.name, "decides between images")
        self._convert(1)
        last = self.blocks[-1]
        grid = self.graph.edges[self.graph.logits].grid
        try:
            multipliers, offsets, shift = class_scores(node, self._affine, grid)
        except ValueError as error:
            raise _unsupported(self.graph, node.name, str(error)) from error
        size, bits = last.elements_out, last.bits_out
        self.blocks.append(
            ArgmaxPlan(
                name=node.name, edge=self.graph.logits, elements_in=size, bits_in=bits, lanes_in=1,
                elements_out=size, bits_out=bits, lanes_out=1, multipliers=multipliers,
                offsets=offsets, shift=shift,
            )
        )  # fmt: skip
        self._edge = node.name
