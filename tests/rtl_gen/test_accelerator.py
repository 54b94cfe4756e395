# amaranth: UnusedElaboratable=no
"""Whole small accelerators in Amaranth's simulator, at every folding and under every fault."""

import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Module

from bnnhw.errors import CheckFailed
from bnnhw.graph import Argmax, Dense, Graph, Input, Threshold
from bnnhw.plan import MvtuPlan, Plan
from rtl_gen import blocks
from rtl_gen.accelerator import Accelerator
from sim import interpreted
from sim.bench import exercise
from sim.expected import edge_words
from sim.interpreted import record_pysim
from sim.samples import check, images, network, planned
from sim.streams import frame

# No lane count divides 5 and 7; one row, one column, one class.
SHAPES = [(5, 3, 2), (7, 1, 3), (1, 4, 1), (4, 5, 2), (3, 2, 3, 2), (5, 1, 1, 4)]


def foldings(sizes: tuple[int, ...]) -> Iterator[list[tuple[int, int]]]:
    """Every (PE, SIMD) of every layer; where these are many, each with some of the others."""
    legal = [
        list(itertools.product(range(1, rows + 1), range(1, columns + 1)))
        for columns, rows in itertools.pairwise(sizes)
    ]
    if math.prod(map(len, legal)) <= 90:
        yield from (list(folds) for folds in itertools.product(*legal))
        return
    dice = random.Random(1)
    for layer, choices in enumerate(legal):
        for fold in choices:
            yield [fold if k == layer else dice.choice(other) for k, other in enumerate(legal)]


@pytest.mark.parametrize("sizes", SHAPES)
def test_every_folding(sizes: tuple[int, ...]) -> None:
    """Every edge is right, also with stalls; without, frames are `plan.cycles` apart in the end."""
    graph = network(sizes, sum(sizes))
    seen = images(graph, 7, 1)
    for turn, folds in enumerate(foldings(sizes)):
        plan = planned(graph, folds)
        recording = record_pysim(plan, seen)
        check(plan, recording, seen)
        # While buffers fill, a frame or two may take a clock longer.
        assert set(np.diff(recording.ends)[3:]) == {plan.cycles}, folds
        stall_in, stall_out = ((50, 50), (25, 80), (80, 25))[turn % 3]
        stalled = record_pysim(plan, seen[:2], stall_in=stall_in, stall_out=stall_out, seed=turn)
        check(plan, stalled, seen[:2])


@pytest.mark.parametrize("lanes", range(1, 8))
def test_every_width_of_the_input(lanes: int) -> None:
    graph = network((7, 4, 3), 2)
    plan = planned(graph, [(3, 2), (2, 3)], lanes=lanes)
    seen = images(graph, 3, lanes)
    check(plan, record_pysim(plan, seen, stall_in=30, stall_out=30, seed=lanes), seen)


@pytest.mark.parametrize("stalls", [(0, 80), (80, 0), (50, 50), (95, 95)])
def test_stalls(stalls: tuple[int, int]) -> None:
    for seed, sizes in enumerate(SHAPES):
        graph = network(sizes, seed)
        plan = planned(graph, list(foldings(sizes))[-2 - seed])
        seen = images(graph, 4, seed)
        recording = record_pysim(plan, seen, stall_in=stalls[0], stall_out=stalls[1], seed=seed)
        check(plan, recording, seen)


def sensitive() -> Graph:
    """Make a network in which every weight and every threshold decides something."""
    dice = np.random.default_rng(8)
    weights = [dice.integers(0, 2, shape, np.uint8) for shape in ((3, 5), (2, 3))]
    levels = np.array([[-1], [1], [3]])
    return Graph(
        "net",
        (
            Input("x", (), (5,)),
            Dense("fc0", ("x",), weights[0]),
            Threshold("s0", ("fc0",), levels, np.array([1, -1, 1])),
            Dense("fc1", ("s0",), weights[1]),
            Argmax("best", ("fc1",), np.array([0, 1])),
        ),
        ("fc1", "best"),
    )


EVERY_IMAGE = np.array(list(itertools.product((0, 1), repeat=5)))


@pytest.fixture(scope="module")
def plan() -> Plan:
    return planned(sensitive(), [(2, 2), (2, 3)])


def changed(plan: Plan, number: int, **changes: Any) -> Plan:
    """Give the same plan with another content of one unit's memories."""
    unit = plan.units[number]
    blocks = tuple(
        replace(block, **changes) if isinstance(block, MvtuPlan) and block.name == unit.name
        else block
        for block in plan.blocks
    )  # fmt: skip
    return replace(plan, blocks=blocks)


