"""XNOR and popcount on 64-bit words with NumPy alone."""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["PLANES", "count_matches", "pack_channels"]

# Wider activations go through BLAS: each of their planes costs as much as one product of floats.
PLANES = 1

# One block of differences stays within the second-level cache of a common core.
_BLOCK_BYTES = 1 << 19
# So many words differ in at most 192 bits, which a byte counts.
_BYTE_WORDS = 3
_NARROW_COUNT = 1 << 16


def pack_channels(codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """Pack the channels of an image into words, channel 0 in bit 0, zero padded.

    Parameters
    ----------
    codes : array of 0 and 1, shape (images, channels, positions)

    Returns
    -------
    array of uint64, shape (words, images, positions)
    """
    images, channels, positions = codes.shape
    spare = -channels % 64
    if spare:
        codes = np.concatenate([codes, np.zeros((images, spare, positions), np.uint8)], axis=1)
    # Eight whole planes become one of bytes; bit by bit within a word would be ten times slower.
    eight = codes.reshape(images, (channels + spare) // 8, 8, positions)
    packed = eight[:, :, 0].copy()
    moved = np.empty_like(packed)
    for bit in range(1, 8):
        np.left_shift(eight[:, :, bit], bit, out=moved)
        np.bitwise_or(packed, moved, out=packed)
    by_word = packed.reshape(images, -1, 8, positions).transpose(1, 0, 3, 2)
    return np.ascontiguousarray(by_word).view("<u8")[..., 0].astype(np.uint64, copy=False)


def count_matches(
    x: npt.NDArray[np.uint64], weight: npt.NDArray[np.uint64], columns: int
) -> npt.NDArray[np.int32]:
    """Count for each row of weights and each vector the bits that are equal.

    Parameters
    ----------
    x : array of uint64, shape (words, vectors)
        Bits that pad a word are 0.
    weight : array of uint64, shape (rows, words)
        Likewise.
    columns : int
        Bits of a vector.

    Returns
    -------
    array of int32, shape (rows, vectors)
    """
    if x.shape[1] < len(weight):
        # NumPy is quick along the last axis: make that the longer one.
        return _count(np.ascontiguousarray(weight.T), np.ascontiguousarray(x.T), columns).T
    return _count(np.ascontiguousarray(x), weight, columns)


def _count(
    x: npt.NDArray[np.uint64], weight: npt.NDArray[np.uint64], columns: int
) -> npt.NDArray[np.int32]:
    # Bits that pad a word are 0 in both, hence never a difference: counting differences and
    # subtracting from the true width needs no mask.
    (words, vectors), rows = x.shape, len(weight)
    kind: Any = np.uint16 if columns < _NARROW_COUNT else np.int32
    counts = np.empty((rows, vectors), np.int32)
    size = min(vectors, max(1, _BLOCK_BYTES // (8 * rows)))
    for start in range(0, vectors, size):
        block = x[:, start : start + size]
        shape = (rows, block.shape[1])
        wrong, left = np.empty(shape, np.uint64), np.full(shape, columns, kind)
        ones, some = np.empty(shape, np.uint8), np.empty(shape, np.uint8)
        for first in range(0, words, _BYTE_WORDS):
            for word in range(first, min(first + _BYTE_WORDS, words)):
                np.bitwise_xor(block[word], weight[:, word, None], out=wrong)
                np.bitwise_count(wrong, out=some if word == first else ones)
                if word > first:
                    np.add(some, ones, out=some)
            np.subtract(left, some, out=left)
        counts[:, start : start + size] = left
    return counts
