# amaranth: UnusedElaboratable=no
"""Every converter moves every element to its place, for all time, and faulty ones are refuted."""

from typing import Any

import pytest
from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring

from rtl_gen.width import WidthConverter
from sim.formal import Mode, Verdict, prove
from sim.formal.blocks import converter

# Elements, lanes in and out, with whole and with ragged last words.
WIRES = [(4, 2, 2), (5, 2, 2)]
COLLECTOR = [(4, 1, 2), (5, 2, 4), (7, 1, 3), (2, 1, 4)]
SHIFTER = [(4, 2, 1), (5, 4, 2), (7, 3, 1)]
GEARBOX = [(6, 2, 3), (7, 2, 3), (6, 3, 2), (10, 3, 2), (7, 4, 3), (9, 4, 6)]
ALL = [*WIRES, *COLLECTOR, *SHIFTER, *GEARBOX]


def make(elements: int, lanes_in: int, lanes_out: int) -> WidthConverter:
    return WidthConverter(elements=elements, bits=1, lanes_in=lanes_in, lanes_out=lanes_out)


@pytest.mark.parametrize(("elements", "lanes_in", "lanes_out"), ALL)
def test_holds_for_ever(elements: int, lanes_in: int, lanes_out: int) -> None:
    result = prove(make(elements, lanes_in, lanes_out), converter, mode=Mode.PDR)
    assert result.verdict is Verdict.PROVED, result.log


@pytest.mark.parametrize(("elements", "lanes_in", "lanes_out"), ALL)
def test_every_check_is_reached(elements: int, lanes_in: int, lanes_out: int) -> None:
    dut = make(elements, lanes_in, lanes_out)
    depth = 2 * dut.cycles + dut.latency + 3
    result = prove(dut, converter, mode=Mode.COVER, depth=depth)
    assert result.verdict is Verdict.REACHED, result
    assert "second frame" in result.reached


class Broken(WidthConverter):
    """A converter with a planted fault."""

    def __init__(self, fault: str, elements: int, lanes_in: int, lanes_out: int) -> None:
        super().__init__(elements=elements, bits=1, lanes_in=lanes_in, lanes_out=lanes_out)
        self._fault = fault

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        count = self.elements + {"one more": 1, "one less": -1}.get(self._fault, 0)
        inner = make(count, self.lanes_in, self.lanes_out)
        m.submodules.inner = inner
        wiring.connect(m, wiring.flipped(self.i), inner.i)
        wiring.connect(m, inner.o, wiring.flipped(self.o))
        if self._fault == "first and last lane swapped":
            for here, there in ((0, -1), (-1, 0)):
                m.d.comb += self.o.payload.data[here].eq(inner.o.payload.data[there])
        if self._fault == "always last":
            m.d.comb += self.o.payload.last.eq(1)
        if self._fault == "deaf from the second frame on":
            ended = Signal()
            with m.If(self.o.valid & self.o.ready & self.o.payload.last):
                m.d.sync += ended.eq(1)
            with m.If(ended):
                m.d.comb += [inner.i.valid.eq(0), self.i.ready.eq(0)]
        if self._fault == "looks at ready":
            m.d.comb += self.o.payload.data.eq(Mux(self.o.ready, inner.o.payload.data, 0))
        return m


ONE_OF_EACH = [(5, 2, 2), (5, 2, 4), (5, 4, 2), (7, 2, 3), (7, 3, 2)]
FAULTS = [
    ("one more", "blank"),
    ("one less", "order"),
    ("one less", "last"),
    ("first and last lane swapped", "order"),
    ("always last", "last"),
    ("deaf from the second frame on", "deaf"),
    ("deaf from the second frame on", "silent"),
    ("looks at ready", "o stays the same"),
]
# Wires lose nothing with a frame that is a word too short: only its `last` is wrong.
HARMLESS = ((5, 2, 2), "one less", "order")
TWINS = [(geometry, *fault) for geometry in ONE_OF_EACH for fault in FAULTS]


@pytest.mark.parametrize(
    ("geometry", "fault", "name"), [twin for twin in TWINS if twin != HARMLESS]
)
def test_broken_twin_is_refuted(geometry: tuple[int, int, int], fault: str, name: str) -> None:
    result = prove(Broken(fault, *geometry), converter, mode=Mode.BMC, depth=14, only=name)
    assert result.verdict is Verdict.REFUTED, result
    assert all(failed.startswith(name) for failed in result.names)
