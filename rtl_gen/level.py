"""A counter that says from a flip-flop whether it is above 0."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Level"]


class Level(wiring.Component):
    """Count what is there: one more with `up`, one less with `down`, neither with both.

    What decides whether something may go on is the end of long paths; a comparison with 0 has no
    place in front of them. So `some` is a flip-flop, whose next value is a function of the two
    inputs and three flags.

    Takes `up` and `down` in every clock; `some` tells of them in the next one (latency 1).

    Parameters
    ----------
    limit : int
        The most that there can be, at least 1. `up` alone must not come then, nor `down` alone at
        0.
    init : int
        What is there after reset.

    Members
    -------
    up : In(1)
    down : In(1)
    some : Out(1)
        There is something; from a flip-flop.

    Raises
    ------
    ValueError
        If `limit` is below 1, or `init` not from 0 to `limit`.
    """

    def __init__(self, *, limit: int, init: int = 0) -> None:
        if not isinstance(limit, int) or limit < 1:
            raise ValueError(f"Limit of a level must be a positive integer, not {limit!r}")
        if not isinstance(init, int) or not 0 <= init <= limit:
            raise ValueError(f"Level must begin at 0 to {limit}, not {init!r}")
        self._limit = limit
        self._init = init
        super().__init__({"up": In(1), "down": In(1), "some": Out(1)})

    @property
    def limit(self) -> int:
        """The most that there can be."""
        return self._limit

    @property
    def init(self) -> int:
        """What is there after reset."""
        return self._init

    def elaborate(self, platform: object) -> Module:
        """Build the counter, and the flags for one and for two."""
        m = Module()
        count = Signal(range(self._limit + 1), init=self._init)
        some = Signal(init=self._init > 0)
        several = Signal(init=self._init > 1)
        m.d.sync += count.eq(count + self.up - self.down)
        with m.If(self.up & ~self.down):
            m.d.sync += [some.eq(1), several.eq(some)]
        with m.Elif(self.down & ~self.up):
            m.d.sync += [some.eq(several), several.eq(several & (count != 2))]
        m.d.comb += self.some.eq(some)
        return m
