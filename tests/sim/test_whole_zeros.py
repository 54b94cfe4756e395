# amaranth: UnusedElaboratable=no
"""True zeros around images whose windows go out whole: exact at every edge."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bnnhw import golden
from bnnhw.cost import estimate
from bnnhw.fold import Folding, LayerFold
from bnnhw.graph import (
    BIPOLAR,
    Argmax,
    Concat,
    Conv,
    Dense,
    Flatten,
    Graph,
    Grid,
    Input,
    IntConv,
    Threshold,
)
from bnnhw.graph.nodes import Node
from bnnhw.plan import ParallelWindowPlan, Plan, TernaryPlan, make_plan
from sim.compare import Tally, compare
from sim.interpreted import record_pysim


def plan_of(
    seed: int, *, channels: int, sums: bool, pe: int, grid: Grid = BIPOLAR, kind: Any = Conv,
    **geometry: Any,
) -> Plan:  # fmt: skip
    """Make a convolution that pads with zeros, with thresholds behind it or with its sums."""
    dice = np.random.default_rng(seed)

    def bits(*shape: int) -> np.ndarray:
        return dice.integers(0, 2, shape).astype(np.uint8)

    kernel = geometry.pop("kernel", (3, 3))
    taps = kernel[0] * kernel[1] * channels
    weight = bits(4, channels, *kernel)
    if kind is IntConv:
        weight = dice.integers(-128, 128, weight.shape).astype(np.int8)
    nodes: list[Node] = [
        Input("x", (), (channels, 5, 4), grid),
        kind("conv", ("x",), weight, pad_value=0, **geometry),
    ]
    if sums:
        # Sums go to two thresholds, so that neither is part of the layer.
        nodes += [
            Threshold(f"s{k}", ("conv",), dice.integers(-taps, taps + 1, (4, 1)), np.ones(4, int))
            for k in range(2)
        ]
        nodes.append(Concat("both", ("s0", "s1")))
    else:
        levels = dice.integers(-taps // 2, taps // 2 + 1, (4, 1))
        nodes.append(Threshold("s", ("conv",), levels, dice.choice([-1, 1], 4)))
    nodes.append(Flatten("flat", (nodes[-1].name,)))
    edges: dict[str, Any] = {}
    for node in nodes:
        edges[node.name] = node.edge(*(edges[source] for source in node.inputs))
    nodes.append(Dense("fc", ("flat",), bits(3, edges["flat"].size)))
    nodes.append(Argmax("top", ("fc",), np.zeros(3, int)))
    graph = Graph("net", tuple(nodes), ("fc", "top"))
    folds = {"conv": LayerFold(pe, taps), "fc": LayerFold(1, 4)}
    return make_plan(graph, Folding(folds))


CASES: list[dict[str, Any]] = [
    {"channels": 1, "sums": False, "pe": 4, "padding": (1, 1, 1, 1)},
    {"channels": 2, "sums": True, "pe": 1, "padding": (1, 1, 1, 1)},
    {"channels": 2, "sums": False, "pe": 2, "padding": (0, 2, 1, 0), "stride": (2, 1)},
    {"channels": 1, "sums": True, "pe": 4, "padding": (2, 2, 2, 2), "dilation": (2, 2)},
    {"channels": 3, "sums": False, "pe": 4, "padding": (0, 1, 0, 0), "kernel": (1, 2)},
    {"channels": 2, "sums": False, "pe": 2, "padding": (1, 1, 1, 1), "grid": Grid(-3, 2, 4)},
    {"channels": 1, "sums": True, "pe": 4, "padding": (1, 0, 1, 2), "grid": Grid(-6, 4, 4)},
    {"channels": 2, "sums": True, "pe": 2, "padding": (1, 1, 1, 1), "grid": Grid(-2, 4, 2)},
    {"channels": 2, "sums": False, "pe": 2, "padding": (1, 1, 1, 1), "kind": IntConv},
    {
        "channels": 1,
        "sums": True,
        "pe": 1,
        "padding": (1, 1, 0, 1),
        "kind": IntConv,
        "grid": Grid(-3, 2, 4),
    },
]


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("stall", [0, 50])
def test_exact_at_every_edge(case: dict[str, Any], stall: int) -> None:
    plan = plan_of(3, **case)
    kinds = [type(block) for block in plan.blocks]
    assert ParallelWindowPlan in kinds and TernaryPlan in kinds
    assert estimate(plan.graph, plan.folding, "ecp5").cycles == plan.cycles
    levels = plan.graph.input.grid.levels
    seen = np.random.default_rng(7).integers(0, levels, (4, *plan.graph.input.shape))
    trace = golden.run(plan.graph, seen, path="plain", trace=True).edges
    # Zeros are no −1 in disguise: those would give other sums.
    low = plan.graph.input.grid.low
    nodes = [
        replace(n, pad_value=low) if isinstance(n, Conv | IntConv) else n for n in plan.graph.nodes
    ]
    other = golden.run(replace(plan.graph, nodes=tuple(nodes)), seen, trace=True).edges
    assert (other["conv"] != trace["conv"]).any()
    codes = plan.on_stream(seen)
    recording = record_pysim(plan, codes, stall_in=stall, stall_out=stall)
    tally = Tally()
    compare(plan, recording, trace, tally)
    assert tally.compared and not tally.differences, tally.differences
    if not stall:
        assert list(np.diff(recording.ends)[-2:]) == [plan.cycles] * 2
