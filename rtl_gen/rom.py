"""A read-only memory that streams its words in order, for ever: weights and thresholds."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Out

__all__ = ["STYLES", "RomStream"]

STYLES = ("auto", "lut", "block")


class RomStream(wiring.Component):
    """Stream the words 0, 1, …, n−1, 0, 1, … of a memory.

    One word a clock; the first word is there one clock after reset. While the consumer stalls, the
    word is held by the memory's own output register. A memory of one word is a constant that is
    always valid.

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

    Raises
    ------
    ValueError
        If there is no word, a word does not fit, or the style is unknown.
    """

    def __init__(self, *, words: Sequence[int], width: int, style: str = "auto") -> None:
        if not isinstance(width, int) or width < 1:
            raise ValueError(f"ROM width must be a positive integer, not {width!r}")
        if not words:
            raise ValueError("ROM must hold at least one word, not none")
        for word in words:
            if not isinstance(word, int) or not 0 <= word < 1 << width:
                raise ValueError(f"ROM word must fit {width} bits, not {word!r}")
        if style not in STYLES:
            raise ValueError(f"ROM style must be one of {', '.join(STYLES)}, not {style!r}")
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

    def elaborate(self, platform: object) -> Module:
        """Build the memory and its address counter."""
        m = Module()
        if len(self._words) == 1:
            m.d.comb += [self.o.payload.eq(self._words[0]), self.o.valid.eq(1)]
            return m
        # Yosys reads these attributes when it maps memories; "logic" is its word for LUTs and
        # flip-flops.
        attrs = {"lut": {"rom_style": "logic"}, "block": {"rom_style": "block"}, "auto": {}}
        memory: Memory[Any, Any] = Memory(
            shape=self._width,
            depth=len(self._words),
            init=self._words,
            attrs=attrs[self._style],
        )
        m.submodules.memory = memory
        read = memory.read_port()
        address = Signal(range(len(self._words)))
        take = ~self.o.valid | self.o.ready
        m.d.comb += [read.addr.eq(address), read.en.eq(take), self.o.payload.eq(read.data)]
        with m.If(take):
            m.d.sync += self.o.valid.eq(1)
            with m.If(address == len(self._words) - 1):
                m.d.sync += address.eq(0)
            with m.Else():
                m.d.sync += address.eq(address + 1)
        return m
