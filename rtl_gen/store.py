"""A memory that streams its words in order, for ever, and takes new ones while it runs."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from bnnhw.link.protocol import CHUNK_BITS

from .streams import port

__all__ = ["STYLES", "UNSET_SPRAM", "WritableStream"]

STYLES = ("auto", "block", "spram")

UNSET_SPRAM = r"delete t:$meminit_v2 r:MEMID=*spram_* %i"
"""Yosys command without which a "spram" store does not map: Amaranth writes zeros into it."""

# What Yosys calls the kinds of memory; "huge" is the single-port RAM of the iCE40 UP5K.
_ATTRIBUTES = {"auto": {}, "block": {"ram_style": "block"}, "spram": {"ram_style": "huge"}}


class WritableStream(wiring.Component):
    """Stream the words 0, 1, …, n−1, 0, 1, … of a memory that can be loaded at run time.

    As `RomStream`: one word a clock, the first one a clock after reset, and while the consumer
    stalls the memory's own output register holds the word. Without `init` nothing leaves until the
    memory has been loaded.

    Stores stand in a chain. A store takes the first ``chunks * depth`` words that come in on
    `i_load` for itself, one a clock, and passes all others on combinationally, until `last` goes
    by: what follows is a new upload. The first word of an upload waits a clock, in which the word
    on offer at `o` is withdrawn; so upload only while no consumer is in the midst of something.
    Two clocks after its last chunk was taken the store offers its word 0. An upload that ends early
    leaves it without a word on offer, until a whole one comes.

    A word is loaded in chunks of 16 bits, which is the width of a block RAM of iCE40 and of its
    single-port RAM: each chunk is a memory of its own, with the same address and its own write
    enable, so that no register gathers a word. The chunks come column by column: chunk 0 of all
    words, then chunk 1 of all words. Loading and streaming share one address counter, and no clock
    both reads and writes, so that a single-port memory is enough.

    Reset does not undo an upload; one that it interrupts counts as one that ended early.

    Parameters
    ----------
    depth : int
        Words.
    width : int
        Bits of a word.
    init : sequence of int or None
        Words that it holds from the start.
    style : str
        ``"block"``, ``"auto"`` (the synthesiser chooses), or ``"spram"``: the large memories of an
        iCE40 UP5K, which cannot be initialised.

    Members
    -------
    i_load : stream of word(1, 16), in
        Chunks of this store and of those behind it; `last` ends the upload.
    o_load : stream of word(1, 16), out
        What is left of them.
    o : stream of unsigned(width), out

    Raises
    ------
    ValueError
        If a parameter is out of range, or `init` does not suit depth, width or style.
    """

    def __init__(
        self, *, depth: int, width: int, init: Sequence[int] | None = None, style: str = "block"
    ) -> None:
        for name, value in (("depth", depth), ("width", width)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"Store {name} must be a positive integer, not {value!r}")
        if style not in STYLES:
            raise ValueError(f"Store style must be one of {', '.join(STYLES)}, not {style!r}")
        if init is not None:
            if style == "spram":
                raise ValueError("Store of style 'spram' must have no initial words")
            if len(init) != depth:
                raise ValueError(f"Store must have {depth} initial words, not {len(init)}")
            for word in init:
                if not isinstance(word, int) or not 0 <= word < 1 << width:
                    raise ValueError(f"Store word must fit {width} bits, not {word!r}")
        self._depth = depth
        self._width = width
        self._init = None if init is None else tuple(init)
        self._style = style
        super().__init__(
            {
                "i_load": In(port(1, CHUNK_BITS)),
                "o_load": Out(port(1, CHUNK_BITS)),
                "o": Out(stream.Signature(width)),
            }
        )

    @property
    def depth(self) -> int:
        """Words."""
        return self._depth

    @property
    def width(self) -> int:
        """Bits of a word."""
        return self._width

    @property
    def init(self) -> tuple[int, ...] | None:
        """Words that it holds from the start."""
        return self._init

    @property
    def style(self) -> str:
        """Where the words lie."""
        return self._style

    @property
    def chunks(self) -> int:
        """Chunks of a word."""
        return -(-self._width // CHUNK_BITS)

    def elaborate(self, platform: object) -> Module:
        """Build the memories, the counters of address and chunk, and the way to the next store."""
        m = Module()
        # Its words are those of the last upload, or the initial ones. Reset must not claim so.
        whole = Signal(init=self._init is not None, reset_less=True)
        passing = Signal()
        address, chunk = Signal(range(self._depth)), Signal(range(self.chunks))
        write, take, final = Signal(), Signal(), Signal()
        source, ends = self.i_load, self.i_load.payload.last
        m.d.comb += [
            self.o_load.payload.eq(source.payload),
            self.o_load.valid.eq(source.valid & passing),
            # A store that streams needs a clock to stop.
            source.ready.eq((passing & self.o_load.ready) | (~passing & ~whole)),
            write.eq(source.valid & ~passing & ~whole),
            take.eq(whole & (~self.o.valid | self.o.ready)),
            final.eq(address == self._depth - 1),
        ]
        self._memories(m, address, chunk, write, take)
        with m.If(take):
            m.d.sync += self.o.valid.eq(1)
        with m.If(take | write):
            m.d.sync += address.eq(address + 1)
            with m.If(final):
                m.d.sync += address.eq(0)
        with m.If(write & final):
            m.d.sync += chunk.eq(chunk + 1)
            with m.If(chunk == self.chunks - 1):
                m.d.sync += [chunk.eq(0), whole.eq(1), passing.eq(1)]
        with m.If(write & ends):
            m.d.sync += [address.eq(0), chunk.eq(0)]
        with m.If(source.valid & source.ready & ends):
            m.d.sync += passing.eq(0)
        with m.If(source.valid & ~passing & whole):
            m.d.sync += [whole.eq(0), self.o.valid.eq(0), address.eq(0)]
        return m

    def _memories(
        self, m: Module, address: Signal, chunk: Signal, write: Signal, take: Signal
    ) -> None:
        """Build one memory for each chunk of a word, all with the same address."""
        for index in range(self.chunks):
            low = index * CHUNK_BITS
            width = min(CHUNK_BITS, self._width - low)
            words = [(word >> low) & ((1 << width) - 1) for word in self._init or ()]
            memory: Memory[Any, Any] = Memory(
                shape=width, depth=self._depth, init=words, attrs=_ATTRIBUTES[self._style]
            )
            name = "spram" if self._style == "spram" else "chunk"
            m.submodules[f"{name}_{index}"] = memory
            read, enter = memory.read_port(), memory.write_port()
            m.d.comb += [
                read.addr.eq(address),
                enter.addr.eq(address),
                enter.data.eq(self.i_load.payload.data[0]),
                enter.en.eq(write & (chunk == index)),
                # `take` and `write` exclude each other; said here once more, so that synthesis
                # sees a single port.
                read.en.eq(take & ~write),
                self.o.payload[low : low + width].eq(read.data),
            ]
