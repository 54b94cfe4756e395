# amaranth: UnusedElaboratable=no
"""Nothing that comes on the line wedges the framing, for all time; faulty framing is refuted."""

from typing import Any

import pytest
from amaranth.hdl import Module, Signal

from rtl_gen.link import CobsDecoder
from sim.formal import Mode, Verdict, prove
from sim.formal.link import Framing, framing


def test_holds_for_ever() -> None:
    result = prove(Framing(), framing, mode=Mode.PDR)
    assert result.verdict is Verdict.PROVED, result.log


def test_every_check_is_reached() -> None:
    result = prove(Framing(), framing, mode=Mode.COVER, depth=14)
    assert result.verdict is Verdict.REACHED, result


class Broken(CobsDecoder):
    """A decoder that stops for good after a run of five bytes that a zero has cut."""

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.decoder = inner = CobsDecoder()
        bytes_seen, stuck = Signal(range(8)), Signal()
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += bytes_seen.eq(bytes_seen + (bytes_seen != 7))
            with m.If(self.i.payload == 0):
                m.d.sync += [bytes_seen.eq(0), stuck.eq(stuck | (bytes_seen == 5))]
        m.d.comb += [
            inner.i.payload.eq(self.i.payload),
            inner.i.valid.eq(self.i.valid),
            self.i.ready.eq(inner.i.ready),
            self.o.payload.eq(inner.o.payload),
            self.o.valid.eq(inner.o.valid & ~stuck),
            inner.o.ready.eq(self.o.ready),
        ]
        return m


@pytest.mark.parametrize("check", ["hello", "infer"])
def test_framing_that_wedges_is_refuted(check: str) -> None:
    result = prove(Framing(Broken()), framing, mode=Mode.BMC, depth=20, only=check)
    assert result.verdict is Verdict.REFUTED, result
