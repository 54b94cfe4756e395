"""Consistent overhead byte stuffing: frames without zeros, ended by one zero."""

from typing import Any

from amaranth import *
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..streams import port

__all__ = ["CobsDecoder", "CobsEncoder", "token"]


def token():
    """Layout of a frame's byte or, where `end` is set, of the verdict after its last byte."""
    return data.StructLayout({"data": 8, "end": 1, "good": 1})


class CobsDecoder(wiring.Component):
    """Takes the stuffing out of a line's bytes.

    Combinational from `i` to `o`, one byte a cycle; `i` stalls when `o` does. Whatever comes in,
    the first 0x00 brings it back to the start of a frame. Frames without a byte leave no trace.

    Members
    -------
    i : stream of 8 bits, in
        Bytes of the line.
    o : stream of `token()`, out
        The bytes of each frame, then one token with `end` set, whose `good` says whether the
        stuffing was right.
    """

    def __init__(self):
        super().__init__({"i": In(stream.Signature(8)), "o": Out(stream.Signature(token()))})

    def elaborate(self, platform: object) -> Module:
        """Build the counter of the current run."""
        m = Module()
        left = Signal(8)
        started = Signal()
        zero_due = Signal()
        emit = Signal()
        byte, out = self.i.payload, self.o.payload
        m.d.comb += [
            self.o.valid.eq(self.i.valid & emit),
            self.i.ready.eq(self.o.ready | ~emit),
            out.end.eq(byte == 0),
            out.good.eq(out.end & (left == 0)),
        ]
        with m.If(out.end):
            m.d.comb += emit.eq(started)
        with m.Elif(left == 0):
            m.d.comb += emit.eq(zero_due)
        with m.Else():
            m.d.comb += [emit.eq(1), out.data.eq(byte)]

        with m.If(self.i.valid & self.i.ready):
            m.d.sync += started.eq(~out.end)
            with m.If(out.end):
                m.d.sync += [left.eq(0), zero_due.eq(0)]
            with m.Else():
                m.d.sync += left.eq(Mux(left == 0, byte, left) - 1)
                with m.If(left == 0):
                    m.d.sync += zero_due.eq(byte != 0xFF)
        return m


class CobsEncoder(wiring.Component):
    """Stuffs whole frames and ends each with 0x00.

    A frame is stuffed while it is written to a memory: where a zero arrives, its place stays open
    and the length of the run that it ends goes into the open place before. One byte a cycle goes in
    (one cycle more per 254 bytes without a zero), and the first byte comes out four cycles after
    the last went in, then one every two cycles. `i` stalls until the frame has left.

    Parameters
    ----------
    max_bytes : int
        Length of the longest frame before stuffing; longer frames come out damaged but end.

    Members
    -------
    i : stream of `word(1, 8)`, in
        Frames, `last` on the last byte.
    o : stream of 8 bits, out
        Bytes for the line.

    Raises
    ------
    ValueError
        If `max_bytes` is not positive.
    """

    def __init__(self, *, max_bytes):
        if not isinstance(max_bytes, int) or max_bytes < 1:
            raise ValueError(f"max_bytes must be a positive integer, not {max_bytes!r}")
        self._max_bytes = max_bytes
        super().__init__({"i": In(port(1, 8)), "o": Out(stream.Signature(8))})

    @property
    def max_bytes(self):
        """Length of the longest frame before stuffing."""
        return self._max_bytes

    def elaborate(self, platform: object) -> Module:
        """Build the memory and the states of a frame."""
        m = Module()
        # Code bytes before and between the runs, and the zero at the end.
        depth = 1 << ceil_log2(self.max_bytes + 2 + (self.max_bytes - 1) // 254)
        store: memory.Memory[Any, Any] = memory.Memory(shape=8, depth=depth, init=[])
        m.submodules.store = store
        # Reading combinationally into a register whose enable excludes a write tells Yosys that the
        # two never meet; a synchronous port would get a bypass of 20 cells.
        write, read = store.write_port(), store.read_port(domain="comb")
        end = Signal(range(depth), init=1)
        # The open place while a frame comes in, the place to read while it goes out.
        place = Signal(range(depth))
        code = Signal(8, init=1)
        byte = self.i.payload.data[0]
        m.d.comb += [read.addr.eq(place), write.addr.eq(place), write.data.eq(code)]

        def close_run():
            m.d.comb += write.en.eq(1)
            m.d.sync += [place.eq(end), end.eq(end + 1), code.eq(1)]

        with m.FSM():
            with m.State("FILL"):
                with m.If(self.i.valid):
                    with m.If(code == 0xFF):
                        close_run()
                    with m.Else():
                        m.d.comb += self.i.ready.eq(1)
                        with m.If(byte == 0):
                            close_run()
                        with m.Else():
                            m.d.comb += [write.en.eq(1), write.addr.eq(end), write.data.eq(byte)]
                            m.d.sync += [end.eq(end + 1), code.eq(code + 1)]
                        with m.If(self.i.payload.last):
                            m.next = "CLOSE"
            with m.State("CLOSE"):
                m.d.comb += write.en.eq(1)
                m.next = "TERMINATE"
            with m.State("TERMINATE"):
                m.d.comb += [write.en.eq(1), write.addr.eq(end), write.data.eq(0)]
                m.d.sync += place.eq(0)
                m.next = "FETCH"
            with m.State("FETCH"):
                m.d.sync += [place.eq(place + 1), self.o.payload.eq(read.data), self.o.valid.eq(1)]
                m.next = "SEND"
            with m.State("SEND"):
                with m.If(self.o.ready):
                    m.d.sync += self.o.valid.eq(0)
                    m.next = "FETCH"
                    with m.If(self.o.payload == 0):
                        m.d.sync += [place.eq(0), end.eq(1), code.eq(1)]
                        m.next = "FILL"
        return m
