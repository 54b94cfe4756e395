"""Places for words to wait: a queue of any depth, and the smallest slice that cuts every path."""

from typing import Any

from amaranth.hdl import Module, Shape, ShapeLike, Signal, Value
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Queue", "Skid"]


def _streams(shape: ShapeLike) -> dict[str, wiring.Member]:
    if Shape.cast(shape).width < 1:
        raise ValueError(f"Payload must have at least one bit, not {shape!r}")
    return {"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))}


class Skid(wiring.Component):
    """Cut a stream in both directions with two registers.

    No combinational path crosses it, neither from `i` to `o` nor from `o.ready` to `i.ready`.
    Latency 1, one word per clock. While `o` stalls it takes one more word and then waits.

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
        self._shape = shape
        super().__init__(_streams(shape))

    @property
    def shape(self) -> ShapeLike:
        """Shape of the payload."""
        return self._shape

    def elaborate(self, platform: Any) -> Module:
        """Build the front register, and the spare that holds what arrives during a stall."""
        m = Module()
        spare = Signal(self._shape)
        full = Signal()
        m.d.comb += self.i.ready.eq(~full)
        with m.If(~self.o.valid | self.o.ready):
            m.d.sync += [self.o.valid.eq(self.i.valid | full), full.eq(0)]
            with m.If(full):
                m.d.sync += self.o.payload.eq(spare)
            with m.Else():
                m.d.sync += self.o.payload.eq(self.i.payload)
        with m.Elif(~full):
            m.d.sync += [full.eq(self.i.valid), spare.eq(self.i.payload)]
        return m


class Queue(wiring.Component):
    """Hold up to `depth` words in order.

    Latency 1 at depth 2 (a `Skid`) and 2 above that (a memory behind an output register); one word
    per clock. No combinational path runs through it. While `o` stalls it takes words until it holds
    `depth`.

    Parameters
    ----------
    shape : ShapeLike
        Of the payload, at least one bit.
    depth : int
        Words that it holds, at least 2.

    Members
    -------
    i : stream of shape, in
        Words in.
    o : stream of shape, out
        The same words.
    level : Signal(range(depth + 1)), out
        Words held now.

    Raises
    ------
    ValueError
        If the payload has no bit or `depth` is below 2.
    """

    def __init__(self, *, shape: ShapeLike, depth: int) -> None:
        if not isinstance(depth, int) or depth < 2:
            raise ValueError(f"Queue depth must be an integer of at least 2, not {depth!r}")
        self._shape = shape
        self._depth = depth
        super().__init__({**_streams(shape), "level": Out(range(depth + 1))})

    @property
    def shape(self) -> ShapeLike:
        """Shape of the payload."""
        return self._shape

    @property
    def depth(self) -> int:
        """Words that it holds."""
        return self._depth

    def elaborate(self, platform: Any) -> Module:
        """Build the smallest structure that keeps full rate."""
        m = Module()
        # Amaranth's FIFO of depth 2 moves only every other cycle: its memory has a single row.
        if self._depth == 2:
            self._two(m)
        else:
            self._many(m)
        return m

    def _two(self, m: Module) -> None:
        m.submodules.skid = skid = Skid(shape=self._shape)
        wiring.connect(m, wiring.flipped(self.i), skid.i)
        wiring.connect(m, skid.o, wiring.flipped(self.o))
        m.d.comb += self.level.eq(skid.o.valid + ~skid.i.ready)

    def _many(self, m: Module) -> None:
        width = Shape.cast(self._shape).width
        m.submodules.store = store = fifo.SyncFIFOBuffered(width=width, depth=self._depth)
        m.d.comb += [
            store.w_data.eq(Value.cast(self.i.payload)),
            store.w_en.eq(self.i.valid),
            self.i.ready.eq(store.w_rdy),
            Value.cast(self.o.payload).eq(store.r_data),
            self.o.valid.eq(store.r_rdy),
            store.r_en.eq(self.o.ready),
            self.level.eq(store.level),
        ]
