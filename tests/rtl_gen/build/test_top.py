from dataclasses import replace

import pytest
from amaranth.hdl import Fragment, Module, Signal
from amaranth.lib import io, wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from bnnhw.target import Clock
from rtl_gen.build.boards import load_board
from rtl_gen.build.top import BoardTop


class Pins:
    """Gives simulated pins for the resources that a top asks for."""

    default_clk = "clk"

    def __init__(self):
        self.clk = io.SimulationPort("i", 1)
        self.rx = io.SimulationPort("i", 1)
        self.tx = io.SimulationPort("o", 1)
        self.led = io.SimulationPort("o", 1)

    def request(self, name, number=0, *, dir=None):
        assert (number, dir) == (0, "-")
        return {"clk": self.clk, "uart": self, "led": self.led}[name]


class Slow(wiring.Component):
    """Sends `rx` one cycle later; `age` counts the cycles since its reset."""

    def __init__(self, *, swap=False):
        self.age = Signal(16)
        self._swap = swap
        super().__init__({"rx": In(1), "tx": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.d.sync += [self.tx.eq(self.rx ^ self._swap), self.age.eq(self.age + 1)]
        return m


def run(core: Slow) -> tuple[list[int], list[tuple[int, int]]]:
    """Drive the pins: the core's age while in reset, and what goes in and comes out after it."""
    pins = Pins()
    clock = Clock(source_hz=1_000_000, sync_hz=1_000_000)
    board = replace(load_board("icebreaker"), clock=clock)
    top = Fragment.get(BoardTop(board=board, core=core), pins)
    ages: list[int] = []
    echoes: list[tuple[int, int]] = []

    async def cycle(ctx):
        ctx.set(pins.clk.i, 1)
        await ctx.delay(5e-7)
        ctx.set(pins.clk.i, 0)
        await ctx.delay(5e-7)

    async def bench(ctx):
        for _ in range(15):
            await cycle(ctx)
            ages.append(ctx.get(core.age))
        for _ in range(10):
            await cycle(ctx)
        assert ctx.get(core.age) > 0
        for bit in [1, 0, 0, 1, 1, 0, 1]:
            ctx.set(pins.rx.i, bit)
            await cycle(ctx)
            echoes.append((bit, ctx.get(pins.tx.o)))

    simulator = Simulator(top)
    simulator.add_testbench(bench)
    simulator.run()
    return ages, echoes


def test_reset_is_held_and_the_pins_reach_the_core():
    ages, echoes = run(Slow())
    assert ages == [0] * 15
    assert all(sent == received for sent, received in echoes)


def test_a_wrong_core_is_caught():
    _, echoes = run(Slow(swap=True))
    assert not any(sent == received for sent, received in echoes)


@pytest.mark.parametrize("members", [{"rx": In(1)}, {"rx": In(1), "tx": Out(2)}])
def test_core_ports_wrong(members):
    class Bare(wiring.Component):
        def __init__(self):
            super().__init__(members)

    with pytest.raises(ValueError, match="^Core must have a 1-bit port 'tx'"):
        BoardTop(board=load_board("icebreaker"), core=Bare())
