"""Thresholds and fixed point of normalisations, against decimals of 80 digits."""

from decimal import ROUND_FLOOR, Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest

from bnnhw.graph import Grid
from bnnhw.zoo.draws import Norm
from bnnhw.zoo.exact import fixed_point, norm_levels

HALF = Decimal("0.5")
CUTS = ((Fraction(-1, 2), False), (Fraction(0), False), (Fraction(1, 2), True))


def random_norm(seed: int, channels: int, eps: float) -> Norm:
    """Small multiples of an eighth, so that ties and zeros are common; squares as variances."""
    rng = np.random.default_rng(seed)
    gamma, beta, mean = rng.integers(-8, 9, (3, channels)) / 8
    return Norm(gamma, beta, mean * 8, rng.choice([0.25, 1.0, 4.0, 3.0], channels), eps)


def normalised(norm: Norm, channel: int, value: int) -> Decimal:
    gamma, beta, mean, var = (
        Decimal(float(part[channel])) for part in (norm.gamma, norm.beta, norm.mean, norm.var)
    )
    return gamma * (value - mean) / (var + Decimal(norm.eps)).sqrt() + beta


@pytest.mark.parametrize("eps", [0.0, 1e-5])
@pytest.mark.parametrize("grid", [Grid(-9, 2, 10), Grid(-8, 1, 17), Grid(3, 1, 1)])
def test_levels_by_evaluation(grid: Grid, eps: float) -> None:
    norm = random_norm(grid.levels, 200, eps)
    levels, direction = norm_levels(norm, grid, CUTS)
    assert levels.shape == (200, 3)
    ties = 0
    with localcontext() as context:
        context.prec = 80
        for channel in range(200):
            for value in range(grid.low, grid.high + 1, grid.step):
                y = normalised(norm, channel, value)
                cuts = [(Decimal(cut.numerator) / cut.denominator, over) for cut, over in CUTS]
                expected = sum(y > cut if over else y >= cut for cut, over in cuts)
                ties += any(y == cut for cut, _ in cuts)
                up = direction[channel] > 0
                reached = value >= levels[channel] if up else value <= levels[channel]
                assert reached.sum() == expected, (channel, value)
    assert ties > 0
    assert set(direction.tolist()) == {-1, 1}


def test_levels_of_a_constant_channel_lie_outside() -> None:
    zeros = np.zeros(2)
    norm = Norm(zeros, np.array([0.0, -1.0]), zeros + 5, zeros + 1)
    levels, direction = norm_levels(norm, Grid(-4, 2, 5), ((Fraction(0), False),))
    assert (levels.tolist(), direction.tolist()) == ([[-4], [6]], [1, 1])


@pytest.mark.parametrize("exponent", [0, 5])
@pytest.mark.parametrize("scaled", [False, True])
def test_fixed_point_by_evaluation(exponent: int, scaled: bool) -> None:
    norm = random_norm(3, 50, 1e-5)
    scale = [Fraction(k + 1, 30) for k in range(50)] if scaled else None
    multiplier, offset, shift = fixed_point(norm, exponent, scale)
    assert np.abs(multiplier).max() <= 127
    with localcontext() as context:
        context.prec = 80
        largest = Decimal(0)
        for channel in range(50):
            one = Fraction(1) if scale is None else scale[channel]
            factor = Decimal(one.numerator) / one.denominator
            base = normalised(norm, channel, 0)
            slope = (normalised(norm, channel, 1) - base) * factor * 2**exponent
            largest = max(largest, abs(slope))
            rounded = (slope * 2**shift + HALF).to_integral_value(ROUND_FLOOR)
            assert multiplier[channel] == rounded
            term = (base * 2 ** (exponent + shift) + HALF).to_integral_value(ROUND_FLOOR)
            assert offset[channel] == int(term) + (1 << shift >> 1)
        # One more bit of fraction would need nine bits.
        assert largest * 2 ** (shift + 1) + HALF >= 128


def test_fixed_point_of_nothing_has_the_largest_shift() -> None:
    zeros = np.zeros(2)
    multiplier, offset, shift = fixed_point(Norm(zeros, zeros, zeros, zeros + 1), 3)
    assert (multiplier.tolist(), offset.tolist(), shift) == ([0, 0], [1 << 23] * 2, 24)
