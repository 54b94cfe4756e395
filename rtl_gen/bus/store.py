"""A memory that streams its words in order while it runs, and is written over a bus while not."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .access import Access
from .register_map import Window

__all__ = ["MappedStore"]

# So few words are left to the synthesiser, as in `rtl_gen.memories`.
_FEW = 8


class MappedStore(wiring.Component):
    """Stream the words 0, 1, …, n−1, 0, 1, … of a memory that is written in 32-bit words.

    While `run` is 1, one word a clock, the first one a clock after `run` rose, and while the
    consumer stalls the memory's own output register holds the word; accesses are errors. While
    `run` is 0 no word is on offer, one that was is withdrawn, and word 0 is the next: lower `run`
    only while no consumer is in the midst of something. Writes are then done at once, byte by byte
    as `strobe` says. Reads are errors: to lead a word of a thousand bits back to 32 would cost more
    cells than the bus. Each part of a word is a memory of its own with a common address, so that
    no register gathers a word. Reset leaves the contents as they are.

    Parameters
    ----------
    window : Window
        Depth and parts.
    init : sequence of int
        Words that it holds from the start.

    Members
    -------
    run : In(1)
    access : Access(window.address_bits), in
        Of the 32-bit word at the byte address ``4 * address`` within the window.
    o : stream of unsigned(window.width), out

    Raises
    ------
    ValueError
        If `init` does not suit depth or width.
    """

    def __init__(self, *, window: Window, init: Sequence[int]) -> None:
        if len(init) != window.depth:
            raise ValueError(f"Store must have {window.depth} initial words, not {len(init)}")
        for word in init:
            if not isinstance(word, int) or not 0 <= word < 1 << window.width:
                raise ValueError(f"Store word must fit {window.width} bits, not {word!r}")
        self._window = window
        self._init = tuple(init)
        super().__init__(
            {
                "run": In(1),
                "access": In(Access(window.address_bits)),
                "o": Out(stream.Signature(window.width)),
            }
        )

    @property
    def window(self) -> Window:
        """Depth and parts."""
        return self._window

    @property
    def init(self) -> tuple[int, ...]:
        """Words that it holds from the start."""
        return self._init

    def elaborate(self, platform: object) -> Module:
        """Build the memories, the address of the stream and the decoder of writes."""
        m = Module()
        window, access = self._window, self.access
        parts = len(window.parts)
        bits = (parts - 1).bit_length()
        part, index = access.address[:bits], access.address[bits:]
        write, take = Signal(), Signal()
        there = (index < window.depth) & (part < parts)
        m.d.comb += [
            access.done.eq(access.request),
            access.error.eq(self.run | ~access.write | ~there),
            write.eq(access.request & ~access.error),
            take.eq(self.run & (~self.o.valid | self.o.ready)),
        ]
        address = Signal(range(window.depth))
        with m.If(take):
            m.d.sync += [self.o.valid.eq(1), address.eq(address + 1)]
            with m.If(address == window.depth - 1):
                m.d.sync += address.eq(0)
        with m.If(~self.run):
            m.d.sync += [self.o.valid.eq(0), address.eq(0)]
        low = 0
        for number, width in enumerate(window.parts):
            # Whole bytes, because a byte is what a bus writes.
            lanes = -(-width // 8)
            words = [word >> low & (1 << width) - 1 for word in self._init]
            # `run` keeps reads and writes apart, so Yosys need not build what happens otherwise.
            style = {"no_rw_check": "1"}
            if window.depth > _FEW:
                style["ram_style"] = "block"
            memory: Memory[Any, Any] = Memory(
                shape=8 * lanes, depth=window.depth, init=words, attrs=style
            )
            m.submodules[f"part_{number}"] = memory
            read, enter = memory.read_port(), memory.write_port(granularity=8)
            chosen = write if parts == 1 else write & (part == number)
            m.d.comb += [
                read.addr.eq(address),
                read.en.eq(take),
                self.o.payload[low : low + width].eq(read.data),
                enter.addr.eq(index),
                enter.data.eq(access.data),
                enter.en.eq(access.strobe & chosen.replicate(lanes)),
            ]
            low += width
        return m
