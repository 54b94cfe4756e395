"""Popcount: the inner loop of everything, behind one interface."""

from amaranth.hdl import Elaboratable, Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Popcount", "balanced_sum"]


def balanced_sum(parts: list[Value]) -> Value:
    """Add as a balanced tree, so that the width grows by one bit a level."""
    while len(parts) > 1:
        paired = [parts[k] + parts[k + 1] for k in range(0, len(parts) - 1, 2)]
        parts = paired + parts[len(parts) & ~1 :]
    return parts[0]


class Popcount(wiring.Component):
    """Count the ones of a word.

    Combinational: latency 0, one result a clock, no state. This is the portable tree; a platform
    that has a better one offers it as ``get_popcount(self)`` and keeps this contract.

    Parameters
    ----------
    width : int
        Bits to count.

    Members
    -------
    i : In(width)
        Bits.
    o : Out(bits_for(width + 1))
        Number of ones, 0 … width.

    Raises
    ------
    ValueError
        If `width` is below 1.

    Platform overrides
    ------------------
    Define ``get_popcount(popcount) -> Elaboratable`` that drives ``popcount.o`` from
    ``popcount.i``.
    """

    def __init__(self, *, width: int) -> None:
        if not isinstance(width, int) or width < 1:
            raise ValueError(f"Popcount width must be a positive integer, not {width!r}")
        self._width = width
        super().__init__({"i": In(width), "o": Out(width.bit_length())})

    @property
    def width(self) -> int:
        """Bits to count."""
        return self._width

    def elaborate(self, platform: object) -> Elaboratable:
        """Build the tree, or what the platform has instead."""
        if hasattr(platform, "get_popcount"):
            return platform.get_popcount(self)
        m = Module()
        m.d.comb += self.o.eq(balanced_sum([self.i[k] for k in range(self._width)]))
        return m
