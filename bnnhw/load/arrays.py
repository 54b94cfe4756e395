"""The arrays of an .npz while a network is read from them; errors that name the file."""

from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from ..errors import UsageError
from ..names import printable
from .support import SUPPORTED

__all__ = ["Arrays"]


class Arrays:
    """Arrays by name; remembers which were used."""

    def __init__(self, path: Path, arrays: dict[str, Any]) -> None:
        self.path = path
        self._arrays = arrays
        self._used: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._arrays

    def fail(self, what: str, todo: str = "Mend the file or export it again.") -> NoReturn:
        """Raise a UsageError that names the file."""
        raise UsageError(f"'{self.path}': {what}.", todo)

    def unsupported(self, what: str) -> NoReturn:
        """Raise a UsageError for what may come later."""
        self.fail(f"{what}, which is not supported yet", SUPPORTED)

    def text(self, key: str) -> str:
        """Give an array that is a text."""
        self._used.add(key)
        return str(self._arrays[key])

    def ints(self, key: object, what: str, shape: tuple[int | None, ...]) -> npt.NDArray[np.int64]:
        """Give an array of integers whose shape matches; None stands for any extent."""
        if not isinstance(key, str) or key not in self._arrays:
            self.fail(f"{what} names the array {printable(repr(key))}, which is not there")
        self._used.add(key)
        array: npt.NDArray[Any] = self._arrays[key]
        fits = len(array.shape) == len(shape) and all(
            want in (None, have) for want, have in zip(shape, array.shape, strict=True)
        )
        if array.dtype.kind not in "iu" or not fits or not array.size:
            wanted = " × ".join("n" if want is None else str(want) for want in shape)
            self.fail(f"{what} is {array.dtype} {array.shape} instead of integers {wanted}")
        if array.dtype == np.uint64 and int(array.max()) >= 1 << 63:
            self.fail(f"{what} has values beyond 64 bits")
        return array.astype(np.int64)

    def fractions(self, key: str, count: int) -> list[Fraction]:
        """Give an array of `count` floats as they are."""
        self._used.add(key)
        array = self._arrays[key]
        if (
            array.dtype not in (np.float64, np.float32)
            or array.shape != (count,)
            or not np.isfinite(array).all()
        ):
            found = f"{array.dtype} {array.shape}"
            self.fail(f"the array '{key}' is {found} instead of {count} finite floats")
        return [Fraction(float(value)) for value in array]

    def check_all_used(self) -> None:
        """Refuse an array that nothing has asked for."""
        unused = sorted(set(self._arrays) - self._used)
        if unused:
            self.fail(f"nothing is known about its array '{printable(unused[0])}'")
