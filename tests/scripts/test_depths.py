"""Proofs of depths: on small networks, and that what is too shallow or too deep is found."""

import random
from dataclasses import replace
from typing import Any

import pytest

from bnnhw import zoo
from bnnhw.errors import UsageError
from bnnhw.fold import Folding, LayerFold
from bnnhw.fold.layers import layers_of
from bnnhw.plan import Block, Plan, QueuePlan, UnitPlan, WindowPlan, branches, make_plan
from scripts.depth_events import levels, run, waits
from scripts.depth_stores import banks_period, room_waits, taps_of, window_period
from scripts.depth_tokens import stands_still
from scripts.depths import prove
from scripts.soak_networks import case_of
from sim.random_graphs import random_folding, random_graph


def few(number: int) -> int:
    return max(part for part in range(1, 5) if number % part == 0)


@pytest.fixture(scope="module")
def residual() -> Plan:
    graph = zoo.resnet_e18(width=2, blocks=(1, 1, 1, 1), size=8)
    folds = {one.name: LayerFold(few(one.rows), few(one.lanes_limit)) for one in layers_of(graph)}
    return make_plan(graph, Folding(folds), name="net")


def with_changed(plan: Plan, kind: type[Block], **changes: Any) -> Plan:
    """Change the last block of a kind."""
    name = [block.name for block in plan.blocks if isinstance(block, kind)][-1]
    blocks = (replace(one, **changes) if one.name == name else one for one in plan.blocks)
    return replace(plan, blocks=tuple(blocks))


def test_a_residual_network(residual: Plan) -> None:
    proof = prove(residual)
    assert proof.faults == []
    assert proof.counts["queues"] >= 3 and proof.counts["windows"] >= 3
    assert proof.counts["pairs of banks"] > 0 and proof.counts["rooms"] > 0


def test_queues_of_random_graphs() -> None:
    """As the hardware's own levels are held against the plan in tests/sim/test_graphs.py."""
    queues = 0
    for seed in range(300):
        pick = random.Random(seed).randrange
        graph = random_graph(pick)
        try:
            plan = make_plan(graph, random_folding(graph, pick), name="net")
        except UsageError:
            continue
        # Lots of vectors are not in these schedules.
        lots = any(isinstance(block, UnitPlan) and block.lot > 1 for block in plan.blocks)
        if plan.cycles < 1000 and not lots:
            found = run(plan)
            for level in levels(plan, found):
                # Deeper only where the network would stand still.
                assert level.most <= level.depth, (seed, level)
                assert level.most == level.depth or stands_still(plan, {level.queue: 1}), seed
                queues += 1
            assert all(longest <= allowed for _, longest, allowed in waits(plan, found)), seed
    assert queues > 60


