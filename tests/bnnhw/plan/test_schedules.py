"""Units by the words of the windows in front of them: the clocks of one after the other."""

import random
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import pytest

from bnnhw.errors import UsageError
from bnnhw.plan import Block, QueuePlan, branches, lead, make_plan
from bnnhw.plan.schedules import Schedules, windows_of_units
from sim.random_graphs import random_folding, random_graph


def drawn(count: int) -> Iterator[tuple[int, tuple[Block, ...]]]:
    """Give the seeds of networks that can be planned, and their blocks."""
    for seed in range(count):
        pick = random.Random(seed).randrange
        graph = random_graph(pick)
        with suppress(UsageError):
            yield seed, make_plan(graph, random_folding(graph, pick)).blocks


def test_clocks_of_a_unit_are_those_of_the_window_and_then_the_unit() -> None:
    rng, seen, folds = np.random.default_rng(3), 0, set()
    for _, blocks in drawn(120):
        schedules = Schedules()
        for name, window in windows_of_units(blocks).items():
            unit = next(block for block in blocks if block.name == name)
            came = np.cumsum(rng.choice([1, 1, 1, 2, 40], 4 * window.words_in))
            _, offered = schedules.of(window).times([came], 4)
            _, wanted = schedules.of(unit).times([offered], 4)
            _, found = schedules.of(unit, window).times([came], 4)
            np.testing.assert_array_equal(found, wanted)
            seen += 1
            folds.add(unit.words_out * window.shape.window_words > unit.words_in)
    assert seen > 40
    assert folds == {False, True}


def test_depths_are_those_of_every_block_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for together in (True, False):
        if not together:
            monkeypatch.setattr(branches, "windows_of_units", lambda blocks: {})
            monkeypatch.setattr(lead, "windows_of_units", lambda blocks: {})
        depths: dict[tuple[int, str], int] = {}
        for seed, blocks in drawn(250):
            depths |= {(seed, b.name): b.depth for b in blocks if isinstance(b, QueuePlan)}
        found.append(depths)
    assert found[0] == found[1]
    assert len(found[0]) > 100
