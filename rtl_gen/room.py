"""Room at the end of a pipeline that cannot be stopped: who begins must know of a place."""

from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .level import Level
from .queue import Queue

__all__ = ["Room"]


class Room(wiring.Component):
    """A queue for words that are sent without asking, and the count of its free places.

    Whoever starts something that becomes a word takes a place with `take`, only while `free`; the
    word comes with `push` any number of clocks later. A place is free again two clocks after its
    word left, so that `o.ready` ends in one flip-flop here. Latency from a word pushed to that word
    taken: ``bnnhw.fold.array.queue_clocks(depth)``.

    Parameters
    ----------
    shape : ShapeLike
        Of a word.
    depth : int
        Places.

    Members
    -------
    take : In(1)
    free : Out(1)
        From a flip-flop.
    push : In(1)
    payload : In(shape)
    o : stream of shape, out

    Raises
    ------
    ValueError
        If `depth` is below 2.
    """

    def __init__(self, *, shape: Any, depth: int) -> None:
        if not isinstance(depth, int) or depth < 2:
            raise ValueError(f"Room must be an integer of at least 2, not {depth!r}")
        self._shape = shape
        self._depth = depth
        super().__init__(
            {
                "take": In(1),
                "free": Out(1),
                "push": In(1),
                "payload": In(shape),
                "o": Out(stream.Signature(shape)),
            }
        )

    @property
    def depth(self) -> int:
        """Places."""
        return self._depth

    def elaborate(self, platform: object) -> Module:
        """Build the queue, whose `ready` nobody needs to read, and the counter."""
        m = Module()
        m.submodules.queue = queue = Queue(shape=self._shape, depth=self._depth)
        m.d.comb += [
            queue.i.valid.eq(self.push),
            Value.cast(queue.i.payload).eq(Value.cast(self.payload)),
        ]
        wiring.connect(m, queue.o, wiring.flipped(self.o))
        m.submodules.places = places = Level(limit=self._depth, init=self._depth)
        left = Signal()
        m.d.sync += left.eq(self.o.valid & self.o.ready)
        m.d.comb += [places.up.eq(left), places.down.eq(self.take), self.free.eq(places.some)]
        return m
