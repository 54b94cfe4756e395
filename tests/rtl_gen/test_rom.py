# amaranth: UnusedElaboratable=no
"""The streaming ROM: order, repetition, stalls, start-up."""

from types import SimpleNamespace

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring

from bnnhw.fold.memory import SHAPES
from rtl_gen.rom import STYLES, RomStream
from sim.bench import exercise


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("depth", [1, 2, 3, 8, 13])
@pytest.mark.parametrize("stalls", [0, 50, "toggle", "patient"])
def test_streams_its_words_for_ever(depth: int, style: str, stalls) -> None:
    words = [(7 * k + 3) % 32 for k in range(depth)]
    dut = RomStream(words=words, width=5, style=style)
    exercise(dut, {}, {"o": words * 3}, stalls=stalls, linger=0)


def test_one_word_a_clock() -> None:
    words = list(range(10))
    run = exercise(RomStream(words=words, width=4), {}, {"o": words * 3}, linger=0)
    assert [b - a for a, b in zip(run.moves["o"], run.moves["o"][1:], strict=False)] == [1] * 29


def test_starts_again_after_reset() -> None:
    words = list(range(10))
    exercise(RomStream(words=words, width=4), {}, {"o": words}, reset_after=7, linger=0)


class SlowRams(wiring.Component):
    """A ROM as a platform with block RAMs of these shapes builds it."""

    def __init__(self, rom: RomStream, shapes: tuple[tuple[int, int], ...]) -> None:
        self._rom, self._shapes = rom, shapes
        super().__init__(dict(rom.signature.members))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.rom = self._rom.elaborate(SimpleNamespace(block_ram_shapes=self._shapes))
        wiring.connect(m, self._rom.o, wiring.flipped(self.o))
        return m


@pytest.mark.parametrize("shape", [(64, 1), (8, 8), (4, 16), (1, 64)])
@pytest.mark.parametrize("depth", [2, 3, 8, 12, 13])
@pytest.mark.parametrize("stalls", [0, 50, "toggle", "patient"])
def test_rows_hold_the_same_words(depth: int, shape: tuple[int, int], stalls) -> None:
    words = [(7 * k + 3) % 32 for k in range(depth)]
    rom = RomStream(words=words, width=5, style="block")
    run = exercise(SlowRams(rom, (shape,)), {}, {"o": words * 3}, stalls=stalls, linger=0)
    if stalls == 0:
        assert run.moves["o"] == list(range(run.moves["o"][0], run.moves["o"][0] + 3 * depth))


def test_rows_start_again_after_reset() -> None:
    words = list(range(12))
    dut = SlowRams(RomStream(words=words, width=4, style="block"), ((4, 16),))
    exercise(dut, {}, {"o": words}, reset_after=7, linger=0)


@pytest.mark.parametrize(
    ("width", "depth", "side"),
    [
        (32, 18432, 9),  # 32 RAMs of 2048 x 9; as words it would be 36 with multiplexers
        (8, 16384, 1),  # 8 RAMs of 16384 x 1
        (128, 1152, 3),  # 11 RAMs of 512 x 36
        (1024, 36, 1),
        (8, 20011, 1),  # a prime number
    ],
)
def test_rows_suit_the_device(width: int, depth: int, side: int) -> None:
    rom = RomStream(words=[0] * depth, width=width, style="block")
    assert rom.words_a_row(SHAPES["ecp5"]) == side


@pytest.mark.parametrize(("style", "clocks"), [("auto", 1), ("lut", 1), ("block", 2)])
def test_small_words_stay_in_luts(style: str, clocks: int) -> None:
    """What fits lookup tables has no register behind it."""
    rom = RomStream(words=list(range(16)), width=4, style=style)
    run = exercise(SlowRams(rom, ((4, 16),)), {}, {"o": list(range(16))}, linger=0)
    assert run.moves["o"][0] == clocks


def test_planted_fault_is_caught() -> None:
    words = [1, 2, 3, 4]
    with pytest.raises(AssertionError):
        exercise(RomStream(words=[1, 2, 7, 4], width=3), {}, {"o": words}, linger=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"words": [], "width": 4}, r"^ROM must hold at least one word, not none$"),
        ({"words": [16], "width": 4}, r"^ROM word must fit 4 bits, not 16$"),
        ({"words": [-1], "width": 4}, r"^ROM word must fit 4 bits, not -1$"),
        ({"words": [1], "width": 0}, r"^ROM width must be a positive integer, not 0$"),
        (
            {"words": [1], "width": 4, "style": "gold"},
            r"^ROM style must be one of auto, lut, block, not 'gold'$",
        ),
    ],
)
def test_parameters_wrong(arguments, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RomStream(**arguments)
