# amaranth: UnusedElaboratable=no
"""Queues keep every word in order, for all time, and faulty ones are refuted."""

from typing import Any

import pytest
from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import wiring

from rtl_gen.queue import Queue, Skid
from sim.formal import Mode, Verdict, prove
from sim.formal.blocks import queue

DEPTHS = (1, 2, 3, 4, 8)


def make(depth: int) -> Any:
    """Depth 0 stands for the bare register slice."""
    return Queue(shape=unsigned(2), depth=depth) if depth else Skid(shape=unsigned(2))


@pytest.mark.parametrize("depth", [0, *DEPTHS])
def test_holds_for_ever(depth: int) -> None:
    result = prove(make(depth), queue, mode=Mode.PDR)
    assert result.verdict is Verdict.PROVED, result.log


@pytest.mark.parametrize("depth", [0, *DEPTHS])
def test_every_check_is_reached(depth: int) -> None:
    result = prove(make(depth), queue, mode=Mode.COVER, depth=depth + 5)
    assert result.verdict is Verdict.REACHED, result
    assert {"order 0", "order 1", "full", "second frame"} <= set(result.reached)


class BrokenSkid(Skid):
    """A slice with a planted fault."""

    def __init__(self, fault: str) -> None:
        super().__init__(shape=unsigned(2))
        self._fault = fault

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        free, wrong = ~self.o.valid | self.o.ready, Signal(2)
        if self._fault == "forgets the spare":
            m.d.comb += self.o.payload.eq(wrong)
            with m.If(free):
                m.d.sync += wrong.eq(self.i.payload)
        if self._fault == "takes when full":
            m.d.comb += self.i.ready.eq(1)
        if self._fault == "takes while it waits":
            m.d.comb += self.o.payload.eq(wrong)
            with m.If(free | self.i.valid):
                m.d.sync += wrong.eq(self.i.payload)
        if self._fault == "never takes the last place":
            m.d.comb += self.i.ready.eq(~self.o.valid)
        return m


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ("forgets the spare", "order"),
        ("takes when full", "order"),
        ("takes when full", "flight"),
        ("takes while it waits", "o stays the same"),
        ("never takes the last place", "room"),
    ],
)
def test_broken_skid_is_refuted(fault: str, name: str) -> None:
    refuted(BrokenSkid(fault), name, depth=8)


class BrokenQueue(Queue):
    """A queue with a planted fault."""

    def __init__(self, fault: str, depth: int) -> None:
        super().__init__(shape=unsigned(2), depth=depth)
        self._fault = fault

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.inner = inner = Queue(shape=unsigned(2), depth=self.depth)
        wiring.connect(m, wiring.flipped(self.i), inner.i)
        wiring.connect(m, inner.o, wiring.flipped(self.o))
        m.d.comb += self.level.eq(inner.level)
        match self._fault:
            case "drops when full":
                m.d.comb += self.i.ready.eq(1)
            case "doubles":
                # A word whose payload is 3 stays when the consumer takes it for the first time.
                again = Signal()
                stays = (inner.o.payload == 3) & ~again
                m.d.comb += inner.o.ready.eq(self.o.ready & ~stays)
                with m.If(self.o.valid & self.o.ready):
                    m.d.sync += again.eq(stays)
            case "stops after three words":
                count = Signal(2)
                m.d.sync += count.eq(count + (self.o.valid & self.o.ready & (count != 3)))
                with m.If(count == 3):
                    m.d.comb += [self.o.valid.eq(0), inner.o.ready.eq(0)]
            case "withdraws":
                waited = Signal()
                m.d.sync += waited.eq(self.o.valid & ~self.o.ready)
                with m.If(waited):
                    m.d.comb += [self.o.valid.eq(0), inner.o.ready.eq(0)]
            case "miscounts":
                m.d.comb += self.level.eq(inner.level - (inner.level == self.depth))
        return m


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ("drops when full", "order"),
        ("drops when full", "flight"),
        ("doubles", "order"),
        ("doubles", "cause"),
        ("stops after three words", "silent"),
        ("stops after three words", "deaf"),
        ("withdraws", "o stays valid"),
        ("miscounts", "level"),
    ],
)
def test_broken_queue_is_refuted(depth: int, fault: str, name: str) -> None:
    refuted(BrokenQueue(fault, depth), name, depth=2 * depth + 8)


class Meeting(Queue):
    """A full queue that takes a word while one leaves: it writes the row that it reads."""

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.i.ready.eq((self.level != self.depth) | self.o.ready)
        return m


def test_reads_never_meet_writes() -> None:
    """Memories say so to the synthesiser, which then need not build the old row's way out."""
    refuted(Meeting(shape=unsigned(2), depth=3), "order", depth=8)


def refuted(dut: Any, name: str, *, depth: int) -> None:
    result = prove(dut, queue, mode=Mode.BMC, depth=depth, only=name)
    assert result.verdict is Verdict.REFUTED, result
    assert all(failed.startswith(name) for failed in result.names)
