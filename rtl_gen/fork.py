"""One stream to several consumers: where a graph branches."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Shape, ShapeLike, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Fork"]


class Fork(wiring.Component):
    """Give every word of a stream to each of `copies` consumers.

    Eager: each copy takes the word as soon as it is ready, and a bit per copy remembers that it
    has; the word is taken from `i` when all have it. Latency 0, one word per clock. A copy that
    stalls holds up the others from the next word on; `i.ready` follows every `o[k].ready`, and no
    `o[k].valid` depends on any `ready`. The payload is wires, no copy of it is stored.

    Parameters
    ----------
    shape : ShapeLike
        Of the payload, at least one bit.
    copies : int
        Consumers; with one, the fork is wires.

    Members
    -------
    i : stream of shape, in
        Words in.
    o : array of `copies` streams of shape, out
        The same words, each.

    Raises
    ------
    ValueError
        If the payload has no bit or `copies` is not a positive integer.
    """

    LATENCY = 0

    def __init__(self, *, shape: ShapeLike, copies: int) -> None:
        if Shape.cast(shape).width < 1:
            raise ValueError(f"Payload must have at least one bit, not {shape!r}")
        if not isinstance(copies, int) or copies < 1:
            raise ValueError(f"Fork copies must be a positive integer, not {copies!r}")
        self._shape = shape
        self._copies = copies
        words = stream.Signature(shape)
        super().__init__({"i": In(words), "o": Out(words).array(copies)})

    @property
    def shape(self) -> ShapeLike:
        """Shape of the payload."""
        return self._shape

    @property
    def copies(self) -> int:
        """Consumers."""
        return self._copies

    def elaborate(self, platform: Any) -> Module:
        """Build what remembers which copies have the word that is on offer."""
        m = Module()
        done = Signal(self._copies)
        has = Cat(self.o[k].ready for k in range(self._copies)) | done
        m.d.comb += self.i.ready.eq(has.all())
        # A lone consumer never has a word that others still want.
        if self._copies > 1:
            with m.If(self.i.valid):
                m.d.sync += done.eq(Mux(has.all(), 0, has))
        for k in range(self._copies):
            m.d.comb += [
                Value.cast(self.o[k].payload).eq(Value.cast(self.i.payload)),
                self.o[k].valid.eq(self.i.valid & ~done[k]),
            ]
        return m
