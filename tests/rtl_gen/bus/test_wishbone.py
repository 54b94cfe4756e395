# amaranth: UnusedElaboratable=no
"""The Wishbone slave: classic cycles, back to back, given up, and refused."""

import random
from typing import Any

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring

from rtl_gen.bus import WishboneSlave
from sim.bench import run

BITS = 6


class Device(wiring.Component):
    """A slave in front of eight words of 32 bits and eight that are errors, `wait` clocks away."""

    def __init__(self, *, wait: int) -> None:
        self._wait = wait
        self._slave = WishboneSlave(address_bits=BITS)
        super().__init__({k: v for k, v in self._slave.signature.members.items() if k != "access"})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.slave = slave = self._slave
        for name in ("cyc", "stb", "we", "adr", "sel", "dat_w"):
            m.d.comb += getattr(slave, name).eq(getattr(self, name))
        for name in ("dat_r", "ack", "err"):
            m.d.comb += getattr(self, name).eq(getattr(slave, name))
        access = slave.access
        waited = Signal(range(self._wait + 1))
        cells = [Signal(32, name=f"cell{k}") for k in range(8)]
        m.d.comb += [
            access.done.eq(access.request & (waited == self._wait)),
            access.error.eq(access.address[3]),
        ]
        m.d.sync += waited.eq(0)
        with m.If(access.request & ~access.done):
            m.d.sync += waited.eq(waited + 1)
        for index, cell in enumerate(cells):
            with m.If(access.address[:3] == index):
                m.d.comb += access.value.eq(cell)
                with m.If(access.done & access.write & ~access.error):
                    for byte in range(4):
                        with m.If(access.strobe[byte]):
                            part = slice(8 * byte, 8 * byte + 8)
                            m.d.sync += cell[part].eq(access.data[part])
        return m


async def cycle(ctx: Any, dut: Any, *, adr: int, data: int | None = None, sel: int = 15) -> Any:
    """One cycle: (value, error, clocks)."""
    ctx.set(dut.cyc, 1)
    ctx.set(dut.stb, 1)
    ctx.set(dut.adr, adr)
    ctx.set(dut.sel, sel)
    ctx.set(dut.we, data is not None)
    ctx.set(dut.dat_w, data or 0)
    for clocks in range(1, 50):
        *_, ack, err, value = await ctx.tick().sample(dut.ack, dut.err, dut.dat_r)
        assert not (ack and err)
        if ack or err:
            ctx.set(dut.cyc, 0)
            ctx.set(dut.stb, 0)
            return value, bool(err), clocks
    raise TimeoutError("no answer")


@pytest.mark.parametrize("wait", [0, 1, 3])
def test_random_cycles(wait: int) -> None:
    """Against a list of bytes, with and without a pause between cycles."""
    dut, dice, model = Device(wait=wait), random.Random(wait), [0] * 8

    async def bench(ctx: Any) -> None:
        for _ in range(120):
            for _ in range(dice.choice([0, 0, 1, 3])):
                *_, ack, err = await ctx.tick().sample(dut.ack, dut.err)
                assert not ack and not err
            word, write = dice.randrange(16), dice.random() < 0.5
            sel, data = dice.randrange(16), dice.getrandbits(32)
            value, error, clocks = await cycle(
                ctx, dut, adr=4 * word + dice.randrange(4), data=data if write else None, sel=sel
            )
            assert (error, clocks) == (word >= 8, 2 + wait)
            if write and not error:
                mask = sum(255 << 8 * k for k in range(4) if sel >> k & 1)
                model[word] = model[word] & ~mask | data & mask
            if not write:
                assert value == (0 if error else model[word])

    run(dut, bench, deadline=3000)


def test_nothing_without_cyc_and_stb_and_cycles_that_are_given_up() -> None:
    dut = Device(wait=3)

    async def bench(ctx: Any) -> None:
        for cyc, stb in ((0, 0), (1, 0), (0, 1)):
            ctx.set(dut.cyc, cyc)
            ctx.set(dut.stb, stb)
            for _ in range(8):
                *_, ack, err = await ctx.tick().sample(dut.ack, dut.err)
                assert not ack and not err
        # Given up before it is done: it leaves nothing behind, and the next one is whole.
        for early in (1, 2, 3):
            ctx.set(dut.cyc, 1)
            ctx.set(dut.stb, 1)
            ctx.set(dut.we, 1)
            ctx.set(dut.sel, 15)
            ctx.set(dut.dat_w, 77)
            for _ in range(early):
                await ctx.tick()
            ctx.set(dut.stb, 0)
            for _ in range(3):
                *_, ack, err = await ctx.tick().sample(dut.ack, dut.err)
                assert not ack and not err
            assert await cycle(ctx, dut, adr=0) == (0, False, 5)

    run(dut, bench, deadline=500)


def test_address_bits_wrong() -> None:
    with pytest.raises(ValueError, match=r"^Address bits must be an integer from 3 on, not 2$"):
        WishboneSlave(address_bits=2)
