"""Grids: codes and values, there and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnnhw.graph import BIPOLAR, Edge, Grid

GRIDS = st.builds(Grid, st.integers(-99, 99), st.integers(1, 9), st.integers(1, 40))


@given(GRIDS)
def test_codes_and_values(grid: Grid) -> None:
    codes = np.arange(grid.levels)
    values = grid.values(codes)
    assert values.dtype == np.int64
    assert values[0] == grid.low
    assert values[-1] == grid.high
    assert np.array_equal(grid.codes(values), codes)
    assert 1 << grid.bits >= grid.levels


def test_bipolar_code_is_the_bit() -> None:
    assert BIPOLAR.values([0, 1]).tolist() == [-1, 1]
    assert BIPOLAR.bits == 1


@pytest.mark.parametrize("value", [-5, -2, 0, 5])
def test_codes_wrong(value: int) -> None:
    with pytest.raises(ValueError, match=r"^A value is not on the grid \{-3, -1, …, 3\}$"):
        Grid(-3, 2, 4).codes([value])


def test_codes_of_nothing() -> None:
    assert BIPOLAR.codes([]).size == 0


@pytest.mark.parametrize(("step", "levels"), [(0, 2), (1, 0), (-1, 2)])
def test_grid_wrong(step: int, levels: int) -> None:
    message = f"^A grid needs step >= 1 and levels >= 1, not {step} and {levels}$"
    with pytest.raises(ValueError, match=message):
        Grid(0, step, levels)


def test_text_and_size() -> None:
    assert [str(g) for g in (Grid(3, 1, 1), BIPOLAR, Grid(-1, 1, 3))] == [
        "{3}", "{-1, 1}", "{-1, 0, …, 1}",
    ]  # fmt: skip
    assert Edge((2, 3, 4), BIPOLAR).size == 24
    assert Edge((), BIPOLAR).size == 1
