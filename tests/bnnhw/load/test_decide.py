"""Classes decided in integers: right for every attainable pair of logits, or refused."""

from fractions import Fraction
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnnhw.graph import Grid
from bnnhw.load import decide
from bnnhw.load.decide import Undecidable, class_offsets


def winner(scores: list[Fraction]) -> int:
    return scores.index(max(scores))


@settings(max_examples=200, deadline=None)
@given(
    columns=st.integers(1, 5),
    scale=st.lists(st.sampled_from([1, 2, 3]), min_size=1, max_size=1),
    bias=st.lists(st.fractions(-9, 9, max_denominator=4), min_size=1, max_size=3),
    uneven=st.booleans(),
)
def test_offsets_decide_as_scores_do(
    columns: int, scale: list[int], bias: list[Fraction], uneven: bool
) -> None:
    grid = Grid(-columns, 2, columns + 1)
    gains = [Fraction(scale[0] + (uneven and c == 1), 3) for c in range(len(bias))]
    try:
        scale_up, offset = class_offsets(grid, gains, bias)
    except Undecidable:
        assert uneven and len(bias) > 1, "equal scales can always be decided"
        return
    for logits in product(range(grid.low, grid.high + 1, 2), repeat=len(bias)):
        exact = winner([g * v + b for g, v, b in zip(gains, logits, bias, strict=True)])
        assert np.argmax(scale_up * np.array(logits) + offset) == exact


@pytest.mark.parametrize("difference", [Fraction(n, 4) for n in range(-40, 41)])
def test_two_classes_of_one_scale_are_always_decided(difference: Fraction) -> None:
    grid = Grid(-3, 2, 4)
    scale, offset = class_offsets(grid, [Fraction(1, 7)] * 2, [Fraction(0), difference / 7])
    for a, b in product(range(-3, 4, 2), repeat=2):
        assert np.argmax(scale * np.array([a, b]) + offset) == winner([Fraction(a), b + difference])


def exists(grid: Grid, gains: list[Fraction], bias: Fraction) -> bool:
    """Whether any integer offset of the second class decides as the scores do."""
    pairs = list(product(range(grid.low, grid.high + 1, grid.step), repeat=2))
    wins = [gains[0] * a >= gains[1] * b + bias for a, b in pairs]
    span = grid.high - grid.low + 1
    return any([a >= b + offset for a, b in pairs] == wins for offset in range(-span - 1, span + 2))


@pytest.mark.parametrize("grid", [Grid(0, 1, 4), Grid(-3, 2, 4), Grid(1, 3, 3), Grid(-9, 4, 3)])
def test_two_classes_are_refused_only_where_no_offset_decides(grid: Grid) -> None:
    seen = set()
    for one, other in ((1, 2), (2, 1), (2, 3), (3, 2), (4, 5)):
        gains = [Fraction(one), Fraction(other)]
        for bias in (Fraction(n, 2) for n in range(-24, 25)):
            try:
                found = class_offsets(grid, gains, [Fraction(0), bias])[0] == 1
            except Undecidable:
                found = False
            assert found == exists(grid, gains, bias), (one, other, bias)
            seen.add(found)
    assert seen == {False, True}


def test_equal_scores_need_no_offset() -> None:
    scale, offset = class_offsets(Grid(-3, 2, 4), [Fraction(2)] * 3, [Fraction(5)] * 3)
    assert scale == 1 and offset.tolist() == [0] * 3


def test_offsets_that_part_the_classes_for_good() -> None:
    grid = Grid(-3, 2, 4)
    bias = [Fraction(0), Fraction(100), Fraction(200), Fraction(300)]
    scale, offset = class_offsets(grid, [Fraction(1)] * 4, bias)
    assert scale == 1 and all(b - a > 6 for a, b in pairwise(offset.tolist()))


def test_fractions_that_need_a_finer_step() -> None:
    # On a step of 1, growing fractions of three classes need more than a whole step between them.
    bias = [Fraction(0), Fraction(1, 3), Fraction(2, 3)]
    scale, offset = class_offsets(Grid(-3, 1, 7), [Fraction(1)] * 3, bias)
    assert scale == 4
    for logits in product(range(-3, 4), repeat=3):
        exact = winner([v + b for v, b in zip(logits, bias, strict=True)])
        assert np.argmax(scale * np.array(logits) + offset) == exact


def test_ten_classes_with_biases_of_their_own() -> None:
    dice = np.random.default_rng(3)
    grid = Grid(-16, 2, 17)
    for spread in (1.0, 8.0, 200.0):
        bias = [Fraction(float(np.float32(value))) for value in dice.normal(0, spread, 10)]
        scale, offset = class_offsets(grid, [Fraction(1, 3)] * 10, bias)
        assert scale <= 16 and int(offset.max()) <= 2 * 16 * 2 * (grid.levels + 2)
        for logits in dice.integers(0, 17, (400, 10)) * 2 - 16:
            exact = winner([Fraction(int(v)) / 3 + b for v, b in zip(logits, bias, strict=True)])
            assert np.argmax(scale * logits + offset) == exact


def test_scales_that_integers_cannot_state() -> None:
    scales = [Fraction(1), Fraction(2), Fraction(3)]
    with pytest.raises(Undecidable):
        class_offsets(Grid(-9, 1, 19), scales, [Fraction(0)] * 3)


def test_too_many_classes() -> None:
    count = decide._CLASSES_CAP + 1
    with pytest.raises(Undecidable, match="^it has 1025 classes with different scales or biases$"):
        class_offsets(Grid(0, 1, 2), [Fraction(1)] * count, list(map(Fraction, range(count))))


def test_as_many_values_as_are_looked_at() -> None:
    grid = Grid(0, 1, decide._VALUES_CAP)
    with pytest.raises(Undecidable, match="^classes 0 and 1 have scales that no integer offset"):
        class_offsets(grid, [Fraction(1), Fraction(2)], [Fraction(0)] * 2)


def test_too_many_values() -> None:
    with pytest.raises(Undecidable, match="^its scales differ and its logits take 20000 values$"):
        class_offsets(Grid(0, 1, 20000), [Fraction(1), Fraction(2)], [Fraction(0)] * 2)
