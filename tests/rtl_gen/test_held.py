# amaranth: UnusedElaboratable=no
"""Words that are taken several times each, in the order of the memory, and for ever."""

from collections.abc import Sequence
from typing import Any

import pytest
from amaranth.hdl import Array, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl_gen.held import HeldRom, parts_of

from .test_late import On, taken

SHAPES = ((4, 8), (8, 4))


@pytest.mark.parametrize("split", [True, False])
@pytest.mark.parametrize(("depth", "hold"), [(1, 2), (1, 3), (2, 2), (3, 4), (5, 3), (7, 2)])
@pytest.mark.parametrize("percent", [30, 100])
def test_words_in_order(depth: int, hold: int, split: bool, percent: int) -> None:
    words = [(7 * k + 3) % 128 for k in range(depth)]
    rom = HeldRom(words=words, width=7, hold=hold, split=split)
    found = taken(rom, 90, percent)
    assert len(found) > 15
    assert found == [words[k // hold % depth] for k in range(len(found))]


@pytest.mark.parametrize("style", ["auto", "lut", "block"])
def test_no_clock_is_lost_once_words_are_there(style: str) -> None:
    found = taken(HeldRom(words=[1, 2, 3], width=2, hold=3, style=style), 60, 100)
    # The memory's word, the three parts of the first word, and what the bench takes to see it.
    assert len(found) >= 60 - 8


def test_words_in_rows() -> None:
    """Where a row of words suits a block RAM better, its first word is late: so is ours."""
    words = [(11 * k + 5) % 64 for k in range(9)]
    rom = HeldRom(words=words, width=6, hold=2, style="block")
    found = taken(On(rom, block_ram_shapes=((2, 64),)), 120, 80)
    assert len(found) > 60
    assert found == [words[k // 2 % 9] for k in range(len(found))]


class Latched(wiring.Component):
    """A block RAM whose output register moves at every clock; nothing is in it at first."""

    def __init__(self, *, words: Sequence[int], width: int) -> None:
        self._words = list(words)
        bits = max(1, (len(words) - 1).bit_length())
        super().__init__({"address": In(bits), "en": In(1), "data": Out(width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        latch = Signal(len(self.data), init=-1)
        m.d.sync += self.data.eq(latch)
        with m.If(self.en):
            m.d.sync += latch.eq(Array(self._words)[self.address])
        return m


@pytest.mark.parametrize("split", [True, False])
@pytest.mark.parametrize("hold", [2, 3])
def test_words_in_block_rams(hold: int, split: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """What such a RAM gives when a word is taken at the first clock is no word."""
    monkeypatch.setattr("rtl_gen.late.Ecp5Rom", Latched)
    words = [(11 * k + 5) % 64 for k in range(9)]
    rom = HeldRom(words=words, width=6, hold=hold, style="block", split=split)
    found = taken(On(rom, block_ram_shapes=((512, 36),)), 120, 80)
    assert len(found) > 60
    assert found == [words[k // hold % 9] for k in range(len(found))]


@pytest.mark.parametrize("split", [True, False])
@pytest.mark.parametrize("hold", [2, 3, 4])
def test_what_tells_a_word_to_load_has_copies(
    hold: int, split: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each for a run of bits that is as long as it may be, or shorter."""
    monkeypatch.setattr("rtl_gen.held.REACH", 3)
    copies: list[Signal] = []

    def copy(m: Module, value: Value) -> Signal:
        copies.append(Signal(name=f"copy{len(copies)}"))
        m.d.sync += copies[-1].eq(value)
        return copies[-1]

    words = [(1234 * k + 77) % 2048 for k in range(5)]
    rom = HeldRom(words=words, width=11, hold=hold, split=split)
    found = taken(On(rom, get_flip_flop=copy), 120, 70)
    assert len(found) > 40
    assert found == [words[k // hold % 5] for k in range(len(found))]
    part = -(-11 // hold)
    assert len(copies) == 4 + split * (hold - 1) * -(-part // 3)


def test_a_changed_part_shows() -> None:
    words = [9, 22, 5]
    for place in range(3 * 5):
        changed = list(words)
        changed[place // 5] ^= 1 << place % 5
        found = taken(HeldRom(words=changed, width=5, hold=2), 30, 100)
        assert found != [words[k // 2 % 3] for k in range(len(found))]


def test_parts() -> None:
    assert parts_of([0b1011001, 0b0100110], 7, 2) == ([0b1001, 0b101, 0b0110, 0b010], 4)
    assert parts_of([5], 3, 5) == ([1, 0, 1, 0, 0], 1)


@pytest.mark.parametrize("hold", [1, 0, 2.0, "3"])
def test_other_holds_are_refused(hold: Any) -> None:
    with pytest.raises(ValueError, match="ROM hold must be an integer of at least 2, not"):
        HeldRom(words=[1], width=1, hold=hold)
