"""Weights as an upload: from words of memories to the blocks of WEIGHTS frames."""

import zlib
from collections.abc import Sequence

from .protocol import BLOCK_BYTES, CHUNK_BITS

__all__ = ["CRC32_BYTES", "block_count", "store_bytes", "upload_blocks", "upload_crc"]

CRC32_BYTES = 4
_CHUNK_BYTES = CHUNK_BITS // 8


def store_bytes(words: Sequence[int], width: int) -> bytes:
    """Give the bytes of one store, column by column.

    A column is 16 bits of each word, word 0 first, low byte first; the first column has the low
    bits. Zeros fill the last column.
    """
    size = -(-width // CHUNK_BITS) * _CHUNK_BYTES
    rows = [word.to_bytes(size, "little") for word in words]
    return b"".join(
        row[low : low + _CHUNK_BYTES] for low in range(0, size, _CHUNK_BYTES) for row in rows
    )


def block_count(image_bytes: int) -> int:
    """Blocks of an upload: the bytes of all stores, zeros to the end of a block, and its CRC-32."""
    return -(-(image_bytes + CRC32_BYTES) // BLOCK_BYTES)


def _padded(image: bytes) -> bytes:
    return image.ljust(block_count(len(image)) * BLOCK_BYTES - CRC32_BYTES, b"\0")


def upload_crc(image: bytes) -> int:
    """CRC-32 of the bytes of all stores and the zeros behind them."""
    return zlib.crc32(_padded(image))


def upload_blocks(image: bytes) -> list[bytes]:
    """Cut the bytes of all stores into payloads of WEIGHTS frames.

    Parameters
    ----------
    image : bytes
        What `store_bytes` gives for each store, in their order.

    Returns
    -------
    list of bytes
        The number of each block, low byte first, and the block.
    """
    whole = _padded(image) + upload_crc(image).to_bytes(CRC32_BYTES, "little")
    return [
        (start // BLOCK_BYTES).to_bytes(2, "little") + whole[start : start + BLOCK_BYTES]
        for start in range(0, len(whole), BLOCK_BYTES)
    ]
