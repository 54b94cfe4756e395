"""From answers and control replies to frames that are ready for COBS."""

from typing import Any

from amaranth import *
from amaranth.lib import memory, stream, wiring
from amaranth.lib.crc.catalog import CRC16_IBM_3740
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from bnnhw.link.protocol import VERSION, Hello, Kind

from ..streams import port
from .request import control

__all__ = ["ReplySender"]


class ReplySender(wiring.Component):
    """Wraps answers and control replies into frames: header before, CRC behind.

    A frame starts one cycle after its cause, and a byte moves each cycle in which `o` takes one (an
    answer's also when `i` has one); one cycle passes between frames. Control replies go first. An
    answer starts when its first byte and its sequence number are there, and ends with its `last`.

    Parameters
    ----------
    hello : bnnhw.link.protocol.Hello
        What the board says of itself; the counters in it are those of `status`.

    Members
    -------
    control : stream of `control()`, in
        Replies that need no accelerator.
    sequence : stream of 8 bits, in
        Sequence number of the request whose answer comes next.
    i : stream of `word(1, 8)`, in
        Answers, `last` on the last byte.
    status : Signal(8 * hello.status_bytes), in
        The last bytes of the HELLO_REPLY, first byte in the low bits.
    o : stream of `word(1, 8)`, out
        Frames before stuffing, `last` on the last byte.

    Raises
    ------
    ValueError
        If `hello` cannot be packed.
    """

    def __init__(self, *, hello):
        if not isinstance(hello, Hello):
            raise TypeError(f"hello must be a Hello, not {hello!r}")
        self._hello = hello
        self._packed = hello.pack()
        super().__init__(
            {
                "control": In(stream.Signature(control())),
                "sequence": In(stream.Signature(8)),
                "i": In(port(1, 8)),
                "status": In(8 * hello.status_bytes),
                "o": Out(port(1, 8)),
            }
        )

    @property
    def hello(self):
        """What the board says of itself."""
        return self._hello

    def elaborate(self, platform: object) -> Module:
        """Build the CRC, the text of HELLO_REPLY and the states of a frame."""
        m = Module()
        crc, fresh = CRC16_IBM_3740(8).create(), Signal()
        # Its own `start` would put a multiplexer into every XOR.
        m.submodules.crc = ResetInserter(fresh)(crc)
        index = Signal(range(len(self._packed)))
        taken, from_control, said = Signal(), Signal(), Signal()
        code, sequence = Signal(3), Signal(8)
        out = self.o.payload.data[0]
        hello_byte = self._hello_byte(m, index, said)
        m.d.comb += [
            taken.eq(self.o.valid & self.o.ready),
            crc.data.eq(out),
            crc.valid.eq(taken),
        ]

        def send(byte, follower):
            m.d.comb += [self.o.valid.eq(1), out.eq(byte)]
            with m.If(self.o.ready):
                m.next = follower

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [self.control.ready.eq(1), fresh.eq(1)]
                m.d.sync += [
                    index.eq(0),
                    from_control.eq(self.control.valid),
                    code.eq(self.control.payload.code),
                    sequence.eq(
                        Mux(
                            self.control.valid, self.control.payload.sequence, self.sequence.payload
                        )
                    ),
                ]
                with m.If(self.control.valid):
                    m.next = "VERSION"
                with m.Elif(self.sequence.valid & self.i.valid):
                    m.d.comb += self.sequence.ready.eq(1)
                    m.next = "VERSION"
            with m.State("VERSION"):
                send(VERSION, "KIND")
            with m.State("KIND"):
                reply = Mux(code == 0, int(Kind.HELLO_REPLY), int(Kind.ERROR))
                send(Mux(from_control, reply, int(Kind.RESULT)), "SEQUENCE")
            with m.State("SEQUENCE"):
                send(sequence, "HELLO")
                with m.If(~from_control & self.o.ready):
                    m.next = "RESULT"
                with m.Elif((code != 0) & self.o.ready):
                    m.next = "ERROR"
            with m.State("RESULT"):
                m.d.comb += [
                    self.o.valid.eq(self.i.valid),
                    self.i.ready.eq(self.o.ready),
                    out.eq(self.i.payload.data[0]),
                ]
                with m.If(taken & self.i.payload.last):
                    m.next = "CRC_HIGH"
            with m.State("HELLO"):
                m.d.sync += index.eq(index + said)
                m.d.comb += [said.eq(taken), self.o.valid.eq(1), out.eq(hello_byte)]
                with m.If(taken & (index == len(self._packed) - 1)):
                    m.next = "CRC_HIGH"
            with m.State("ERROR"):
                send(code, "CRC_HIGH")
            # Once its high byte has gone through the CRC itself, the low byte stands in its place.
            with m.State("CRC_HIGH"):
                send(crc.crc[8:], "CRC_LOW")
            with m.State("CRC_LOW"):
                m.d.comb += self.o.payload.last.eq(1)
                send(crc.crc[8:], "IDLE")
        return m

    def _hello_byte(self, m: Module, index: Signal, said: Signal) -> Value:
        words: memory.Memory[Any, Any] = memory.Memory(
            shape=8, depth=len(self._packed), init=list(self._packed), attrs={"rom_style": "block"}
        )
        m.submodules.hello = words
        read = words.read_port()
        # One ahead, because the memory answers a cycle later.
        m.d.comb += read.addr.eq(index + said)
        count = self._hello.status_bytes
        start = len(self._packed) - count
        # Low bits of the index choose the byte, so that nothing is subtracted.
        low = ceil_log2(count)
        aligned = Cat(C(0, 8 * (start % (1 << low))), self.status)
        return Mux(index >= start, aligned.word_select(index[:low], 8), read.data)
