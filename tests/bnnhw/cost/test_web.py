"""The way through a web of choices, against all ways."""

from collections.abc import Iterator

import numpy as np
import pytest

from bnnhw.cost.web import FAR, Ints, Stage, Web, _on_stairs, _pair_by_pair


def stages_of(dice: np.random.Generator, resources: int) -> list[Stage]:
    count = int(dice.integers(1, 5))
    places = [1, *dice.integers(1, 4, count - 1).tolist(), 1]
    found = []
    for number in range(count):
        arcs = int(dice.integers(1, 8))
        found.append(
            Stage(
                dice.integers(0, places[number], arcs),
                dice.integers(0, places[number + 1], arcs),
                dice.integers(0, 20, (arcs, resources)),
                list(range(arcs)),
                places[number + 1],
            )
        )
    return found


def every_way(stages: list[Stage], place: int = 0) -> Iterator[Ints]:
    """Give what each way from a place to the end takes."""
    if not stages:
        yield np.zeros(1, np.int64)
        return
    first, *rest = stages
    for arc in np.flatnonzero(first.tails == place):
        for total in every_way(rest, int(first.heads[arc])):
            yield total + first.costs[arc]


@pytest.mark.parametrize("seed", range(300))
def test_best_way_is_the_best_of_all(seed: int) -> None:
    dice = np.random.default_rng(seed)
    resources = int(dice.integers(1, 5))
    stages = stages_of(dice, resources)
    weights, caps = dice.integers(0, 3, resources), dice.integers(5, 50, resources)
    if seed % 5 == 0:
        caps[:] = FAR
    totals = [total for total in every_way(stages) if (total <= caps).all()]
    found = Web(stages).best(weights, caps)
    if found is None:
        assert not totals
        return
    place = 0
    for stage, arc in zip(stages, found, strict=True):
        assert stage.tails[arc] == place
        place = int(stage.heads[arc])
    total = np.sum([stage.costs[arc] for stage, arc in zip(stages, found, strict=True)], axis=0)
    assert (total <= caps).all()
    assert total @ weights == min(int(one @ weights) for one in totals)


def test_no_label_that_is_dominated_stays_and_no_other_goes() -> None:
    rng = np.random.default_rng(31)
    for turn in range(400):
        columns, rows = 2 + turn % 3, rng.integers(0, 60 if turn % 20 else 900)
        used = rng.integers(0, rng.integers(1, 30), (rows, columns))
        told = [k for k, row in enumerate(used) if not (used[:k] <= row).all(axis=1).any()]
        assert _pair_by_pair(used) == told
        if columns == 2:
            assert _on_stairs(used) == told
