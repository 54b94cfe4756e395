# amaranth: UnusedElaboratable=no
"""The contract stays quiet on a good stream and catches both ways to break it."""

from typing import Any

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from rtl_gen.streams import port
from sim.bench import exercise, run
from sim.streams import frame, receive, send, stall

WORDS = frame([3, 1, 2, 0, 1], 2) * 2


class Slice(wiring.Component):
    """A register slice, or one of its broken twins."""

    def __init__(self, *, fault: str = "") -> None:
        self._fault = fault
        super().__init__({"i": In(port(2, 2)), "o": Out(port(2, 2))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        blink = Signal()
        m.d.sync += blink.eq(~blink)
        shown = Signal()
        m.d.comb += self.o.valid.eq(shown)
        if self._fault == "withdraws":
            m.d.comb += self.o.valid.eq(shown & (blink | self.o.ready))
        with m.If(~shown | self.o.ready):
            m.d.comb += self.i.ready.eq(1)
            m.d.sync += [shown.eq(self.i.valid), self.o.payload.eq(self.i.payload)]
        if self._fault == "changes":
            with m.If(shown & ~self.o.ready):
                m.d.sync += self.o.payload.data[1].eq(~self.o.payload.data[1])
        return m


@pytest.mark.parametrize("kind", [0, 50, 95, "toggle"])
def test_good_stream_passes(kind: int | str) -> None:
    exercise(Slice(), {"i": WORDS}, {"o": WORDS}, stalls=kind)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("withdraws", "o: valid was withdrawn before ready"),
        ("changes", "o: payload changed before it was taken"),
    ],
)
def test_broken_twin_is_caught(fault: str, message: str) -> None:
    dut = Slice(fault=fault)

    async def source(ctx: Any) -> None:
        await send(ctx, dut.i, WORDS)

    async def sink(ctx: Any) -> None:
        # Payloads are not looked at here: the contract alone must object.
        await receive(ctx, dut.o, len(WORDS), stall=stall(75))

    with pytest.raises(AssertionError, match=message):
        run(dut, source, sink, deadline=200)


def test_testbench_that_withdraws_is_caught() -> None:
    dut = Slice()

    async def source(ctx: Any) -> None:
        ctx.set(dut.i.valid, 1)
        for _ in range(3):
            await ctx.tick()
        ctx.set(dut.i.valid, 0)
        for _ in range(3):
            await ctx.tick()

    with pytest.raises(AssertionError, match="i: valid was withdrawn before ready"):
        run(dut, source, deadline=20)


def test_payload_without_fields() -> None:
    class Wire(wiring.Component):
        i: In(stream.Signature(4))  # type: ignore[valid-type]
        o: Out(stream.Signature(4))  # type: ignore[valid-type]

        def elaborate(self, platform: Any) -> Module:
            m = Module()
            wiring.connect(m, wiring.flipped(self.i), wiring.flipped(self.o))
            return m

    log = exercise(Wire(), {"i": [1, 2, 3]}, {"o": [1, 2, 3]}, stalls=50)
    assert len(log.moves["o"]) == 3
