"""A place for one word, which cuts the way back of a stream without a clock of latency."""

from typing import Any

from amaranth.hdl import Module, Shape, ShapeLike, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Spare"]


class Spare(wiring.Component):
    """Cut the way back of a stream with one spare register: `i.ready` comes from a flip-flop.

    Latency 0, one word per clock: while nothing waits, `o` is `i`. While `o` stalls it takes one
    more word and then waits. It is for chains of `ready` that would limit the clock where another
    clock of latency is not wanted; a `Skid` cuts both directions.

    Parameters
    ----------
    shape : ShapeLike
        Of the payload, at least one bit.

    Members
    -------
    i : stream of shape, in
        Words in.
    o : stream of shape, out
        The same words.

    Raises
    ------
    ValueError
        If the payload has no bit.
    """

    def __init__(self, *, shape: ShapeLike) -> None:
        if Shape.cast(shape).width < 1:
            raise ValueError(f"Payload must have at least one bit, not {shape!r}")
        self._shape = shape
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    @property
    def shape(self) -> ShapeLike:
        """Shape of the payload."""
        return self._shape

    def elaborate(self, platform: Any) -> Module:
        """Build the spare register, which keeps a word that came and could not go on."""
        m = Module()
        spare = Signal(self._shape, reset_less=True)
        full = Signal()
        m.d.comb += [
            self.i.ready.eq(~full),
            self.o.valid.eq(self.i.valid | full),
            self.o.payload.eq(self.i.payload),
        ]
        with m.If(full):
            m.d.comb += self.o.payload.eq(spare)
            m.d.sync += full.eq(~self.o.ready)
        with m.Else():
            m.d.sync += [spare.eq(self.i.payload), full.eq(self.i.valid & ~self.o.ready)]
        return m
