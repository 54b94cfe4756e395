"""Scores of classes: the same winner as the nodes say, in smaller numbers."""

from math import gcd
from typing import Any

import numpy as np
import pytest

from bnnhw.errors import UsageError
from bnnhw.fold import serial
from bnnhw.graph import Affine, Argmax, Dense, Graph, Grid, Input, Threshold
from bnnhw.plan import make_plan
from bnnhw.plan.verdict import class_scores


def affine(multiplier: list[int], offset: list[int], **more: Any) -> Affine:
    return Affine("score", ("fc",), np.array(multiplier), np.array(offset), **more)


def top(source: str, offset: list[int], scale: int = 1) -> Argmax:
    return Argmax("top", (source,), np.array(offset), scale)


@pytest.mark.parametrize("shift", [0, 3])
@pytest.mark.parametrize("grid", [Grid(-7, 2, 8), Grid(0, 1, 16), Grid(-5, 1, 11)], ids=str)
@pytest.mark.parametrize("seed", range(4))
def test_order_of_scores_is_kept(seed: int, grid: Grid, shift: int) -> None:
    dice = np.random.default_rng(seed)
    multiplier, offset = dice.integers(-9, 10, 4), dice.integers(-40, 40, 4)
    scaled = affine(multiplier.tolist(), offset.tolist(), shift=shift)
    last = top("score", dice.integers(-3, 4, 4).tolist(), 1 if shift else 3)
    factors, moves, dropped = class_scores(last, scaled, grid)
    codes = dice.integers(0, grid.levels, (200, 4))
    told = last.scale * ((grid.values(codes) * multiplier + offset) >> shift) + last.offset
    found = (codes * np.array(factors) + np.array(moves)) >> dropped
    for k in range(4):
        assert np.array_equal(np.sign(told[:, [k]] - told), np.sign(found[:, [k]] - found)), (
            "an order changed, or a tie"
        )
    assert 0 <= min(moves) < 1 << shift
    assert shift or gcd(*factors, *moves) == 1


def test_without_an_affine() -> None:
    assert class_scores(top("fc", [3, -1, 1], 2), None, Grid(-3, 2, 4)) == (
        (2, 2, 2), (2, 0, 1), 0,
    )  # fmt: skip
    assert class_scores(top("fc", [4, 0, 8]), None, Grid(-3, 2, 4)) == ((1, 1, 1), (2, 0, 4), 0)
    assert class_scores(top("fc", [0, 0]), None, Grid(-3, 2, 4)) == ((1, 1), (0, 0), 0)


def network(*nodes: Any, logits: str = "fc") -> Graph:
    first = (Input("x", (), (4,)), Dense("fc", ("x",), np.ones((3, 4), np.uint8)))
    return Graph("net", (*first, *nodes), (logits,))


def test_plan_fuses_the_affine() -> None:
    graph = network(affine([3, -1, 2], [5, 0, 1]), top("score", [0, 0, 0]))
    plan = make_plan(graph, serial(graph))
    assert plan.answer.edge == graph.logits == "fc"
    assert plan.answer.multipliers == (6, -2, 4)
    # The codes of {-4, -2, …, 4} begin with the scores -7, 4 and -7.
    assert plan.answer.offsets == (0, 11, 0)


@pytest.mark.parametrize(
    ("nodes", "logits", "why"),
    [
        (
            (affine([1, 2, 3], [0, 0, 0], clip=(-5, 5)), top("score", [0, 0, 0])),
            "fc",
            r"'top' does not read the logits",
        ),
        (
            (affine([1, 2, 3], [0, 0, 0], shift=2), top("score", [0, 0, 0], 3)),
            "fc",
            r"'top' multiplies with 3 what is shifted by 2 already",
        ),
        (
            (
                affine([1, 2, 3], [0, 0, 0]),
                Threshold("s", ("score",), np.zeros((3, 1), int), np.ones(3, int)),
                top("s", [0, 0, 0]),
            ),
            "fc",
            r"'top' does not read the logits",
        ),
    ],
)
def test_scores_wrong(nodes: Any, logits: str, why: str) -> None:
    graph = network(*nodes, logits=logits)
    with pytest.raises(UsageError, match=rf"^Network 'net': node {why}\.\n"):
        make_plan(graph, serial(graph))
