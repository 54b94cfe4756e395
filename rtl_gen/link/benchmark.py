"""How often an image is run, and how many clocks that takes."""

from amaranth.hdl import C, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bnnhw.link.protocol import BENCH_BYTES, CLOCKS_BYTES

from ..streams import port

__all__ = ["Benchmark"]


class Benchmark(wiring.Component):
    """Has the next image run `count` times, drops all answers but the last, and adds the clocks.

    It stands between the accelerator's answers and the sender, and beside the request buffer. While
    nothing is armed, answers pass combinationally. Of a run of N images the first N-1 answers are
    taken at once, at full rate; the last one passes, followed by the clocks from the one in which
    its first byte went in to the one in which its last byte was taken, both included, low byte
    first, modulo 2**32. Where an image takes c clocks of the accelerator and the frame has f bytes,
    N images take (N - 1) * max(c, 2 * f) clocks longer than one, unless an answer has more bytes.

    Members
    -------
    arm : Signal(), in
        The next image to begin is run `count` times; ignored while `busy`. Nothing must be under
        way.
    disarm : Signal(), in
        No, it is not; a run whose first byte waits already goes on.
    count : Signal(16), in
        Must not change while `busy`; 0 counts as 65536.
    offers, begins : Signal(), in
        A byte waits to go in to the accelerator; it goes in.
    ends : Signal(), in
        The last byte of a frame was read, to go in later.
    repeat : Signal(), out
        The frame that is being read must be read again.
    busy : Signal(), out
        Armed or running.
    i, o : stream of `word(1, 8)`, in and out
        Answers.
    """

    def __init__(self):
        super().__init__(
            {
                "arm": In(1),
                "disarm": In(1),
                "count": In(8 * BENCH_BYTES),
                "offers": In(1),
                "begins": In(1),
                "ends": In(1),
                "repeat": Out(1),
                "busy": Out(1),
                "i": In(port(1, 8)),
                "o": Out(port(1, 8)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build three counters and the tail of the answer."""
        m = Module()
        armed, running, tail = Signal(), Signal(), Signal()
        # Frames read and answers taken, each minus one.
        reads, answers = Signal.like(self.count), Signal.like(self.count)
        clocks, place = Signal(8 * CLOCKS_BYTES), Signal(range(CLOCKS_BYTES))
        drop, ended = Signal(), Signal()
        final = Signal.like(self.count)
        m.d.comb += [
            final.eq(self.count - 1),
            self.busy.eq(armed | running),
            self.repeat.eq(self.busy & (reads != final)),
            drop.eq(running & (answers != final)),
            ended.eq(self.i.valid & self.i.ready & self.i.payload.last),
            self.o.valid.eq((self.i.valid & ~drop) | tail),
            self.i.ready.eq((self.o.ready | drop) & ~tail),
            self.o.payload.data[0].eq(
                Mux(tail, clocks.word_select(place, 8), self.i.payload.data[0])
            ),
            self.o.payload.last.eq(
                Mux(tail, place == CLOCKS_BYTES - 1, self.i.payload.last & ~running)
            ),
        ]
        with m.If(self.arm & ~self.busy):
            m.d.sync += armed.eq(1)
        with m.Elif(self.begins | (self.disarm & ~self.offers)):
            m.d.sync += armed.eq(0)
        with m.If(armed & self.begins):
            m.d.sync += running.eq(1)
        with m.If(~self.busy):
            m.d.sync += [reads.eq(0), answers.eq(0), clocks.eq(C(0))]
        with m.Else():
            m.d.sync += [
                reads.eq(reads + (self.ends & self.repeat)),
                answers.eq(answers + (ended & running)),
                clocks.eq(clocks + ((running | self.begins) & ~tail)),
            ]
        with m.If(running & ended & ~drop):
            m.d.sync += tail.eq(1)
        with m.If(tail & self.o.ready):
            m.d.sync += place.eq(place + 1)
            with m.If(place == CLOCKS_BYTES - 1):
                m.d.sync += [tail.eq(0), running.eq(0)]
        return m
