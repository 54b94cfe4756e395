# amaranth: UnusedElaboratable=no
"""The streaming ROM: order, repetition, stalls, start-up."""

import pytest

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
