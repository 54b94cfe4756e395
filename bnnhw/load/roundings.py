"""The rounding modes of QONNX, of fractions and of arrays."""

from collections.abc import Callable
from fractions import Fraction
from math import ceil, floor, trunc
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["ARRAYS", "FRACTIONS"]

_HALF = Fraction(1, 2)


def _outwards(value: Fraction) -> int:
    return floor(value) if value < 0 else ceil(value)


def _half_outwards(value: Fraction) -> int:
    return ceil(value - _HALF) if value < 0 else floor(value + _HALF)


def _half_inwards(value: Fraction) -> int:
    return floor(value + _HALF) if value < 0 else ceil(value - _HALF)


FRACTIONS: dict[str, Callable[[Fraction], int]] = {
    "ROUND": round,
    "HALF_EVEN": round,
    "CEIL": ceil,
    "FLOOR": floor,
    "UP": _outwards,
    "DOWN": trunc,
    "HALF_UP": _half_outwards,
    "HALF_DOWN": _half_inwards,
}
"""Up is away from 0, down is towards 0."""


def _of_size(function: Callable[[Any], Any]) -> Callable[[npt.NDArray[Any]], npt.NDArray[Any]]:
    return lambda x: np.asarray(np.copysign(function(np.abs(x)), x))


ARRAYS: dict[str, Callable[[npt.NDArray[Any]], npt.NDArray[Any]]] = {
    "ROUND": np.rint,
    "HALF_EVEN": np.rint,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "UP": _of_size(np.ceil),
    "DOWN": np.trunc,
    "HALF_UP": _of_size(lambda x: np.floor(x + 0.5)),
    "HALF_DOWN": _of_size(lambda x: np.ceil(x - 0.5)),
}
"""The same of arrays of floats."""
