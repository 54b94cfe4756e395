"""A simulated board: `HostLink` with a stub accelerator, whose line is the driver's transport."""

from collections import deque

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from rtl_gen.link import HostLink
from rtl_gen.streams import port


class Summer(wiring.Component):
    """Stands in for an accelerator: answers with a frame's first byte and its sum modulo 256.

    It waits `pause` clocks before its answer, and `gap` clocks between the two bytes.
    """

    def __init__(self, *, pause=0, gap=0):
        self.pause, self.gap = pause, gap
        super().__init__({"i": In(port(1, 8)), "o": Out(port(1, 8))})

    def elaborate(self, platform):
        m = Module()
        head, total, started = Signal(8), Signal(8), Signal()
        wait = Signal(range(max(self.pause, self.gap) + 1))
        byte = self.i.payload.data[0]
        with m.FSM():
            with m.State("TAKE"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    with m.If(~started):
                        m.d.sync += head.eq(byte)
                    m.d.sync += [started.eq(~self.i.payload.last), total.eq(total + byte)]
                    with m.If(self.i.payload.last):
                        m.d.sync += wait.eq(self.pause)
                        m.next = "WAIT"
            with m.State("WAIT"):
                m.d.sync += wait.eq(wait - 1)
                with m.If(wait == 0):
                    m.next = "FIRST"
            with m.State("FIRST"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.data[0].eq(head)]
                with m.If(self.o.ready):
                    m.d.sync += wait.eq(self.gap)
                    m.next = "GAP" if self.gap else "TOTAL"
            with m.State("GAP"):
                m.d.sync += wait.eq(wait - 1)
                with m.If(wait == 0):
                    m.next = "TOTAL"
            with m.State("TOTAL"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.data[0].eq(total)]
                m.d.comb += self.o.payload.last.eq(1)
                with m.If(self.o.ready):
                    m.d.sync += total.eq(0)
                    m.next = "TAKE"
        return m


def summed(payload):
    """Say what `Summer` answers."""
    return bytes([payload[0], sum(payload) % 256])


class SimulatedLine:
    """A `Transport` whose reads advance the simulation: time-outs are numbers of cycles."""

    def __init__(
        self,
        *,
        divisor=4,
        frame_bytes=6,
        credits=2,
        pause=0,
        gap=0,
        stuck=False,
        weight_blocks=0,
        weight_crc=None,
        benchmark=False,
    ):
        # The longest that a board with everything at hand says nothing.
        self.divisor, self.silence = divisor, 60 * divisor + 2 * pause + gap + 400
        self.to_board: deque[int] = deque()
        self.from_board = bytearray()
        self.corrupt = lambda data: data
        self.closed = False
        self.link = HostLink(
            divisor=divisor,
            frame_bytes=frame_bytes,
            answer_bytes=2,
            classes=1,
            identity=bytes(range(32)),
            clock_hz=12_000_000,
            credits=credits,
            weight_blocks=weight_blocks,
            weight_crc=weight_crc,
            benchmark=benchmark,
        )
        self.chunks = []
        self.accelerator = Summer(pause=pause, gap=gap)
        m = Module()
        m.submodules.link = self.link
        m.submodules.accelerator = self.accelerator
        if not stuck:
            wiring.connect(m, self.link.o, self.accelerator.i)
        wiring.connect(m, self.accelerator.o, self.link.i)
        if weight_blocks:
            m.d.comb += self.link.o_load.ready.eq(1)
        self.simulator = Simulator(m)
        self.simulator.add_clock(1e-6)
        self.simulator.add_testbench(self._drive, background=True)
        self.simulator.add_testbench(self._listen, background=True)
        if weight_blocks:
            self.simulator.add_testbench(self._store, background=True)
        self.time = 0.0

    async def _drive(self, ctx):
        ctx.set(self.link.rx, 1)
        while True:
            if not self.to_board:
                await ctx.tick()
                continue
            byte = self.to_board.popleft()
            for level in [0, *((byte >> k) & 1 for k in range(8)), 1]:
                ctx.set(self.link.rx, level)
                for _ in range(self.divisor):
                    await ctx.tick()

    async def _listen(self, ctx):
        while True:
            *_, level = await ctx.tick().sample(self.link.tx)
            if level:
                continue
            for _ in range(self.divisor // 2):
                await ctx.tick()
            byte = 0
            for place in range(9):
                for _ in range(self.divisor):
                    *_, level = await ctx.tick().sample(self.link.tx)
                byte |= level << place
            assert byte & 0x100, "the board sent a byte without a stop bit"
            self.from_board.append(byte & 0xFF)

    async def _store(self, ctx):
        """Stand in for stores: keep the chunks since the last one with `last`."""
        fresh = True
        while True:
            *_, valid, word = await ctx.tick().sample(
                self.link.o_load.valid, self.link.o_load.payload
            )
            if valid:
                self.chunks = [*([] if fresh else self.chunks), word.data[0]]
                fresh = word["last"]

    def loaded(self, image):
        """Tell whether the last upload began with `image`."""
        data = b"".join(chunk.to_bytes(2, "little") for chunk in self.chunks)
        return data.startswith(image)

    def advance(self, cycles):
        self.time += cycles * 1e-6
        self.simulator.run_until(self.time)

    def write(self, data):
        self.to_board.extend(self.corrupt(data))

    def read(self, timeout):
        quiet = 0
        while not self.from_board and quiet < self.silence:
            quiet = 0 if self.to_board else quiet + 50
            self.advance(50)
        data = bytes(self.from_board)
        self.from_board.clear()
        return data

    def close(self):
        self.closed = True


@pytest.fixture
def simulated_line():
    return SimulatedLine
