"""Weights as people have them: bits or ±1, in an array or in a file of NumPy's."""

import io
import math
import tokenize
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bnnhw.errors import UsageError
from bnnhw.files import read_capped, read_npz
from bnnhw.names import printable

__all__ = ["load_thresholds", "load_weights", "to_bits"]

_WEIGHTS_CAP = 1 << 24


def load_weights(path: Path) -> npt.NDArray[np.uint8]:
    """Read a weight matrix: .npy, or .npz with the key ``weights``; bits 0/1 or values −1/+1.

    Returns
    -------
    array of 0 and 1, shape (rows, columns)

    Raises
    ------
    UsageError
        If the file is absent, damaged or too large, or holds anything else.
    """
    if path.suffix == ".npz":
        arrays = read_npz(path)
        if "weights" not in arrays:
            raise UsageError(
                f"'{path}' has no array 'weights'; it has {sorted(arrays)[:8]}.",
                "Save it with numpy.savez(file, weights=matrix).",
            )
        return to_bits(arrays["weights"], f"'{path}'")
    return to_bits(_read_npy(path), f"'{path}'")


def load_thresholds(path: Path) -> list[int]:
    """Read thresholds: .npy, or .npz with the key ``thresholds``; whole numbers, one for each row.

    Raises
    ------
    UsageError
        If the file is absent, damaged or too large, or holds anything else.
    """
    found = read_npz(path).get("thresholds") if path.suffix == ".npz" else _read_npy(path)
    if found is None or found.ndim != 1 or found.dtype.kind not in "iu":
        raise UsageError(
            f"'{path}' holds no thresholds: a list of whole numbers, one for each row.",
            "Save it with numpy.savez(file, thresholds=numbers).",
        )
    return [int(number) for number in found]


def _read_npy(path: Path) -> npt.NDArray[Any]:
    content = read_capped(path)
    try:
        # NumPy allocates what the header claims before it reads; a lie must not cost memory.
        stream = io.BytesIO(content)
        version = np.lib.format.read_magic(stream)
        with warnings.catch_warnings():
            # It warns of headers in the style of Python 2 only after a guess; those are refused.
            warnings.simplefilter("error", UserWarning)
            if version == (1, 0):
                shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
            else:
                shape, _, dtype = np.lib.format.read_array_header_2_0(stream)
        if dtype.hasobject or math.prod(shape) * max(1, dtype.itemsize) > len(content):
            raise ValueError("its header does not suit its size")
        return np.load(io.BytesIO(content), allow_pickle=False)
    except (
        ValueError, EOFError, OSError, SyntaxError, TypeError, OverflowError, UserWarning,
        RecursionError, MemoryError, tokenize.TokenError,
    ) as error:  # fmt: skip
        raise UsageError(
            f"'{path}' is no readable .npy file: {printable(str(error))}.",
            "Give an .npy or .npz file written by NumPy, with a plain numeric array.",
        ) from error


def to_bits(matrix: npt.ArrayLike, origin: str) -> npt.NDArray[np.uint8]:
    """Bring weights to bits.

    Raises
    ------
    UsageError
        If `matrix` is no matrix, is too large, or holds anything but 0/1 or −1/+1.
    """
    array = np.asarray(matrix)
    todo = "Give rows × columns of 0 and 1, or of -1 and +1."
    if array.ndim != 2 or not 0 < array.size <= _WEIGHTS_CAP or array.dtype.kind not in "biuf":
        raise UsageError(
            f"The weights of {origin} have the shape {array.shape} and type {array.dtype}.", todo
        )
    if np.isin(array, (0, 1)).all():
        return array.astype(np.uint8)
    if np.isin(array, (-1, 1)).all():
        return (array > 0).astype(np.uint8)
    raise UsageError(f"The weights of {origin} are neither bits 0/1 nor values -1/+1.", todo)
