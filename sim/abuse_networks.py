"""Networks for benches that look at whole accelerators: small, and every kind of block in them."""

import numpy as np

from bnnhw.fold import Folding, LayerFold
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
from bnnhw.plan import Plan, make_plan

from .samples import network, planned

__all__ = ["NETWORKS", "branched", "dense", "pixels", "top", "written"]

_NIBBLE = Grid(0, 1, 16)


class _Draw:
    """Random contents of nodes."""

    def __init__(self, seed: int) -> None:
        self._dice = np.random.default_rng(seed)

    def bits(self, *shape: int) -> np.ndarray:
        return self._dice.integers(0, 2, shape).astype(np.uint8)

    def bytes(self, *shape: int) -> np.ndarray:
        return self._dice.integers(-128, 128, shape).astype(np.int8)

    def sign(self, name: str, source: str, channels: int, grid: Grid = BIPOLAR) -> Threshold:
        levels = np.sort(self._dice.integers(-4, 5, (channels, grid.levels - 1)), 1)
        return Threshold(name, (source,), levels, self._dice.choice([-1, 1], channels), grid)

    def offset(self, count: int) -> np.ndarray:
        return self._dice.integers(-3, 4, count)


def _folded(nodes: tuple[Node, ...], pe: int, simd: int, **styles: str) -> Plan:
    """Fold each layer as much like (pe, simd) as it allows."""
    graph = Graph("net", nodes, (nodes[-1].inputs[0], nodes[-1].name))
    folds = {}
    for node in nodes:
        if not hasattr(node, "weight"):
            continue
        shape = node.weight.shape
        rows = shape[0] // getattr(node, "groups", 1)
        # Lanes of a window are channels of a group.
        lanes = max(d for d in range(1, min(simd, shape[1]) + 1) if shape[1] % d == 0)
        most = max(d for d in range(1, min(pe, rows) + 1) if rows % d == 0)
        folds[node.name] = LayerFold(most, lanes, styles.get(node.name, "auto"))
    return make_plan(graph, Folding(folds), name="net")


def dense() -> Plan:
    """Make three dense layers, none of which is folded evenly."""
    return planned(network((10, 7, 5, 3), 1), [(3, 4), (2, 3), (2, 2)])


def written() -> Plan:
    """Make dense layers whose weights are loaded at run time, the first ones before any image."""
    graph = network((20, 12, 6, 5), 1)
    folds = {
        "fc0": LayerFold(4, 5, "spram"),
        "fc1": LayerFold(3, 4, "ram"),
        "fc2": LayerFold(5, 2, "block"),
    }
    return make_plan(graph, Folding(folds), name="net")


def branched() -> Plan:
    """Make a convolutional network whose branches add, and are put side by side."""
    draw = _Draw(3)
    nodes: tuple[Node, ...] = (
        Input("x", (), (2, 4, 4)),
        Conv("c", ("x",), draw.bits(4, 2, 3, 3), padding=(1, 1, 1, 1), pad_value=0),
        draw.sign("s", "c", 4),
        Conv("d", ("s",), draw.bits(4, 1, 3, 3), padding=(2, 2, 2, 2), dilation=(2, 2), groups=4,
             pad_value=-1),
        Conv("e", ("s",), draw.bits(4, 4, 1, 1)),
        Add("meet", ("d", "e", "c")),
        draw.sign("t", "meet", 4),
        Concat("beside", ("s", "t")),
        Shuffle("mix", ("beside",), 2),
        Slice("part", ("mix",), 1, 7),
        MaxPool("p", ("part",), (2, 2), (2, 2)),
        Conv("f", ("p",), draw.bits(3, 6, 2, 2)),
        draw.sign("u", "f", 3),
        Flatten("flat", ("u",)),
        Dense("fc", ("flat",), draw.bits(4, 3)),
        Argmax("best", ("fc",), draw.offset(4)),
    )  # fmt: skip
    return _folded(nodes, 2, 2)


def pixels() -> Plan:
    """Make a network of 4-bit pixels, 8-bit weights, scales, codes of several bits and pools."""
    draw = _Draw(5)
    two = Grid(-3, 2, 4)
    nodes: tuple[Node, ...] = (
        Input("x", (), (2, 6, 6), _NIBBLE),
        IntConv("c", ("x",), draw.bytes(4, 2, 3, 3)),
        Affine("scale", ("c",), np.array([3, -2, 1, 5]), np.array([9, 2, -30, 4]), 4, (-90, 90)),
        draw.sign("s", "scale", 4, two),
        Conv("d", ("s",), draw.bits(4, 4, 2, 2)),
        draw.sign("t", "d", 4, _NIBBLE),
        SumPool("q", ("t",), (2, 2), (1, 1)),
        draw.sign("u", "q", 4),
        Flatten("flat", ("u",)),
        IntDense("fc", ("flat",), draw.bytes(5, 16)),
        TopK("best", ("fc",), draw.offset(5), k=3),
    )
    return _folded(nodes, 2, 4)


def top() -> Plan:
    """Make dense layers that are wired in, and the three best classes."""
    draw = _Draw(7)
    nodes: tuple[Node, ...] = (
        Input("x", (), (12,)),
        Dense("a", ("x",), draw.bits(8, 12)),
        draw.sign("s", "a", 8),
        Dense("b", ("s",), draw.bits(6, 8)),
        TopK("best", ("b",), draw.offset(6), k=3),
    )
    return _folded(nodes, 8, 12, a="unrolled")


NETWORKS = {
    "dense": dense, "written": written, "branched": branched, "pixels": pixels, "top": top,
}  # fmt: skip
"""Every network here, by name."""
