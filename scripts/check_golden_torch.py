"""Compare the golden model with PyTorch on random graphs of convolutions, pools and joins.

    TRAINVENV/bin/python -m scripts.check_golden_torch [-n 1000] [--seed SEED] [--plant]
        [--graphs {own,soak,large}]

Run from the root of the checkout, with NumPy and torch. Every edge of every graph, on both paths of
the golden model, must equal what PyTorch's own operations give on the values of the edges before.
`--plant` changes one number of each graph in front of PyTorch, which must then be noticed.

`own` graphs are drawn here, and hold more than there is hardware for. `soak` are those that are
simulated: with the seed 1 of `scripts/soak.py` the very networks of its record, by number. `large`
are drawn as the long test of `tests/sim/test_graphs.py` draws them.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from bnnhw import golden
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
from sim.random_graphs import random_graph

__all__ = ["RandomGraph", "evaluate", "main"]

_WIDEST = 1 << 26
_EXACT = 1 << 53


class RandomGraph:
    """Grows a random graph, node by node, from edges that it has.

    Parameters
    ----------
    rng : numpy.random.Generator
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.nodes: list[Node] = []
        self.edges: dict[str, Edge] = {}
        self.image()
        for _ in range(self.draw(2, 12)):
            self.step()
        self.finish()

    def draw(self, low: int, high: int) -> int:
        """Draw from `low` to `high`, both included."""
        return int(self.rng.integers(low, high + 1))

    def pick(self, options: Sequence[Any]) -> Any:
        """Draw one of `options`."""
        return options[self.draw(0, len(options) - 1)]

    def add(self, kind: Any, sources: Sequence[str], *args: Any, **options: Any) -> str:
        """Add a node and give its name."""
        node = kind(f"n{len(self.nodes)}", tuple(sources), *args, **options)
        self.edges[node.name] = node.edge(*(self.edges[source] for source in sources))
        self.nodes.append(node)
        return node.name

    def graph(self) -> Graph:
        """Give the graph."""
        outputs = (self.nodes[-2].name, self.nodes[-1].name)
        return Graph("random", tuple(self.nodes), outputs)

    def image(self) -> None:
        """Add the input: bits, small integers or pixels, as codes or through tables."""
        grids = [BIPOLAR, BIPOLAR, Grid(-1, 1, 3), Grid(-3, 2, 4), Grid(0, 1, 16),
                 Grid(-128, 1, 256), Grid(0, 1, 256)]  # fmt: skip
        grid = self.pick(grids)
        wide = self.draw(1, 8) == 1
        channels = self.draw(60, 140) if wide else self.draw(1, 12)
        size = (self.draw(1, 5), self.draw(1, 5)) if wide else (self.draw(1, 12), self.draw(1, 12))
        table, seen = None, None
        kind = self.draw(0, 3)
        if kind:
            shape = (256,) if kind == 1 else (channels, 256)
            table = self.rng.integers(0, grid.levels, shape)
            seen = {1: None, 2: channels, 3: 1}[kind]
        self.add(Input, (), (channels, *size), grid, table, seen)

    def step(self) -> None:
        """Add one random node, to the newest edge more often than to others."""
        names = list(self.edges)
        source = names[-1] if self.draw(0, 2) else self.pick(names)
        if self.edges[source].grid.levels > _WIDEST:
            source = self.threshold(source)
        makers = [self.convolve] * 4 + [self.pool, self.threshold, self.threshold, self.join,
                                        self.join, self.deal, self.scale]  # fmt: skip
        if self.edges[source].shape[0] > 300:
            makers = [self.deal]
        self.pick(makers)(source)

    def convolve(self, source: str) -> str:
        """Add a convolution of any kernel, stride, padding, dilation and number of groups."""
        (channels, *size), grid = self.edges[source].shape, self.edges[source].grid
        divisors = [n for n in range(1, channels + 1) if channels % n == 0]
        groups = self.pick([1, channels, self.pick(divisors)])
        dilation = (self.pick([1, 1, 2, 3]), self.pick([1, 1, 2, 4]))
        padding = tuple(self.draw(0, 3) for _ in range(4)) if self.draw(0, 2) else (0, 0, 0, 0)
        kernel = []
        for axis in (0, 1):
            room = (size[axis] + padding[axis] + padding[axis + 2] - 1) // dilation[axis] + 1
            kernel.append(self.draw(1, min(5, room)))
        rows = groups * self.draw(1, 3 if groups > 4 else 12)
        shape = (rows, channels // groups, *kernel)
        ends = [grid.low, grid.high, grid.low + grid.step * self.draw(0, grid.levels - 1)]
        pads = [0, *ends, *(value for value in (-1, 1) if value in ends)]
        options = {
            "stride": (self.draw(1, 3), self.draw(1, 3)),
            "padding": padding,
            "pad_value": self.pick(pads),
            "dilation": dilation,
            "groups": groups,
        }
        if self.draw(0, 3):
            return self.add(Conv, [source], self.rng.integers(0, 2, shape), **options)
        return self.add(IntConv, [source], self.rng.integers(-128, 128, shape), **options)

    def pool(self, source: str) -> str:
        """Add a pool, padded on any side."""
        kernel = tuple(self.draw(1, min(4, extent)) for extent in self.edges[source].shape[1:])
        padding = tuple(self.draw(0, kernel[axis % 2] - 1) for axis in range(4))
        stride = (self.draw(1, 3), self.draw(1, 3))
        return self.add(self.pick([MaxPool, SumPool]), [source], kernel, stride, padding)

    def threshold(self, source: str) -> str:
        """Add thresholds to one, two or four bits, some of them out of reach."""
        edge, count = self.edges[source], self.pick([1, 1, 2, 3, 15])
        grid = BIPOLAR if count == 1 else Grid(self.draw(-8, 2), self.draw(1, 3), count + 1)
        if count == 2:
            grid = Grid(-1, 1, 3)
        low, high = max(edge.grid.low, -(1 << 40)), min(edge.grid.high, 1 << 40)
        narrow = 1 + (high - low) // self.pick([1, 4, 16])
        middle = (low + high) // 2
        span = max(low, middle - narrow) - 2, min(high, middle + narrow) + 3
        levels = np.sort(self.rng.integers(*span, (edge.shape[0], count)), axis=1)
        direction = self.rng.choice(np.array([-1, 1], np.int8), edge.shape[0])
        return self.add(Threshold, [source], levels, direction, grid)

    def join(self, source: str) -> str:
        """Add a sum or a concatenation of two to four edges."""
        shape = self.edges[source].shape
        alike = [name for name, edge in self.edges.items() if edge.shape == shape]
        beside = [name for name, edge in self.edges.items() if edge.shape[1:] == shape[1:]]
        kind, others = self.pick([(Add, alike), (Concat, beside)])
        return self.add(kind, [source, *(self.pick(others) for _ in range(self.draw(1, 3)))])

    def deal(self, source: str) -> str:
        """Take or shuffle channels."""
        channels = self.edges[source].shape[0]
        if self.draw(0, 1) or channels > 300:
            stop = self.draw(1, min(channels, 100))
            return self.add(Slice, [source], self.draw(0, stop - 1), stop)
        divisors = [n for n in range(1, channels + 1) if channels % n == 0]
        return self.add(Shuffle, [source], self.pick(divisors))

    def scale(self, source: str) -> str:
        """Add fixed point."""
        channels = self.edges[source].shape[0]
        multiplier, offset = self.rng.integers(-200, 201, (2, channels))
        clip = (self.draw(-128, 0), self.draw(0, 127)) if self.draw(0, 1) else None
        return self.add(Affine, [source], multiplier, offset, self.draw(0, 12), clip)

    def finish(self) -> None:
        """Flatten the newest edge, add a dense layer and decide."""
        flat = self.add(Flatten, [self.nodes[-1].name])
        if self.edges[flat].grid.levels > _WIDEST:
            # Thresholds of vectors, too.
            flat = self.threshold(flat)
        shape = (self.draw(1, 6), self.edges[flat].size)
        if self.draw(0, 1):
            top = self.add(Dense, [flat], self.rng.integers(0, 2, shape))
        else:
            top = self.add(IntDense, [flat], self.rng.integers(-128, 128, shape))
        offset = self.rng.integers(-9, 10, shape[0])
        self.add(Argmax, [top], offset, 1 << self.draw(0, 3))


def evaluate(nodes: Sequence[Node], images: np.ndarray) -> dict[str, np.ndarray]:
    """Compute every edge with PyTorch: whole numbers, in float64 where they are multiplied."""
    edges: dict[str, torch.Tensor] = {}
    for node in nodes:
        sources = [edges[source] for source in node.inputs] or [torch.from_numpy(images)]
        edges[node.name] = _TABLE[type(node)](node, *sources)
    return {name: values.numpy() for name, values in edges.items()}


def _input(node: Input, pixels: torch.Tensor) -> torch.Tensor:
    codes = pixels.long()
    if node.lut is not None:
        table = torch.from_numpy(np.array(node.lut))
        rows = table.expand(node.shape[0], 256) if table.ndim == 1 else table
        seen = codes.expand(-1, *node.shape)
        codes = torch.stack([row[seen[:, channel]] for channel, row in enumerate(rows)], dim=1)
    return codes * node.grid.step + node.grid.low


def _weight(node: Any) -> torch.Tensor:
    weight = torch.from_numpy(node.weight.astype(np.float64))
    return 2 * weight - 1 if isinstance(node, Conv | Dense) else weight


def _exact(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    reach = float(x.abs().max()) * float(weight.abs().flatten(1).sum(1).max())
    if reach >= _EXACT:
        raise SystemExit(f"A sum may reach {reach}, which float64 does not hold exactly.")
    return x.double()


def _around(x: torch.Tensor, padding: Sequence[int], value: float) -> torch.Tensor:
    top, left, bottom, right = padding
    return F.pad(x, (left, right, top, bottom), value=value)


def _conv(node: Conv | IntConv, x: torch.Tensor) -> torch.Tensor:
    weight = _weight(node)
    padded = _around(_exact(x, weight), node.padding, node.pad_value)
    return F.conv2d(
        padded, weight, stride=node.stride, dilation=node.dilation, groups=node.groups
    ).long()


def _dense(node: Dense | IntDense, x: torch.Tensor) -> torch.Tensor:
    weight = _weight(node)
    return F.linear(_exact(x, weight), weight).long()


def _max_pool(node: MaxPool, x: torch.Tensor) -> torch.Tensor:
    padded = _around(x.double(), node.padding, -torch.inf)
    return F.max_pool2d(padded, node.kernel, node.stride).long()


def _sum_pool(node: SumPool, x: torch.Tensor) -> torch.Tensor:
    padded = _around(x.double(), node.padding, 0)
    return F.avg_pool2d(padded, node.kernel, node.stride, divisor_override=1).long()


def _per_channel(values: np.ndarray, x: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.int64)).view(-1, *(1,) * (x.ndim - 2))


def _threshold(node: Threshold, x: torch.Tensor) -> torch.Tensor:
    reached = torch.zeros_like(x)
    sign = _per_channel(node.direction, x)
    for level in node.levels.T:
        reached += (sign * x >= sign * _per_channel(level, x)).long()
    return node.grid.low + node.grid.step * reached


def _affine(node: Affine, x: torch.Tensor) -> torch.Tensor:
    whole = x * _per_channel(node.multiplier, x) + _per_channel(node.offset, x)
    result = torch.div(whole, 2**node.shift, rounding_mode="floor")
    return result if node.clip is None else result.clamp(*node.clip)


def _argmax(node: Argmax, x: torch.Tensor) -> torch.Tensor:
    return torch.argmax(x * node.scale + torch.from_numpy(np.array(node.offset)), dim=1)


def _top_k(node: TopK, x: torch.Tensor) -> torch.Tensor:
    # torch.topk promises no order of equals.
    scores = x * node.scale + torch.from_numpy(np.array(node.offset))
    return torch.sort(scores, dim=1, descending=True, stable=True).indices[:, : node.k]


_TABLE: dict[type[Node], Callable[..., torch.Tensor]] = {
    Input: _input,
    Flatten: lambda node, x: torch.flatten(x, 1),
    Dense: _dense,
    IntDense: _dense,
    Conv: _conv,
    IntConv: _conv,
    MaxPool: _max_pool,
    SumPool: _sum_pool,
    Threshold: _threshold,
    Affine: _affine,
    Add: lambda node, *parts: torch.stack(parts).sum(dim=0),
    Concat: lambda node, *parts: torch.cat(parts, dim=1),
    Slice: lambda node, x: x.narrow(1, node.start, node.stop - node.start),
    Shuffle: lambda node, x: F.channel_shuffle(x, node.groups),
    Argmax: _argmax,
    TopK: _top_k,
}


def planted(graph: Graph, rng: np.random.Generator) -> list[Node]:
    """Give the nodes of a graph with one weight changed."""
    kinds = Conv | IntConv | Dense | IntDense
    weighted: list[Any] = [node for node in graph.nodes if isinstance(node, kinds)]
    node = weighted[int(rng.integers(len(weighted)))]
    weight = node.weight.copy()
    place = int(rng.integers(weight.size))
    weight.flat[place] = 1 - weight.flat[place] if isinstance(node, Conv | Dense) else ~(
        weight.flat[place])  # fmt: skip
    other = replace(node, weight=weight)
    return [other if known is node else known for known in graph.nodes]


def differing(graph: Graph, images: np.ndarray, nodes: Sequence[Node]) -> list[str]:
    """Name paths and edges on which the golden model of `graph` and PyTorch, on `nodes`, differ."""
    expected = evaluate(nodes, images)
    found = []
    for path in ("plain", "packed"):
        edges = golden.run(graph, images, path=path, trace=True).edges
        found += [
            f"{path} {name} ({type(graph.node(name)).__name__})"
            for name, values in expected.items()
            if not np.array_equal(edges[name], values)
        ]
    return found


def drawn(kind: str, seed: str, number: int, rng: np.random.Generator) -> Graph:
    """Draw one graph, as the program's head tells them apart."""
    if kind == "own":
        return RandomGraph(rng).graph()
    return random_graph(random.Random(f"{seed}/{number}").randrange, large=kind == "large")


def main() -> int:
    """Draw graphs and compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-n", type=int, default=1000, help="graphs")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--graphs", choices=("own", "soak", "large"), default="own")
    parser.add_argument("--plant", action="store_true", help="change a weight of each graph")
    args = parser.parse_args()
    seed = time.time_ns() % (1 << 32) if args.seed is None else args.seed
    print(f"seed {seed}", flush=True)
    kinds: Counter[str] = Counter()
    seen: set[str] = set()
    values = wrong = convolved = 0
    for number in range(args.n):
        rng = np.random.default_rng([seed, number])
        graph = drawn(args.graphs, str(seed), number, rng)
        seen.add(graph.digest)
        top = 256 if graph.input.lut is not None else graph.input.grid.levels
        images = rng.integers(0, top, (3, *graph.input.image_shape))
        found = differing(graph, images, planted(graph, rng) if args.plant else graph.nodes)
        kinds.update(type(node).__name__ for node in graph.nodes)
        convolved += any(isinstance(node, Conv | IntConv) for node in graph.nodes)
        values += 2 * 3 * sum(edge.size for edge in graph.edges.values())
        wrong += bool(found)
        if found and not args.plant:
            print(f"graph {number} differs: {', '.join(found)}\n{graph}", flush=True)
    print(", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())))
    print(
        f"{args.n} graphs, {len(seen)} of them different, {convolved} with a convolution; "
        f"{values} values compared, {wrong} graphs differ"
    )
    # A planted change may stay unseen where its inputs are zero.
    return int(wrong < 0.9 * args.n) if args.plant else int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
