"""Changes to bytes of which nothing is known."""

import random
import struct
from collections.abc import Callable, Sequence

from .payloads import TEXTS

__all__ = ["mutated"]

_INTEGERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF,
             0x7FFFFFFFFFFFFFFF, 0x8000000000000000, 0xFFFFFFFFFFFFFFFF)  # fmt: skip
_LONGEST = 1 << 18


def mutated(
    rng: random.Random, data: bytes, others: Sequence[bytes] = (), *, most: int = 4
) -> bytes:
    """Change bytes in one to `most` places; `others` lend pieces.

    Parameters
    ----------
    rng : random.Random
    data : bytes
    others : sequence of bytes
    most : int
    """
    changed = bytearray(data)
    for _ in range(1 + int(most * rng.random() ** 2)):
        way = rng.choice(_WAYS)
        way(rng, changed, rng.choice(others) if others else data)
    return bytes(changed[:_LONGEST])


def _place(rng: random.Random, data: bytearray) -> int:
    return rng.randrange(len(data) + 1)


def _flip(rng: random.Random, data: bytearray, other: bytes) -> None:
    for _ in range(rng.choice((1, 1, 1, 3, 20))):
        if data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _byte(rng: random.Random, data: bytearray, other: bytes) -> None:
    if data:
        data[rng.randrange(len(data))] = rng.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF, 10, 34, 47))


def _integer(rng: random.Random, data: bytearray, other: bytes) -> None:
    form = rng.choice(("<B", "<H", ">H", "<I", ">I", "<Q", ">Q"))
    size = struct.calcsize(form)
    start = _place(rng, data)
    data[start : start + size] = struct.pack(form, rng.choice(_INTEGERS) & (1 << 8 * size) - 1)


def _cut(rng: random.Random, data: bytearray, other: bytes) -> None:
    del data[_place(rng, data) :]


def _drop(rng: random.Random, data: bytearray, other: bytes) -> None:
    start = _place(rng, data)
    del data[start : start + rng.choice((1, 2, 4, 16, 100, 1000))]


def _insert(rng: random.Random, data: bytearray, other: bytes) -> None:
    start = _place(rng, data)
    length = rng.choice((1, 2, 4, 9, 64, 500))
    kind = rng.random()
    piece = rng.randbytes(length) if kind < 0.5 else bytes([rng.randrange(256)]) * length
    if kind > 0.8:
        piece = rng.choice(TEXTS).encode("utf-8", "surrogatepass")
    data[start:start] = piece


def _repeat(rng: random.Random, data: bytearray, other: bytes) -> None:
    start = _place(rng, data)
    piece = data[start : start + rng.choice((1, 4, 32, 400))]
    data[start:start] = piece * rng.choice((1, 2, 10, 100))


def _splice(rng: random.Random, data: bytearray, other: bytes) -> None:
    start, end = sorted((rng.randrange(len(other) + 1), rng.randrange(len(other) + 1)))
    at = _place(rng, data)
    stop = at + (end - start if rng.random() < 0.7 else 0)
    data[at:stop] = other[start:end]


def _varint(rng: random.Random, data: bytearray, other: bytes) -> None:
    """Make a length of Protocol Buffers huge, or overlong."""
    at = _place(rng, data)
    data[at : at + 1] = rng.choice((b"\xff" * 9 + b"\x01", b"\xff\xff\xff\x07", b"\x80\x00",
                                    b"\xff" * 11, b"\xff\x7f"))  # fmt: skip


_WAYS: tuple[Callable[[random.Random, bytearray, bytes], None], ...] = (
    _flip, _flip, _byte, _integer, _cut, _drop, _insert, _repeat, _splice, _varint,
)  # fmt: skip
