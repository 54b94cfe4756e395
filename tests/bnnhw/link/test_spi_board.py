# amaranth: UnusedElaboratable=no
"""The driver against a board behind four simulated wires, at several rates and with a loose CS."""

import sys
from typing import Any

import numpy as np
import pytest

import bnnhw
from bnnhw import golden
from bnnhw.errors import UsageError
from bnnhw.fold import Folding, LayerFold
from bnnhw.link import ConnectionLost, spi
from bnnhw.plan import make_plan, manifest
from sim.samples import images, network
from sim.spi_board import SpiBoard

NET = network([24, 8, 5], 7)
PLAN = make_plan(NET, Folding({"fc0": LayerFold(4, 8), "fc1": LayerFold(5, 8)}))
TOLD = manifest(PLAN)
CLOCK = 4_000_000


class Calls:
    """A clock that goes on by 15 ms whenever it is asked, however busy the machine is."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 15e-3
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def board(monkeypatch: pytest.MonkeyPatch, **options: Any) -> SpiBoard:
    made = SpiBoard(PLAN, clock_hz=CLOCK, **options)
    monkeypatch.setitem(sys.modules, "spidev", made.module)
    # Every byte is a few hundred steps of a slow simulator.
    monkeypatch.setattr(spi, "_ASK", bytes(20))
    monkeypatch.setattr(spi, "time", Calls())
    return made


def hold(answers: Any, pool: np.ndarray) -> None:
    wanted = golden.run(NET, pool, path="plain")
    assert wanted.classes is not None
    assert np.array_equal(answers.logits, wanted.logits)
    assert np.array_equal(answers.classes, wanted.classes)


@pytest.mark.parametrize("hz", [1_000_000, 987_654, 610_000])
def test_predict(monkeypatch: pytest.MonkeyPatch, hz: int) -> None:
    board(monkeypatch, seed=hz)
    pool = images(NET, 4, 1)
    with bnnhw.open(f"spi://{SpiBoard.path}?hz={hz}", manifest=TOLD, timeout=20) as device:
        hold(device.predict(pool), pool)
        told = device.counters()
    assert (told.board_bad_frames, told.board_line_errors) == (0, 0)
    assert (told.damaged, told.repeated, told.timeouts) == (0, 0, 0)


def test_cs_that_flickers_costs_time_and_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    made = board(monkeypatch, glitches=0.1, seed=5)
    pool = images(NET, 14, 2)
    with bnnhw.open(f"spi://{SpiBoard.path}", manifest=TOLD, timeout=0.4) as device:
        hold(device.predict(pool), pool)
        told = device.counters()
    assert made.glitched > 3
    assert told.board_bad_frames + told.damaged + told.repeated > 0


def test_too_fast_for_the_board(monkeypatch: pytest.MonkeyPatch) -> None:
    board(monkeypatch)
    with pytest.raises(ConnectionLost, match=r"broke: hz must be at most 1000000, not 1000001"):
        bnnhw.open(f"spi://{SpiBoard.path}?hz=1000001", manifest=TOLD)


def test_too_fast_for_the_manifest() -> None:
    told = {**TOLD, "link": {"kind": "spi", "max_hz": 1_000_000}}
    with pytest.raises(UsageError, match=r"^The design takes SPI up to 1000000 Hz, not 1000001\."):
        bnnhw.open(f"spi://{SpiBoard.path}?hz=1000001", manifest=told)


def test_manifest_says_what_line_it_is() -> None:
    from rtl_gen.system import link_facts

    assert link_facts(CLOCK, None) == {"kind": "spi", "clock_hz": CLOCK, "max_hz": 1_000_000}
    assert link_facts(CLOCK, 9600) == {"kind": "uart", "clock_hz": CLOCK, "baud": 9600}


def test_spi_without_pins_wrong() -> None:
    from rtl_gen.build.boards import load_board
    from rtl_gen.cli.options import link_baud

    assert link_baud("spi", load_board("icebreaker")) is None
    assert link_baud("uart", load_board("icebreaker")) == 1_000_000
    with pytest.raises(UsageError, match=r"^The board 'colorlight-i5' has no pins for SPI\."):
        link_baud("spi", load_board("colorlight-i5"))
    with pytest.raises(UsageError, match=r"^There is no link 'i2c'\."):
        link_baud("i2c", load_board("icebreaker"))
