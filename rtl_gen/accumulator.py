"""The accumulator of a row: counts of groups become that of a vector."""

from amaranth.hdl import Elaboratable, Module, Mux, Signal, Value
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
    hold : int
        Vectors that take turns, a count of each; their sums go round in as many registers.

    Members
    -------
    step : In(1)
        Take a count; otherwise the sum stays.
    first : In(1)
        It is the first one of its vector.
    start : In(total_bits)
        What to add to the first one.
    count : In(bits)
    total : Out(total_bits)
        Of the vector whose count was taken last.

    Raises
    ------
    ValueError
        If `bits`, `total_bits` or `hold` is below 1.

    Platform overrides
    ------------------
    Define ``get_accumulator(accumulator) -> Elaboratable`` that drives ``accumulator.total``.
    """

    def __init__(self, *, bits: int, total_bits: int, starts: bool = False, hold: int = 1) -> None:
        if not isinstance(bits, int) or bits < 1:
            raise ValueError(f"Accumulator bits must be a positive integer, not {bits!r}")
        if not isinstance(total_bits, int) or total_bits < 1:
            raise ValueError(f"Accumulator total_bits must be positive, not {total_bits!r}")
        if not isinstance(hold, int) or hold < 1:
            raise ValueError(f"Accumulator hold must be a positive integer, not {hold!r}")
        self._bits = bits
        self._total_bits = total_bits
        self._starts = starts
        self._hold = hold
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

    @property
    def hold(self) -> int:
        """Vectors that take turns."""
        return self._hold

    def registers(self, m: Module) -> tuple[Signal, Value]:
        """Build the registers of all vectors, of which no sum needs a reset.

        Call it once, from whatever builds the accumulator.

        Returns
        -------
        total : Signal
            The register behind `total`, to be assigned where there is a step.
        earlier : Value
            The sum to which the next count belongs.
        """
        total = Signal(self._total_bits, name="summed", reset_less=True)
        m.d.comb += self.total.eq(total)
        line: Value = total
        for turn in range(1, self._hold):
            kept = Signal(self._total_bits, name=f"kept{turn}", reset_less=True)
            with m.If(self.step):
                m.d.sync += kept.eq(line)
            line = kept
        return total, line

    def elaborate(self, platform: object) -> Elaboratable:
        """Build one adder, or what the platform has instead."""
        if hasattr(platform, "get_accumulator"):
            return platform.get_accumulator(self)
        m = Module()
        begins = self.start if self._starts else 0
        total, earlier = self.registers(m)
        with m.If(self.step):
            m.d.sync += total.eq(Mux(self.first, begins, earlier) + self.count)
        return m
