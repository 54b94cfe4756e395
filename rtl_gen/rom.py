"""A read-only memory that streams its words in order, for ever: weights and thresholds."""

from collections.abc import Iterable, Sequence
from typing import Any

from amaranth.hdl import Const, Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Out

from bnnhw.fold.memory import prefers_luts

__all__ = ["STYLES", "RomStream", "block_cost", "check_rom", "words_a_row"]

STYLES = ("auto", "lut", "block")
# Both families have about 200 LUT4 for each block RAM.
_RAM_IN_CELLS = 200
_LONGEST_ROW = 64


def block_cost(side: int, width: int, count: int, shapes: Iterable[tuple[int, int]]) -> int | None:
    """Price `count` words that lie in rows of `side`, in LUT4; None if no block RAM is deep enough.

    No RAM needs a neighbour to be deep enough, so that no multiplexer comes behind them. A row of
    several words has a register with a multiplexer in front of each bit.
    """
    wide = max((w for depth, w in shapes if count // side <= depth), default=0)
    if not wide:
        return None
    return _RAM_IN_CELLS * -(-side * width // wide) + (side * width if side > 1 else 0)


def words_a_row(count: int, width: int, shapes: Iterable[tuple[int, int]]) -> int:
    """Choose how many words lie side by side: what takes the fewest block RAMs and registers.

    No RAM then needs a neighbour to be deep enough, so that no multiplexer comes behind them.
    Where that took more than 64 words a row, as for a large prime number of words, it is one.

    Parameters
    ----------
    count, width : int
        Words, and bits of a word.
    shapes : iterable of (int, int)
        Depth and width of a block RAM in each of its modes.
    """
    sides = [number for number in range(1, _LONGEST_ROW + 1) if count % number == 0]
    ways = []
    for depth, wide in shapes:
        side = next((number for number in sides if count // number <= depth), None)
        if side is not None:
            rams = -(-side * width // wide)
            ways.append((_RAM_IN_CELLS * rams + side * width, side))
    return min(ways)[1] if ways else 1


def check_rom(*, words: Sequence[int], width: int, style: str) -> None:
    """Refuse what is no ROM, as `RomStream` does."""
    if not isinstance(width, int) or width < 1:
        raise ValueError(f"ROM width must be a positive integer, not {width!r}")
    if not words:
        raise ValueError("ROM must hold at least one word, not none")
    for word in words:
        if not isinstance(word, int) or not 0 <= word < 1 << width:
            raise ValueError(f"ROM word must fit {width} bits, not {word!r}")
    if style not in STYLES:
        raise ValueError(f"ROM style must be one of {', '.join(STYLES)}, not {style!r}")


class RomStream(wiring.Component):
    """Stream the words 0, 1, …, n−1, 0, 1, … of a memory.

    One word a clock; the first word is there one clock after reset. While the consumer stalls, the
    word is held by the memory's own output register. A memory of one word is a constant that is
    always valid.

    Where the platform has `block_ram_shapes`, words outside of LUTs lie in rows of one or more, and
    a register behind the memory holds a row and shifts it: the first word is there two clocks after
    reset, the way out of a block RAM ends at the register, and no multiplexer joins several RAMs.

    Parameters
    ----------
    words : sequence of int
        Contents, in the order in which they are streamed.
    width : int
        Bits of a word.
    style : str
        ``"lut"``, ``"block"`` or ``"auto"`` (the synthesiser chooses).

    Members
    -------
    o : stream of unsigned(width), out

    Platform overrides
    ------------------
    Define ``block_ram_shapes``, the (depth, width) of a block RAM in each of its modes, where its
    output is slow against a register's, flip-flops cost no lookup tables, and these can be RAM.

    Raises
    ------
    ValueError
        If there is no word, a word does not fit, or the style is unknown.
    """

    def __init__(self, *, words: Sequence[int], width: int, style: str = "auto") -> None:
        check_rom(words=words, width=width, style=style)
        self._words = tuple(words)
        self._width = width
        self._style = style
        super().__init__({"o": Out(stream.Signature(width))})

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

    def words_a_row(self, shapes: Iterable[tuple[int, int]]) -> int:
        """Choose how many words lie side by side, see `words_a_row`."""
        return words_a_row(len(self._words), self._width, shapes)

    def elaborate(self, platform: object) -> Module:
        """Build the memory and its address counter, or a memory in rows where RAMs are slow."""
        m = Module()
        shapes = getattr(platform, "block_ram_shapes", None)
        if len(self._words) == 1:
            m.d.comb += [self.o.payload.eq(self._words[0]), self.o.valid.eq(1)]
        elif self.rows(shapes):
            self._rows_of(m, self.words_a_row(shapes or ()))
        else:
            self._words_of(m)
        return m

    def rows(self, shapes: Iterable[tuple[int, int]] | None) -> bool:
        """Tell whether words lie in rows, so that the first one comes a clock later."""
        return shapes is not None and len(self._words) > 1 and not self._in_luts()

    def _in_luts(self) -> bool:
        if self._style == "auto":
            return prefers_luts(self._width, len(self._words))
        return self._style == "lut"

    def _memory(self, m: Module, words: Sequence[int], width: int, style: str) -> tuple[Any, Value]:
        """Add a memory whose read port goes on to the next word with every clock of `en`."""
        # Yosys reads these attributes when it maps memories; "logic" is its word for LUTs and
        # flip-flops.
        attrs = {"lut": {"rom_style": "logic"}, "block": {"rom_style": "block"}, "auto": {}}
        memory: Memory[Any, Any] = Memory(
            shape=width, depth=len(words), init=words, attrs=attrs[style]
        )
        m.submodules.memory = memory
        read: Any = memory.read_port()
        address = Signal(range(len(words)))
        m.d.comb += read.addr.eq(address)
        with m.If(read.en):
            with m.If(address == len(words) - 1):
                m.d.sync += address.eq(0)
            with m.Else():
                m.d.sync += address.eq(address + 1)
        return read, read.data

    def _words_of(self, m: Module) -> None:
        """Offer the memory's own output."""
        read, data = self._memory(m, self._words, self._width, self._style)
        take = ~self.o.valid | self.o.ready
        m.d.comb += [read.en.eq(take), self.o.payload.eq(data)]
        with m.If(take):
            m.d.sync += self.o.valid.eq(1)

    def _rows_of(self, m: Module, side: int) -> None:
        """Read `side` words at once into a register, and shift it."""
        width = self._width
        rows = [
            sum(word << width * place for place, word in enumerate(self._words[at : at + side]))
            for at in range(0, len(self._words), side)
        ]
        row = Signal(side * width, reset_less=True)
        slot = Signal(range(side))
        # Whether the row's last word is on offer, and whether its successor is there.
        ends = Signal(init=side == 1)
        fetched = Signal()
        load = Signal()
        m.d.comb += [
            self.o.payload.eq(row[:width]),
            load.eq(~self.o.valid | (self.o.ready & ends)),
        ]
        data: Value = Const(rows[0], side * width)
        if len(rows) == 1:
            m.d.comb += fetched.eq(1)
        else:
            read, data = self._memory(m, rows, side * width, "block")
            m.d.sync += fetched.eq(1)
            if side == 1:
                m.d.comb += read.en.eq(load | ~fetched)
            else:
                # There is time to begin a clock later, so that `ready` ends in one register.
                fetch = Signal(init=1)
                m.d.sync += fetch.eq(load & fetched)
                m.d.comb += read.en.eq(fetch)
        with m.If(load):
            m.d.sync += [row.eq(data), slot.eq(0), self.o.valid.eq(fetched)]
            m.d.sync += ends.eq(side == 1)
        with m.Elif(self.o.ready):
            m.d.sync += [row.eq(row >> width), slot.eq(slot + 1), ends.eq(slot == side - 2)]
