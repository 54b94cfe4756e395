"""The replay buffer: a vector is read once for each neuron fold while the next one comes in."""

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .streams import port

__all__ = ["ReplayBuffer"]

_IN_LUTS = 64


class ReplayBuffer(wiring.Component):
    """Repeat each frame of `words` words `repeats` times, and take in the next frame meanwhile.

    Two banks: one is replayed, the other is filled. A word can leave 2 clocks after it was taken
    (latency 2); reading the first pass overlaps with writing it. One word a clock out, ``words *
    repeats`` clocks a frame without a bubble between frames. The input stalls while both banks are
    full; a stalled output is held by the memory's output register.

    Parameters
    ----------
    words : int
        Words of a frame.
    lanes : int
        Elements of a word.
    repeats : int
        Times that a frame is sent on.
    bits : int
        Width of an element.
    masked : bool
        Words carry `masked` as well, see `masked_word`.

    Members
    -------
    i : stream of word(lanes, bits), in
        `last` is not needed and not read.
    o : stream of word(lanes, bits), out
        `last` marks the last word of the last repeat.

    Platform overrides
    ------------------
    Where there are ``block_ram_shapes`` (see `RomStream`), buffers of up to 64 words lie in LUT
    RAM: every element behind them reads the word, and the way there is too long to begin at the
    slow output of a block RAM.

    Raises
    ------
    ValueError
        If a parameter is below 1.
    """

    LATENCY = 2

    def __init__(
        self, *, words: int, lanes: int, repeats: int, bits: int = 1, masked: bool = False
    ) -> None:
        given = (("words", words), ("lanes", lanes), ("repeats", repeats), ("bits", bits))
        for name, value in given:
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"Replay {name} must be a positive integer, not {value!r}")
        self._words = words
        self._lanes = lanes
        self._repeats = repeats
        self._width = lanes * bits + masked
        both = port(lanes, bits, masked=masked)
        super().__init__({"i": In(both), "o": Out(both)})

    @property
    def words(self) -> int:
        """Words of a frame."""
        return self._words

    @property
    def lanes(self) -> int:
        """Elements of a word."""
        return self._lanes

    @property
    def repeats(self) -> int:
        """Times that a frame is sent on."""
        return self._repeats

    def elaborate(self, platform: object) -> Module:
        """Build the two banks, their writer and their reader."""
        m = Module()
        final = self._words - 1
        span = max(1, final.bit_length())
        # A word is read only after it was written (`there` below), so Yosys need not build what
        # happens if both meet.
        attrs = {"no_rw_check": "1"}
        if hasattr(platform, "block_ram_shapes") and 2 << span <= _IN_LUTS:
            attrs["ram_style"] = "distributed"
        memory: Memory[Any, Any] = Memory(shape=self._width, depth=2 << span, init=[], attrs=attrs)
        m.submodules.memory = memory
        write, read = memory.write_port(), memory.read_port()
        full = Signal(2)
        fill = Signal(span)
        fill_bank = Signal()
        at = Signal(span)
        bank = Signal()
        turn = Signal(range(self._repeats))

        taken = self.i.valid & self.i.ready
        m.d.comb += [
            self.i.ready.eq(~full.bit_select(fill_bank, 1)),
            write.addr.eq(Cat(fill, fill_bank)),
            write.data.eq(self.i.payload.as_value()),
            write.en.eq(taken),
        ]
        with m.If(taken):
            m.d.sync += fill.eq(fill + 1)
            with m.If(fill == final):
                m.d.sync += [fill.eq(0), fill_bank.eq(~fill_bank)]
                m.d.sync += full.bit_select(fill_bank, 1).eq(1)

        # A bank may be read behind its writer: what lies below `fill` is there already.
        there = full.bit_select(bank, 1) | ((bank == fill_bank) & (at < fill))
        step = ~self.o.valid | self.o.ready
        ends = (at == final) & (turn == self._repeats - 1)
        m.d.comb += [
            read.addr.eq(Cat(at, bank)),
            read.en.eq(step & there),
            self.o.payload.as_value()[: self._width].eq(read.data),
        ]
        with m.If(step):
            m.d.sync += [self.o.valid.eq(there), self.o.payload.last.eq(ends)]
            with m.If(there):
                m.d.sync += at.eq(at + 1)
                with m.If(at == final):
                    m.d.sync += [at.eq(0), turn.eq(turn + 1)]
                with m.If(ends):
                    m.d.sync += [turn.eq(0), bank.eq(~bank)]
                    m.d.sync += full.bit_select(bank, 1).eq(0)
        return m
