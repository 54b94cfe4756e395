"""Bit packing: element 0 in the low bits, in words, rows and bytes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnnhw.bits import (
    bits_for,
    frame_bytes,
    pack_bytes,
    pack_rows,
    pack_word,
    unpack_bytes,
    unpack_word,
)


@pytest.mark.parametrize(
    ("levels", "bits"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (256, 8), (257, 9)]
)
def test_bits_for(levels: int, bits: int) -> None:
    assert bits_for(levels) == bits


@pytest.mark.parametrize("levels", [0, -1])
def test_bits_for_wrong(levels: int) -> None:
    with pytest.raises(ValueError, match=f"^levels must be at least 1, not {levels}$"):
        bits_for(levels)


def test_word_by_hand() -> None:
    assert pack_word([1, 0, 1, 1]) == 0b1101
    assert pack_word([1, 2, 3], bits=4) == 0x321
    assert pack_word([]) == 0
    assert unpack_word(0x321, 3, 4) == [1, 2, 3]


@given(st.integers(1, 16).flatmap(
    lambda bits: st.tuples(st.just(bits), st.lists(st.integers(0, (1 << bits) - 1), max_size=200))
))  # fmt: skip
def test_word_and_back(case: tuple[int, list[int]]) -> None:
    bits, codes = case
    word = pack_word(np.array(codes, np.int64), bits)
    assert type(word) is int
    assert unpack_word(word, len(codes), bits) == codes


@pytest.mark.parametrize(("codes", "bits"), [([0, 2], 1), ([0, -1], 1), ([1, 256], 8)])
def test_word_wrong(codes: list[int], bits: int) -> None:
    with pytest.raises(ValueError, match=f"^Code 1 must fit {bits} bits, not {codes[1]}$"):
        pack_word(codes, bits)


@pytest.mark.parametrize("size", [1, 7, 8, 63, 64, 65, 128, 130])
def test_rows_are_words(size: int) -> None:
    codes = np.random.default_rng(size).integers(0, 2, (2, 3, size))
    rows = pack_rows(codes)
    assert rows.dtype == np.uint64
    assert rows.shape == (2, 3, -(-size // 64))
    for index in np.ndindex(2, 3):
        assert pack_word(map(int, rows[index]), 64) == pack_word(codes[index])


@given(bits=st.integers(1, 16), count=st.integers(0, 40), seed=st.integers(0, 99))
def test_bytes_and_back(bits: int, count: int, seed: int) -> None:
    codes = np.random.default_rng(seed).integers(0, 1 << bits, (3, count))
    data = pack_bytes(codes, bits)
    assert data.dtype == np.uint8
    assert data.shape == (3, frame_bytes(count, bits))
    assert np.array_equal(unpack_bytes(data, count, bits), codes)
    for row, given_codes in zip(data, codes, strict=True):
        assert int.from_bytes(row.tobytes(), "little") == pack_word(given_codes, bits)


def test_frame_bytes() -> None:
    assert [frame_bytes(n, 1) for n in (0, 1, 8, 9)] == [0, 1, 1, 2]
    assert frame_bytes(3, 12) == 5
