# amaranth: UnusedElaboratable=no
"""The link's blocks lose and double no byte and do not hang, for all time; faulty ones do."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from bnnhw.link import Hello
from rtl_gen.link import CobsEncoder, ReplySender, ResultBytes
from rtl_gen.link.benchmark import Benchmark
from rtl_gen.link.request import RequestBuffer, RequestReceiver
from rtl_gen.link.uart import UartReceiver, UartTransmitter
from rtl_gen.link.weights import WeightLoader
from sim.formal import Mode, Verdict, prove
from sim.formal.line import (
    buffer,
    contracts,
    receiver,
    replies,
    result_bytes,
    stuffing,
    uart_receiver,
    uart_transmitter,
)
from sim.formal.repeated import benchmark

from .cases import Case, proofs

ANSWER = Case(
    "answer",
    partial(ResultBytes, bits=9, index_bits=2),
    result_bytes(words=2, bits=9, index_bits=2, ranked=False),
    14,
)
RANKED = Case(
    "ranked",
    partial(ResultBytes, bits=2, index_bits=2, ranked=True),
    result_bytes(words=2, bits=2, index_bits=2, ranked=True),
    14,
    slow=True,
)
STUFFED = Case("stuffing", partial(CobsEncoder, max_bytes=2), stuffing(longest=2), 26, slow=True)
SENT = Case("transmitter", partial(UartTransmitter, divisor=4), uart_transmitter(divisor=4), 48)
CAUGHT = Case(
    "receiver", partial(UartReceiver, divisor=5), uart_receiver(divisor=5), 114, slow=True
)
REQUESTS = Case("requests", partial(RequestReceiver, frame_bytes=1), receiver, 12)
KEPT = Case(
    "buffer",
    partial(RequestBuffer, frame_bytes=2, credits=2),
    buffer(frame_bytes=2, credits=2),
    20,
    slow=True,
)
HELLO = Hello(bytes(range(100, 132)), 98, 21, 10, 12_000_000, 4)
REPLIES = Case("replies", partial(ReplySender, hello=HELLO), replies, 20, slow=True)
LOADED = Case("loader", partial(WeightLoader, blocks=2), contracts(deaf=0), 10, slow=True)
REPEATED = Case("benchmark", Benchmark, benchmark, 16, slow=True)
ALL = [REPEATED, ANSWER, RANKED, STUFFED, SENT, REQUESTS, KEPT, REPLIES, LOADED]


@proofs(ALL)
def test_holds_for_ever(case: Case) -> None:
    case.prove()


@proofs([CAUGHT])
def test_holds_in_the_first_clocks(case: Case) -> None:
    """A byte of 50 clocks comes, after any pause, and part of the next."""
    result = prove(case.make(), case.properties, mode=Mode.BMC, depth=70)
    assert result.verdict is Verdict.HELD, result


@proofs([*ALL, CAUGHT])
def test_every_check_is_reached(case: Case) -> None:
    result = prove(case.make(), case.properties, mode=Mode.COVER, depth=case.depth)
    assert result.verdict is Verdict.REACHED, result


class Broken(wiring.Component):
    """A block whose ports something is done to.

    Parameters
    ----------
    inner : Component
        The block, which works.
    change : callable
        Gets the module, the broken block and the block, and adds statements to what wires all
        ports through.
    """

    def __init__(self, inner: Any, change: Callable[[Module, Any, Any], None]) -> None:
        self._inner, self._change = inner, change
        super().__init__(dict(inner.signature.members))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.inner = inner = self._inner
        for name, member in inner.signature.members.items():
            own, its = getattr(self, name), getattr(inner, name)
            if member.is_port:
                ends = (own, its) if member.flow is Out else (its, own)
                m.d.comb += Value.cast(ends[0]).eq(Value.cast(ends[1]))
            elif member.flow is Out:
                wiring.connect(m, its, wiring.flipped(own))
            else:
                wiring.connect(m, wiring.flipped(own), its)
        self._change(m, self, inner)
        return m


def inverts(name: str, bit: int = 0) -> Callable[[Module, Any, Any], None]:
    """Invert a bit of a port that leaves, or of the payload of one."""

    def change(m: Module, own: Any, inner: Any) -> None:
        ours, theirs = own, inner
        for part in name.split("."):
            ours, theirs = getattr(ours, part), getattr(theirs, part)
        m.d.comb += Value.cast(ours)[bit].eq(~Value.cast(theirs)[bit])

    return change


def stalls(m: Module, own: Any, inner: Any) -> None:
    """Take nothing any more after the first word."""
    stuck = Signal()
    with m.If(own.i.valid & own.i.ready):
        m.d.sync += stuck.eq(1)
    with m.If(stuck):
        m.d.comb += [own.i.ready.eq(0), inner.i.valid.eq(0)]


def takes(m: Module, own: Any, inner: Any) -> None:
    """Take everything."""
    m.d.comb += own.i.ready.eq(1)


def hangs(m: Module, own: Any, inner: Any) -> None:
    """Send nothing any more after one word."""
    stuck = Signal()
    with m.If(own.o.valid & own.o.ready):
        m.d.sync += stuck.eq(1)
    with m.If(stuck):
        m.d.comb += [own.o.valid.eq(0), inner.o.ready.eq(0)]


def begins(m: Module, own: Any, inner: Any) -> None:
    """Send something before anything came."""
    begun = Signal()
    with m.If(own.o.valid & own.o.ready):
        m.d.sync += begun.eq(1)
    with m.If(~begun):
        m.d.comb += [own.o.valid.eq(1), inner.o.ready.eq(0)]


def withdraws(name: str) -> Callable[[Module, Any, Any], None]:
    """Take an offer back."""

    def change(m: Module, own: Any, inner: Any) -> None:
        ours, theirs = getattr(own, name), getattr(inner, name)
        waited = Signal()
        m.d.sync += waited.eq(ours.valid & ~ours.ready)
        with m.If(waited):
            m.d.comb += [ours.valid.eq(0), theirs.ready.eq(0)]

    return change


def looks(name: str) -> Callable[[Module, Any, Any], None]:
    """Let what is offered follow `ready`."""

    def change(m: Module, own: Any, inner: Any) -> None:
        ours, theirs = getattr(own, name), Value.cast(getattr(inner, name).payload)
        m.d.comb += Value.cast(ours.payload)[0].eq(Mux(ours.ready, theirs[0], ~theirs[0]))

    return change


def accepts(m: Module, own: Any, inner: Any) -> None:
    """Refuse nothing, whether there is room or not."""
    m.d.comb += own.refused.eq(0)


def drops(m: Module, own: Any, inner: Any) -> None:
    """Offer nothing of what comes."""
    m.d.comb += [own.o.valid.eq(0), inner.o.ready.eq(1)]


CONTRACTS = [(ANSWER, "o", 30), (STUFFED, "o", 30), (KEPT, "o", 30), (KEPT, "place", 16)]
CONTRACTS += [(REQUESTS, "control", 16), (CAUGHT, "o", 65), (REPLIES, "o", 12)]
CONTRACTS += [(LOADED, "o", 12), (REPEATED, "o", 8)]
TWINS: list[tuple[Case, Any, str, int]] = [
    *((case, withdraws(port), f"{port} stays valid", depth) for case, port, depth in CONTRACTS),
    *((case, looks(port), f"{port} stays the same", depth) for case, port, depth in CONTRACTS),
    (ANSWER, takes, "flight", 14),
    (KEPT, accepts, "flight", 30),
    (REQUESTS, inverts("bad"), "outcome one", 14),
    (ANSWER, inverts("o.payload.data"), "result", 14),
    (ANSWER, inverts("o.payload.last"), "last", 14),
    (ANSWER, begins, "cause", 14),
    (ANSWER, takes, "served", 14),
    (ANSWER, hangs, "silent", 14),
    (ANSWER, stalls, "deaf", 30),
    (STUFFED, inverts("o.payload"), "result", 26),
    (STUFFED, begins, "cause", 26),
    (STUFFED, takes, "waits", 26),
    (STUFFED, hangs, "silent", 26),
    (STUFFED, stalls, "deaf", 40),
    (SENT, inverts("tx"), "line", 8),
    (SENT, takes, "waits", 8),
    (SENT, stalls, "deaf", 50),
    (CAUGHT, inverts("o.payload"), "received", 65),
    (CAUGHT, begins, "once", 20),
    (CAUGHT, inverts("error"), "error", 20),
    (CAUGHT, drops, "prompt", 70),
    (REQUESTS, stalls, "deaf", 14),
    (REQUESTS, begins, "passes", 8),
    (REQUESTS, inverts("control.payload", 3), "outcome reply", 14),
    (REQUESTS, inverts("control.valid"), "outcome none", 14),
    (REQUESTS, inverts("bad"), "bad", 8),
    (REPEATED, inverts("o.valid"), "passes", 8),
    (REPEATED, inverts("o.payload.data"), "passes right", 8),
    (REPEATED, inverts("i.ready"), "moves", 8),
    (REPEATED, inverts("o.valid"), "drops", 12),
    (REPEATED, inverts("o.valid"), "tail", 12),
    (REPEATED, inverts("o.payload.data"), "clocks", 12),
    (REPEATED, inverts("o.payload.last"), "last", 12),
    (REPEATED, inverts("busy"), "busy", 8),
    (REPEATED, inverts("repeat"), "repeat", 8),
    (REPLIES, hangs, "silent", 20),
    (LOADED, stalls, "deaf", 8),
    (KEPT, inverts("o.payload.data"), "result", 20),
    (KEPT, inverts("o.payload.last"), "last", 20),
    (KEPT, begins, "cause", 12),
    (KEPT, hangs, "silent", 24),
    (KEPT, stalls, "deaf", 14),
    (KEPT, inverts("queued"), "queued", 8),
    (KEPT, inverts("place.payload"), "place", 12),
    (KEPT, inverts("place.valid"), "offered", 8),
    (KEPT, inverts("number"), "number", 12),
    (KEPT, inverts("kept"), "kept", 8),
    (KEPT, inverts("refused"), "refused", 8),
]
QUICK = (ANSWER.name, REQUESTS.name)


def twin(case: Case, fault: Any, name: str, depth: int) -> Any:
    marks = () if case.name in QUICK else pytest.mark.slow
    return pytest.param(case, fault, name, depth, id=f"{case.name}-{name}", marks=marks)


@pytest.mark.parametrize(("case", "fault", "name", "depth"), [twin(*each) for each in TWINS])
def test_broken_twin_is_refuted(case: Case, fault: Any, name: str, depth: int) -> None:
    faulty = Broken(case.make(), fault)
    result = prove(faulty, case.properties, mode=Mode.BMC, depth=depth, only=name)
    assert result.verdict is Verdict.REFUTED, result
    assert all(failed.startswith(name) for failed in result.names)
