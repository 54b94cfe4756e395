"""Blocks without content are those of the plan, so that what is priced is what is built."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from bnnhw.cost import estimate, price_all
from bnnhw.cost.sketch import sketch
from bnnhw.errors import UsageError
from bnnhw.plan import Block, UnitPlan, make_plan
from sim.random_graphs import random_folding, random_graph

CONTENT = ("weights", "thresholds", "offsets")


def outline(block: Block) -> tuple[type[Block], dict[str, Any]]:
    found = {entry.name: getattr(block, entry.name) for entry in fields(block)}
    if isinstance(block, UnitPlan):
        found |= {name: () for name in CONTENT if found.get(name) is not None}
    return type(block), found


@pytest.mark.parametrize("seed", range(120))
def test_sketch_and_estimate_are_those_of_the_plan(seed: int) -> None:
    dice = np.random.default_rng(seed)

    def pick(count: int) -> int:
        return int(dice.integers(count))

    graph = random_graph(pick)
    folding = random_folding(graph, pick)
    try:
        plan = make_plan(graph, folding)
    except UsageError as error:
        with pytest.raises(UsageError) as caught:
            sketch(graph, folding)
        assert str(caught.value) == str(error)
        return
    assert [outline(block) for block in sketch(graph, folding)] == [
        outline(block) for block in plan.blocks
    ]
    for family in ("ice40", "ecp5"):
        found = estimate(graph, folding, family, link=False)
        assert found.cycles == plan.cycles
        built = make_plan(graph, folding.on_family(family))
        assert found.cost == price_all(built.blocks, family)
