"""Which code counts equal bits: NumPy's, or what numba compiles."""

import importlib
import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ToolMissing, UsageError
from . import packed_numpy

__all__ = ["KERNELS", "VARIABLE", "Kernel", "choose_kernel"]

KERNELS = ("numpy", "numba")
VARIABLE = "BNNHW_KERNEL"
# NumPy takes some seconds for so many XNORs of words, numba as long to start and compile.
_WORTH_COMPILING = 1 << 31

_Words = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Kernel:
    """One way to count on packed words; all of them give the same numbers.

    Parameters
    ----------
    name : str
        One of `KERNELS`.
    planes : int
        Activations of up to so many bits are counted plane by plane; wider ones are multiplied.
    pack_channels, count_matches : callable
        As `packed_numpy` has them.
    """

    name: str
    planes: int
    pack_channels: Callable[[npt.NDArray[np.uint8]], _Words]
    count_matches: Callable[[_Words, _Words, int], npt.NDArray[np.int32]]


def choose_kernel(name: str | None = None, *, work: int = 0) -> Kernel:
    """Choose by name, else by the variable BNNHW_KERNEL, else by the work ahead.

    Parameters
    ----------
    name : str or None
        One of `KERNELS`.
    work : int
        XNORs of 64-bit words. Where nobody chose and numba is installed, it is used for much work.

    Raises
    ------
    UsageError
        If there is no such kernel.
    ToolMissing
        If numba was asked for and is not installed.
    """
    chosen = name or os.environ.get(VARIABLE)
    there = importlib.util.find_spec("numba") is not None
    if not chosen:
        chosen = "numba" if there and work >= _WORTH_COMPILING else "numpy"
    if chosen not in KERNELS:
        raise UsageError(
            f"The golden model has the kernels {', '.join(KERNELS)}, not {chosen!r}.",
            f"Choose one, in {VARIABLE} or as kernel=.",
        )
    if chosen == "numba" and not there:
        raise ToolMissing(
            "The compiled kernel needs the Python package 'numba'.", 'pip install "bnnhw[fast]"'
        )
    module: Any = packed_numpy
    if chosen == "numba":
        module = importlib.import_module(".packed_numba", __package__)
    return Kernel(chosen, module.PLANES, module.pack_channels, module.count_matches)