def test_good_plan_passes(plan: Plan) -> None:
    check(plan, record_pysim(plan, EVERY_IMAGE), EVERY_IMAGE)


@pytest.mark.parametrize("number", [0, 1])
def test_flipped_weight_bit_is_caught(plan: Plan, number: int) -> None:
    unit = plan.units[number]
    for address, bit in itertools.product(range(len(unit.weights)), range(unit.pe * unit.simd)):
        row = address // unit.synapse_folds * unit.pe + bit // unit.simd
        column = address % unit.synapse_folds * unit.simd + bit % unit.simd
        if row >= unit.rows or column >= unit.columns:
            continue
        words = list(unit.weights)
        words[address] ^= 1 << bit
        wrong = changed(plan, number, weights=tuple(words))
        recording = record_pysim(wrong, EVERY_IMAGE)
        with pytest.raises(AssertionError, match=f"where='{unit.name}'"):
            check(plan, recording, EVERY_IMAGE)


@pytest.mark.parametrize(("row", "step"), list(itertools.product(range(3), (-1, 1))))
def test_threshold_off_by_one_is_caught(plan: Plan, row: int, step: int) -> None:
    unit = plan.units[0]
    assert unit.thresholds is not None
    words = list(unit.thresholds)
    words[row // unit.pe] += step << row % unit.pe * unit.threshold_bits
    wrong = changed(plan, 0, thresholds=tuple(words))
    recording = record_pysim(wrong, EVERY_IMAGE)
    with pytest.raises(AssertionError, match="where='fc0'"):
        check(plan, recording, EVERY_IMAGE)


@pytest.mark.parametrize("block", ["FrameGuard", "WidthConverter", "Mvtu", "Argmax"])
def test_dropped_last_is_caught(plan: Plan, block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreted, "idle_limit", lambda plan: 500)
    tamper(monkeypatch, block, drop_last)
    with pytest.raises((AssertionError, CheckFailed), match=r"\.last'|nothing moved"):
        check(plan, record_pysim(plan, EVERY_IMAGE), EVERY_IMAGE)


@pytest.mark.parametrize("block", ["FrameGuard", "WidthConverter", "Mvtu", "Argmax"])
def test_held_ready_is_caught(plan: Plan, block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreted, "idle_limit", lambda plan: 500)
    tamper(monkeypatch, block, lambda unit: unit.i.ready.eq(0))
    with pytest.raises((AssertionError, CheckFailed)):
        check(plan, record_pysim(plan, EVERY_IMAGE[:2]), EVERY_IMAGE[:2])


def drop_last(unit):
    return unit.o.payload.last.eq(0)


def tamper(monkeypatch: pytest.MonkeyPatch, block: str, fault) -> None:
    """Put a unit with a fault on its ports in place of a good one."""
    good: Any = getattr(blocks, block)

    class Tampered(good):
        def elaborate(self, platform: object) -> Module:
            m = good.elaborate(self, platform)
            m.d[domain] += fault(self)
            return m

    # The argmax's `last` is a register, so it is the next value that is tampered with.
    domain = "sync" if block == "Argmax" and fault is drop_last else "comb"
    monkeypatch.setattr(blocks, block, Tampered)


@pytest.mark.parametrize("stalls", [0, 50, {"o": 80}])
@pytest.mark.parametrize("lanes", [1, 2, 3, 5])
def test_good_frames_after_bad_ones(lanes: int, stalls) -> None:
    """Each `last` yields one answer: short frames are filled with 0, long ones are cut."""
    graph = sensitive()
    plan = planned(graph, [(2, 2), (1, 2)], lanes=lanes)
    dice = np.random.default_rng(lanes)
    sent, meant = [], []
    for words in (None, 1, None, 9, 2, 40, None, None):
        length = 5 if words is None else words * lanes
        elements = dice.integers(0, 2, length).tolist()
        sent += frame(elements, lanes)
        meant.append((elements + [0] * 5)[:5])
    expected = edge_words(plan, np.array(meant))[plan.answer.name]
    exercise(Accelerator(plan), {"i": sent}, {"o": expected}, stalls=stalls, seed=lanes)


@pytest.mark.parametrize("after", [1, 5, 11, 12, 13, 20])
def test_reset_in_the_middle(plan: Plan, after: int) -> None:
    seen = EVERY_IMAGE[::5]
    first = plan.blocks[0]
    sent = [word for image in seen for word in frame(image.tolist(), first.lanes_in)]
    expected = edge_words(plan, seen)[plan.answer.name]
    exercise(Accelerator(plan), {"i": sent}, {"o": expected}, stalls=30, reset_after=after)
