"""Uploads against a board that loses what it likes, frame by frame and without a line."""

import random

import pytest

from bnnhw.link.upload import AHEAD, Upload


class Board:
    """Takes blocks in order, as `docs/protocol.md` says; an earlier upload has left `waits_for`."""

    def __init__(self, waits_for: int) -> None:
        self.waits_for = waits_for
        self.taken: list[int] = []

    def take(self, block: int) -> int:
        if block in (0, self.waits_for):
            self.waits_for = block + 1
            self.taken = [*(self.taken if block else []), block]
        return self.waits_for


def play(count: int, *, loss: float, seed: int, left: int = 0) -> int:
    """Send all blocks over a line that loses frames both ways; give the number of rounds."""
    dice, board, upload, sequence = random.Random(seed), Board(left), Upload(count), 0
    for turn in range(40 * count + 100):
        if upload.done:
            assert board.taken == list(range(count))
            return turn
        replies = []
        for block in upload.sendable():
            sequence += 1
            upload.sent(block, sequence)
            assert block <= upload.taken + AHEAD
            if dice.random() >= loss:
                waits_for = board.take(block)
                if dice.random() >= loss:
                    replies.append((sequence, waits_for))
        if not replies:
            upload.rewind()
        for number, waits_for in replies:
            if upload.awaits(number):
                upload.answered(number, waits_for)
    raise AssertionError(f"stuck at {upload.taken} of {count}")


@pytest.mark.parametrize("count", [1, 2, 17, 100])
@pytest.mark.parametrize("left", [0, 1, 2, 100])
def test_good_line_takes_a_round_for_every_window(count: int, left: int) -> None:
    assert play(count, loss=0, seed=1, left=left) == 1 + -(-(count - 1) // AHEAD)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("loss", [0.05, 0.3, 0.6])
def test_bad_line_loses_nothing(loss: float, seed: int) -> None:
    play(1 + seed * 3, loss=loss, seed=seed, left=seed * 2)


def test_block_0_goes_alone_until_its_own_answer_shows_a_beginning() -> None:
    upload = Upload(5)
    assert list(upload.sendable()) == [0]
    upload.sent(0, 10)
    assert list(upload.sendable()) == []
    # The board has not taken it: it still waits for the end of an earlier upload.
    upload.answered(10, 5)
    assert upload.taken == 0 and not upload.done
    upload.rewind()
    upload.sent(0, 11)
    upload.answered(11, 1)
    assert list(upload.sendable()) == [1, 2, 3, 4]


def test_board_that_forgot_is_told_from_the_start() -> None:
    upload = Upload(5)
    upload.sent(0, 1)
    upload.answered(1, 1)
    upload.sent(1, 2)
    assert not upload.broken
    upload.answered(2, 0)
    assert upload.broken and list(upload.sendable()) == [0]
