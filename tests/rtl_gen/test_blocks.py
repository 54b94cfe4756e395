# amaranth: UnusedElaboratable=no
"""What the plan's schedules say of blocks is what the components say of themselves."""

import random

import numpy as np
import pytest

from bnnhw.errors import UsageError
from bnnhw.plan import (
    AddPlan,
    AffinePlan,
    ArgmaxPlan,
    Block,
    ConcatPlan,
    ParallelWindowPlan,
    PermutePlan,
    PoolPlan,
    QueuePlan,
    SlicePlan,
    ThresholdPlan,
    TopKPlan,
    UnitPlan,
    WindowPlan,
    make_plan,
)
from bnnhw.plan.schedule import schedule_of
from rtl_gen.blocks import component_of
from sim.random_graphs import random_folding, random_graph


def blocks(count: int) -> list[Block]:
    """Draw blocks out of random networks."""
    found: list[Block] = []
    for seed in range(count):
        pick = random.Random(seed).randrange
        graph = random_graph(pick)
        try:
            found += make_plan(graph, random_folding(graph, pick)).blocks
        except UsageError:
            continue
    return found


BLOCKS = blocks(120)


def of(kind: type[Block]) -> list[Block]:
    found = [block for block in BLOCKS if isinstance(block, kind)]
    assert len(found) > 5
    return found


def first_out(block: Block) -> int:
    """Clock of the first word that leaves, if words come in without a pause from clock 0 on."""
    schedule = schedule_of(block)
    arrivals = [np.arange(count) for count in schedule.words_in]
    clock = int(schedule.times(arrivals, 1)[1][0])
    if isinstance(block, ParallelWindowPlan):
        # It counts from the clock at which it takes the first word, behind padding.
        down, across = block.tracks
        clock -= down.lead * across.steps + across.lead
    return clock


@pytest.mark.parametrize(
    "kind", [UnitPlan, WindowPlan, ParallelWindowPlan, PoolPlan, PermutePlan, SlicePlan, TopKPlan]
)
def test_first_words_come_when_the_component_says(kind: type[Block]) -> None:
    for block in of(kind):
        assert first_out(block) == component_of(block).latency, block


@pytest.mark.parametrize("kind", [AddPlan, ConcatPlan, AffinePlan])
def test_latencies_are_the_components(kind: type[Block]) -> None:
    for block in of(kind):
        assert type(block).LATENCY == type(component_of(block)).LATENCY


@pytest.mark.parametrize("kind", [ArgmaxPlan, QueuePlan, ThresholdPlan])
def test_latencies_that_depend_on_the_block(kind: type[Block]) -> None:
    for block in of(kind):
        assert block.latency == component_of(block).latency, block


@pytest.mark.parametrize("kind", [UnitPlan, WindowPlan, ParallelWindowPlan, PoolPlan, TopKPlan])
def test_steps_are_the_cycles(kind: type[Block]) -> None:
    for block in of(kind):
        assert max(schedule_of(block).steps, block.words_in) == block.cycles, block
