# amaranth: UnusedElaboratable=no
"""The four pins of SPI and the core between them, `cs` turned round and MISO let go."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from amaranth.hdl import Fragment, Module
from amaranth.lib import io, wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from bnnhw.target import Clock
from rtl_gen.build.boards import load_board
from rtl_gen.build.top import BoardTop
from rtl_gen.link import SPI_WIRES


class Platform:
    """Gives simulated pins for the resources that a top asks for."""

    default_clk = "clk"

    def __init__(self):
        self.clk = io.SimulationPort("i", 1)
        self.led = io.SimulationPort("o", 1)
        self.added = []
        self.spi = SimpleNamespace(
            sck=io.SimulationPort("i", 1),
            cs=io.SimulationPort("i", 1, invert=True),
            mosi=io.SimulationPort("i", 1),
            miso=io.SimulationPort("o", 1),
        )

    def add_resources(self, resources):
        self.added += resources

    def request(self, name, number=0, *, dir=None):
        assert (number, dir) == (0, "-")
        if name == "bnnhw_spi":
            assert [resource.name for resource in self.added] == [name]
        return {"clk": self.clk, "bnnhw_spi": self.spi, "led": self.led}[name]


class Mixer(wiring.Component):
    """Sends one cycle later whether exactly one of clock and data is high."""

    def __init__(self):
        super().__init__(SPI_WIRES)

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.miso.eq(self.sck ^ self.mosi)
        return m


def test_pins_reach_the_core():
    platform = Platform()
    clock = Clock(source_hz=1_000_000, sync_hz=1_000_000)
    board = replace(load_board("icebreaker"), clock=clock)
    top = Fragment.get(BoardTop(board=board, core=Mixer()), platform)
    spi = platform.spi

    async def cycle(ctx):
        ctx.set(platform.clk.i, 1)
        await ctx.delay(5e-7)
        ctx.set(platform.clk.i, 0)
        await ctx.delay(5e-7)

    async def bench(ctx):
        ctx.set(spi.cs.i, 1)
        for _ in range(30):
            await cycle(ctx)
        for word in [0b000, 0b011, 0b101, 0b110, 0b001, 0b010, 0b111]:
            sck, mosi, away = word & 1, word >> 1 & 1, word >> 2
            ctx.set(spi.sck.i, sck)
            ctx.set(spi.mosi.i, mosi)
            ctx.set(spi.cs.i, away)
            await ctx.delay(1e-9)
            # At once, without a clock.
            assert ctx.get(spi.miso.oe) == 1 - away
            await cycle(ctx)
            assert ctx.get(spi.miso.o) == sck ^ mosi

    simulator = Simulator(top)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("missing", ["cs", "mosi", "miso"])
def test_core_ports_wrong(missing):
    class Bare(wiring.Component):
        def __init__(self):
            names = [name for name in ("sck", "cs", "mosi", "miso") if name != missing]
            super().__init__({name: Out(1) if name == "miso" else In(1) for name in names})

    with pytest.raises(ValueError, match=f"^Core must have a 1-bit port '{missing}'"):
        BoardTop(board=load_board("icebreaker"), core=Bare())
