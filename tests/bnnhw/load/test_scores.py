"""Classes from scores with a scale for each class: integers decide as fractions do."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnnhw.graph import Grid
from bnnhw.load.decide import Undecidable
from bnnhw.load.scores import _fits, class_scores, decided

NUMBERS = st.fractions(-20, 20, max_denominator=50)
SCALES = st.fractions(Fraction(1, 50), 3, max_denominator=50)


def test_scores_stay_within_60_bits() -> None:
    """2**58 times 1, and as much beside it, is one too many."""
    grid = Grid(-1, 2, 2)
    assert not _fits(grid, [1 << 58], [1 << 58], 60)
    assert _fits(grid, [1 << 58], [(1 << 58) - 1], 60)
    assert not _fits(grid, [1 << 20], [0], 20) and _fits(grid, [(1 << 20) - 1], [0], 20)


def first_largest(values: list[Fraction]) -> int:
    return values.index(max(values))


@settings(max_examples=60, deadline=None)
@given(
    classes=st.lists(st.tuples(SCALES, NUMBERS), min_size=1, max_size=3),
    grid=st.sampled_from([Grid(-5, 2, 6), Grid(0, 1, 4), Grid(-7, 1, 15), Grid(3, 4, 3)]),
)
def test_every_attainable_class(classes: list[tuple[Fraction, Fraction]], grid: Grid) -> None:
    scale, bias = [s for s, _ in classes], [b for _, b in classes]
    verdict = decided(grid, scale, bias)
    # One of both: a multiplier for each class leaves the classes' scores as they are.
    assert verdict.multiplier is None or verdict.scale == 1
    values = grid.values(np.arange(grid.levels)).tolist()
    for logits in product(values, repeat=len(classes)):
        exact = first_largest([s * x + b for s, b, x in zip(scale, bias, logits, strict=True)])
        factor = verdict.scale if verdict.multiplier is None else verdict.multiplier
        assert int(np.argmax(np.array(logits) * factor + verdict.offset)) == exact


def test_large_logits_take_the_scales_as_they_are() -> None:
    scale = [Fraction(float(np.float32(value))) for value in (0.1, 0.2)]
    verdict = decided(Grid(-(1 << 21), 1, 1 << 22), scale, [Fraction(0), Fraction(1, 3 << 4)])
    assert verdict.multiplier is not None
    assert Fraction(int(verdict.multiplier[1]), int(verdict.multiplier[0])) == scale[1] / scale[0]


def test_offsets_alone_where_they_suffice() -> None:
    verdict = decided(Grid(-5, 2, 6), [Fraction(2)] * 2, [Fraction(0), Fraction(5)])
    assert verdict.multiplier is None


@pytest.mark.parametrize(("scale", "logits"), [((3, 2), (14, 21)), ((2, 3), (21, 14))])
def test_the_first_of_equals_wins(scale: tuple[int, int], logits: tuple[int, int]) -> None:
    sevenths = [Fraction(value, 7) for value in scale]
    multiplier, offset = class_scores(Grid(0, 1, 22), sevenths, [Fraction(0), Fraction(0)])
    assert np.argmax(np.array(logits) * multiplier + offset) == 0
    assert np.argmax((np.array(logits) + [0, 1]) * multiplier + offset) == 1


@pytest.mark.parametrize(
    ("scale", "grid", "what"),
    [
        ([1, 0], Grid(0, 1, 4), "class 1 has a scale that is not positive"),
        ([1, 2], Grid(0, 1, 1 << 22), "its scales differ for 2 classes of 4194304 values each"),
        ([1, 2] * 33, Grid(0, 1, 999), "its scales differ for 66 classes of 999 values each"),
        ([1, Fraction(1, 1 << 50)], Grid(0, 1, 4), "its scales need more than 44 bits"),
    ],
)
def test_scores_wrong(scale: list[Fraction], grid: Grid, what: str) -> None:
    bias = [Fraction(0)] * (len(scale) - 1) + [Fraction(1, 1 << 52)]
    with pytest.raises(Undecidable, match=f"^{what}$"):
        decided(grid, [Fraction(s) for s in scale], bias)
