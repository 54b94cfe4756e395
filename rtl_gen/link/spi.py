"""A peripheral on SPI: bytes in both directions at once, most significant bit first, mode 0."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

__all__ = ["CLOCKS_PER_BIT", "SPI_WIRES", "SpiPeripheral"]

CLOCKS_PER_BIT = 4
"""Cycles of the system clock that a period of SCK must last at least."""
SPI_WIRES = {"sck": In(1), "cs": In(1), "mosi": In(1), "miso": Out(1)}
"""The wires as members of a component; `cs` is 1 where the wire is low."""


class SpiPeripheral(wiring.Component):
    """Turns the wires of an SPI controller into bytes, and bytes into its answers.

    All wires are sampled by the system clock: SCK may have any rate up to a quarter of it, and any
    pauses. Each level of SCK must last 1.5 cycles; CS must be low for 1.5 cycles before the first
    rise of SCK and after the last, and high for 2 cycles in between. A controller of mode 3 is
    understood as well.

    `mosi` is taken where SCK rises. `miso` changes two to three cycles after such a rise, not after
    the fall: so it holds for two cycles behind the edge at which the controller reads it, and is
    there one cycle before the next one. What the controller reads where there is nothing to send is
    0x00, and so is the first byte of every transaction, which leaves no bit to be ready while CS
    falls.

    A byte in appears on `o` two to three cycles after its last rise. It is dropped if the byte
    before has not been taken, and so is one that a rise of CS cuts short; `error` is high for one
    cycle then. A byte to send is taken from `i` while there is room for one, and otherwise in the
    cycle in which the one before it was read. It counts as sent with its own last rise: one that CS
    cuts short is sent again, whole, in the next transaction, so that none is lost. To follow each
    other without 0x00 between them, bytes must be offered within eight periods of SCK. After a
    reset nothing happens until CS has been high.

    Members
    -------
    sck, mosi : Signal(), in
        The controller's clock and data, from any clock domain.
    cs : Signal(), in
        The controller speaks to us, from any clock domain: 1 where the wire CS is low.
    miso : Signal(), out
        Our data, from a register. Where others share the wire, its driver is to follow `cs`.
    o : stream of 8 bits, out
        Bytes received. They have no frames, so there is no `last`.
    i : stream of 8 bits, in
        Bytes to send; stalls while nobody fetches them.
    error : Signal(), out
        A received byte was dropped in this cycle.
    """

    def __init__(self):
        super().__init__(
            {
                **SPI_WIRES,
                "o": Out(stream.Signature(8)),
                "i": In(stream.Signature(8)),
                "error": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the synchronisers, the bit counter and the two registers of a byte."""
        m = Module()
        sck, away, mosi = Signal(), Signal(), Signal()
        m.submodules.sck_synchronizer = FFSynchronizer(self.sck, sck)
        # Starts as if somebody spoke, so that no transaction under way is taken for a new one.
        m.submodules.cs_synchronizer = FFSynchronizer(~self.cs, away)
        m.submodules.mosi_synchronizer = FFSynchronizer(self.mosi, mosi)
        before, ours = Signal(), Signal()
        count = Signal(3)
        rise, last = Signal(), Signal()
        m.d.comb += [
            rise.eq(sck & ~before & ~away & ours),
            last.eq(rise & (count == 7)),
        ]
        m.d.sync += [before.eq(sck), count.eq(count + rise)]
        with m.If(away):
            m.d.sync += [ours.eq(1), count.eq(0)]
        self._receive(m, rise, last, mosi, away & (count != 0))
        self._send(m, rise, last, count, away)
        return m

    def _receive(self, m: Module, rise: Signal, last: Signal, mosi: Signal, cut: Value) -> None:
        """Collect bits, and offer them when there are eight."""
        shift = Signal(7)
        missed = last & self.o.valid & ~self.o.ready
        m.d.comb += self.error.eq(cut | missed)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(rise):
            m.d.sync += shift.eq(Cat(mosi, shift))
        with m.If(last & ~missed):
            m.d.sync += [self.o.valid.eq(1), self.o.payload.eq(Cat(mosi, shift))]

    def _send(self, m: Module, rise: Signal, last: Signal, count: Signal, away: Signal) -> None:
        """Show the bits of a byte that stays where it is until its last one was read."""
        head, full, sending = Signal(8), Signal(), Signal()
        follows, first = Signal(), Signal()
        line = Signal()
        # What is offered follows at once on a byte that ends; on a filler follows what was kept.
        m.d.comb += [
            self.miso.eq(line),
            self.i.ready.eq(~full | (last & sending)),
            follows.eq(Mux(sending, self.i.valid, full)),
            first.eq(Mux(sending, self.i.payload[7], head[7])),
        ]
        with m.If(self.i.ready):
            m.d.sync += [full.eq(self.i.valid), head.eq(self.i.payload)]
        with m.If(rise):
            m.d.sync += line.eq(sending & Array(reversed(head[:7]))[count])
        with m.If(last):
            m.d.sync += [sending.eq(follows), line.eq(follows & first)]
        with m.If(away):
            m.d.sync += [sending.eq(0), line.eq(0)]
