"""Block RAMs by rule: never fewer than hold the bits, and those that the hardware's rows take."""

import random

import pytest

from bnnhw.cost.hard import Memory, _rams
from bnnhw.fold.memory import SHAPES
from rtl_gen.rom import words_a_row

BITS = 18 * 1024


def rows_of_weights() -> list[Memory]:
    """Draw memories of weights as foldings have them, deep and narrow ones too."""
    pick = random.Random(5)
    drawn = [
        Memory(
            width=pick.choice((1, 8, 16, 64, 128, 512)), depth=pick.randint(33, 12_000), rows=True
        )
        for _ in range(200)
    ]
    # conv6 and fc2 of CNV: more words than a block RAM has in its widest mode.
    return [
        *drawn,
        Memory(width=1024, depth=576, rows=True),
        Memory(width=128, depth=2048, rows=True),
    ]


@pytest.mark.parametrize("memory", rows_of_weights(), ids=lambda m: f"{m.width}x{m.depth}")
def test_holds_all_bits(memory: Memory) -> None:
    """A block RAM of ECP5 has 18,432 bits, or 16,384 in its narrow modes."""
    assert _rams(memory, "ecp5") * BITS >= memory.width * memory.depth


@pytest.mark.parametrize("memory", rows_of_weights(), ids=lambda m: f"{m.width}x{m.depth}")
def test_rows_of_the_hardware(memory: Memory) -> None:
    """The memory that `RomStream` makes has rows that one depth of block RAM holds."""
    side = words_a_row(memory.depth, memory.width, SHAPES["ecp5"])
    wide = [wide for depth, wide in SHAPES["ecp5"] if memory.depth // side <= depth]
    if memory.depth % side == 0 and wide:
        assert _rams(memory, "ecp5") == -(-side * memory.width // max(wide))
