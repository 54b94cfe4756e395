"""Block RAMs, against figures worked out by hand from the vendors' tables of shapes."""

import pytest

from bnnhw.fold.memory import block_rams, prefers_luts


@pytest.mark.parametrize(
    ("family", "width", "depth", "rams"),
    [
        ("ice40", 16, 256, 1),
        ("ice40", 17, 256, 2),  # two of 256 × 16, or three of 512 × 8
        ("ice40", 16, 257, 2),  # 512 × 8 beside one another, or two deep
        ("ice40", 8, 512, 1),
        ("ice40", 2, 2048, 1),
        ("ice40", 1, 2048, 1),  # no shape is narrower than 2
        ("ice40", 1, 4096, 2),
        ("ice40", 3, 1024, 1),
        ("ice40", 64, 784, 16),  # 64 / 4 of 1024 × 4; 256 × 16 would take 4 · 4, the same
        ("ice40", 33, 600, 9),  # 600 words: 256 × 16 takes 3 · 3, 1024 × 4 takes 9
        ("ecp5", 36, 512, 1),
        ("ecp5", 37, 512, 2),
        ("ecp5", 18, 1024, 1),
        ("ecp5", 9, 2048, 1),
        ("ecp5", 1, 16384, 1),
        ("ecp5", 1, 16385, 2),
        ("ecp5", 64, 784, 4),  # 1024 × 18 four times; 512 × 36 would take 2 · 2
        ("ecp5", 5, 4096, 2),  # 4096 × 4 twice, or 2048 × 9 twice
    ],
)
def test_block_rams(family: str, width: int, depth: int, rams: int) -> None:
    assert block_rams(family, width, depth) == rams


@pytest.mark.parametrize(
    ("width", "depth", "cells"),
    [(4096, 32, True), (4096, 33, False), (1, 1024, True), (1, 1025, False), (16, 64, True)],
)
def test_cells_hold_what_is_shallow_or_small(width: int, depth: int, cells: bool) -> None:
    assert prefers_luts(width, depth) is cells
