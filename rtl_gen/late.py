"""Words that come from a register, a clock after they are taken: what a free array reads."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from bnnhw.fold.memory import prefers_luts

from .ecp5_ram import Ecp5Rom
from .naming import label
from .rom import RomStream, block_cost, check_rom, words_a_row

__all__ = ["LateRom"]


class LateRom(wiring.Component):
    """The words 0, 1, …, n−1, 0, 1, … of a memory, each a clock after it was taken.

    A word is taken at each clock with `take`, and is at `word` for the next clock, from a register.
    `there` says that one can be taken at the next clock and from then on for ever; unless words lie
    in rows that is so from the start.

    Parameters
    ----------
    words, width, style
        As in `RomStream`.

    Members
    -------
    take : In(1)
    there : Out(1)
    word : Out(width)

    Platform overrides
    ------------------
    Where there are ``block_ram_shapes`` (see `RomStream`), which is ECP5, words that do not lie in
    LUTs lie in block RAMs whose own output register is the one of `word`, unless several words in a
    row take less.
    """

    def __init__(self, *, words: Sequence[int], width: int, style: str = "auto") -> None:
        check_rom(words=words, width=width, style=style)
        self._words, self._width, self._style = tuple(words), width, style
        super().__init__({"take": In(1), "there": Out(1), "word": Out(width)})

    @property
    def words(self) -> tuple[int, ...]:
        """Contents."""
        return self._words

    @property
    def width(self) -> int:
        """Bits of a word."""
        return self._width

    @property
    def style(self) -> str:
        """Where the words lie."""
        return self._style

    def elaborate(self, platform: object) -> Module:
        """Build a memory that is read at every clock, block RAMs with output registers, or rows."""
        m = Module()
        shapes = getattr(platform, "block_ram_shapes", None)
        in_luts = self._in_luts()
        if len(self._words) == 1:
            m.d.comb += [self.word.eq(self._words[0]), self.there.eq(1)]
        elif shapes is None or in_luts:
            self._in_memory(m)
        elif self._suits_rams(shapes):
            self._in_rams(m)
        else:
            self._in_rows(m)
        return m

    def _in_luts(self) -> bool:
        if self._style == "auto":
            return prefers_luts(self._width, len(self._words))
        return self._style == "lut"

    def _in_memory(self, m: Module) -> None:
        """Read the next word at every clock; only when it is taken another one becomes the next."""
        attrs = {"lut": {"rom_style": "logic"}, "block": {"rom_style": "block"}, "auto": {}}
        memory: Memory[Any, Any] = Memory(
            shape=self._width, depth=len(self._words), init=self._words, attrs=attrs[self._style]
        )
        m.submodules.memory = memory
        read = memory.read_port()
        m.d.comb += [
            read.addr.eq(self._address(m, self.take)),
            self.word.eq(read.data),
            self.there.eq(1),
        ]

    def _in_rows(self, m: Module) -> None:
        """Register what a stream of words in rows offers."""
        m.submodules.rom = rom = RomStream(words=self._words, width=self._width, style=self._style)
        label(rom, "rom")
        word = Signal(self._width, reset_less=True)
        m.d.sync += [word.eq(rom.o.payload), self.there.eq(rom.o.valid)]
        m.d.comb += [rom.o.ready.eq(self.take), self.word.eq(word)]

    def _suits_rams(self, shapes: Any) -> bool:
        """Tell whether block RAMs that are each deep enough take no more than rows."""
        depth = len(self._words)
        alone = block_cost(1, self._width, depth, shapes)
        side = words_a_row(depth, self._width, shapes)
        # Rows need a multiplexer in front of the register that they shift in.
        rows = block_cost(side, self._width, depth, shapes)
        return alone is not None and (side == 1 or rows is None or alone <= rows)

    def _in_rams(self, m: Module) -> None:
        """Hold the next word in the RAMs, and the one that was taken in their output registers."""
        m.submodules.rom = rom = Ecp5Rom(words=self._words, width=self._width)
        fetched = Signal()
        m.d.sync += fetched.eq(1)
        m.d.comb += [
            rom.en.eq(self.take | ~fetched),
            rom.address.eq(self._address(m, rom.en)),
            self.word.eq(rom.data),
            self.there.eq(1),
        ]

    def _address(self, m: Module, step: Value) -> Signal:
        """Count addresses."""
        address = Signal(range(len(self._words)))
        ends = Signal()
        with m.If(step):
            m.d.sync += [
                address.eq(Mux(ends, 0, address + 1)),
                ends.eq(address == len(self._words) - 2),
            ]
        return address
