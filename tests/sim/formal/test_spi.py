# amaranth: UnusedElaboratable=no
"""SPI loses and doubles no byte, whatever the wires do, for all time; faulty ones are refuted."""

from typing import Any

import pytest
from amaranth.hdl import Module, Signal

from rtl_gen.link import SpiPeripheral
from sim.formal import Mode, Verdict, prove
from sim.formal.spi import spi


def test_holds_for_ever() -> None:
    result = prove(SpiPeripheral(), spi, mode=Mode.PDR)
    assert result.verdict is Verdict.PROVED, result.log


def test_every_check_is_reached() -> None:
    result = prove(SpiPeripheral(), spi, mode=Mode.COVER, depth=38)
    assert result.verdict is Verdict.REACHED, result


class Forgetful(SpiPeripheral):
    """Goes on with the next byte where CS has cut one short."""

    def _send(self, m: Module, rise: Any, last: Any, count: Any, away: Any) -> None:
        cut = Signal()
        m.d.comb += cut.eq(away & (count != 0))
        super()._send(m, rise | cut, last | cut, count, away)


class Late(SpiPeripheral):
    """Offers a byte a clock later than it was whole."""

    def _receive(self, m: Module, rise: Any, last: Any, mosi: Any, cut: Any) -> None:
        late = Signal()
        m.d.sync += late.eq(last)
        super()._receive(m, rise, late, mosi, cut)


class Doubled(SpiPeripheral):
    """Says that a byte was sent when its seventh bit was read."""

    def _send(self, m: Module, rise: Any, last: Any, count: Any, away: Any) -> None:
        super()._send(m, rise, rise & (count == 6), count, away)


@pytest.mark.parametrize(
    ("faulty", "check", "depth"),
    [(Forgetful, "kept", 30), (Late, "received", 24), (Doubled, "sent", 40)],
)
def test_faults_are_refuted(faulty: Any, check: str, depth: int) -> None:
    result = prove(faulty(), spi, mode=Mode.BMC, depth=depth, only=check)
    assert result.verdict is Verdict.REFUTED, result
