"""Bit packing: the only file that knows how codes become words.

Element 0 lies in the lowest bits of a word (LSB first), in Python ints for hardware and in `uint64`
rows for the golden model.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

__all__ = [
    "bits_for",
    "frame_bytes",
    "pack_bytes",
    "pack_rows",
    "pack_word",
    "unpack_bytes",
    "unpack_word",
]


def bits_for(levels: int) -> int:
    """Width of a code 0 … levels−1, at least one bit (a zero-width port is not legal Verilog)."""
    if levels < 1:
        raise ValueError(f"levels must be at least 1, not {levels!r}")
    return max(1, (levels - 1).bit_length())


def pack_word(codes: Iterable[int], bits: int = 1) -> int:
    """Pack codes into one Python int, element 0 in the low bits.

    Raises
    ------
    ValueError
        If a code does not fit `bits` bits.
    """
    word = 0
    for position, code in enumerate(codes):
        value = int(code)
        if not 0 <= value < 1 << bits:
            raise ValueError(f"Code {position} must fit {bits} bits, not {value!r}")
        word |= value << (position * bits)
    return word


def unpack_word(word: int, count: int, bits: int = 1) -> list[int]:
    """Undo `pack_word` for `count` elements."""
    mask = (1 << bits) - 1
    return [(word >> (position * bits)) & mask for position in range(count)]


def pack_rows(codes: npt.ArrayLike) -> npt.NDArray[np.uint64]:
    """Pack the last axis of a 0/1 array into 64-bit words, element 0 in bit 0, zero padded.

    Parameters
    ----------
    codes : array of 0 and 1, shape (..., n)

    Returns
    -------
    array of uint64, shape (..., ceil(n / 64))
    """
    array = np.asarray(codes, dtype=np.uint8)
    packed = np.packbits(array, axis=-1, bitorder="little")
    spare = -packed.shape[-1] % 8
    if spare:
        packed = np.concatenate([packed, np.zeros((*packed.shape[:-1], spare), np.uint8)], axis=-1)
    return np.ascontiguousarray(packed).view("<u8").astype(np.uint64, copy=False)


def frame_bytes(elements: int, bits: int) -> int:
    """Count the bytes that carry `elements` codes of `bits` bits."""
    return -(-elements * bits // 8)


def pack_bytes(codes: npt.ArrayLike, bits: int) -> npt.NDArray[np.uint8]:
    """Pack the last axis into the byte string that a host sends, as one little-endian bit string.

    Parameters
    ----------
    codes : array of ints, shape (..., n)
        Codes 0 … 2**bits − 1.
    bits : int
        1 to 16.

    Returns
    -------
    array of uint8, shape (..., ceil(n * bits / 8))
    """
    array = np.asarray(codes, dtype=np.uint16)
    spread = (array[..., None] >> np.arange(bits, dtype=np.uint16)) & 1
    flat = spread.reshape(*array.shape[:-1], -1).astype(np.uint8)
    return np.packbits(flat, axis=-1, bitorder="little")


def unpack_bytes(data: npt.ArrayLike, count: int, bits: int) -> npt.NDArray[np.uint16]:
    """Undo `pack_bytes` for `count` elements of `bits` bits."""
    flat = np.unpackbits(np.asarray(data, np.uint8), axis=-1, bitorder="little")[
        ..., : count * bits
    ]
    grouped: Sequence[int] = (*flat.shape[:-1], count, bits)
    weights = (1 << np.arange(bits)).astype(np.uint16)
    result: npt.NDArray[np.uint16] = (flat.reshape(grouped) * weights).sum(-1, dtype=np.uint16)
    return result
