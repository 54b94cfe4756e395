"""Vectors become groups for an array that is never stopped: each is read once a neuron fold."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .core import TAGS
from .streams import port

__all__ = ["Feed"]

_IN_LUTS = 64


class Feed(wiring.Component):
    """Offer the words of a vector, all of them `repeats` times, while the next vector comes in.

    A group goes at every clock with `go` and `there`; a clock later it stands at `tags` and `data`,
    for that clock. So nothing behind the memory needs an enable. Read once, a word goes at the
    clock at which it is taken, and `i.ready` is `go`. Read repeatedly, vectors lie in two banks:
    one is read, the other is filled; a word can go at the clock after that at which it was taken,
    and no combinational path leads to `i.ready`. One group a clock, without a bubble between
    vectors.

    Parameters
    ----------
    words : int
        Of a vector.
    lanes : int
        Elements of a word.
    repeats : int
        Times that a vector is read.
    bits : int
        Width of an element.
    masked : bool
        Words carry `masked` as well, see `masked_word`.

    Members
    -------
    i : stream of word(lanes, bits) or masked_word(lanes, bits), in
        `last` is not read.
    go : In(1)
        The next group may go.
    there : Out(1)
        There is one.
    final : Out(1)
        It is its vector's last; from a flip-flop.
    tags : Out(TAGS)
        `last` marks the last group of a vector's last turn.
    data : Out(lanes * bits)

    Platform overrides
    ------------------
    Where there are ``block_ram_shapes`` (see `RomStream`), vectors of up to 32 words lie in LUT
    RAM, since every element reads the word, and that is too long a way from the slow output of a
    block RAM.

    Raises
    ------
    ValueError
        If a parameter is below 1.
    """

    def __init__(
        self, *, words: int, lanes: int, repeats: int = 1, bits: int = 1, masked: bool = False
    ) -> None:
        given = (("words", words), ("lanes", lanes), ("repeats", repeats), ("bits", bits))
        for name, value in given:
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"Feed {name} must be a positive integer, not {value!r}")
        self._words, self._lanes, self._repeats = words, lanes, repeats
        self._masked = masked
        self._width = lanes * bits + masked
        super().__init__(
            {
                "i": In(port(lanes, bits, masked=masked)),
                "go": In(1),
                "there": Out(1),
                "final": Out(1),
                "tags": Out(TAGS),
                "data": Out(lanes * bits),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from a word taken to its group that can go."""
        return int(self._repeats > 1)

    def elaborate(self, platform: object) -> Module:
        """Build the counters and, where vectors are read repeatedly, the two banks."""
        m = Module()
        at = Signal(max(1, (self._words - 1).bit_length()))
        final = Signal(init=self._words == 1)
        taken, ends = Signal(), Signal()
        tags = Signal(TAGS)
        m.d.comb += [taken.eq(self.go & self.there), self.final.eq(final), self.tags.eq(tags)]
        m.d.sync += [
            tags.there.eq(taken),
            tags.first.eq(at == 0),
            tags.final.eq(final),
            tags.last.eq(ends),
        ]
        with m.If(taken):
            m.d.sync += at.eq(Mux(final, 0, at + 1))
            if self._words > 1:
                m.d.sync += final.eq(at == self._words - 2)
        if self._repeats == 1:
            group = self._straight(m, ends)
        else:
            group = self._banks(m, platform, at, taken, ends)
        m.d.comb += self.data.eq(group)
        if self._masked:
            m.d.comb += self.tags.masked.eq(group[-1])
        return m

    def _straight(self, m: Module, ends: Signal) -> Any:
        """Register words as they come; what is no group does no harm."""
        group = Signal(self._width, reset_less=True)
        m.d.comb += [
            self.there.eq(self.i.valid),
            self.i.ready.eq(self.go),
            ends.eq(self.final),
        ]
        m.d.sync += group.eq(self.i.payload.as_value())
        return group

    def _banks(self, m: Module, platform: object, at: Signal, taken: Signal, ends: Signal) -> Any:
        """Write one bank and read the other."""
        span = max(1, (self._words - 1).bit_length())
        fill, fill_bank, bank = Signal(span), Signal(), Signal()
        full = Signal(2)
        turn = Signal(range(self._repeats))
        put = self.i.valid & self.i.ready
        # A bank may be read behind its writer: what lies below `fill` is there already.
        m.d.comb += [
            self.i.ready.eq(~full.bit_select(fill_bank, 1)),
            self.there.eq(full.bit_select(bank, 1) | ((bank == fill_bank) & (at < fill))),
            ends.eq(self.final & (turn == self._repeats - 1)),
        ]
        with m.If(put):
            m.d.sync += fill.eq(fill + 1)
            with m.If(fill == self._words - 1):
                m.d.sync += [fill.eq(0), fill_bank.eq(~fill_bank)]
                m.d.sync += full.bit_select(fill_bank, 1).eq(1)
        with m.If(taken & self.final):
            m.d.sync += turn.eq(turn + 1)
            with m.If(ends):
                m.d.sync += [turn.eq(0), bank.eq(~bank)]
                m.d.sync += full.bit_select(bank, 1).eq(0)
        # A word is read only after it was written, so Yosys need not build what happens if both
        # meet.
        attrs = {"no_rw_check": "1"}
        if hasattr(platform, "block_ram_shapes") and 2 << span <= _IN_LUTS:
            attrs["ram_style"] = "distributed"
        memory: Memory[Any, Any] = Memory(shape=self._width, depth=2 << span, init=[], attrs=attrs)
        m.submodules.memory = memory
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            write.addr.eq(Cat(fill, fill_bank)),
            write.data.eq(self.i.payload.as_value()),
            write.en.eq(put),
            read.addr.eq(Cat(at, bank)),
        ]
        return read.data
