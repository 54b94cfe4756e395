"""Clocks of steps and words, against a loop that makes one step after the other."""

from typing import Any

import numpy as np
import pytest

from bnnhw.plan import AddPlan, Block, ConcatPlan, IntMvtuPlan, PoolPlan, WindowPlan
from bnnhw.plan.schedule import Schedule, schedule_of

UNIT = IntMvtuPlan(
    name="u", layer="u", edge="u", sources=("x",), rows=12, columns=5, vectors=3, elements_in=15,
    bits_in=1, lanes_in=2, elements_out=36, bits_out=8, lanes_out=3, weights=(0,),
    weight_style="lut", width=8,
)  # fmt: skip
JOIN = ConcatPlan(
    name="j", edge="j", sources=("a", "b"), elements_in=12, bits_in=1, lanes_in=1, elements_out=12,
    bits_out=1, lanes_out=1, bits=(1, 1), words=(1, 2), factors=(1, 1), offsets=(0, 0), pixels=4,
)  # fmt: skip

ADD = AddPlan(
    name="a", edge="a", sources=("a", "b"), elements_in=12, bits_in=1, lanes_in=1, elements_out=12,
    bits_out=2, lanes_out=1, bits=(1, 1), factors=(1, 1),
)  # fmt: skip
IMAGE: dict[str, Any] = {
    "sources": ("x",), "elements_in": 30, "bits_in": 1, "lanes_in": 1, "bits_out": 1,
    "channels": 2, "height": 5, "width": 3,
}  # fmt: skip
POOL = PoolPlan(
    name="p", edge="p", operation="max", levels=2, elements_out=24, lanes_out=1, kernel=(1, 1),
    stride=(1, 1), padding=(0, 0, 0, 0), **(IMAGE | {"elements_in": 24, "height": 4}),
)  # fmt: skip
SPARSE = PoolPlan(
    name="p", edge="p", operation="max", levels=2, elements_out=4, lanes_out=1, kernel=(2, 2),
    stride=(2, 2), padding=(0, 0, 0, 0), **IMAGE,
)  # fmt: skip
# Every step needs the next word and gives one, but there are more words than steps.
POINTS = WindowPlan(
    name="w", edge="w", elements_out=6, lanes_out=1, kernel=(1, 1), stride=(5, 1),
    dilation=(1, 1), padding=(0, 0, 0, 0), groups=1, pad=None, **IMAGE,
)  # fmt: skip
WINDOW = WindowPlan(
    name="w", edge="w", elements_out=192, lanes_out=1, kernel=(2, 2), stride=(1, 1),
    dilation=(1, 1), padding=(1, 0, 0, 1), groups=2, pad=0, **IMAGE,
)  # fmt: skip
BLOCKS: dict[str, Block] = {
    "unit": UNIT, "concat": JOIN, "add": ADD, "identity": POOL, "pool": SPARSE,
    "window of the first row": POINTS, "window": WINDOW,
}  # fmt: skip


def slow(schedule: Schedule, arrivals: list[np.ndarray], frames: int) -> tuple[list[int], ...]:
    """Make all steps, one by one."""
    clock, clocks = -(10**9), []
    for number in range(frames * schedule.steps):
        frame, step = divmod(number, schedule.steps)
        clock += 1
        for (at, word), count, came in zip(
            schedule.needs, schedule.words_in, arrivals, strict=True
        ):
            for needed in word[at == step]:
                clock = max(clock, int(came[frame * count + needed]) + schedule.before)
        clocks.append(clock)
    words = [
        clocks[frame * schedule.steps + step] + schedule.after
        for frame in range(frames)
        for step in schedule.gives
    ]
    taken = [
        [clocks[frame * schedule.steps + step] for frame in range(frames) for step in at]
        for at, _ in schedule.needs
    ]
    return (words, *taken)


@pytest.mark.parametrize("kind", BLOCKS)
def test_clocks_are_those_of_a_loop(kind: str) -> None:
    dice = np.random.default_rng(4)
    schedule = schedule_of(BLOCKS[kind])
    for pause in (1, 3, 40):
        arrivals = [np.cumsum(dice.integers(0, pause + 1, 3 * n)) for n in schedule.words_in]
        taken, words = schedule.times(arrivals, 3)
        assert [words.tolist(), *(clocks.tolist() for clocks in taken)] == list(
            slow(schedule, arrivals, 3)
        )


def test_a_unit_keeps_words_not_steps() -> None:
    """A unit on one lane has thousands of steps for each word; three frames must fit memory."""
    schedule = schedule_of(UNIT)
    assert (schedule.steps, UNIT.neuron_folds) == (UNIT.cycles, 4)
    ((at, word),) = schedule.needs
    assert word.tolist() == list(range(9))
    # Folds 0 … 2 of each vector's first turn; a vector takes twelve steps.
    assert at.tolist() == [0, 1, 2, 12, 13, 14, 24, 25, 26]
    assert schedule.gives.tolist() == list(range(2, 36, 3))
