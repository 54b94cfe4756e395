"""From WEIGHTS frames to the chunks that the stores of an accelerator take."""

from typing import Any

from amaranth import *
from amaranth.lib import memory, stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from bnnhw.link.protocol import BLOCK_BYTES, CHUNK_BITS, WEIGHTS_BYTES

from ..streams import port
from .cobs import token

__all__ = ["WeightLoader"]


class WeightLoader(wiring.Component):
    """Takes the blocks of an upload in their order and hands them on, checked by a CRC-32.

    A block is kept until its frame's verdict is good. It is then taken if it is the next one, or if
    it is block 0, which begins a new upload at any time; any other is ignored. A block that was
    taken leaves bit by bit through the CRC and in chunks on `o`: it needs 19 clocks a chunk, less
    than a serial line needs for two bytes, and while a block leaves the next one may come in at no
    more than a byte every 10 clocks. In front of block 0 goes a chunk with `last`, which ends in
    the stores whatever came before. `o` may stall for a clock at a time.

    The last four bytes of the last block are the CRC-32 of all before them. If it is right the
    weights are loaded; if not, everything must come again. Reset does not undo an upload; one that
    it interrupts must begin again.

    Parameters
    ----------
    blocks : int
        Blocks of an upload.
    loaded : bool
        Whether the stores hold weights from the start.

    Members
    -------
    i : stream of `token()`, in
        Payloads from `RequestReceiver`, of whatever kind; never stalls.
    good : Signal(), in
        With a token that has `end`: the payload is a WEIGHTS frame's, and undamaged.
    busy : Signal(), in
        Requests are under way, so that no upload may begin.
    refused : Signal(), out
        The payload that ends now would begin one nevertheless.
    o : stream of `word(1, 16)`, out
        Chunks, `last` on the last one.
    loaded : Signal(), out
        The stores hold what they should.
    original : Signal(), out
        No upload has begun, so what they hold is what they started with.
    status : Signal(64), out
        What the HELLO_REPLY says of the weights, first byte in the low bits; the CRC-32 in it is 0
        while `original`, since its registers know of uploads only.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """

    def __init__(self, *, blocks, loaded=False):
        if not isinstance(blocks, int) or not 1 <= blocks < 1 << 16:
            raise ValueError(f"blocks must be an integer from 1 to 65535, not {blocks!r}")
        self._blocks = blocks
        self._loaded = bool(loaded)
        super().__init__(
            {
                "i": In(stream.Signature(token())),
                "good": In(1),
                "busy": In(1),
                "refused": Out(1),
                "o": Out(port(1, CHUNK_BITS)),
                "loaded": Out(1),
                "original": Out(1),
                "status": Out(64),
            }
        )

    @property
    def blocks(self):
        """Blocks of an upload."""
        return self._blocks

    @property
    def starts_loaded(self):
        """Whether the stores hold weights from the start."""
        return self._loaded

    def elaborate(self, platform: object) -> Module:
        """Build the block's memory, its writer, and the states in which it leaves."""
        m = Module()
        # None has a reset, which would claim that the first weights are back.
        loaded = Signal(init=self._loaded, reset_less=True)
        original = Signal(init=1, reset_less=True)
        # The last 32 bits that left: two chunks, and at the end of an upload its CRC.
        window = Signal(32, reset_less=True)
        following = Signal(range(self._blocks + 1))
        idle, begin, accept = Signal(), Signal(), Signal()
        store: memory.Memory[Any, Any] = memory.Memory(shape=8, depth=BLOCK_BYTES, init=[])
        m.submodules.store = store
        enter, is_next, is_first = self._receive(m, store, following)
        m.d.comb += [
            self.loaded.eq(loaded),
            self.original.eq(original),
            self.status.eq(Cat(following | C(0, 16), loaded, C(0, 15), window)),
            self.refused.eq(is_first & self.busy),
            begin.eq(self.good & is_first & idle),
            accept.eq(self.good & (is_first | (is_next & (following != self._blocks))) & idle),
        ]
        with m.If(accept):
            m.d.sync += following.eq(following + 1)
        with m.If(begin):
            m.d.sync += [following.eq(1), loaded.eq(0), original.eq(0)]

        crc = CRC32_ISO_HDLC(1).create()
        m.submodules.crc = ResetInserter(begin)(crc)
        # Reading combinationally into a register whose enable excludes a write tells Yosys that the
        # two never meet; a register that did anything else would make flip-flops of the memory.
        read, byte = store.read_port(domain="comb"), Signal(8)
        bit, level = Signal(3), Signal()
        # Starts behind the two bytes of the number, whose places the block's end has.
        place, odd = Signal(range(BLOCK_BYTES), init=WEIGHTS_BYTES % BLOCK_BYTES), Signal()
        ends = (place == WEIGHTS_BYTES % BLOCK_BYTES) & (following == self._blocks)
        m.d.comb += [
            read.addr.eq(place),
            level.eq(byte.bit_select(bit, 1)),
            crc.data.eq(level),
            self.o.payload.data[0].eq(window[-CHUNK_BITS:]),
        ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += idle.eq(1)
                with m.If(accept):
                    m.next = "FETCH"
                with m.If(begin):
                    m.next = "CLEAR"
            with m.State("CLEAR"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.last.eq(1)]
                with m.If(self.o.ready):
                    m.next = "FETCH"
            with m.State("FETCH"):
                with m.If(~enter):
                    m.d.sync += [byte.eq(read.data), place.eq(place + 1)]
                    m.next = "SHIFT"
            with m.State("SHIFT"):
                m.d.comb += crc.valid.eq(1)
                m.d.sync += [bit.eq(bit + 1), window.eq(Cat(window[1:], level))]
                with m.If(bit == 7):
                    m.d.sync += odd.eq(~odd)
                    m.next = "FETCH"
                    with m.If(odd):
                        m.next = "SEND"
            with m.State("SEND"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.last.eq(ends)]
                with m.If(self.o.ready):
                    m.next = "FETCH"
                    with m.If(place == WEIGHTS_BYTES % BLOCK_BYTES):
                        m.next = "IDLE"
                    with m.If(ends):
                        m.d.sync += loaded.eq(crc.match_detected)
                        with m.If(~crc.match_detected):
                            m.d.sync += following.eq(0)
        return m

    def _receive(self, m: Module, store: Any, following: Signal) -> tuple[Signal, Signal, Signal]:
        """Write payloads to the memory and compare their numbers as they come in."""
        count = Signal(range(WEIGHTS_BYTES + 1))
        is_next, is_first = Signal(), Signal()
        word, write = self.i.payload, store.write_port()
        number = following | C(0, 16)
        m.d.comb += [
            self.i.ready.eq(1),
            write.addr.eq(count[: len(write.addr)]),
            write.data.eq(word.data),
            write.en.eq(self.i.valid & ~word.end & (count >= 2) & (count != WEIGHTS_BYTES)),
        ]
        with m.If(self.i.valid & word.end):
            m.d.sync += count.eq(0)
        with m.Elif(self.i.valid):
            with m.If(count != WEIGHTS_BYTES):
                m.d.sync += count.eq(count + 1)
            with m.If(count == 0):
                m.d.sync += [is_next.eq(word.data == number[:8]), is_first.eq(word.data == 0)]
            with m.If(count == 1):
                m.d.sync += is_next.eq(is_next & (word.data == number[8:]))
                m.d.sync += is_first.eq(is_first & (word.data == 0))
        return write.en, is_next, is_first
