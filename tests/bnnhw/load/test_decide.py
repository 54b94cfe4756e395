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
        offset = class_offsets(grid, gains, bias)
    except Undecidable:
        return
    for logits in product(range(grid.low, grid.high + 1, 2), repeat=len(bias)):
        exact = winner([g * v + b for g, v, b in zip(gains, logits, bias, strict=True)])
        assert np.argmax(np.array(logits) + offset) == exact


@pytest.mark.parametrize("difference", [Fraction(n, 4) for n in range(-40, 41)])
def test_two_classes_of_one_scale_are_always_decided(difference: Fraction) -> None:
    grid = Grid(-3, 2, 4)
    offset = class_offsets(grid, [Fraction(1, 7)] * 2, [Fraction(0), difference / 7])
    for a, b in product(range(-3, 4, 2), repeat=2):
        assert np.argmax(np.array([a, b]) + offset) == winner([Fraction(a), b + difference])


def test_equal_scores_need_no_offset() -> None:
    assert class_offsets(Grid(-3, 2, 4), [Fraction(2)] * 3, [Fraction(5)] * 3).tolist() == [0] * 3


def test_offsets_that_part_the_classes_for_good() -> None:
    grid = Grid(-3, 2, 4)
    bias = [Fraction(0), Fraction(100), Fraction(200), Fraction(300)]
    offset = class_offsets(grid, [Fraction(1)] * 4, bias)
    assert all(b - a > 6 for a, b in pairwise(offset.tolist()))


def test_fractions_that_integers_cannot_state() -> None:
    # On a step of 1, growing fractions of three classes need more than a whole step between them.
    bias = [Fraction(0), Fraction(1, 3), Fraction(2, 3)]
    with pytest.raises(Undecidable, match="^the fractions of its biases cannot be stated by"):
        class_offsets(Grid(-3, 1, 7), [Fraction(1)] * 3, bias)


def test_too_many_classes() -> None:
    count = decide._CLASSES_CAP + 1
    with pytest.raises(Undecidable, match="^it has 1025 classes with different scales or biases$"):
        class_offsets(Grid(0, 1, 2), [Fraction(1)] * count, list(map(Fraction, range(count))))


def test_too_many_values() -> None:
    with pytest.raises(Undecidable, match="^its scales differ and its logits take 20000 values$"):
        class_offsets(Grid(0, 1, 20000), [Fraction(1), Fraction(2)], [Fraction(0)] * 2)
