"""The scoreboard finds the first difference, names it, and notices what never came."""

import copy
import re

import pytest

from sim.scoreboard import Scoreboard
from sim.streams import frame

GOOD = frame([1, 2, 3], 2) + frame([4, 5, 6], 2)


def test_equal_words_pass() -> None:
    board = Scoreboard("o", GOOD[:2])
    board.expect(GOOD[2:])
    for word in GOOD:
        board.check(word)
    board.drained()
    assert (board.checked, board.remaining) == (4, 0)


@pytest.mark.parametrize(
    ("at", "wrong", "message"),
    [
        (2, {"data": (4, 7), "last": 0}, "o: frame 1, word 0, lane 1 of data: expected 5, got 7"),
        (1, {"data": (3, 0), "last": 0}, "o: frame 0, word 1, last: expected 1, got 0"),
        (0, {"data": (1,), "last": 0}, "o: frame 0, word 0, data: expected 2 lanes, got 1"),
        (3, {"data": 6, "last": 1}, "o: frame 1, word 1, data: expected (6, 0), got 6"),
        (3, {"last": 1}, "o: frame 1, word 1: expected fields ['data', 'last'], got ['last']"),
        (3, 5, "o: frame 1, word 1: expected {'data': (6, 0), 'last': 1}, got 5"),
    ],
)
def test_difference_is_named(at: int, wrong: object, message: str) -> None:
    words = copy.deepcopy(GOOD)
    words[at] = wrong
    board = Scoreboard("o", GOOD)
    with pytest.raises(AssertionError, match=f"^{re.escape(message)}$"):
        for word in words:
            board.check(word)
    assert board.checked == at


def test_surplus_word() -> None:
    board = Scoreboard("o", [5])
    board.check(5)
    with pytest.raises(AssertionError, match=r"^o: frame 0, word 1: nothing expected, got 6$"):
        board.check(6)


def test_missing_words() -> None:
    board = Scoreboard("o", GOOD)
    for word in GOOD[:3]:
        board.check(word)
    message = r"^o: frame 1, word 1: never came, nor did the 0 after it$"
    with pytest.raises(AssertionError, match=message):
        board.drained()


def test_nothing_compared() -> None:
    with pytest.raises(AssertionError, match=r"^o: no word was ever compared$"):
        Scoreboard("o").drained()
