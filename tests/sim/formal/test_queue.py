# amaranth: UnusedElaboratable=no
"""Queues keep every word in order, for all time, and faulty ones are refuted."""

from typing import Any

import pytest
from amaranth.hdl import Module, unsigned

from rtl_gen.queue import Queue, Skid
from sim.formal import Mode, Verdict, prove
from sim.formal.blocks import queue

DEPTHS = (2, 3, 4, 6)


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
    assert {"order 0", "order 1", "full", "o waits"} <= set(result.reached)


class BrokenSkid(Skid):
    """A slice with a planted fault."""

    def __init__(self, fault: str) -> None:
        super().__init__(shape=unsigned(2))
        self._fault = fault

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        if self._fault == "forgets the spare":
            with m.If(~self.o.valid | self.o.ready):
                m.d.sync += self.o.payload.eq(self.i.payload)
        if self._fault == "takes when full":
            m.d.comb += self.i.ready.eq(1)
        if self._fault == "takes while it waits":
            with m.If(self.i.valid):
                m.d.sync += self.o.payload.eq(self.i.payload)
        if self._fault == "never takes the last place":
            m.d.comb += self.i.ready.eq(~self.o.valid)
        return m


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ("forgets the spare", "order"),
        ("takes when full", "flight"),
        ("takes while it waits", "contract.py"),
        ("never takes the last place", "room"),
    ],
)
def test_broken_skid_is_refuted(fault: str, name: str) -> None:
    result = prove(BrokenSkid(fault), queue, mode=Mode.BMC, depth=8)
    assert result.verdict is Verdict.REFUTED
    assert any(name in failed for failed in result.names), result


class BrokenQueue(Queue):
    """A queue with a planted fault."""

    def __init__(self, fault: str, depth: int) -> None:
        super().__init__(shape=unsigned(2), depth=depth)
        self._fault = fault

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        if self._fault == "drops when full":
            m.d.comb += self.i.ready.eq(1)
        if self._fault == "doubles":
            m.submodules.inner = inner = Queue(shape=unsigned(2), depth=self.depth)
            m.d.comb += [
                inner.i.valid.eq(self.i.valid),
                inner.i.payload.eq(self.i.payload),
                self.i.ready.eq(inner.i.ready),
                self.o.valid.eq(inner.o.valid),
                self.o.payload.eq(inner.o.payload),
                self.level.eq(inner.level),
                # A word whose payload is 3 stays, though the consumer has it.
                inner.o.ready.eq(self.o.ready & (inner.o.payload != 3)),
            ]
        return m


@pytest.mark.parametrize("depth", [2, 3, 4])
@pytest.mark.parametrize(
    ("fault", "names"),
    [
        ("drops when full", {"flight", "room"}),
        ("doubles", {"cause", "flight", "level", "order 0", "order 1", "room"}),
    ],
)
def test_broken_queue_is_refuted(depth: int, fault: str, names: set[str]) -> None:
    result = prove(BrokenQueue(fault, depth), queue, mode=Mode.BMC, depth=depth + 5)
    assert result.verdict is Verdict.REFUTED
    assert set(result.names) & names, result
