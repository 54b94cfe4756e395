"""The settings of one Keras layer: each is asked for, and one that nobody asked for is refused."""

from fractions import Fraction
from math import isfinite
from typing import Any, NoReturn

import numpy as np

from ..names import printable
from .qonnx_values import Site

__all__ = ["Settings"]

_SIZE_CAP = 1 << 20
# What says nothing about inference, or is known before a layer is read.
_IGNORED = {
    "name", "trainable", "dtype", "batch_input_shape", "batch_shape", "input_shape", "momentum",
    "seed", "autocast", "metrics", "ragged", "sparse",
}  # fmt: skip
_IGNORED_ENDS = ("_initializer", "_regularizer", "_constraint")
_PRECISIONS = ("float32", None)


class Settings:
    """Settings by name; remembers which were asked for."""

    def __init__(self, site: Site, config: dict[str, Any]) -> None:
        self._site = site
        self._config = config
        self._asked: set[str] = set()
        precision = config.get("dtype")
        if isinstance(precision, dict):
            inner = precision.get("config")
            precision = inner.get("name") if isinstance(inner, dict) else "?"
        if precision not in _PRECISIONS:
            site.unsupported(f"calculates in {printable(str(precision))}")

    def raw(self, name: str) -> Any:
        """Give a setting as it stands in the file; None where it is absent."""
        self._asked.add(name)
        return self._config.get(name)

    def flag(self, name: str, default: bool) -> bool:
        """Give a setting that is true or false."""
        value = self.raw(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            self._wrong(name, value)
        return value

    def count(self, name: str, default: int | None = None) -> int:
        """Give a setting that is a whole number of at least 1."""
        value = self.raw(name)
        if value is None and default is not None:
            return default
        if type(value) is not int or not 1 <= value <= _SIZE_CAP:
            self._wrong(name, value)
        return value

    def pair(self, name: str, default: tuple[int, int] | None = None) -> tuple[int, int]:
        """Give a setting that is a whole number of at least 1 for each of height and width."""
        value = self.raw(name)
        if value is None and default is not None:
            return default
        if type(value) is int:
            value = [value, value]
        if (
            not isinstance(value, list)
            or len(value) != 2
            or not all(type(part) is int and 1 <= part <= _SIZE_CAP for part in value)
        ):
            self._wrong(name, value)
        return value[0], value[1]

    def number(self, name: str, default: float) -> Fraction:
        """Give a setting that is a number, as the 32-bit float that Keras calculates with."""
        value = self.raw(name)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._wrong(name, value)
        single = float(np.float32(value)) if abs(value) < 1e38 else float("inf")
        if not isfinite(single):
            self._wrong(name, value)
        return Fraction(single)

    def fixed(self, name: str, *accepted: object) -> None:
        """Refuse a setting that is anything else than what is accepted, or absent."""
        value = self.raw(name)
        if value is not None and value not in accepted:
            self._wrong(name, value)

    def choice(self, name: str, default: str, *accepted: str) -> str:
        """Give a setting that is one of some words."""
        value = self.raw(name)
        value = default if value is None else value
        if value not in accepted:
            self._wrong(name, value)
        return str(value)

    def close(self) -> None:
        """Refuse a setting that is on and that nobody has asked for."""
        for name, value in self._config.items():
            known = name in self._asked or name in _IGNORED or name.endswith(_IGNORED_ENDS)
            if not known and value is not None and value is not False:
                self._wrong(name, value)

    def _wrong(self, name: str, value: object) -> NoReturn:
        shown = printable(repr(value))
        self._site.unsupported(f"has {printable(name)} = {shown}")
