"""Functions in pieces, and tangents: held against plain evaluation at many numbers."""

import math
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnnhw.load.pieces import Pieces, TooManyPieces, Unbounded, constant
from bnnhw.load.squash import SQUASHES, decided, inverse

X = Pieces()
HALF = Fraction(1, 2)
# Every eighth from −4 to 4: all bounds below, and numbers between them.
NUMBERS = [Fraction(n, 8) for n in range(-32, 33)]


def _reaches(level: Fraction, y: Fraction) -> int:
    return int(y >= level)


def sgn(y: Any) -> int:
    return (y > 0) - (y < 0)


@pytest.mark.parametrize(
    ("pieces", "plain"),
    [
        (X.linear(Fraction(-2), HALF), lambda x: -2 * x + HALF),
        (X.sign(), sgn),
        (X.linear(Fraction(1), -HALF).sign(), lambda x: sgn(x - HALF)),
        (X.holds(lambda y: y >= 0), lambda x: int(x >= 0)),
        (X.clamp(Fraction(-1), HALF), lambda x: min(max(x, -1), HALF)),
        (X.clamp(None, HALF).absolute(), lambda x: abs(min(x, HALF))),
        (X.clamp(Fraction(-2), Fraction(2)).rounded("round"), lambda x: round(min(max(x, -2), 2))),
        (X.clamp(Fraction(-2), Fraction(2)).linear(Fraction(3), Fraction(0)).rounded("floor"),
         lambda x: math.floor(3 * min(max(x, -2), 2))),
        (X.clamp(Fraction(0), Fraction(1)).linear(Fraction(-3), Fraction(0)).rounded("ceil"),
         lambda x: math.ceil(-3 * min(max(x, 0), 1))),
        (X.plus(X.sign(), Fraction(-1)), lambda x: x - sgn(x)),
        (X.plus(X.sign().plus(X, Fraction(-1))), sgn),
        (X.times(X.holds(lambda y: y > 0)), lambda x: max(x, 0)),
        (X.sign().holds(lambda y: y == 0).choose(constant(Fraction(1)), X.sign()),
         lambda x: 1 if x >= 0 else -1),
        (X.absolute().linear(Fraction(1), -HALF).choose(X, constant(Fraction(3))),
         lambda x: x if abs(x) != HALF else 3),
    ],
)  # fmt: skip
def test_values(pieces: Pieces, plain: Callable[[Fraction], Any]) -> None:
    assert [pieces(x) for x in NUMBERS] == [plain(x) for x in NUMBERS]


WHOLE = st.integers(-3, 3).map(Fraction)
STEPS = st.sampled_from([Fraction(n, 4) for n in range(-6, 7)])


@st.composite
def functions(draw: st.DrawFn) -> Pieces:
    """Draw lines between bounds that have a value of their own."""
    bounds = tuple(sorted(draw(st.sets(WHOLE, max_size=3))))
    points = tuple(draw(STEPS) for _ in bounds)
    lines = tuple((draw(STEPS), draw(STEPS)) for _ in range(len(bounds) + 1))
    return Pieces(bounds, points, lines)


@settings(max_examples=150, deadline=None)
@given(f=functions(), g=functions(), h=functions(), factor=STEPS)
def test_any_pieces(f: Pieces, g: Pieces, h: Pieces, factor: Fraction) -> None:
    both, chosen = f.plus(g, factor), f.choose(g, h)
    flat = f.clamp(Fraction(-7, 4), Fraction(5, 4))
    # The last half sample lies beyond all bounds, so that a slope is seen from both ends.
    for x in [*NUMBERS, Fraction(50), Fraction(-50)]:
        assert both(x) == f(x) + factor * g(x)
        assert chosen(x) == (g(x) if f(x) else h(x))
        assert flat(x) == min(max(f(x), Fraction(-7, 4)), Fraction(5, 4))
        assert f.absolute()(x) == abs(f(x))
        assert f.sign()(x) == sgn(f(x))
        assert f.linear(factor, HALF)(x) == factor * f(x) + HALF
        for way, plain in (("round", round), ("floor", math.floor), ("ceil", math.ceil)):
            assert flat.rounded(way)(x) == plain(flat(x))


@settings(max_examples=100, deadline=None)
@given(f=functions())
def test_lonely_bounds(f: Pieces) -> None:
    """Bounds where the function is neither what it is just below nor just above."""
    near = Fraction(1, 10**6)
    lonely = []
    for bound, point in zip(f.bounds, f.points, strict=True):
        sides = [f(bound + side * near) - f(bound + 2 * side * near) for side in (-1, 1)]
        limits = [f(bound + side * near) + rise for side, rise in zip((-1, 1), sides, strict=True)]
        if point not in limits:
            lonely.append(bound)
    assert f.lonely() == lonely


def test_only_what_changes_is_a_bound() -> None:
    sign = X.sign().holds(lambda y: y == 0).choose(constant(Fraction(1)), X.sign())
    assert sign == X.holds(lambda y: y >= 0).linear(Fraction(2), Fraction(-1))
    assert (sign.bounds, sign.values) == ((0,), (-1, 1))
    assert sign.lonely() == []
    assert X.sign().lonely() == [0]
    assert X.clamp(Fraction(0), None).values is None


def test_pieces_wrong() -> None:
    with pytest.raises(Unbounded, match=r"^it rounds values that have no end$"):
        X.rounded("round")
    with pytest.raises(TooManyPieces, match=r"^it has more than 4096 pieces$"):
        X.clamp(Fraction(0), Fraction(10**6)).rounded("floor")
    far = X.clamp(Fraction(10**6), Fraction(10**6 + 4)).rounded("floor")
    assert [far(Fraction(x)) for x in (0, 10**6 + 1, 10**7)] == [10**6, 10**6 + 1, 10**6 + 4]
    with pytest.raises(ValueError, match=r"^it multiplies what depends on a number with what"):
        X.times(X)


@pytest.mark.parametrize("kind", SQUASHES)
def test_decided_as_in_floats(kind: str) -> None:
    function = np.tanh if kind == "tanh" else lambda x: 1 / (1 + np.exp(-x))
    for x in (Fraction(n, 7) for n in range(-60, 61)):
        low, high = SQUASHES[kind](x, 30)
        value = Fraction(float(function(float(x))))
        assert low <= high
        assert abs(low - value) < Fraction(1, 10**13)
        for level in (Fraction(-1, 3), Fraction(1, 3), Fraction(3, 4)):
            assert decided(kind, x, partial(_reaches, level)) == int(value >= level)


def test_more_digits_where_a_level_is_near() -> None:
    low, _ = SQUASHES["tanh"](Fraction(1), 200)
    for step, answer in ((Fraction(1, 10**120), 0), (-Fraction(1, 10**120), 1)):
        assert decided("tanh", Fraction(1), partial(_reaches, low + step)) == answer
    assert decided("tanh", Fraction(0), lambda y: int(y >= 0)) == 1
    assert decided("tanh", Fraction(10**9), lambda y: int(y >= 1)) == 0


@pytest.mark.parametrize("kind", SQUASHES)
def test_inverse(kind: str) -> None:
    for n in range(1, 10):
        x = inverse(kind, Fraction(n, 10))
        expected = math.atanh(n / 10) if kind == "tanh" else math.log(n / (10 - n))
        assert x == pytest.approx(expected, abs=1e-12)
