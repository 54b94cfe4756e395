"""Hyperbolic tangent and logistic function, between two fractions that are as close as needed."""

from collections.abc import Callable
from decimal import Context, Decimal, localcontext
from fractions import Fraction

__all__ = ["SQUASHES", "Between", "decided", "inverse"]

Between = Callable[[Fraction, int], tuple[Fraction, Fraction]]
_DIGITS = 40
_MOST_DIGITS = 5120
_LARGE = 2000


def _power(x: Fraction, digits: int) -> tuple[Fraction, Fraction]:
    """Enclose e**x; `Decimal.exp` is rounded correctly, the division before it is not exact."""
    if abs(x) > _LARGE:
        # e**2000 is above 10**868; more digits than that decide nothing.
        return (
            (Fraction(10**868), Fraction(10**2000))
            if x > 0
            else (Fraction(0), 1 / Fraction(10**868))
        )
    with localcontext(Context(prec=digits + 16, Emax=10**15, Emin=-(10**15))):
        power = (Decimal(x.numerator) / Decimal(x.denominator)).exp()
        low, high = (power * (1 + sign * Decimal(10) ** -digits) for sign in (-1, 1))
    return Fraction(low), Fraction(high)


def _tanh(x: Fraction, digits: int) -> tuple[Fraction, Fraction]:
    if x == 0:
        return Fraction(0), Fraction(0)
    low, high = _power(2 * x, digits)
    return 1 - 2 / (low + 1), 1 - 2 / (high + 1)


def _sigmoid(x: Fraction, digits: int) -> tuple[Fraction, Fraction]:
    if x == 0:
        return Fraction(1, 2), Fraction(1, 2)
    low, high = _power(x, digits)
    return 1 - 1 / (low + 1), 1 - 1 / (high + 1)


SQUASHES: dict[str, Between] = {"tanh": _tanh, "sigmoid": _sigmoid}
"""Rising functions with values between −1 or 0, and 1."""


def decided(kind: str, x: Fraction, answer: Callable[[Fraction], int]) -> int:
    """Give the answer of a monotone function of ``kind(x)``, with as many digits as it takes.

    Away from 0 no value of these functions at a fraction is a fraction, so there always is one.
    """
    between, digits = SQUASHES[kind], _DIGITS
    while True:
        low, high = between(x, digits)
        first, last = answer(low), answer(high)
        if first == last or digits > _MOST_DIGITS:
            return first
        digits *= 4


def inverse(kind: str, y: Fraction) -> float:
    """Give the x with ``kind(x) = y``, rounded to 64 bits."""
    ratio = (1 + y) / (1 - y) if kind == "tanh" else y / (1 - y)
    with localcontext(Context(prec=_DIGITS)):
        logarithm = (Decimal(ratio.numerator) / Decimal(ratio.denominator)).ln()
    return float(logarithm) / (2 if kind == "tanh" else 1)
