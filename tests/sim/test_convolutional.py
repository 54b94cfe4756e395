"""Convolutional networks on small codes: hardware against the golden model, at every edge."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnnhw import golden
from bnnhw.errors import UsageError
from bnnhw.fold import Folding, LayerFold
from bnnhw.fold.layers import layers_of
from bnnhw.graph import (
    BIPOLAR,
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
from bnnhw.plan import MvtuPlan, Plan, PoolPlan, ThresholdPlan, make_plan
from sim.compare import Tally, compare
from sim.interpreted import record_pysim

TERNARY = Grid(-1, 1, 3)
ODD = Grid(-3, 2, 4)
BYTE = Grid(-5, 1, 12)
GRIDS = (BIPOLAR, TERNARY, ODD, BYTE)
WIDER = Grid(-2, 4, 2)
AROUND_ZERO = (BIPOLAR, ODD, WIDER)
"""Grids whose zero is a tap left out."""


class Builder:
    """Random layers, one behind the other."""

    def __init__(self, seed: int, shape: tuple[int, int, int], grid: Grid) -> None:
        self.dice = np.random.default_rng(seed)
        self.nodes: list[Node] = [Input("x", (), shape, grid)]
        self.edge = self.nodes[0].edge()

    def add(self, node: Node) -> None:
        self.nodes.append(node)
        self.edge = node.edge(self.edge)

    @property
    def last(self) -> str:
        return self.nodes[-1].name

    def bits(self, *shape: int) -> Any:
        return self.dice.integers(0, 2, shape).astype(np.uint8)

    def conv(self, rows: int, kernel: tuple[int, int], out: Grid | None, **geometry: Any) -> None:
        number = len(self.nodes)
        weight = self.bits(rows, self.edge.shape[0], *kernel)
        self.add(Conv(f"c{number}", (self.last,), weight, **geometry))
        if out:
            self.activation(out)

    def activation(self, out: Grid, directions: Sequence[int] = ()) -> None:
        grid, channels = self.edge.grid, self.edge.shape[0]
        middle, reach = (grid.low + grid.high) // 2, max(2, (grid.high - grid.low) // 4)
        levels = self.dice.integers(middle - reach, middle + reach, (channels, out.levels - 1))
        direction = np.array(directions or self.dice.choice([-1, 1], channels))
        self.add(Threshold(f"t{len(self.nodes)}", (self.last,), np.sort(levels, 1), direction, out))

    def pool(
        self,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        kind: type[MaxPool | SumPool] = MaxPool,
        padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    ) -> None:
        self.add(kind(f"p{len(self.nodes)}", (self.last,), kernel, stride, padding))

    def graph(self, classes: int) -> Graph:
        self.add(Flatten("flat", (self.last,)))
        self.add(Dense("fc", ("flat",), self.bits(classes, self.edge.size)))
        self.add(Argmax("top", ("fc",), self.dice.integers(-3, 4, classes)))
        return Graph("net", tuple(self.nodes), ("fc", "top"))


def random_folding(graph: Graph, dice: Any) -> Folding:
    def divisor(number: int) -> int:
        return int(dice.choice([d for d in range(1, number + 1) if number % d == 0]))

    folds = {}
    for layer in layers_of(graph):
        dense = layer.channels is None
        pe = int(dice.integers(1, layer.rows + 1)) if dense else divisor(layer.rows)
        simd = min(divisor(layer.lanes_limit), 24)
        folds[layer.name] = LayerFold(pe, simd if layer.lanes_limit % simd == 0 else 1)
    return Folding(folds)


def check(graph: Graph, plan: Plan, images: int = 3, stalls: tuple[int, int] = (0, 0)) -> Any:
    node = graph.input
    dice = np.random.default_rng(7)
    codes = dice.integers(0, node.grid.levels, (images, *node.shape))
    recording = record_pysim(
        plan, plan.on_stream(codes), stall_in=stalls[0], stall_out=stalls[1], seed=3
    )
    tally = Tally()
    trace = golden.run(graph, codes, path="plain", trace=True)
    _, classes = compare(plan, recording, trace.edges, tally)
    assert tally.compared > 0 and not tally.differences, tally.differences
    assert trace.classes is not None and np.array_equal(classes, trace.classes)
    return recording


def paddings() -> list[tuple[Grid, int | None]]:
    """Every padding that is a value of the grid, none at all, and true zero around the others."""
    return [
        (grid, pad)
        for grid in (*GRIDS, WIDER)
        for pad in (None, -1, 0, 1)
        if pad is None
        or (grid in AROUND_ZERO and not pad)
        or (grid.low <= pad <= grid.high and not (pad - grid.low) % grid.step)
    ]


@pytest.mark.parametrize(("grid", "pad"), paddings(), ids=str)
def test_convolution_with_every_padding(grid: Grid, pad: int | None) -> None:
    """No padding, −1, +1, and true zero: around 0 that masks, elsewhere 0 must be a value."""
    build = Builder(1, (2, 4, 5), grid)
    geometry = {} if pad is None else {"padding": (1, 1, 1, 0), "pad_value": pad}
    build.conv(4, (3, 2), BIPOLAR, stride=(1, 2), **geometry)
    graph = build.graph(3)
    plan = make_plan(graph, Folding({"c1": LayerFold(2, 2), "fc": LayerFold(2, 3)}))
    units = [block for block in plan.blocks if isinstance(block, MvtuPlan)]
    assert units[0].masked == (grid in AROUND_ZERO and pad == 0)
    recording = check(graph, plan)
    assert np.diff(recording.ends).tolist() == [plan.cycles] * 2, "there is a bubble"
    check(graph, plan, stalls=(50, 50))


@pytest.mark.parametrize("grid", [Grid(1, 2, 2), Grid(-3, 2, 3), Grid(-3, 2, 6)], ids=str)
def test_padding_without_hardware_is_refused_by_name(grid: Grid) -> None:
    """A zero that is neither a value nor in the middle of all that a lane can count."""
    build = Builder(1, (2, 4, 5), grid)
    build.conv(2, (3, 3), BIPOLAR, padding=(1, 1, 1, 1), pad_value=0)
    graph = build.graph(2)
    with pytest.raises(UsageError, match=re.escape(f"node 'c1' pads {grid} with 0")):
        make_plan(graph, Folding({"c1": LayerFold(1, 1), "fc": LayerFold(1, 1)}))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1 << 30), stalls=st.sampled_from([(0, 0), (50, 0), (0, 50), (80, 80)]))
def test_random_networks(seed: int, stalls: tuple[int, int]) -> None:
    dice = np.random.default_rng(seed)

    def pick(*choices: Any) -> Any:
        return choices[int(dice.integers(len(choices)))]

    shape = (pick(1, 2, 3), pick(3, 4, 5), pick(3, 4, 6))
    build = Builder(seed, shape, pick(*GRIDS))
    for _ in range(pick(1, 2)):
        size = build.edge.shape[1:]
        kernel = (min(pick(1, 2, 3), size[0]), min(pick(1, 2, 3), size[1]))
        geometry: dict[str, Any] = {"stride": (pick(1, 2), pick(1, 2))}
        if build.edge.grid in (BIPOLAR, TERNARY) and dice.random() < 0.5:
            value = pick(-1, 0, 1)
            geometry |= {"padding": tuple(map(int, dice.integers(0, 2, 4))), "pad_value": value}
        out = pick(BIPOLAR, TERNARY, ODD)
        pool = min(build.edge.shape[1:]) >= 2 and dice.random() < 0.6
        # Conv, threshold, pool; or conv, pool, threshold, with sums of conv's sums too.
        late = pool and dice.random() < 0.6
        build.conv(pick(1, 2, 4), kernel, None if late else out, **geometry)
        if late or (pool and min(build.edge.shape[1:]) >= 2):
            size = build.edge.shape[1:]
            kernel = (min(2, size[0]), min(2, size[1]))
            build.pool(kernel, pick((1, 1), (2, 2)), pick(MaxPool, SumPool))
        if late:
            build.activation(out)
    graph = build.graph(pick(1, 2, 4))
    check(graph, make_plan(graph, random_folding(graph, dice)), images=2, stalls=stalls)


def late(grid: Grid, out: Grid, kind: type[MaxPool | SumPool] = MaxPool) -> Graph:
    """Convolution, pool, threshold, in this order; thresholds on pixels in front of all."""
    build = Builder(4, (2, 5, 6), grid)
    build.activation(TERNARY, (-1, 1))
    build.conv(4, (2, 3), None)
    build.pool((2, 2), (2, 2), kind)
    build.activation(out, (1, -1, -1, 1))
    return build.graph(3)


LATE = Folding({"c2": LayerFold(2, 2), "fc": LayerFold(2, 4)})


@pytest.mark.parametrize("kind", [MaxPool, SumPool])
@pytest.mark.parametrize("out", [BIPOLAR, TERNARY, ODD, Grid(0, 1, 6)], ids=str)
@pytest.mark.parametrize("grid", [BIPOLAR, BYTE], ids=str)
def test_thresholds_without_a_layer_in_front(
    grid: Grid, out: Grid, kind: type[MaxPool | SumPool]
) -> None:
    graph = late(grid, out, kind)
    plan = make_plan(graph, LATE)
    assert [b.name for b in plan.blocks if isinstance(b, ThresholdPlan)] == ["t1", "t4"]
    recording = check(graph, plan)
    assert np.diff(recording.ends).tolist() == [plan.cycles] * 2, "there is a bubble"
    check(graph, plan, stalls=(50, 50))


def test_averages_with_padding_around_pixels() -> None:
    build = Builder(5, (2, 4, 4), Grid(0, 3, 5))
    build.pool((3, 3), (2, 2), SumPool, (1, 1, 0, 1))
    build.activation(ODD)
    graph = build.graph(2)
    plan = make_plan(graph, Folding({"fc": LayerFold(1, 1)}, 2))
    check(graph, plan)
    check(graph, plan, stalls=(30, 60))


@pytest.mark.parametrize("field", ["flips", "thresholds"])
def test_a_wrong_threshold_behind_a_pool_is_caught(field: str) -> None:
    graph = late(BYTE, TERNARY)
    plan = make_plan(graph, LATE)
    blocks = list(plan.blocks)
    at = next(k for k, block in enumerate(blocks) if block.name == "t4")
    words = getattr(blocks[at], field)
    swapped: dict[str, Any] = {field: (words[1], words[0])}
    blocks[at] = replace(blocks[at], **swapped)
    assert words[0] != words[1]
    with pytest.raises(AssertionError):
        check(graph, replace(plan, blocks=tuple(blocks)), images=6)


def test_an_average_taken_for_a_maximum_is_caught() -> None:
    graph = late(BIPOLAR, TERNARY, SumPool)
    plan = make_plan(graph, LATE)
    pools = [block for block in plan.blocks if isinstance(block, PoolPlan)]
    assert [pool.operation for pool in pools] == ["sum"]
    other = late(BIPOLAR, TERNARY, MaxPool)
    with pytest.raises(AssertionError):
        check(other, replace(plan, graph=other), images=4)


def test_a_flipped_weight_of_a_convolution_is_caught() -> None:
    build = Builder(2, (2, 4, 4), BIPOLAR)
    build.conv(2, (3, 3), BIPOLAR)
    graph = build.graph(2)
    plan = make_plan(graph, Folding({"c1": LayerFold(1, 2), "fc": LayerFold(2, 2)}))
    blocks = list(plan.blocks)
    at = next(k for k, block in enumerate(blocks) if isinstance(block, MvtuPlan))
    unit = blocks[at]
    assert isinstance(unit, MvtuPlan) and unit.thresholds is not None
    flipped = tuple(word ^ (3 if k % 2 else 0) for k, word in enumerate(unit.weights))
    blocks[at] = replace(unit, weights=flipped)
    with pytest.raises(AssertionError):
        check(graph, replace(plan, blocks=tuple(blocks)), images=6)
