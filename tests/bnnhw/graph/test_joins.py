"""Joins, channels and fixed point: shapes, grids, one message for each way to make one wrong."""

import re
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

from bnnhw.errors import UsageError
from bnnhw.graph import BIPOLAR, Add, Affine, Concat, Edge, Grid, IntDense, Shuffle, Slice

MEND = r"\.\nMend the model or the code that built this graph\.$"
GRIDS = [BIPOLAR, Grid(0, 1, 3), Grid(-4, 4, 3), Grid(5, 1, 1), Grid(-18, 2, 4)]
ONE = np.array([1], np.int64)
FLOATS: Any = np.ones((1, 3))


def edge(grid: Grid = BIPOLAR, *shape: int) -> Edge:
    return Edge(shape or (2, 3, 3), grid)


def values(grid: Grid) -> list[int]:
    found: list[int] = grid.values(np.arange(grid.levels)).tolist()
    return found


@pytest.mark.parametrize("b", GRIDS)
@pytest.mark.parametrize("a", GRIDS)
def test_add_and_concat_hold_every_value(a: Grid, b: Grid) -> None:
    total = Add("j", ("x", "y")).edge(edge(a), edge(b))
    sums = [x + y for x, y in product(values(a), values(b))]
    total.grid.codes(sums)
    assert (total.grid.low, total.grid.high) == (min(sums), max(sums))
    joined = Concat("j", ("x", "y")).edge(edge(a), edge(b, 4, 3, 3))
    joined.grid.codes(values(a) + values(b))
    assert joined.shape == (6, 3, 3)
    assert (joined.grid.low, joined.grid.high) == (min(a.low, b.low), max(a.high, b.high))


def test_grids_are_no_finer_than_needed() -> None:
    assert Add("j", ("x", "y")).edge(edge(), edge()).grid == Grid(-2, 2, 3)
    assert Add("j", ("x",) * 3).edge(*[edge(Grid(0, 1, 2))] * 3).grid == Grid(0, 1, 4)
    assert Concat("j", ("x", "y")).edge(edge(), edge()).grid == BIPOLAR
    assert Concat("j", ("x", "y")).edge(edge(), edge(Grid(-3, 2, 4))).grid == Grid(-3, 2, 4)


def test_channels() -> None:
    assert Slice("s", ("x",), 1, 3).edge(edge(BIPOLAR, 4, 5, 6)) == edge(BIPOLAR, 2, 5, 6)
    assert Shuffle("s", ("x",), 2).edge(edge(BIPOLAR, 4, 5, 6)) == edge(BIPOLAR, 4, 5, 6)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("clip", [None, (-2, 9), (3, 3), (-99, 99), (50, 60)])
@pytest.mark.parametrize("shift", [0, 1, 3])
@pytest.mark.parametrize(
    ("multiplier", "offset"), [([3], [0]), ([-2], [7]), ([4, 8], [8, 16]), ([0, 5], [-3, 1])]
)
def test_affine_grid_holds_every_value(
    grid: Grid, clip: Any, shift: int, multiplier: list[int], offset: list[int]
) -> None:
    node = Affine("a", ("x",), np.array(multiplier), np.array(offset), shift, clip)
    found = node.edge(Edge((len(offset), 2, 2), grid)).grid
    low, high = clip or (-(10**9), 10**9)
    raw = [(v * m + o) >> shift for v in values(grid)
           for m, o in zip(multiplier, offset, strict=True)]  # fmt: skip
    clipped = [min(max(value, low), high) for value in raw]
    found.codes(clipped)
    assert (found.low, found.high) == (min(clipped), max(clipped))


@pytest.mark.parametrize("grid", GRIDS)
def test_int_dense_grid_holds_every_sum(grid: Grid) -> None:
    weight = np.array([[-128, 127, 0], [2, 4, -2]], np.int8)
    node = IntDense("d", ("x",), weight)
    assert (node.rows, node.columns) == (2, 3)
    found = node.edge(Edge((3,), grid))
    assert found.shape == (2,)
    for chosen in product(values(grid), repeat=3):
        found.grid.codes(weight.astype(int) @ chosen)


def affine(**options: Any) -> Any:
    return Affine("a", ("x",), **({"multiplier": ONE, "offset": ONE} | options))


WRONG: list[tuple[Callable[[], Any], str]] = [
    (lambda: Add("a", ("x",)), "has 1 inputs instead of 2 or more"),
    (lambda: Concat("a", ()), "has 0 inputs instead of 2 or more"),
    (lambda: Add("a", ("x", "y")).edge(edge(), edge(BIPOLAR, 2, 3, 4)),
     "adds 'y' of shape (2, 3, 4) to (2, 3, 3)"),
    (lambda: Concat("a", ("x", "y")).edge(edge(), edge(BIPOLAR, 2, 3, 4)),
     "joins 'y' of shape (2, 3, 4) to (2, 3, 3)"),
    (lambda: Concat("a", ("x", "y")).edge(Edge((), BIPOLAR), edge()),
     "joins 'x' of shape () to ()"),
    (lambda: Slice("a", ("x",), 2, 2), "needs a whole number from 0 to 1 as start, not 2"),
    (lambda: Slice("a", ("x",), 0, 0), "needs a whole number from 1 to 1048576 as stop, not 0"),
    (lambda: Slice("a", ("x",), 0, 3).edge(edge()), "takes channels up to 3 of (2, 3, 3)"),
    (lambda: Shuffle("a", ("x",), 0), "needs a whole number from 1 to 1048576 as groups, not 0"),
    (lambda: Shuffle("a", ("x",), 3).edge(edge()),
     "shuffles (2, 3, 3), which 3 groups do not divide"),
    (lambda: affine(multiplier=np.ones(1)),
     "needs one integer multiplier for each channel, not float64 (1,)"),
    (lambda: affine(offset=np.ones(2, int)),
     "needs one integer offset for each channel, not int64 (2,)"),
    (lambda: affine(multiplier=np.ones(0, int)),
     "needs one integer multiplier for each channel, not int64 (0,)"),
    (lambda: affine(shift=-1), "needs a whole number from 0 to 48 as shift, not -1"),
    (lambda: affine(shift=49), "needs a whole number from 0 to 48 as shift, not 49"),
    (lambda: affine(clip=(1, 0)), "clips to 1 … 0, which is nothing"),
    (lambda: affine(clip=(1,)), "needs two ends to clip to, not (1,)"),
    (lambda: affine(clip=3), "needs two ends to clip to, not 3"),
    (lambda: affine().edge(edge()), "has 1 multipliers but reads (2, 3, 3)"),
    (lambda: affine(multiplier=ONE << 60).edge(edge(Grid(0, 1, 9), 1, 2)),
     "gives values from 1 to 9223372036854775809, which is beyond 62 bits"),
    (lambda: IntDense("a", ("x",), np.ones(3, int)),
     "needs weights of shape (rows, columns), not (3,)"),
    (lambda: IntDense("a", ("x",), FLOATS),
     "has a weight that is no whole number from -128 to 127"),
    (lambda: IntDense("a", ("x",), np.full((1, 3), 128)),
     "has a weight that is no whole number from -128 to 127"),
    (lambda: IntDense("a", ("x",), np.ones((1, 3), int)).edge(edge(BIPOLAR, 4)),
     "reads (4,) but its rows have 3 weights"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "what"), WRONG, ids=[what for _, what in WRONG])
def test_node_wrong(make: Callable[[], Any], what: str) -> None:
    with pytest.raises(UsageError, match=rf"^\w+ 'a': {re.escape(what)}{MEND}"):
        make()
