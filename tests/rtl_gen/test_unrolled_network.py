# amaranth: UnusedElaboratable=no
"""Unrolled layers in a network: what the plan knows of them, and the golden model's answers."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnhw.errors import UsageError
from bnnhw.fold import Folding, LayerFold, load_folding
from bnnhw.fold.layers import Layer, layers_of
from bnnhw.graph import Graph
from bnnhw.plan import MvtuPlan, Plan, QueuePlan, make_plan
from bnnhw.plan.schedule import schedule_of
from rtl_gen.blocks import component_of
from rtl_gen.network import folding_toml
from rtl_gen.unrolled import UnrolledLayer
from sim.interpreted import record_pysim
from sim.occupancy import observe
from sim.random_graphs import random_folding, random_graph
from sim.samples import check, network


def unrolls(layer: Layer) -> bool:
    return layer.groups == 1 and layer.weight_bits == 1


def unrolled(graph: Graph, folding: Folding) -> Folding:
    """Unroll the layers that can be, and keep the folding of the others."""
    layers = {
        layer.name: LayerFold(layer.rows, layer.columns, "unrolled")
        if unrolls(layer)
        else folding.layers[layer.name]
        for layer in layers_of(graph)
    }
    return replace(folding, layers=layers)


def plans(seeds: range) -> list[tuple[Graph, Plan]]:
    """Draw networks whose layers are unrolled, as far as hardware exists for them."""
    found = []
    for seed in seeds:
        pick = random.Random(seed).randrange
        graph = random_graph(pick)
        try:
            plan = make_plan(graph, unrolled(graph, random_folding(graph, pick)))
        except UsageError:
            continue
        if any(unit.weight_style == "unrolled" for unit in plan.units):
            found.append((graph, plan))
    return found


PLANS = plans(range(60))


def test_there_is_something_to_test() -> None:
    units = [unit for _, plan in PLANS for unit in plan.units if unit.weight_style == "unrolled"]
    assert len(PLANS) > 8
    assert any(unit.vectors > 1 for unit in units) and any(unit.bits_in > 1 for unit in units)
    assert any(unit.offsets is not None for unit in units)
    assert all(unit.cycles == unit.vectors for unit in units)


def test_the_plan_knows_the_latency() -> None:
    for _, plan in PLANS:
        for unit in plan.units:
            if not isinstance(unit, MvtuPlan) or unit.weight_style != "unrolled":
                continue
            component = component_of(unit)
            assert isinstance(component, UnrolledLayer)
            (first, *_) = schedule_of(unit).times([np.arange(unit.words_in)], 1)[1]
            assert first == component.latency == unit.latency


@pytest.mark.parametrize("number", range(6))
def test_answers_are_the_golden_models(number: int) -> None:
    graph, plan = PLANS[number]
    shape = graph.input.shape
    codes = np.random.default_rng(number).integers(0, graph.input.grid.levels, (3, *shape))
    stalls: dict[str, Any] = {
        "stall_in": 30 * (number % 2),
        "stall_out": 40 * (number % 3),
        "seed": number,
    }
    check(plan, record_pysim(plan, plan.on_stream(codes), **stalls), codes)


def test_queues_between_branches_are_as_deep_as_the_plan_says() -> None:
    """Images come out one each `cycles` clocks, as they would with room without end."""
    seen = 0
    for graph, plan in PLANS:
        queues = any(isinstance(block, QueuePlan) for block in plan.blocks)
        if plan.cycles > 30 or not queues or seen == 3:
            continue
        levels, shape = graph.input.grid.levels, graph.input.shape
        codes = plan.on_stream(np.random.default_rng(1).integers(0, levels, (8, *shape)))
        ends = observe(plan, codes, paced=False).ends
        assert list(np.diff(ends)[-3:]) == [plan.cycles] * 3, ends
        seen += 1
    assert seen > 2


GRAPH = network((10, 7, 3), 1)


def test_a_vector_a_clock() -> None:
    plan = make_plan(GRAPH, unrolled(GRAPH, Folding({})))
    assert [unit.cycles for unit in plan.units] == [1, 1]
    seen = np.random.default_rng(0).integers(0, 2, (8, 10))
    check(plan, record_pysim(plan, seen), seen)


def test_registers_are_as_the_folding_says() -> None:
    """Nothing said is a register behind each level: without any, a layer would be one long path."""
    for pipeline, every in (("auto", 1), ("area", 0), ("balanced", 2), ("speed", 1)):
        folds = {
            layer.name: LayerFold(layer.rows, layer.columns, "unrolled", pipeline=pipeline)
            for layer in layers_of(GRAPH)
        }
        units = make_plan(GRAPH, Folding(folds)).units
        assert [unit.every for unit in units if isinstance(unit, MvtuPlan)] == [every] * 2


def test_folding_comes_back(tmp_path: Path) -> None:
    plan = make_plan(GRAPH, unrolled(GRAPH, Folding({})))
    (tmp_path / "f.toml").write_text(folding_toml(plan))
    assert 'weights = "unrolled"' in folding_toml(plan)
    assert make_plan(GRAPH, load_folding(tmp_path / "f.toml")).identity == plan.identity


def test_a_folding_that_does_not_unroll() -> None:
    folds = {"fc0": LayerFold(7, 5, "unrolled"), "fc1": LayerFold(3, 7, "unrolled")}
    message = r"^Layer 'fc0': pe = 7 and simd = 5 do not unroll its matrix of 7 × 10\."
    with pytest.raises(UsageError, match=message):
        make_plan(GRAPH, Folding(folds))
