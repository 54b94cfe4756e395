"""Convolutional networks on small codes: hardware against the golden model, at every edge."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnnhw import golden
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
    Threshold,
)
from bnnhw.plan import MvtuPlan, Plan, make_plan
from sim.compare import Tally, compare
from sim.interpreted import record_pysim

TERNARY = Grid(-1, 1, 3)
ODD = Grid(-3, 2, 4)
BYTE = Grid(-5, 1, 12)
GRIDS = (BIPOLAR, TERNARY, ODD, BYTE)


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

    def conv(self, rows: int, kernel: tuple[int, int], out: Grid, **geometry: Any) -> None:
        number = len(self.nodes)
        weight = self.bits(rows, self.edge.shape[0], *kernel)
        self.add(Conv(f"c{number}", (self.last,), weight, **geometry))
        self.activation(out)

    def activation(self, out: Grid) -> None:
        grid, channels = self.edge.grid, self.edge.shape[0]
        middle, reach = (grid.low + grid.high) // 2, max(2, (grid.high - grid.low) // 4)
        levels = self.dice.integers(middle - reach, middle + reach, (channels, out.levels - 1))
        direction = self.dice.choice([-1, 1], channels)
        self.add(Threshold(f"t{len(self.nodes)}", (self.last,), np.sort(levels, 1), direction, out))

    def pool(self, kernel: tuple[int, int], stride: tuple[int, int]) -> None:
        self.add(MaxPool(f"p{len(self.nodes)}", (self.last,), kernel, stride))

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
    """Every padding that is a value of the grid, none at all, and true zero around ±1."""
    return [
        (grid, pad)
        for grid in GRIDS
        for pad in (None, -1, 0, 1)
        if pad is None
        or (grid is BIPOLAR and not pad)
        or (grid.low <= pad <= grid.high and not (pad - grid.low) % grid.step)
    ]


@pytest.mark.parametrize(("grid", "pad"), paddings(), ids=str)
def test_convolution_with_every_padding(grid: Grid, pad: int | None) -> None:
    """No padding, −1, +1, and true zero: on ±1 that masks, elsewhere 0 must be a value."""
    build = Builder(1, (2, 4, 5), grid)
    geometry = {} if pad is None else {"padding": (1, 1, 1, 0), "pad_value": pad}
    build.conv(4, (3, 2), BIPOLAR, stride=(1, 2), **geometry)
    graph = build.graph(3)
    plan = make_plan(graph, Folding({"c1": LayerFold(2, 2), "fc": LayerFold(2, 3)}))
    units = [block for block in plan.blocks if isinstance(block, MvtuPlan)]
    assert units[0].masked == (grid is BIPOLAR and pad == 0)
    recording = check(graph, plan)
    assert np.diff(recording.ends).tolist() == [plan.cycles] * 2, "there is a bubble"
    check(graph, plan, stalls=(50, 50))


def test_padding_without_hardware_is_refused_by_name() -> None:
    build = Builder(1, (2, 4, 5), ODD)
    build.conv(2, (3, 3), BIPOLAR, padding=(1, 1, 1, 1), pad_value=0)
    graph = build.graph(2)
    with pytest.raises(Exception, match=r"node 'c1' pads \{-3, -1, …, 3\} with 0"):
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
        build.conv(pick(1, 2, 4), kernel, pick(BIPOLAR, TERNARY, ODD), **geometry)
        if min(build.edge.shape[1:]) >= 2 and dice.random() < 0.4:
            build.pool((2, 2), pick((1, 1), (2, 2)))
    graph = build.graph(pick(1, 2, 4))
    check(graph, make_plan(graph, random_folding(graph, dice)), images=2, stalls=stalls)


def test_a_flipped_weight_of_a_convolution_is_caught() -> None:
    from dataclasses import replace

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
