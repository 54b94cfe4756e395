"""Depths of queues do not depend on what was remembered of an earlier turn."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from bnnhw import zoo
from bnnhw.fold import serial
from bnnhw.graph import Graph
from bnnhw.plan import branches, make_plan
from bnnhw.plan.joints import QueuePlan
from bnnhw.plan.schedule import Schedule, schedule_of

NETWORKS: dict[str, Callable[[], Graph]] = {
    "residual": lambda: zoo.resnet_e18(width=4, blocks=(2, 2, 1), size=8),
    "dense": lambda: zoo.binary_densenet28(growth=4, blocks=(2, 2), size=8),
    "melius": lambda: zoo.meliusnet22(growth=4, blocks=(1, 2), size=8),
}


def afresh(self: branches._Known, came: list[npt.NDArray[np.int64]], frames: int) -> object:
    return self.schedule.times(came, frames)


@pytest.mark.parametrize("name", NETWORKS)
def test_depths_with_and_without_memory(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = NETWORKS[name]()
    blocks = make_plan(graph, serial(graph)).blocks
    assert any(isinstance(block, QueuePlan) for block in blocks)
    counted: list[str] = []
    times = Schedule.times

    def counting(
        self: Schedule, came: list[npt.NDArray[np.int64]], frames: int
    ) -> tuple[tuple[npt.NDArray[np.int64], ...], npt.NDArray[np.int64]]:
        counted.append(name)
        return times(self, came, frames)

    monkeypatch.setattr(Schedule, "times", counting)
    assert make_plan(graph, serial(graph)).blocks == blocks
    few = len(counted)
    monkeypatch.setattr(branches._Known, "times", afresh)
    assert make_plan(graph, serial(graph)).blocks == blocks
    assert few < len(counted) - few  # Or nothing was remembered.


def test_only_what_comes_as_much_later_at_every_input_is_remembered() -> None:
    graph = NETWORKS["residual"]()
    blocks = make_plan(graph, serial(graph)).blocks
    block = next(block for block in blocks if len(block.sources) == 2)
    schedule, frames = schedule_of(block), 3
    rng = np.random.default_rng(4)
    first, second = (np.cumsum(rng.integers(1, 9, frames * count)) for count in schedule.words_in)
    known = branches._Known(schedule)
    bent = second.copy()
    bent[-1] += 5
    for came in (
        [first, second], [first + 7, second + 7], [first, second + 7], [first, second],
        [first, bent], [first + 2, bent], [first - 3, bent - 3],
    ):  # fmt: skip
        taken, words = known.times(came, frames)
        again, left = schedule.times(came, frames)
        np.testing.assert_array_equal(words, left)
        for one, other in zip(taken, again, strict=True):
            np.testing.assert_array_equal(one, other)
