"""Registers in a popcount."""

import pytest

from bnnhw.fold.pipeline import PIPELINES, adder_levels, count_levels


def most(levels: int) -> int:
    """Bits that so many levels count: each adder takes two numbers and one bit more."""
    return 2 * most(levels - 1) + 1 if levels else 1


@pytest.mark.parametrize("levels", range(10))
def test_levels_are_just_enough(levels: int) -> None:
    assert adder_levels(most(levels)) == levels
    assert adder_levels(most(levels) + 1) == levels + 1


def test_registers() -> None:
    assert [count_levels(64, every) for every in (0, 1, 2, 3, 4, 6, 7)] == [0, 6, 3, 2, 1, 1, 0]
    assert all(count_levels(1, every) == 0 for every in range(4))
    assert [count_levels(256, PIPELINES[name]) for name in ("area", "balanced", "speed")] == [
        0,
        4,
        8,
    ]


@pytest.mark.parametrize("width", [0, -1, 2.5])
def test_width_wrong(width) -> None:
    with pytest.raises(
        ValueError, match=rf"^Popcount width must be a positive integer, not {width!r}$"
    ):
        count_levels(width, 1)


@pytest.mark.parametrize("every", [-1, "1"])
def test_every_wrong(every) -> None:
    with pytest.raises(
        ValueError, match=rf"^Levels between registers must be 0 or more, not {every!r}$"
    ):
        count_levels(8, every)
