"""Designs made for bins of the coverage plan that networks drawn at random seldom have."""

from collections.abc import Callable, Iterator
from typing import Any

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

from .coverage_run import Sample

__all__ = ["directed"]

_TWO = Grid(-3, 2, 4)
_SIX = Grid(0, 1, 6)
_NIBBLE = Grid(0, 1, 16)


class _Net:
    """A chain of nodes that grows at its end."""

    def __init__(self, seed: int, shape: tuple[int, ...], grid: Grid = BIPOLAR) -> None:
        self.dice = np.random.default_rng(seed)
        self.nodes: list[Node] = [Input("x", (), shape, grid)]
        self.folds: dict[str, LayerFold] = {}
        self.edges = {"x": self.nodes[0].edge()}
        self.at, self._seed = "x", seed

    def put(self, node: Node) -> str:
        self.nodes.append(node)
        self.edges[node.name] = node.edge(*(self.edges[source] for source in node.inputs))
        self.at = node.name
        return node.name

    def fresh(self) -> str:
        return f"n{len(self.nodes)}"

    @property
    def channels(self) -> int:
        return self.edges[self.at].shape[0]

    def sign(self, grid: Grid = BIPOLAR) -> str:
        """Put thresholds where values lie, in both directions."""
        edge = self.edges[self.at].grid
        reach = max(2, (edge.high - edge.low) // 4)
        middle = (edge.low + edge.high) // 2
        levels = self.dice.integers(
            middle - reach, middle + reach + 1, (self.channels, grid.levels - 1)
        )
        turned = np.resize([1, -1], self.channels)
        return self.put(Threshold(self.fresh(), (self.at,), np.sort(levels, 1), turned, grid))

    def layer(self, rows: int, fold: tuple[Any, ...], kind: str = "bits", **geometry: Any) -> str:
        """Put a dense layer, or a convolution where there is a kernel."""
        name, source = self.fresh(), (self.at,)
        self.folds[name] = LayerFold(*fold)
        kernel = geometry.pop("kernel", ())
        columns = self.channels // geometry.get("groups", 1)
        shape = (rows, columns, *kernel)
        if kind == "bytes":
            weight = self.dice.integers(-128, 128, shape).astype(np.int8)
            # Each extreme once, wherever there is room.
            weight.ravel()[: min(3, weight.size)] = (-128, 127, 0)[: min(3, weight.size)]
            node = IntConv if kernel else IntDense
            return self.put(node(name, source, weight, **geometry))
        bits = self.dice.integers(0, 2, shape).astype(np.uint8)
        if kind in ("0", "1"):
            bits = np.full(shape, int(kind), np.uint8)
        return self.put((Conv if kernel else Dense)(name, source, bits, **geometry))

    def done(self, *, k: int = 0, lanes: int | None = None, **served: int) -> Sample:
        """Let the last node decide."""
        shape = self.edges[self.at].shape
        if len(shape) > 1:
            if self.edges[self.at].grid.bits > 8:
                self.sign()
            self.put(Flatten(self.fresh(), (self.at,)))
            if shape[1:] != (1, 1):
                self.layer(3, (3, 2))
        logits, classes = self.at, self.channels
        offset = self.dice.integers(-2, 3, classes)
        top = TopK("top", (logits,), offset, k=k) if k else Argmax("top", (logits,), offset)
        graph = Graph("net", (*self.nodes, top), (logits, "top"))
        return Sample(graph, Folding(self.folds, lanes), seed=self._seed, **served)


def _dense_folds() -> Iterator[Sample]:
    """Fold layers of 12 rows and 12 columns in all sixteen ways."""
    numbers = (1, 3, 5, 12)
    stalls = (0, 30, 80)
    for shift in range(4):
        net = _Net(shift, (12,))
        for place, pe in enumerate(numbers):
            pipeline = ("area", "balanced", "speed")[(shift + place) % 3]
            net.layer(12, (pe, numbers[(place + shift) % 4], "lut", "dsp", pipeline))
            if place < 3:
                net.sign()
        lanes = (1, 4, 5, 12)[shift]
        yield net.done(lanes=lanes, stall_in=stalls[shift % 3], stall_out=stalls[(shift + 1) % 3])


def _conv_folds() -> Iterator[Sample]:
    """Fold convolutions of 4 rows and 4 channels in all twelve ways."""
    for shift, pe in enumerate((1, 2, 4)):
        net = _Net(10 + shift, (4, 5, 5))
        for simd in (1, 2, 4, 16):
            net.layer(4, (pe, simd, "block" if simd < 16 else "lut"), kernel=(2, 2))
            net.sign()
        yield net.done(stall_in=(0, 80, 30)[shift], stall_out=(0, 0, 80)[shift])


def _integer_folds() -> Iterator[Sample]:
    for shift, pe in enumerate((1, 2, 4)):
        net = _Net(20 + shift, (4, 2, 2), (Grid(-128, 1, 256), _NIBBLE, BIPOLAR)[shift])
        for simd in (1, 2, 4):
            fold = (pe, simd, "lut" if simd == 1 else "block", "lut" if simd == 2 else "dsp")
            net.layer(4, fold, "bytes", kernel=(1, 1))
            net.sign((_NIBBLE, BIPOLAR, _TWO)[shift])
        yield net.done(stall_in=(80, 0, 30)[shift], stall_out=(30, 80, 0)[shift])


def _ends() -> Iterator[Sample]:
    """Put thresholds at, next to and beyond both ends; weights that are all equal."""
    for seed, style in ((30, "lut"), (31, "unrolled"), (32, "ram")):
        net = _Net(seed, (6,))
        for kind in ("0", "1"):
            fold = (6, 6, style) if style == "unrolled" else (2, 3, style)
            name = net.layer(6, fold, kind)
            # Of six ±1 columns: always, from -4 on, in the middle, at 6, never; and turned.
            levels = np.array([-7, -4, 0, 6, 8, 4])[:, None]
            way = np.array([1, 1, 1, 1, 1, -1])
            net.put(Threshold(net.fresh(), (name,), levels, way))
        net.layer(3, (1, 1, "lut" if style == "unrolled" else style))
        yield net.done(k=2 if style == "lut" else 0)


def _counters() -> Iterator[Sample]:
    """End counters at, below and above a power of two."""
    for seed, size in ((40, 3), (41, 4), (42, 5)):
        net = _Net(seed, (size,))
        net.layer(size, (1, 1))
        net.sign()
        net.layer(size, (size, size))
        net.sign()
        net.layer((1, 2, 4)[seed - 40], (1, size))
        yield net.done(lanes=1, stall_in=(0, 90, 60)[seed - 40], stall_out=(90, 0, 40)[seed - 40])


def _levels() -> Iterator[Sample]:
    """Have codes of several bits, thresholds compared and searched, in units and on their own."""
    net = _Net(50, (4, 3, 3), _SIX)
    net.layer(4, (2, 2), kernel=(2, 2))
    net.sign(_NIBBLE)
    net.put(SumPool(net.fresh(), (net.at,), (2, 2), (1, 1)))
    net.sign(_SIX)
    net.layer(4, (4, 1), kernel=(1, 1))
    net.sign(_SIX)
    net.put(Affine(net.fresh(), (net.at,), np.array([3, -5, 1, 9]), np.arange(4), 0, (-1, 3)))
    net.sign(_NIBBLE)
    net.layer(3, (3, 2), kernel=(1, 1))
    yield net.done(k=3)
    net = _Net(51, (2, 4, 4), Grid(0, 1, 256))
    net.layer(2, (1, 2), kernel=(2, 2))
    net.sign(_TWO)
    net.layer(2, (2, 8), kernel=(2, 2), stride=(2, 1))
    net.sign(Grid(-1, 1, 3))
    net.layer(2, (2, 1), kernel=(1, 2))
    yield net.done(k=1)


def _geometries() -> Iterator[Sample]:
    """Pad with every value on one side or all, in serial and whole windows, ±1 and pixels."""
    both: list[tuple[int, int, tuple[int, int, int, int]]] = [
        (2, 0, (0, 1, 0, 0)), (18, 0, (1, 1, 1, 1)), (2, -1, (1, 0, 2, 1)), (1, 1, (1, 1, 1, 1)),
    ]  # fmt: skip
    for seed, (simd, pad, padding) in enumerate(both):
        net = _Net(60 + seed, (2, 4, 4))
        stride = ((1, 1), (2, 2), (1, 2), (3, 1))[seed]
        net.layer(4, (2, simd), kernel=(3, 3), padding=padding, pad_value=pad, stride=stride)
        net.sign()
        groups = (2, 4, 1, 2)[seed]
        net.layer(4, (1, 1), kernel=(1, 1), groups=groups)
        net.sign()
        yield net.done(stall_in=(0, 60, 90, 0)[seed], stall_out=(60, 60, 0, 0)[seed])
    for seed, grid in enumerate((Grid(0, 1, 16), _TWO, Grid(-1, 1, 3))):
        net = _Net(70 + seed, (2, 5, 3), grid)
        shape = {"kernel": (3, 1), "dilation": (2, 1), "padding": (2, 0, 2, 0)}
        net.layer(4, (2, 1), pad_value=0, **shape)  # type: ignore[arg-type]
        net.sign()
        net.layer(2, (1, 2), kernel=(2, 3), dilation=(2, 1), stride=(2, 1), groups=2)
        net.sign()
        yield net.done()


def _branches() -> Iterator[Sample]:
    """Part into two and three, meet as sums and side by side, late enough for long queues."""
    net = _Net(80, (2, 6, 6))
    net.layer(4, (4, 2), kernel=(1, 1))
    start = net.sign()
    for _ in range(2):
        net.layer(4, (2, 2), kernel=(3, 3), padding=(1, 1, 1, 1), pad_value=-1)
        far = net.sign(_TWO if _ else BIPOLAR)
    net.at = start
    net.put(Add(net.fresh(), (start, far)))
    sums = net.sign()
    net.put(Shuffle(net.fresh(), (sums,), 2))
    net.put(Slice(net.fresh(), (net.at,), 0, 3))
    first = net.at
    net.put(Slice(net.fresh(), (sums,), 1, 3))
    net.put(Concat(net.fresh(), (first, net.at, start)))
    net.put(Slice(net.fresh(), (net.at,), 2, 9))
    net.put(MaxPool(net.fresh(), (net.at,), (2, 2), (3, 3), (1, 1, 0, 0)))
    net.layer(3, (3, 7), kernel=(2, 2), stride=(1, 1))
    yield net.done(stall_in=0, stall_out=0)
    net = _Net(81, (4,))
    one = net.layer(3, (1, 4))
    net.put(Add(net.fresh(), (one, one, one)))
    net.put(Concat(net.fresh(), (net.at, one)))
    net.sign()
    net.layer(2, (2, 6))
    yield net.done(stall_in=90, stall_out=90)


def _others() -> Iterator[Sample]:
    """Make what is left: sums of a ragged layer that are read as they come, and rare geometries."""
    net = _Net(90, (4,))
    net.layer(4, (2, 2))
    net.layer(5, (2, 4))
    net.layer(3, (3, 2))
    yield net.done(stall_in=30, stall_out=0)
    net = _Net(91, (2, 5, 5))
    one = net.layer(2, (1, 2), kernel=(1, 1), stride=(2, 2))
    net.put(Affine(net.fresh(), (one,), np.array([7, -3]), np.array([1, 2]), 1))
    two = net.sign(Grid(-1, 1, 3))
    net.put(Add(net.fresh(), (one, two)))
    net.put(MaxPool(net.fresh(), (net.at,), (1, 1), (1, 1)))
    net.sign(Grid(-1, 1, 3))
    yield net.done(stall_in=30, stall_out=0)


_GROUPS: tuple[Callable[[], Iterator[Sample]], ...] = (
    _dense_folds, _conv_folds, _integer_folds, _ends, _counters, _levels, _geometries, _branches,
    _others,
)  # fmt: skip


def directed() -> list[Sample]:
    """Make every one of them."""
    return [sample for group in _GROUPS for sample in group()]
