"""A UART's two halves: 8 data bits, no parity, one stop bit, least significant bit first."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

__all__ = ["UartReceiver", "UartTransmitter"]


def _check_divisor(divisor):
    if not isinstance(divisor, int) or divisor < 4:
        raise ValueError(f"divisor must be an integer of at least 4, not {divisor!r}")


class UartReceiver(wiring.Component):
    """Turns a serial line into bytes.

    Each bit is sampled in its middle. A byte appears in the middle of its stop bit, three cycles
    late for synchroniser and register. A byte whose stop bit is low, or that arrives while the one
    before has not been taken, is dropped, and `error` is high for one cycle; the receiver then
    waits for an idle line. Line and clock may differ by 2 % at any divisor.

    Parameters
    ----------
    divisor : int
        Cycles per bit, at least 4.

    Members
    -------
    rx : Signal(), in
        The line, from any clock domain; high when idle.
    o : stream of 8 bits, out
        Bytes received. They have no frames, so there is no `last`.
    error : Signal(), out
        A byte was dropped in this cycle.

    Raises
    ------
    ValueError
        If the divisor is too small.
    """

    def __init__(self, *, divisor):
        _check_divisor(divisor)
        self._divisor = divisor
        super().__init__({"rx": In(1), "o": Out(stream.Signature(8)), "error": Out(1)})

    @property
    def divisor(self):
        """Cycles per bit."""
        return self._divisor

    def elaborate(self, platform: object) -> Module:
        """Build the synchroniser, the bit timer and the states of a byte."""
        m = Module()
        line = Signal(init=1)
        m.submodules.synchronizer = FFSynchronizer(self.rx, line, init=1)
        timer = Signal(range(self.divisor))
        sample = Signal()
        # The 1 that starts in the highest bit reaches the lowest just before the eighth data bit:
        # it counts the bits for free.
        shift = Signal(8)
        m.d.comb += sample.eq(timer == 0)
        m.d.sync += timer.eq(Mux(sample, self.divisor - 1, timer - 1))
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)

        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [timer.eq((self.divisor - 1) // 2 - 1), shift.eq(1 << 7)]
                with m.If(~line):
                    m.next = "START"
            with m.State("START"):
                with m.If(sample):
                    m.next = "DATA"
                    with m.If(line):
                        m.next = "IDLE"
            with m.State("DATA"):
                with m.If(sample):
                    m.d.sync += shift.eq(Cat(shift[1:], line))
                    with m.If(shift[0]):
                        m.next = "STOP"
            with m.State("STOP"):
                with m.If(sample):
                    m.next = "IDLE"
                    with m.If(~line | (self.o.valid & ~self.o.ready)):
                        m.d.comb += self.error.eq(1)
                        m.next = "BREAK"
                    with m.Else():
                        m.d.sync += [self.o.valid.eq(1), self.o.payload.eq(shift)]
            with m.State("BREAK"):
                with m.If(line):
                    m.next = "IDLE"
        return m


class UartTransmitter(wiring.Component):
    """Turns bytes into a serial line.

    Takes a byte every ``10 * divisor + 1`` cycles; the start bit begins in the cycle after the
    transfer. `i` stalls meanwhile.

    Parameters
    ----------
    divisor : int
        Cycles per bit, at least 4.

    Members
    -------
    i : stream of 8 bits, in
        Bytes to send.
    tx : Signal(), out
        The line, from a register; high when idle.

    Raises
    ------
    ValueError
        If the divisor is too small.
    """

    def __init__(self, *, divisor):
        _check_divisor(divisor)
        self._divisor = divisor
        super().__init__({"i": In(stream.Signature(8)), "tx": Out(1)})

    @property
    def divisor(self):
        """Cycles per bit."""
        return self._divisor

    def elaborate(self, platform: object) -> Module:
        """Build the bit timer and the shift register."""
        m = Module()
        timer = Signal(range(self.divisor))
        bits = Signal(range(11))
        shift = Signal(8)
        line = Signal(init=1)
        m.d.comb += self.tx.eq(line)
        m.d.comb += self.i.ready.eq(bits == 0)
        with m.If(self.i.ready):
            m.d.sync += [timer.eq(self.divisor - 1), shift.eq(self.i.payload)]
            with m.If(self.i.valid):
                m.d.sync += [bits.eq(10), line.eq(0)]
        with m.Elif(timer == 0):
            m.d.sync += [
                timer.eq(self.divisor - 1),
                bits.eq(bits - 1),
                Cat(line, shift).eq(Cat(shift, C(1, 1))),
            ]
        with m.Else():
            m.d.sync += timer.eq(timer - 1)
        return m
