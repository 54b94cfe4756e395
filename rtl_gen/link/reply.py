"""From answers and control replies to frames that are ready for COBS."""

from typing import Any

from amaranth import *
from amaranth.lib import memory, stream, wiring
from amaranth.lib.crc.catalog import CRC16_IBM_3740
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from bnnhw.link.protocol import VERSION, Hello, Kind

from ..streams import port
from .request import control, number

__all__ = ["ReplySender"]

_CRC32_BYTES = 4


class ReplySender(wiring.Component):
    """Wraps answers and control replies into frames: header before, CRC behind.

    A frame starts one cycle after its cause, and a byte moves each cycle in which `o` takes one (an
    answer's also when `i` has one, those of a HELLO_REPLY's payload every other cycle, or every
    third one where there are ``block_ram_shapes``); one cycle passes between frames. Control
    replies go first. An answer starts when its first byte and its place are there, and ends with
    its `last`. Where a number comes in at that moment, or at that of a byte of the payload, it is a
    cycle later.

    The sequence numbers of requests lie in the block RAM that has the text of the HELLO_REPLY, one
    for each place, so that they cost next to nothing.

    Parameters
    ----------
    hello : bnnhw.link.protocol.Hello
        What the board says of itself; the counters in it are those of `status`. Its `credits` is
        the number of places.

    Members
    -------
    control : stream of `control()`, in
        Replies that need no accelerator.
    numbers : stream of `number(hello.credits)`, in
        Sequence numbers of requests, and their places; never stalls.
    place : stream of the width of a place, in
        Place of the request whose answer comes next; its number came before.
    i : stream of `word(1, 8)`, in
        Answers, `last` on the last byte.
    status : Signal(8 * hello.status_bytes), in
        The last bytes of the HELLO_REPLY, first byte in the low bits.
    original : Signal(), in
        Only with `hello.weights`: their CRC-32 is that of `hello`, not of `status`. It lies in the
        block RAM, where `bnnhw patch` can change it.
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
        numbered = number(hello.credits)
        members = {
            "control": In(stream.Signature(control())),
            "numbers": In(stream.Signature(numbered)),
            "place": In(stream.Signature(numbered["place"].shape)),
            "i": In(port(1, 8)),
            "status": In(8 * hello.status_bytes),
            "o": Out(port(1, 8)),
        }
        if hello.weights is not None:
            members["original"] = In(1)
        super().__init__(members)

    @property
    def hello(self):
        """What the board says of itself."""
        return self._hello

    def elaborate(self, platform: object) -> Module:
        """Build the CRC, the memory of texts and numbers, and the states of a frame."""
        m = Module()
        crc, fresh = CRC16_IBM_3740(8).create(), Signal()
        # Its own `start` would put a multiplexer into every XOR.
        m.submodules.crc = ResetInserter(fresh)(crc)
        index = Signal(range(len(self._packed)))
        taken, from_control, saying, look = Signal(), Signal(), Signal(), Signal()
        code, sequence = Signal(3), Signal(8)
        out = self.o.payload.data[0]
        late = hasattr(platform, "block_ram_shapes")
        looked = self._memory(m, index, saying, look, late=late)
        hello_byte = self._hello_byte(index, looked)
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
                m.d.comb += [self.control.ready.eq(1), fresh.eq(1), look.eq(1)]
                m.d.sync += [
                    index.eq(0),
                    from_control.eq(self.control.valid),
                    code.eq(self.control.payload.code),
                    sequence.eq(self.control.payload.sequence),
                ]
                with m.If(self.control.valid):
                    m.next = "VERSION"
                with m.Elif(self.place.valid & self.i.valid & ~self.numbers.valid):
                    m.d.comb += self.place.ready.eq(1)
                    m.next = "VERSION"
            with m.State("VERSION"):
                send(VERSION, "KIND")
            with m.State("KIND"):
                reply = Mux(code == 0, int(Kind.HELLO_REPLY), int(Kind.ERROR))
                send(Mux(from_control, reply, int(Kind.RESULT)), "SEQUENCE")
            with m.State("SEQUENCE"):
                send(Mux(from_control, sequence, looked), "LOOK")
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
            with m.State("LOOK"):
                m.d.comb += [saying.eq(1), look.eq(1)]
                with m.If(~self.numbers.valid):
                    m.next = "FETCH" if late else "HELLO"
            if late:
                with m.State("FETCH"):
                    m.next = "HELLO"
            with m.State("HELLO"):
                send(hello_byte, "LOOK")
                m.d.sync += index.eq(index + self.o.ready)
                with m.If(self.o.ready & (index == len(self._packed) - 1)):
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

    def _memory(
        self, m: Module, index: Signal, saying: Signal, look: Signal, *, late: bool
    ) -> Signal:
        """Keep numbers behind the text; while `look` is high, read one or the other."""
        span = ceil_log2(max(len(self._packed), self._hello.credits))
        texts: memory.Memory[Any, Any] = memory.Memory(
            shape=8, depth=2 << span, init=list(self._packed), attrs={"ram_style": "block"}
        )
        m.submodules.texts = texts
        # Reading combinationally into a register whose enable excludes a write tells Yosys that the
        # two never meet; a synchronous port would get a bypass.
        write, read, looked = texts.write_port(), texts.read_port(domain="comb"), Signal(8)
        new = self.numbers.payload
        m.d.comb += [
            self.numbers.ready.eq(1),
            write.en.eq(self.numbers.valid),
            write.addr.eq(1 << span | new.place),
            write.data.eq(new.sequence),
            read.addr.eq(Mux(saying, index, 1 << span | self.place.payload)),
        ]
        with m.If(look & ~write.en):
            m.d.sync += looked.eq(read.data)
        if not late:
            return looked
        # The output of an ECP5's block RAM is slow: a register stands before the CRC.
        kept = Signal(8)
        m.d.sync += kept.eq(looked)
        return kept

    def _hello_byte(self, index: Signal, text: Signal) -> Value:
        count = self._hello.status_bytes
        start = len(self._packed) - count
        # Low bits of the index choose the byte, so that nothing is subtracted.
        low = ceil_log2(count)
        aligned = Cat(C(0, 8 * (start % (1 << low))), self.status)
        counted = index >= start
        if self._hello.weights is not None:
            # The CRC of the weights comes last.
            counted &= ~(self.original & (index >= len(self._packed) - _CRC32_BYTES))
        return Mux(counted, aligned.word_select(index[:low], 8), text)
