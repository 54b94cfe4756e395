"""Vectors become groups for an array that is never stopped: each is read once a neuron fold."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .core import TAGS
from .ecp5_ram import Ecp5Ram
from .level import Level
from .streams import port

__all__ = ["Feed"]

_IN_LUTS = 64
# Words of an ECP5 block RAM that is 36 bits wide.
_DEEP = 512


class Feed(wiring.Component):
    """Offer the words of a vector, all of them `repeats` times, while the next vector comes in.

    A group goes at every clock with `go` and `there`; a clock later it stands at `tags` and `data`,
    for that clock. So nothing behind the memory needs an enable. Read once, a word goes at the
    clock at which it is taken, and `i.ready` is `go`. Read repeatedly, vectors lie in two banks:
    one is read, the other is filled; a word can go at the clock after that at which it was taken,
    and no combinational path leads to `i.ready`. One group a clock, without a bubble between
    vectors: a vector takes ``words * repeats`` clocks, a frame of V vectors V times as many.

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
    late : bool
        `data` comes a clock behind its tags, from a register; not if words are masked.
    style : str
        ``"auto"``, or ``"lut"`` for LUT RAM where the platform has it.

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
    Where there are ``block_ram_shapes`` (see `RomStream`), which is ECP5, a late feed lies in block
    RAM whose own output register is that of `data`, if it has room for both banks. Otherwise
    vectors of up to 32 words lie in LUT RAM, since the output of a block RAM alone is slow.

    Raises
    ------
    ValueError
        If a parameter is below 1, masked words are to be late, or the style is unknown.
    """

    def __init__(
        self,
        *,
        words: int,
        lanes: int,
        repeats: int = 1,
        bits: int = 1,
        masked: bool = False,
        late: bool = False,
        style: str = "auto",
    ) -> None:
        given = (("words", words), ("lanes", lanes), ("repeats", repeats), ("bits", bits))
        for name, value in given:
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"Feed {name} must be a positive integer, not {value!r}")
        self._words, self._lanes, self._repeats = words, lanes, repeats
        if late and masked:
            raise ValueError("Feed of masked words must not be late")
        if style not in ("auto", "lut"):
            raise ValueError(f"Feed style must be auto or lut, not {style!r}")
        self._style = style
        self._masked = masked
        self._late = late
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
        at = Signal(self._span)
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
        self._lead(m, platform, group)
        return m

    def _lead(self, m: Module, platform: object, group: Any) -> None:
        """Lead what was read out, behind a register if it is to be late and is in no memory."""
        if self._late and not self._banked:
            group = self._held(m, "held", group)
        m.d.comb += self.data.eq(group)
        if self._masked:
            m.d.comb += self.tags.masked.eq(group[-1])

    def _held(self, m: Module, name: str, value: Value) -> Signal:
        held = Signal(len(value), name=name, reset_less=True)
        m.d.sync += held.eq(value)
        return held

    def _registered(self, platform: object) -> bool:
        """Tell whether the memory has an output register of its own."""
        fits = 2 << self._span <= _DEEP and self._style == "auto"
        return self._late and self._banked and fits and hasattr(platform, "block_ram_shapes")

    @property
    def _banked(self) -> bool:
        return self._repeats > 1

    @property
    def _span(self) -> int:
        return max(1, (self._words - 1).bit_length())

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
        """Write one bank and read the other, or behind the writer. Flip-flops say what may go on.

        In a vector's first turn only words that are there can go, in the others all of them are.
        """
        fill, fill_bank, bank = Signal(self._span), Signal(), Signal()
        whole = Signal(init=self._words == 1)
        again, turn = Signal(), Signal(range(self._repeats))
        latest = Signal()
        put, passed = Signal(), Signal()
        m.submodules.unread = unread = Level(limit=2 * self._words)
        m.submodules.banks = banks = Level(limit=2, init=2)
        m.d.comb += [
            self.i.ready.eq(banks.some),
            put.eq(self.i.valid & banks.some),
            self.there.eq(again | unread.some),
            ends.eq(self.final & latest),
            passed.eq(taken & self.final),
            unread.up.eq(put),
            unread.down.eq(taken & ~again),
            banks.up.eq(passed & latest),
            banks.down.eq(put & whole),
        ]
        with m.If(put):
            m.d.sync += fill.eq(Mux(whole, 0, fill + 1))
            if self._words > 1:
                m.d.sync += whole.eq(fill == self._words - 2)
            with m.If(whole):
                m.d.sync += fill_bank.eq(~fill_bank)
        with m.If(passed):
            m.d.sync += [
                again.eq(~latest),
                turn.eq(Mux(latest, 0, turn + 1)),
                latest.eq(turn == self._repeats - 2),
                bank.eq(bank ^ latest),
            ]
            with m.If(latest):
                m.d.sync += latest.eq(0)
        # What is written is read a clock later at the earliest.
        writes, reads = Cat(fill, fill_bank), Cat(at, bank)
        return self._memory(m, platform, put, writes, reads)

    def _memory(self, m: Module, platform: object, put: Value, writes: Value, reads: Value) -> Any:
        """Build the memory, which is read at every clock; return what it reads."""
        source = self.i.payload.as_value()[: self._width]
        if self._registered(platform):
            m.submodules.memory = ram = Ecp5Ram(width=self._width, address_bits=len(writes))
            m.d.comb += [
                ram.write.eq(put),
                ram.write_address.eq(writes),
                ram.write_data.eq(source),
                ram.address.eq(reads),
            ]
            return ram.data
        if self._late:
            # The register that makes it late is in front: what is written may come from a block
            # RAM, whose output is slow.
            pending = Signal(name="pending")
            m.d.sync += pending.eq(put)
            put, values = pending, (("writing", writes), ("reading", reads), ("arrived", source))
            writes, reads, source = (self._held(m, name, value) for name, value in values)
        # A word is read only after it was written, so Yosys need not build what happens if both
        # meet.
        attrs = {"no_rw_check": "1"}
        in_luts = self._style == "lut" or 1 << len(writes) <= _IN_LUTS
        if hasattr(platform, "block_ram_shapes") and in_luts:
            attrs["ram_style"] = "distributed"
        memory: Memory[Any, Any] = Memory(
            shape=self._width, depth=1 << len(writes), init=[], attrs=attrs
        )
        m.submodules.memory = memory
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            write.addr.eq(writes),
            write.data.eq(source),
            write.en.eq(put),
            read.addr.eq(reads),
        ]
        return read.data
