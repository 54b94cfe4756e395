"""Made-up networks with branches: every kind of node, small enough to simulate by the hundred."""

from collections.abc import Callable
from typing import Any

import numpy as np

from bnnhw.fold import Folding, LayerFold
from bnnhw.fold.layers import layers_of
from bnnhw.graph import (
    BIPOLAR,
    Add,
    Affine,
    Argmax,
    Concat,
    Conv,
    Dense,
    Edge,
    Flatten,
    Graph,
    Grid,
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

__all__ = ["GRIDS", "Pick", "random_folding", "random_graph"]

Pick = Callable[[int], int]
"""Gives a number from 0 up to, not including, what it is asked for: a die, or Hypothesis."""

GRIDS = (BIPOLAR, BIPOLAR, Grid(-1, 1, 3), Grid(-3, 2, 4), Grid(0, 1, 4), Grid(0, 1, 16))
_BYTES = (Grid(-128, 1, 256), Grid(0, 1, 256))
_WIDE = 9


def _divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]


class _Network:
    """Nodes so far, and the edge that the next one reads."""

    def __init__(self, pick: Pick, large: bool) -> None:
        self.pick = pick
        # Asked for alone: a further draw would change what every recorded seed makes.
        self.large = large and pick(4) == 0
        self.dice = np.random.default_rng(pick(1 << 16))
        self.nodes: list[Node] = []
        self.edges: dict[str, Edge] = {}
        self.at = ""
        grid = self.one_of([*GRIDS, *_BYTES])
        most = 9 if self.large else 5
        shape = (1 + pick(4), 1 + pick(most), 1 + pick(most))
        self.add(Input("x", (), shape, grid))

    def one_of(self, choices: Any) -> Any:
        return choices[self.pick(len(choices))]

    @property
    def edge(self) -> Edge:
        return self.edges[self.at]

    def name(self, kind: str) -> str:
        return f"{kind}{len(self.nodes)}"

    def add(self, node: Node) -> None:
        self.nodes.append(node)
        self.edges[node.name] = node.edge(*(self.edges[source] for source in node.inputs))
        self.at = node.name

    def geometry(self, same: bool, pads: list[int]) -> dict[str, Any]:
        """Draw kernel and so on; `same` keeps height and width."""
        _, *size = self.edge.shape
        found: dict[str, Any] = {"kernel": (1, 1), "padding": (0, 0, 0, 0)}
        steps, widest = (3, 5) if self.large else (2, 3)
        dilation: tuple[int, ...] = (1 + self.pick(steps), 1 + self.pick(steps))
        if same:
            odd = (widest + 1) // 2
            kernel = tuple(1 + 2 * self.pick(odd) if pads else 1 for _ in size)
            reach = [(k - 1) * d // 2 for k, d in zip(kernel, dilation, strict=True)]
            found |= {"kernel": kernel, "padding": (*reach, *reach), "dilation": dilation}
        else:
            padding = tuple(self.pick(2) if pads else 0 for _ in range(4))
            whole = [n + padding[k] + padding[k + 2] for k, n in enumerate(size)]
            dilation = tuple(d if n >= 3 else 1 for d, n in zip(dilation, whole, strict=True))
            kernel = tuple(
                1 + self.pick(min(widest, (n - 1) // d + 1))
                for n, d in zip(whole, dilation, strict=True)
            )
            stride = (1 + self.pick(3), 1 + self.pick(3))
            found |= {"kernel": kernel, "padding": padding, "dilation": dilation, "stride": stride}
        if any(found["padding"]):
            found["pad_value"] = self.one_of(pads)
        return found

    def conv(self, same: bool) -> None:
        grid, channels = self.edge.grid, self.edge.shape[0]
        if grid.bits > 8:
            self.threshold()
            return
        # True zeros are left out where values lie around them.
        around = grid.low == -grid.high and grid.levels == 1 << grid.bits
        pads = [grid.low, grid.high] + ([0] if around or _holds(grid, 0) else [])
        geometry = self.geometry(same, pads)
        kernel = geometry.pop("kernel")
        groups = self.one_of(_divisors(channels))
        rows = groups * (1 + self.pick(3))
        shape = (rows, channels // groups, *kernel)
        weight = self.dice.integers(0, 2, shape).astype(np.uint8)
        self.add(Conv(self.name("conv"), (self.at,), weight, groups=groups, **geometry))
        if self.pick(3):
            self.threshold()

    def int_conv(self, same: bool) -> None:
        grid, channels = self.edge.grid, self.edge.shape[0]
        if grid.bits > _WIDE:
            self.threshold()
            return
        geometry = self.geometry(same, [0] if _holds(grid, 0) else [])
        kernel = geometry.pop("kernel")
        groups = self.one_of(_divisors(channels))
        shape = (groups * (1 + self.pick(2)), channels // groups, *kernel)
        weight = self.dice.integers(-128, 128, shape).astype(np.int8)
        self.add(IntConv(self.name("int"), (self.at,), weight, groups=groups, **geometry))
        self.affine() if self.pick(2) else self.threshold()

    def threshold(self) -> None:
        grid, channels = self.edge.grid, self.edge.shape[0]
        out = self.one_of(GRIDS)
        reach = max(2, (grid.high - grid.low) // 4)
        middle = (grid.low + grid.high) // 2
        levels = self.dice.integers(middle - reach, middle + reach, (channels, out.levels - 1))
        direction = self.dice.choice([-1, 1], channels)
        name = self.name("act")
        self.add(Threshold(name, (self.at,), np.sort(levels, 1), direction, out))

    def affine(self) -> None:
        grid, channels = self.edge.grid, self.edge.shape[0]
        shift = self.pick(3) * max(0, grid.bits - 4) // 2
        multiplier = self.dice.integers(-20, 21, channels)
        offset = self.dice.integers(-200, 201, channels)
        clip = (-100 - self.pick(3), 100) if self.pick(2) or grid.bits > _WIDE else None
        self.add(Affine(self.name("scale"), (self.at,), multiplier, offset, shift, clip))

    def pool(self) -> None:
        grid = self.edge.grid
        kind = self.one_of([MaxPool, SumPool])
        kernel = tuple(1 + self.pick(min(3, n)) for n in self.edge.shape[1:])
        padded = kind is MaxPool or grid.low == 0
        padding = tuple(self.pick(kernel[k % 2]) if padded else 0 for k in range(4))
        stride = (1 + self.pick(2), 1 + self.pick(2))
        self.add(kind(self.name("pool"), (self.at,), kernel, stride, padding))

    def move(self) -> None:
        channels = self.edge.shape[0]
        if self.pick(2):
            self.add(Shuffle(self.name("mix"), (self.at,), self.one_of(_divisors(channels))))
        else:
            start = self.pick(channels)
            stop = start + 1 + self.pick(channels - start)
            self.add(Slice(self.name("part"), (self.at,), start, stop))

    def branches(self, depth: int) -> None:
        """Part, go on each way, and meet again."""
        begin = self.at
        ends = []
        for number in range(2 + (self.pick(4) == 0)):
            self.at = begin
            if number:
                for _ in range(1 + self.pick(2)):
                    self.step(depth - 1, same=True)
            ends.append(self.at)
        if len(set(ends)) < len(ends):
            ends = [begin, *{end: None for end in ends if end != begin}]
        shapes = {self.edges[end].shape for end in ends}
        if len(ends) < 2:
            ends = [begin, begin]
        kind = Add if len(shapes) == 1 and self.pick(3) else Concat
        self.add(kind(self.name("join"), tuple(ends)))

    def step(self, depth: int, same: bool) -> None:
        """Add something; `same` keeps height and width."""
        if self.edge.grid.bits > 16:
            self.threshold()
        choice = self.pick(8)
        if choice == 0 and depth > 0:
            self.branches(depth)
        elif choice == 1:
            self.int_conv(same)
        elif choice == 2:
            self.affine()
        elif choice == 3:
            self.move()
        elif choice == 4 and not same:
            self.pool()
        elif choice == 5:
            self.threshold()
        elif choice == 6 and depth > 0:
            self.branches(depth)
        else:
            self.conv(same)

    def finish(self) -> Graph:
        """Flatten, decide."""
        if self.edge.grid.bits > 8:
            self.threshold()
        classes = 1 + self.pick(4)
        self.add(Flatten(self.name("flat"), (self.at,)))
        size = self.edge.size
        if self.pick(2):
            weight = self.dice.integers(0, 2, (classes, size)).astype(np.uint8)
            self.add(Dense(self.name("fc"), (self.at,), weight))
        else:
            integers = self.dice.integers(-128, 128, (classes, size)).astype(np.int8)
            self.add(IntDense(self.name("fc"), (self.at,), integers))
        logits = self.at
        offset = self.dice.integers(-3, 4, classes)
        if self.pick(4):
            self.add(Argmax("top", (logits,), offset))
        else:
            self.add(TopK("top", (logits,), offset, k=1 + self.pick(classes)))
        return Graph("net", tuple(self.nodes), (logits, "top"))


def _holds(grid: Grid, value: int) -> bool:
    return grid.low <= value <= grid.high and (value - grid.low) % grid.step == 0


def random_graph(pick: Pick, *, steps: int = 4, depth: int = 2, large: bool = False) -> Graph:
    """Make a network up.

    Parameters
    ----------
    pick : callable
        Decides everything.
    steps : int
        Most nodes and branchings in a row.
    depth : int
        Most branchings inside one another.
    large : bool
        Let one network in four have images up to 9×9, kernels up to 5×5 and dilation up to 3, in
        place of 5×5, 3×3 and 2.
    """
    network = _Network(pick, large)
    for _ in range(1 + pick(steps)):
        network.step(depth, same=False)
    return network.finish()


def random_folding(graph: Graph, pick: Pick) -> Folding:
    """Fold every layer somehow."""
    folds = {}
    for layer in layers_of(graph):
        rows = _divisors(layer.rows)
        lanes = [d for d in _divisors(layer.lanes_limit) if d <= 24]
        if layer.channels is None:
            pe, simd = 1 + pick(layer.rows), 1 + pick(min(layer.columns, 24))
        else:
            pe, simd = rows[pick(len(rows))], lanes[pick(len(lanes))]
            if not pick(3) and layer.whole(layer.columns):
                simd = layer.columns
        hold = 1
        if layer.groups == 1 and layer.weight_bits == 1 and not pick(3):
            turns = [d for d in _divisors(layer.vectors) if d <= 8]
            hold = turns[pick(len(turns))]
        folds[layer.name] = LayerFold(pe, simd, hold=hold)
    return Folding(folds)