@pytest.mark.parametrize(
    ("number", "queue", "words"), [(5927, "join7_queue0", 1), (7169, "join3_queue1", 2)]
)
def test_networks_that_stood_still(
    number: int, queue: str, words: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by the soak: windows that the next frame pushes out, and a search that holds one word.

    The queues that an undisturbed schedule asks for were too few there, whatever the stalls; those
    that are there now are no deeper than they must be by more than a word.
    """
    plan = case_of("1", number).plan
    assert stands_still(plan) == ""
    assert stands_still(plan, {queue: words})
    monkeypatch.setattr(branches, "leads", lambda blocks, schedules: {})
    assert stands_still(case_of("1", number).plan)


def test_nothing_stands_still_in_random_graphs() -> None:
    """Without clocks, and with less room than hardware has."""
    joins = 0
    for seed in range(60):
        pick = random.Random(f"still/{seed}").randrange
        graph = random_graph(pick)
        try:
            plan = make_plan(graph, random_folding(graph, pick), name="net")
        except UsageError:
            continue
        if plan.cycles < 600 and any(len(block.sources) > 1 for block in plan.blocks):
            assert stands_still(plan) == "", seed
            joins += 1
    assert joins > 15


def test_a_queue_of_another_depth_is_found(residual: Plan) -> None:
    depth = [block for block in residual.blocks if isinstance(block, QueuePlan)][-1].depth
    for other, told in ((depth - 1, "too shallow"), (depth + 1, "deeper than it need be")):
        (fault,) = prove(with_changed(residual, QueuePlan, depth=other)).faults
        assert fault.endswith(told)


def test_a_join_without_its_queue_is_found(residual: Plan) -> None:
    queue = [block for block in residual.blocks if isinstance(block, QueuePlan)][0]
    blocks = tuple(
        replace(one, sources=tuple(queue.sources[0] if s == queue.name else s for s in one.sources))
        for one in residual.blocks
        if one is not queue
    )
    faults = prove(replace(residual, blocks=blocks)).faults
    assert any(fault.startswith("a word waits for ") for fault in faults)


def test_frames_that_never_settle_are_refused(residual: Plan) -> None:
    """A source that is faster than the slowest block fills everything for ever."""

    class Hasty(Plan):
        @property
        def cycles(self) -> int:
            return super().cycles // 2

    fields = (residual.name, residual.graph, residual.blocks, residual.folding, residual.order)
    with pytest.raises(AssertionError, match="^the frames of net do not settle$"):
        run(Hasty(*fields))


def window(**changes: Any) -> WindowPlan:
    given: dict[str, Any] = {
        "channels": 2, "height": 4, "width": 5, "kernel": (3, 3), "stride": (1, 1),
        "dilation": (1, 1), "padding": (1, 1, 1, 1), "pad": 0, **changes,
    }  # fmt: skip
    shape = WindowPlan(**FRAME, lanes_in=1, elements_in=0, elements_out=0, **given).shape
    sizes: dict[str, Any] = {"elements_in": shape.words_in, "elements_out": shape.words_out}
    return WindowPlan(**FRAME, lanes_in=1, **sizes, **given)


FRAME: Any = {"name": "window", "edge": "x", "bits_in": 1, "bits_out": 1, "lanes_out": 1}


def test_taps() -> None:
    taps = taps_of(window(channels=1, height=2, width=2, kernel=(2, 1), padding=(1, 0, 0, 0)))
    assert [(tap.position, tap.inside, tap.ends) for tap in taps] == [
        (-2, False, False), (0, True, True), (-1, False, False), (1, True, True),
        (0, True, False), (2, True, True), (1, True, False), (3, True, True),
    ]  # fmt: skip


SHAPES: list[dict[str, Any]] = [
    {}, {"padding": (0, 0, 0, 0)}, {"stride": (2, 2)}, {"kernel": (2, 1)}, {"dilation": (2, 1)},
    {"groups": 2}, {"kernel": (1, 1), "padding": (0, 0, 0, 0), "stride": (3, 2)},
]  # fmt: skip


@pytest.mark.parametrize("changes", SHAPES)
def test_buffers_of_windows(changes: dict[str, Any]) -> None:
    block = window(**changes)
    shape = block.shape
    assert window_period(block, shape.depth - shape.overhang, shape.depth) == block.cycles
    assert window_period(block, shape.room, shape.depth) == block.cycles


def test_a_window_with_a_word_less_waits_or_hangs() -> None:
    padded, plain = window(), window(padding=(0, 0, 0, 0))
    assert window_period(padded, padded.shape.room - 1, 64) is None
    later = window_period(plain, plain.shape.room - 1, 64)
    assert later is not None and later > plain.cycles


def test_a_word_that_is_overwritten_is_seen() -> None:
    block = window()
    with pytest.raises(AssertionError):
        window_period(block, 64, block.shape.room - 2)


def test_banks_and_rooms(residual: Plan) -> None:
    units = [one for one in residual.blocks if isinstance(one, UnitPlan) and one.neuron_folds > 1]
    assert units
    for unit in units:
        folds = unit.neuron_folds * unit.synapse_folds
        assert [banks_period(unit, banks) for banks in (1, 2, 3)] == [folds + 1, folds, folds]
    assert room_waits(units[0], 1, 9) and not room_waits(units[0], 20, 9)
