"""Networks and data that several tests of `bnnhw` share."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from bnnhw.graph import (
    BIPOLAR,
    Add,
    Affine,
    Argmax,
    Concat,
    Conv,
    Dense,
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

MakeGraph = Callable[..., Graph]
MakeNetwork = Callable[[Sequence[int]], Graph]


@pytest.fixture(scope="session")
def random_graph() -> MakeGraph:
    """Give a function that builds a random fully connected network."""
    return _random_graph


def _random_graph(
    seed: int,
    shape: tuple[int, ...] = (1, 3, 5),
    widths: Sequence[int] = (7, 4),
    grid: Grid = BIPOLAR,
    hidden: Grid = BIPOLAR,
    lut: bool = True,
) -> Graph:
    rng = np.random.default_rng(seed)
    table = rng.integers(0, grid.levels, 256) if lut else None
    nodes: list[Node] = [Input("image", (), shape, grid, table)]
    if len(shape) > 1:
        nodes.append(Flatten("flat", ("image",)))
    columns = int(np.prod(shape))
    for number, rows in enumerate(widths, 1):
        weight = rng.integers(0, 2, (rows, columns), dtype=np.uint8)
        nodes.append(Dense(f"fc{number}", (nodes[-1].name,), weight))
        if number < len(widths):
            reach = columns + 2
            levels = np.sort(rng.integers(-reach, reach + 1, (rows, hidden.levels - 1)), axis=1)
            direction = rng.choice(np.array([-1, 1], np.int8), rows)
            nodes.append(Threshold(f"act{number}", (nodes[-1].name,), levels, direction, hidden))
        columns = rows
    logits = nodes[-1].name
    nodes.append(Argmax("argmax", (logits,), rng.integers(-3, 4, widths[-1])))
    return Graph("random", tuple(nodes), (logits, "argmax"))


@pytest.fixture(scope="session")
def random_conv_graph() -> MakeGraph:
    """Give a function that builds a random network of convolutions, pools and joins."""
    return lambda seed, steps=5, grid=BIPOLAR: _Grower(seed, grid).graph(steps)


class _Grower:
    """Adds random nodes, each to an edge drawn among those that there are."""

    def __init__(self, seed: int, grid: Grid) -> None:
        self.rng = np.random.default_rng(seed)
        channels, high, wide = self.draw(1, 5), self.draw(2, 8), self.draw(2, 8)
        lut = self.rng.integers(0, grid.levels, 256) if self.draw(0, 2) else None
        self.nodes: list[Node] = [Input("image", (), (channels, high, wide), grid, lut)]
        self.edges = {"image": self.nodes[0].edge()}

    def draw(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high))

    def add(self, kind: type[Node], inputs: Sequence[str], *args: Any, **options: Any) -> str:
        node = kind(f"n{len(self.nodes)}", tuple(inputs), *args, **options)
        self.edges[node.name] = node.edge(*(self.edges[source] for source in inputs))
        self.nodes.append(node)
        return node.name

    def graph(self, steps: int) -> Graph:
        kinds = [self.convolve, self.convolve, self.pool, self.threshold, self.join, self.deal,
                 self.scale]  # fmt: skip
        for _ in range(steps):
            source = list(self.edges)[max(0, self.draw(-2, len(self.edges)))]
            if self.edges[source].grid.levels > 1 << 24:
                source = self.threshold(source)
            kinds[self.draw(0, len(kinds))](source)
        flat = self.add(Flatten, [self.nodes[-1].name])
        columns, rows = self.edges[flat].size, self.draw(1, 4)
        if self.draw(0, 2):
            top = self.add(Dense, [flat], self.rng.integers(0, 2, (rows, columns)))
        else:
            top = self.add(IntDense, [flat], self.rng.integers(-128, 128, (rows, columns)))
        offset = self.rng.integers(-9, 9, rows)
        if self.draw(0, 3):
            last = self.add(Argmax, [top], offset)
        else:
            last = self.add(TopK, [top], offset, 1, self.draw(1, rows + 1))
        return Graph("random", tuple(self.nodes), (top, last))

    def convolve(self, source: str) -> str:
        (channels, *size), grid = self.edges[source].shape, self.edges[source].grid
        groups = int(self.rng.choice([n for n in range(1, channels + 1) if channels % n == 0]))
        dilation = (self.draw(1, 3), self.draw(1, 3))
        padding = tuple(self.draw(0, 3) for _ in range(4)) if self.draw(0, 3) else (0, 0, 0, 0)
        kernel = [self.draw(1, 1 + min(4, (size[axis] + padding[axis] + padding[axis + 2] - 1)
                                       // dilation[axis] + 1)) for axis in (0, 1)]  # fmt: skip
        shape = (groups * self.draw(1, 4), channels // groups, *kernel)
        options = {
            "stride": (self.draw(1, 4), self.draw(1, 4)),
            "padding": padding,
            "pad_value": int(self.rng.choice([0, grid.low, grid.high])),
            "dilation": dilation,
            "groups": groups,
        }
        if self.draw(0, 4):
            return self.add(Conv, [source], self.rng.integers(0, 2, shape), **options)
        return self.add(IntConv, [source], self.rng.integers(-128, 128, shape), **options)

    def pool(self, source: str) -> str:
        size = self.edges[source].shape[1:]
        kernel = tuple(self.draw(1, min(4, extent + 1)) for extent in size)
        padding = tuple(self.draw(0, kernel[axis % 2]) for axis in range(4))
        stride = (self.draw(1, 4), self.draw(1, 4))
        return self.add((MaxPool, SumPool)[self.draw(0, 2)], [source], kernel, stride, padding)

    def threshold(self, source: str) -> str:
        edge, count = self.edges[source], self.draw(1, 4)
        grid = BIPOLAR if count == 1 else Grid(self.draw(-3, 2), self.draw(1, 3), count + 1)
        low, high = max(edge.grid.low, -(1 << 40)), min(edge.grid.high, 1 << 40)
        levels = np.sort(self.rng.integers(low - 2, high + 3, (edge.shape[0], count)), axis=1)
        direction = self.rng.choice(np.array([-1, 1], np.int8), edge.shape[0])
        return self.add(Threshold, [source], levels, direction, grid)

    def join(self, source: str) -> str:
        shape = self.edges[source].shape
        alike = [name for name, edge in self.edges.items() if edge.shape == shape]
        beside = [name for name, edge in self.edges.items() if edge.shape[1:] == shape[1:]]
        if self.draw(0, 2):
            return self.add(Add, [source, *self.rng.choice(alike, self.draw(1, 3)).tolist()])
        return self.add(Concat, [source, *self.rng.choice(beside, self.draw(1, 3)).tolist()])

    def deal(self, source: str) -> str:
        channels = self.edges[source].shape[0]
        if self.draw(0, 2):
            stop = self.draw(1, channels + 1)
            return self.add(Slice, [source], self.draw(0, stop), stop)
        groups = self.rng.choice([n for n in range(1, channels + 1) if channels % n == 0])
        return self.add(Shuffle, [source], int(groups))

    def scale(self, source: str) -> str:
        channels = self.edges[source].shape[0]
        multiplier, offset = self.rng.integers(-300, 300, (2, channels))
        clip = (self.draw(-99, 0), self.draw(0, 99)) if self.draw(0, 2) else None
        return self.add(Affine, [source], multiplier, offset, self.draw(0, 12), clip)


@pytest.fixture(scope="session")
def network() -> MakeNetwork:
    """Give a function that makes a chain of dense layers of these sizes, input first."""
    return _shapes


def _shapes(sizes: Sequence[int]) -> Graph:
    nodes: list[Node] = [Input("image", (), (sizes[0],))]
    for number, (columns, rows) in enumerate(zip(sizes, sizes[1:], strict=False), 1):
        weight = np.ones((rows, columns), np.uint8)
        nodes.append(Dense(f"fc{number}", (nodes[-1].name,), weight))
        if number < len(sizes) - 1:
            level, direction = np.zeros((rows, 1), np.int64), np.ones(rows, np.int8)
            nodes.append(Threshold(f"act{number}", (nodes[-1].name,), level, direction))
    nodes.append(Argmax("top", (nodes[-1].name,), np.zeros(sizes[-1], np.int64)))
    return Graph("net", tuple(nodes), (nodes[-2].name, "top"))
