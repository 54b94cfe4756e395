# amaranth: UnusedElaboratable=no
"""The AXI4-Lite slave: reads and writes in every order, with stalls on all channels."""

from typing import Any

import pytest
from amaranth.hdl import Cat, ClockDomain, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import Out

from rtl_gen.bus import AxiLiteSlave
from sim.bench import Run, exercise, run
from sim.contract import StreamContract

BITS = 5
CHANNELS = ("i_aw", "i_w", "i_ar", "o_b", "o_r")


class Device(wiring.Component):
    """A slave in front of what takes `wait` clocks and is an error at odd words.

    Writes and reads that are done leave on streams of their own, and their order on a third one.
    """

    def __init__(self, *, wait: int = 0, fault: str = "") -> None:
        self._wait = wait
        self._fault = fault
        self.slave = AxiLiteSlave(address_bits=BITS)
        members = {k: v for k, v in self.slave.signature.members.items() if k != "access"}
        write = StructLayout({"address": BITS - 2, "data": 32, "strobe": 4})
        members["writes"] = Out(stream.Signature(write))
        members["reads"] = Out(stream.Signature(BITS - 2))
        members["kinds"] = Out(stream.Signature(1))
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.slave = slave = self.slave
        for name in CHANNELS:
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(slave, name))
        access = slave.access
        waited = Signal(range(self._wait + 1))
        done = Signal()
        m.d.comb += [
            done.eq(access.request & (waited == self._wait)),
            access.done.eq(done),
            access.error.eq(access.address[0]),
            access.value.eq(access.address * 0x01010101),
            self.writes.valid.eq(done & access.write),
            self.writes.payload.eq(Cat(access.address, access.data, access.strobe)),
            self.reads.valid.eq(done & ~access.write),
            self.reads.payload.eq(access.address),
            self.kinds.valid.eq(done),
            self.kinds.payload.eq(access.write),
        ]
        with m.If(access.request):
            m.d.sync += waited.eq(waited + 1)
        with m.If(done):
            m.d.sync += waited.eq(0)
        if self._fault == "two words":
            m.d.comb += slave.i_w.valid.eq(self.i_w.valid | self.i_aw.valid)
        if self._fault == "reads first":
            m.d.comb += slave.i_aw.valid.eq(self.i_aw.valid & ~self.i_ar.valid)
        # What is asked for stays until it is done.
        asked = Cat(access.write, access.address)
        m.submodules.contract = contract = StreamContract(shape=len(asked), name="access")
        m.d.comb += [
            contract.payload.eq(asked),
            contract.valid.eq(access.request),
            contract.ready.eq(access.done),
        ]
        return m


def play(device: Device, writes: list[int], reads: list[int], kinds: Any, **given: Any) -> Run:
    """Write and read words of these addresses; write number n carries n."""
    low = [1, 2, 3, 0]
    data = [0xA0000000 + n for n, _ in enumerate(writes)]
    inputs = {
        "i_aw": [{"addr": 4 * a + low[a % 4], "prot": a % 8} for a in writes],
        "i_w": [{"data": word, "strb": n % 16} for n, word in enumerate(data)],
        "i_ar": [{"addr": 4 * a, "prot": 0} for a in reads],
    }
    expected = {
        "o_b": [{"resp": 2 * (a % 2)} for a in writes],
        "o_r": [{"data": 0 if a % 2 else a * 0x01010101, "resp": 2 * (a % 2)} for a in reads],
        "writes": [
            {"address": a, "data": word, "strobe": n % 16}
            for n, (a, word) in enumerate(zip(writes, data, strict=True))
        ],
        "reads": reads,
        "kinds": kinds,
    }
    return exercise(device, inputs, expected, **given)


class Anyhow(Device):
    """A device that does not tell the order of its accesses."""

    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        # One word, so that the bench sees that the stream lives.
        told = Signal()
        m.d.sync += told.eq(told | self.kinds.valid)
        m.d.comb += self.kinds.valid.eq(self.slave.access.done & ~told)
        m.d.comb += self.kinds.payload.eq(1)
        return m


WRITES, READS = [0, 3, 2, 5, 7, 1, 4, 6, 0, 0], [1, 0, 6, 6, 3, 2, 4, 5, 7, 0]


@pytest.mark.parametrize("wait", [0, 1, 3])
def test_reads_and_writes_take_turns(wait: int) -> None:
    """Both always wait: neither is served twice in a row, and an access is done every clock."""
    log = play(Device(wait=wait), WRITES, READS, [0, 1] * 10)
    done = log.moves["kinds"]
    assert [b - a for a, b in zip(done, done[1:], strict=False)] == [wait + 1] * 19
    # The response is on offer a clock after the access.
    assert log.moves["o_b"] == [clock + 1 for clock in log.moves["writes"]]
    assert log.moves["o_r"] == [clock + 1 for clock in log.moves["reads"]]


@pytest.mark.parametrize("wait", [0, 2])
@pytest.mark.parametrize("name", [*CHANNELS, "all"])
def test_stalls_lose_and_mix_nothing(wait: int, name: str) -> None:
    stalls = dict.fromkeys(CHANNELS, 75) if name == "all" else {name: 80}
    play(Anyhow(wait=wait), WRITES, READS, [1], stalls=stalls, seed=wait)


@pytest.mark.parametrize("name", ["o_b", "o_r"])
def test_responses_do_not_wait_for_ready(name: str) -> None:
    play(Anyhow(), WRITES, READS, [1], stalls={name: "patient"})


def test_reset_forgets_a_response() -> None:
    dut, domain = AxiLiteSlave(address_bits=BITS), ClockDomain("sync")

    async def bench(ctx: Any) -> None:
        ctx.set(dut.access.done, 1)
        ctx.set(dut.i_ar.valid, 1)
        await ctx.tick()
        assert ctx.get(dut.o_r.valid) and not ctx.get(dut.i_ar.ready)
        ctx.set(domain.rst, 1)
        await ctx.tick()
        ctx.set(domain.rst, 0)
        assert not ctx.get(dut.o_r.valid) and ctx.get(dut.i_ar.ready)

    run(dut, bench, deadline=20, domain=domain)


@pytest.mark.parametrize("fault", ["two words", "reads first"])
def test_the_bench_catches(fault: str) -> None:
    with pytest.raises((AssertionError, TimeoutError)):
        play(Device(fault=fault), WRITES, READS, [0, 1] * 10, stalls={"i_w": 50}, deadline=400)


@pytest.mark.parametrize("value", [2, 0, 4.0])
def test_address_bits_wrong(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^Address bits must be an integer from 3 on, not "):
        AxiLiteSlave(address_bits=value)
