"""Sums of products, fast: XNOR and popcount on words, and exact floats for everything else."""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["count_matches", "exact_products"]

# One block of differences stays within the second-level cache of a common core.
_BLOCK_BYTES = 1 << 20
_NARROW_COUNT = 1 << 16
# Every partial sum below these is a whole number that a float of 32 or 64 bits holds exactly, and
# BLAS is many times faster than integers.
_EXACT_FLOATS = ((1 << 24, np.float32), (1 << 53, np.float64))


def count_matches(
    x: npt.NDArray[np.uint64], weight: npt.NDArray[np.uint64], columns: int
) -> npt.NDArray[np.int32]:
    """Count for each vector and each row of weights the bits that are equal.

    Parameters
    ----------
    x : array of uint64, shape (vectors, words)
        Bits that pad a word are 0.
    weight : array of uint64, shape (rows, words)
        Likewise.
    columns : int
        Bits of a vector.

    Returns
    -------
    array of int32, shape (rows, vectors)
    """
    # Bits that pad a word are 0 in both, hence never a difference: counting differences and
    # subtracting from the true width needs no mask.
    rows, words = weight.shape
    by_word = np.ascontiguousarray(x.T)
    kind: Any = np.uint16 if columns < _NARROW_COUNT else np.int32
    counts = np.empty((rows, len(x)), np.int32)
    block = min(len(x), max(1, _BLOCK_BYTES // (8 * rows)))
    differ = np.empty((rows, block), kind)
    wrong, ones = np.empty((rows, block), np.uint64), np.empty((rows, block), np.uint8)
    for start in range(0, len(x), block):
        part = by_word[:, start : start + block]
        size = part.shape[1]
        differ[:] = 0
        for word in range(words):
            np.bitwise_xor(part[word], weight[:, word, None], out=wrong[:, :size])
            np.bitwise_count(wrong[:, :size], out=ones[:, :size])
            np.add(differ[:, :size], ones[:, :size], out=differ[:, :size])
        np.subtract(columns, differ[:, :size], out=counts[:, start : start + size], dtype=np.int32)
    return counts


def exact_products(
    x: npt.NDArray[np.int64], weight: npt.NDArray[np.int64], largest: int
) -> npt.NDArray[np.int64]:
    """Multiply vectors with rows of weights, in floats where these are exact.

    Parameters
    ----------
    x : array of int64, shape (vectors, columns)
    weight : array of int64, shape (rows, columns)
    largest : int
        No element of `x` is larger in size.

    Returns
    -------
    array of int64, shape (vectors, rows)
    """
    reach = largest * int(np.abs(weight).sum(axis=1).max())
    for limit, kind in _EXACT_FLOATS:
        if reach < limit:
            exact: npt.NDArray[np.int64] = (x.astype(kind) @ weight.T.astype(kind)).astype(np.int64)
            return exact
    return x @ weight.T
