"""Exact arithmetic: roots whose errors change no sign, and switches found by evaluation."""

from fractions import Fraction
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnnhw.graph import Grid
from bnnhw.load.exact import (
    Switch,
    as_fraction_array,
    find_switch,
    fractions_of,
    square_root,
)

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.fractions(0, 10**6))
def test_root_of_a_square_is_exact(root: Fraction) -> None:
    assert square_root(root * root) == root


@given(st.floats(0, width=32, exclude_min=True, exclude_max=True, max_value=inf))
def test_root_has_two_thousand_bits(value: float) -> None:
    exact = Fraction(value)
    root = square_root(exact)
    assert root > 0
    assert root * root <= exact < (root * (1 + Fraction(1, 1 << 2000))) ** 2


def test_root_of_nothing_and_of_less() -> None:
    assert square_root(Fraction(0)) == 0
    with pytest.raises(ValueError, match=r"^A square root needs a value of at least 0, not -1\.0$"):
        square_root(Fraction(-1))


def sign_of(a: Fraction, b: Fraction, v: Fraction) -> bool:
    """Tell whether a + b * sqrt(v) >= 0, by squares alone."""
    if a >= 0 and b >= 0:
        return True
    if a < 0 and b < 0:
        return False
    return a * a >= b * b * v if a >= 0 else b * b * v >= a * a


@given(FLOATS, FLOATS, FLOATS, st.floats(0, 2.0**120, width=32, exclude_min=True),
       st.integers(-2000, 2000))  # fmt: skip
def test_signs_are_true(gamma: float, beta: float, mean: float, var: float, count: int) -> None:
    g, b, m, v = map(Fraction, (gamma, beta, mean, var))
    a = g * (count - m)
    assert (a / square_root(v) + b >= 0) == sign_of(a, b, v)


@pytest.mark.parametrize("way", [-1, 1])
def test_signs_are_true_a_hair_beside_a_tie(way: int) -> None:
    v, a = Fraction(2), Fraction(3)
    b = -a / square_root(v) * (1 + way * Fraction(1, 1 << 1400))
    assert (a / square_root(v) + b >= 0) == sign_of(a, b, v) == (way < 0)


@pytest.mark.parametrize("switch", range(-9, 10))
@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("grid", [Grid(-7, 2, 8), Grid(-3, 1, 7), Grid(0, 5, 2), Grid(4, 1, 1)])
def test_switch_is_where_the_condition_changes(grid: Grid, direction: int, switch: int) -> None:
    def holds(value: int) -> bool:
        assert value in range(grid.low, grid.high + 1, grid.step)
        return value >= switch if direction > 0 else value <= switch

    found = find_switch(holds, grid)
    for code in range(grid.levels):
        value = grid.low + grid.step * code
        says = value >= found.level if found.direction > 0 else value <= found.level
        assert says == holds(value)
    grid.codes([found.level - (grid.step if found.level > grid.high else 0)])


def test_constant_conditions() -> None:
    grid = Grid(-3, 2, 4)
    assert find_switch(lambda value: True, grid) == Switch(-3, 1)
    assert find_switch(lambda value: False, grid) == Switch(5, 1)


def test_switch_asks_few_questions() -> None:
    asked: list[int] = []

    def holds(value: int) -> bool:
        asked.append(value)
        return value >= 77_777

    assert find_switch(holds, Grid(0, 1, 1 << 20)) == Switch(77_777, 1)
    assert len(asked) <= 22


def test_fractions_are_the_numbers_themselves() -> None:
    array = np.array([[0.1, -0.0], [3, 1e-45]], np.float32)
    assert fractions_of(array) == [Fraction(13421773, 1 << 27), 0, 3, Fraction(1, 1 << 149)]
    assert as_fraction_array(array).shape == (2, 2)
    assert fractions_of(as_fraction_array(np.array([7, 1 << 62]))) == [7, 1 << 62]
