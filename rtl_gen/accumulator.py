"""The accumulator of a row: counts of groups become that of a vector."""

from amaranth.hdl import Elaboratable, Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Accumulator"]


class Accumulator(wiring.Component):
    """Add up a vector's counts on top of the number with which it starts.

    Latency 1. Sums are modulo the width: with ``-T`` to start with, and one bit more than a count
    has, the highest bit is 0 where the count is T or more.

    Parameters
    ----------
    bits : int
        Width of a group's count.
    total_bits : int
        Width of the sum; at least `bits`.
    starts : bool
        Vectors start with numbers of their own, otherwise with 0.

    Members
    -------
    step : In(1)
        Take a count; otherwise the sum stays.
    first : In(1)
        It is the first one of a vector.
    start : In(total_bits)
        What to add to the first one.
    count : In(bits)
    total : Out(total_bits)

    Raises
    ------
    ValueError
        If `bits` is below 1, or `total_bits` below `bits`.

    Platform overrides
    ------------------
    Define ``get_accumulator(accumulator) -> Elaboratable`` that drives ``accumulator.total``.
    """

    def __init__(self, *, bits: int, total_bits: int, starts: bool = False) -> None:
        if not isinstance(bits, int) or bits < 1:
            raise ValueError(f"Accumulator bits must be a positive integer, not {bits!r}")
        if not isinstance(total_bits, int) or total_bits < 1:
            raise ValueError(f"Accumulator total_bits must be positive, not {total_bits!r}")
        self._bits = bits
        self._total_bits = total_bits
        self._starts = starts
        super().__init__(
            {
                "step": In(1),
                "first": In(1),
                "start": In(total_bits),
                "count": In(bits),
                "total": Out(total_bits),
            }
        )

    @property
    def bits(self) -> int:
        """Width of a group's count."""
        return self._bits

    @property
    def total_bits(self) -> int:
        """Width of the sum."""
        return self._total_bits

    @property
    def starts(self) -> bool:
        """Whether vectors start with numbers of their own."""
        return self._starts

    def elaborate(self, platform: object) -> Elaboratable:
        """Build one adder, or what the platform has instead."""
        if hasattr(platform, "get_accumulator"):
            return platform.get_accumulator(self)
        m = Module()
        begins = self.start if self._starts else 0
        with m.If(self.step):
            m.d.sync += self.total.eq(Mux(self.first, begins, self.total) + self.count)
        return m
