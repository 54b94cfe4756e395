"""Frames of the right length, whatever arrives."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .streams import port

__all__ = ["FrameGuard"]


class FrameGuard(wiring.Component):
    """Make exactly one good frame of everything that ends with `last`.

    A frame that ends early is filled up with zero words; words past the proper end are dropped
    until `last`; lanes past the proper end of the last word are zeroed. A good frame passes with
    latency 0 (no register, `i.ready` follows `o.ready`), one word per clock. Filling takes one
    cycle per missing word, in which `i` waits; dropping takes one cycle per surplus word, in which
    `o` is idle. While `o` stalls, words wait and surplus words are still dropped.

    Parameters
    ----------
    elements : int
        Elements of a good frame.
    bits : int
        Width of an element.
    lanes : int
        Elements in a word.

    Members
    -------
    i : stream of word(lanes, bits), in
        Frames of any length.
    o : stream of word(lanes, bits), out
        Frames of `elements`.
    errors : Signal(8), out
        Malformed frames since reset, no more than 255.

    Raises
    ------
    ValueError
        If a parameter is not a positive integer.
    """

    def __init__(self, *, elements: int, bits: int, lanes: int) -> None:
        for name, value in (("elements", elements), ("bits", bits), ("lanes", lanes)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"FrameGuard {name} must be a positive integer, not {value!r}")
        self._elements = elements
        self._bits = bits
        self._lanes = lanes
        super().__init__(
            {"i": In(port(lanes, bits)), "o": Out(port(lanes, bits)), "errors": Out(8)}
        )

    @property
    def elements(self) -> int:
        """Elements of a good frame."""
        return self._elements

    @property
    def bits(self) -> int:
        """Width of an element."""
        return self._bits

    @property
    def lanes(self) -> int:
        """Elements in a word."""
        return self._lanes

    @property
    def words(self) -> int:
        """Words of a good frame."""
        return -(-self._elements // self._lanes)

    def elaborate(self, platform: Any) -> Module:
        """Build the word counter and the two ways out of step with `i`: ahead and behind."""
        m = Module()
        count = Signal(range(self.words))
        filling = Signal()
        dropping = Signal()
        short = Signal()
        final = count == self.words - 1
        m.d.comb += [
            self.i.ready.eq(dropping | (self.o.ready & ~filling)),
            self.o.valid.eq(filling | (self.i.valid & ~dropping)),
            self.o.payload.last.eq(final),
            short.eq(self.i.payload.last & ~final),
        ]
        with m.If(~filling):
            m.d.comb += self.o.payload.data.eq(self.i.payload.data)
            tail = self._elements - (self.words - 1) * self._lanes
            with m.If(final):
                for lane in range(tail, self._lanes):
                    m.d.comb += self.o.payload.data[lane].eq(0)
        with m.If(dropping):
            with m.If(self.i.valid & self.i.payload.last):
                m.d.sync += dropping.eq(0)
        with m.Elif(self.o.valid & self.o.ready):
            m.d.sync += [
                count.eq(count + 1),
                filling.eq((filling & ~final) | (~filling & short)),
                dropping.eq(~filling & final & ~self.i.payload.last),
            ]
            with m.If(final):
                m.d.sync += count.eq(0)
            with m.If(~filling & (final != self.i.payload.last) & ~self.errors.all()):
                m.d.sync += self.errors.eq(self.errors + 1)
        return m
