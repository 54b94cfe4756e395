"""Rounding modes at halves, whole numbers and between, on both sides of 0."""

from fractions import Fraction

import numpy as np
import pytest

from bnnhw.load.roundings import ARRAYS, FRACTIONS

QUARTERS = [-10, -7, -6, -5, -4, -2, -1, 0, 1, 2, 4, 5, 6, 7, 10]
EXPECTED = {
    "ROUND": [-2, -2, -2, -1, -1, 0, 0, 0, 0, 0, 1, 1, 2, 2, 2],
    "HALF_EVEN": [-2, -2, -2, -1, -1, 0, 0, 0, 0, 0, 1, 1, 2, 2, 2],
    "CEIL": [-2, -1, -1, -1, -1, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3],
    "FLOOR": [-3, -2, -2, -2, -1, -1, -1, 0, 0, 0, 1, 1, 1, 1, 2],
    "UP": [-3, -2, -2, -2, -1, -1, -1, 0, 1, 1, 1, 2, 2, 2, 3],
    "DOWN": [-2, -1, -1, -1, -1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2],
    "HALF_UP": [-3, -2, -2, -1, -1, -1, 0, 0, 0, 1, 1, 1, 2, 2, 3],
    "HALF_DOWN": [-2, -2, -1, -1, -1, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2],
}


def test_all_modes_are_here() -> None:
    assert set(EXPECTED) == set(ARRAYS) == set(FRACTIONS)


@pytest.mark.parametrize("mode", EXPECTED)
def test_mode(mode: str) -> None:
    assert [FRACTIONS[mode](Fraction(n, 4)) for n in QUARTERS] == EXPECTED[mode]
    assert ARRAYS[mode](np.array(QUARTERS) / 4).tolist() == EXPECTED[mode]
