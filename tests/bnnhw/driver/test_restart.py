"""A board that is killed in mid-frame: right answers where it comes back, else a typed error."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bnnhw import golden
from bnnhw.driver import Device
from bnnhw.driver.model import GoldenBoard
from bnnhw.fold import serial
from bnnhw.link import BoardSilent
from bnnhw.link.line import RETRIES
from bnnhw.link.payload import Packing
from bnnhw.plan import make_plan, manifest
from sim.samples import images, network

NET = network([40, 8, 5], 3)
TOLD = manifest(make_plan(NET, serial(NET)))
POOL = images(NET, 12, 1)
WANTED = golden.run(NET, POOL).logits


class Mortal:
    """A `Transport` to a board that dies after so many bytes, and to those that come after it.

    What a board has not sent dies with it, and its successor knows nothing of what it was told.
    """

    def __init__(self) -> None:
        self.board: GoldenBoard | None = GoldenBoard(NET, TOLD)
        self.heard = self.said = -1
        self.buried = False
        self.deaths = self.silences = 0

    def write(self, data: bytes) -> None:
        for k in range(len(data)):
            if self.heard == 0:
                self.die()
            self.heard -= 1
            if self.board is not None:
                self.board.write(data[k : k + 1])

    def read(self, timeout: float) -> bytes:
        data = b"" if self.board is None else self.board.read(timeout)
        if 0 <= self.said < len(data):
            data = data[: self.said]
            self.die()
        self.said -= len(data)
        self.silences += not data
        return data

    def die(self) -> None:
        self.heard = self.said = -1
        self.deaths += 1
        self.board = None if self.buried else GoldenBoard(NET, TOLD)

    def close(self) -> None:
        pass


def opened() -> tuple[Mortal, Device]:
    line = Mortal()
    packing = Packing.from_manifest(TOLD)
    return line, Device(line, name="mortal", packing=packing, timeout=1, manifest=TOLD)


def recovered(line: Mortal, device: Device) -> None:
    assert np.array_equal(device.predict(POOL).logits, WANTED)
    assert line.deaths == 1
    # A time-out for what was under way, and one for a frame that began before the death and had its
    # end after it.
    assert line.silences <= 2
    counters = device.counters()
    assert counters.repeated <= device.info.credits + 1 and counters.answered == len(POOL)


@pytest.mark.parametrize("moment", range(110))
def test_killed_while_it_listens(moment: int) -> None:
    """At every byte of the first eight requests, between them and behind them."""
    line, device = opened()
    line.heard = moment
    recovered(line, device)


@pytest.mark.parametrize("moment", range(0, 100, 3))
def test_killed_while_it_answers(moment: int) -> None:
    line, device = opened()
    line.said = moment
    recovered(line, device)


def die_listening(line: Mortal) -> None:
    line.heard = 17


def die_answering(line: Mortal) -> None:
    line.said = 9


@pytest.mark.parametrize("how", [die_listening, die_answering])
def test_killed_for_good(how: Callable[[Mortal], Any]) -> None:
    """A typed error after as many time-outs as there are attempts, and no more."""
    line, device = opened()
    line.buried = True
    how(line)
    with pytest.raises(BoardSilent, match="stopped answering at image 0|at image 1"):
        device.predict(POOL)
    assert line.silences == RETRIES
    # The line is still there: who comes next is heard.
    line.board = GoldenBoard(NET, TOLD)
    assert np.array_equal(device.predict(POOL).logits, WANTED)
