# amaranth: UnusedElaboratable=no
"""Random networks with branches: hardware against the golden model, with stalls, at every edge."""

import gc
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from bnnhw import golden, zoo
from bnnhw.errors import UsageError
from bnnhw.fold import Folding, LayerFold
from bnnhw.fold.layers import layers_of
from bnnhw.graph import Conv, Graph, IntConv
from bnnhw.plan import (
    AddPlan,
    AffinePlan,
    ConcatPlan,
    IntMvtuPlan,
    MvtuPlan,
    ParallelWindowPlan,
    PermutePlan,
    Plan,
    QueuePlan,
    SlicePlan,
    TernaryPlan,
    TopKPlan,
    make_plan,
)
from bnnhw.plan.branches import arrivals
from sim.compare import Tally, compare
from sim.interpreted import record_pysim
from sim.occupancy import observe, with_depths
from sim.random_graphs import random_folding, random_graph

RUN = settings(
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
LONG = 4000


@st.composite
def plans(draw: st.DrawFn, *, large: bool = False) -> Plan:
    """Draw a network and a folding that the simulator is not busy with for long."""

    def pick(count: int) -> int:
        return draw(st.integers(0, count - 1))

    graph = random_graph(pick, large=large)
    try:
        plan = make_plan(graph, random_folding(graph, pick))
    except UsageError as error:
        # Sums of the few grids whose steps are not those of their counts have no hardware.
        assert "are no codes of" in str(error)
        assume(False)
    assume(plan.cycles < LONG)
    return plan


def codes_of(graph: Graph, count: int, seed: int) -> np.ndarray:
    node = graph.input
    return np.random.default_rng(seed).integers(0, node.grid.levels, (count, *node.shape))


def check(plan: Plan, stalls: dict[str, Any]) -> None:
    codes = codes_of(plan.graph, 2, stalls["seed"])
    recording = record_pysim(plan, plan.on_stream(codes), **stalls)
    tally = Tally()
    trace = golden.run(plan.graph, codes, path="plain", trace=True)
    _, classes = compare(plan, recording, trace.edges, tally)
    assert tally.compared > 0 and not tally.differences, tally.differences
    assert trace.classes is not None and np.array_equal(classes, trace.classes)
    if isinstance(plan.answer, TopKPlan):
        # Equal ones in the order of their classes, by a sort that knows no stability.
        node = plan.graph.argmax
        assert node is not None and trace.top is not None
        scores = (node.scale * trace.logits + node.offset).tolist()
        best = [[c for _, c in sorted((-x, c) for c, x in enumerate(row))] for row in scores]
        assert trace.top.tolist() == [row[: plan.answer.elements_out] for row in best]


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Let go of the simulators before the next test counts what lies about."""
    yield
    gc.collect()


PERCENT = st.sampled_from([0, 30, 60, 90])
STALLS = st.fixed_dictionaries(
    {"stall_in": PERCENT, "stall_out": PERCENT, "seed": st.integers(0, 999)}
)


@settings(RUN, max_examples=40)
@given(plans(), STALLS)
def test_some_random_graphs(plan: Plan, stalls: Any) -> None:
    check(plan, stalls)


# Fewer to try it out; the claim is of 1,000.
MANY = int(os.environ.get("BNNHW_RANDOM_GRAPHS", "1000"))


@pytest.mark.slow
def test_many_random_convolutional_graphs() -> None:
    """As many different networks and foldings as are claimed: repeated ones do not count."""
    seen: set[str] = set()
    kinds: Counter[str] = Counter()

    @settings(RUN, max_examples=MANY)
    @given(plans(large=True), STALLS)
    def each(plan: Plan, stalls: Any) -> None:
        layers = [node for node in plan.graph.nodes if isinstance(node, Conv | IntConv)]
        # The identity is over graph and blocks, so over the folding.
        assume(layers and plan.identity not in seen)
        check(plan, stalls)
        seen.add(plan.identity)
        kinds.update(
            {
                "kernels above 3": any(max(node.weight.shape[2:]) > 3 for node in layers),
                "dilation above 2": any(max(node.dilation) > 2 for node in layers),
                "images above 5": max(plan.graph.input.shape[1:]) > 5,
            }
        )

    each()
    assert len(seen) >= MANY
    # 22 to 43 of 300 each, when this was written.
    assert all(count >= MANY // 50 for count in kinds.values()), kinds


def test_the_random_graphs_hold_every_kind_of_block() -> None:
    """What the tests above draw from would be worth little if it lacked what they are for."""
    seen: set[type] = set()
    shared: set[bool] = set()

    # By seeds, which draw the same networks everywhere.
    for seed in range(900):
        pick = random.Random(seed).randrange
        graph = random_graph(pick)
        try:
            plan = make_plan(graph, random_folding(graph, pick))
        except UsageError:
            continue
        seen.update(type(block) for block in plan.blocks)
        units = [block for block in plan.blocks if isinstance(block, MvtuPlan)]
        shared.update(unit.reorders for unit in units if unit.hold > 1)
    wanted = {
        AddPlan, AffinePlan, ConcatPlan, IntMvtuPlan, ParallelWindowPlan, PermutePlan, QueuePlan,
        SlicePlan, TernaryPlan, TopKPlan,
    }  # fmt: skip
    assert wanted <= seen
    assert shared == {False, True}


def frames_for(plan: Plan) -> int:
    """Count the images until queues are as full as ever: more where many are on their way."""
    return 5 if plan.cycles > 40 else 30


def queues(plan: Plan) -> list[QueuePlan]:
    return [block for block in plan.blocks if isinstance(block, QueuePlan)]


def schedule_holds(plan: Plan, deeper: Mapping[str, int] | None = None) -> None:
    """Hold clocks and queues against the schedules, with the source at the pace of the network.

    Some queues may be known to be `deeper` than they are ever full, by so many words exactly.
    """
    surplus = deeper or {}
    frames = frames_for(plan)
    codes = plan.on_stream(codes_of(plan.graph, frames, 1))
    seen = observe(plan, codes, paced=True)
    _, words = arrivals(list(plan.blocks), plan.cycles, frames)
    answers = words[plan.blocks[-1].name].reshape(frames, -1)[:, -1]
    # A memory of weights gives its first word a clock after reset, or when its parts are collected,
    # and a burst that spare clocks of the frame make good may hold up an answer.
    holds = [block.hold for block in plan.blocks if isinstance(block, MvtuPlan)]
    most = 2 + (max(holds) if max(holds, default=1) > 1 else 0)
    late = np.array(seen.ends) - answers
    assert min(late) >= 0 and max(late) <= most, (seen.ends, answers)
    for block in queues(plan):
        most = seen.most[block.name]
        if block.name in surplus:
            assert block.depth - most == surplus[block.name], (block.name, block.depth, most)
        else:
            assert block.depth - 1 <= most <= block.depth, (block.name, block.depth, most)
    # As fast as the slowest block, once the first frames have filled what was empty.
    full = observe(plan, codes, paced=False)
    periods = np.diff(full.ends)
    assert list(periods[-3:]) == [plan.cycles] * 3, full.ends
    # Deeper queues make nothing faster. Those of two words are quicker than deeper ones.
    deep = {block.name: 3000 for block in queues(plan) if block.depth > 2}
    assert observe(with_depths(plan, deep), codes, paced=True).ends == seen.ends


def made(seed: int) -> Plan | None:
    """Draw a network with queues whose simulation does not take long."""
    pick = random.Random(seed).randrange
    graph = random_graph(pick)
    try:
        plan = make_plan(graph, random_folding(graph, pick))
    except UsageError:
        return None
    return plan if queues(plan) and plan.cycles < 400 else None


def test_schedules_and_depths_of_some_graphs() -> None:
    plans = [plan for seed in range(60) if (plan := made(seed))][:12]
    assert len(plans) == 12
    for plan in plans:
        schedule_holds(plan)


# Where a window's buffer is full it holds up the fork in front, so that words come to a queue of
# another branch later than the schedules say, which let windows take words at once. Three of the
# 278 networks below have queues that are never as full as they are deep, so far; with windows of
# 256 words all of these are.
DEEPER = {
    362: {"join8_queue1": 2},
    400: {"join11_queue0": 2, "join11_queue1": 2, "join14_queue0": 6},
    490: {"join8_queue0": 5, "join9_queue0": 4},
}


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_schedules_and_depths_of_many_graphs(part: int) -> None:
    plans = {seed: plan for seed in range(60 * part, 60 * part + 60) if (plan := made(seed))}
    assert len(plans) > 5
    for seed, plan in plans.items():
        schedule_holds(plan, DEEPER.get(seed))


SHALLOW: dict[str, Any] = {"blocks": (1, 1, 1, 1), "size": 8}
ARCHITECTURES: dict[str, Callable[[], Graph]] = {
    "resnet_e18 E1": lambda: zoo.resnet_e18(width=2, **SHALLOW),
    "resnet_e18 E2": lambda: zoo.resnet_e18(width=2, joins="E2", **SHALLOW),
    "bireal18": lambda: zoo.bireal18(width=2, **SHALLOW),
    "meliusnet22": lambda: zoo.meliusnet22(growth=2, **SHALLOW),
    "binary_densenet28": lambda: zoo.binary_densenet28(growth=2, **SHALLOW),
    "dilated": lambda: zoo.binary_densenet28(growth=2, dilated=True, **SHALLOW),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_schedules_and_depths_of_architectures(name: str) -> None:
    graph = ARCHITECTURES[name]()

    def few(number: int) -> int:
        return max(part for part in range(1, 5) if number % part == 0)

    layers = layers_of(graph)
    folding = Folding({one.name: LayerFold(few(one.rows), few(one.lanes_limit)) for one in layers})
    plan = make_plan(graph, folding)
    assert queues(plan)
    schedule_holds(plan)


# Seeds of networks, the queue of each that a burst asks for, and the clocks an image without it.
BURSTS = {
    1877: ("pool1_lanes_queue0", 19),
    2555: ("pool2_lanes_queue0", 9),
    2836: ("pool2_queue0", 16),
    2919: ("pool1_lanes_queue0", 17),
}


@pytest.mark.parametrize("seed", BURSTS)
def test_a_queue_stands_where_the_blocks_before_cannot_make_good_for_a_burst(seed: int) -> None:
    plan, (name, clocks) = made(seed), BURSTS[seed]
    assert plan is not None
    schedule_holds(plan)
    # What was held up then goes on at its own pace, which is too slow here.
    without = bridged(plan, name)
    ends = observe(without, without.on_stream(codes_of(plan.graph, 8, 1)), paced=False).ends
    assert list(np.diff(ends)[-3:]) == [clocks] * 3
    assert clocks > plan.cycles


def bridged(plan: Plan, name: str) -> Plan:
    """Leave out a queue."""
    queue = plan.block(name)
    blocks = [
        replace(one, sources=tuple(queue.sources[0] if s == name else s for s in one.sources))
        for one in plan.blocks
        if one is not queue
    ]
    return replace(plan, blocks=tuple(blocks))


def test_a_queue_stands_where_branches_that_met_cannot_make_good_for_a_burst() -> None:
    """A pool behind joined branches gives a row at once, which the next layer takes slowly.

    The branches' slowest layer has work for two thirds of a frame, and so has the reader of the
    burst: but each stands still while the other works, row for row.
    """
    graph = zoo.binary_densenet28(growth=6, blocks=(1, 1), size=16)
    folds = {"trans1_conv": LayerFold(1, 1), "stage2_block1_conv": LayerFold(1, 3)}
    rest = {one.name: LayerFold(one.rows, one.lanes_limit) for one in layers_of(graph)}
    plan = make_plan(graph, Folding({**rest, **folds}))
    assert plan.cycles == plan.block("stage2_block1_conv").cycles == 3456
    assert plan.block("trans1_conv").cycles == plan.block("stage1_block1_conv").cycles == 2304
    codes = plan.on_stream(codes_of(graph, 4, 1))
    assert np.diff(observe(plan, codes, paced=False).ends)[-1] == plan.cycles
    without = bridged(plan, "trans1_conv_queue0")
    assert np.diff(observe(without, codes, paced=False).ends)[-1] == 3464


@pytest.mark.parametrize("seed", [505, 2119])
def test_a_queue_stands_in_front_of_a_window_that_leaves_whole(seed: int) -> None:
    plan = made(seed)
    assert plan is not None
    windows = [block for block in plan.blocks if isinstance(block, ParallelWindowPlan)]
    assert any(isinstance(plan.block(block.sources[0]), QueuePlan) for block in windows)
    schedule_holds(plan)


def test_results_of_a_lot_leave_whatever_the_next_lot_does() -> None:
    plan = made(300)
    assert plan is not None
    assert any(block.reorders for block in plan.blocks if isinstance(block, MvtuPlan))
    schedule_holds(plan)


def test_queues_are_no_deeper_than_they_must_be() -> None:
    """With two words less, a network whose branches differ much answers later, or never."""
    shallow = 0
    for seed in range(60):
        plan = made(seed)
        if plan is None or max(block.depth for block in queues(plan)) < 6:
            continue
        codes = plan.on_stream(codes_of(plan.graph, 3, 1))
        deepest = max(queues(plan), key=lambda block: block.depth)
        less = with_depths(plan, {deepest.name: deepest.depth - 2})
        now = observe(plan, codes, paced=True).ends
        try:
            then = observe(less, codes, paced=True).ends
        except TimeoutError:
            shallow += 1  # Each branch waits for the other.
            continue
        assert all(a >= b for a, b in zip(then, now, strict=True))
        shallow += then != now
    assert shallow > 2
