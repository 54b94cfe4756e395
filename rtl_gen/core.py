"""The free-running heart of an array: elements and accumulators that nothing stops."""

from collections.abc import Sequence

from amaranth.hdl import Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from bnnhw.fold.array import core_clocks, spread_clocks

from .accumulator import Accumulator
from .copies import REACH, copies
from .pe import ProcessingElement

__all__ = ["TAGS", "ArrayCore"]

TAGS = data.StructLayout({"there": 1, "first": 1, "final": 1, "last": 1, "masked": 1})
"""What goes with a group: whether there is one, and if it is a vector's first or final one."""


class ArrayCore(wiring.Component):
    """Count matches of PE weight rows with groups that come when they come.

    No register has an enable that a consumer drives: a group that is there goes through, and the
    result is there for a clock, `latency` clocks behind a vector's final group. Whoever sends
    groups must know that there is room for what becomes of them.

    One group a clock. With the ``L = simd.bit_length() - 1`` levels of adders of a count, `latency`
    is 3 where `every` is 0, and else ``2 + (every == 1) + max(1, ceil(L / every))``: the matches,
    the accumulator, the way to the elements, and the registers of the count.

    Parameters
    ----------
    pe, simd, bits : int
        As in `PEArray`.
    masked : bool
        Groups may be padding; counts are then in half steps.
    total_bits : int
        Width of a sum, which is modulo that.
    starts : bool
        A vector's sum starts with a number of each row's own.
    every : int
        Levels of adders between registers, see `bnnhw.fold.pipeline`.
    late : str
        What comes from registers and therefore a clock behind its tags: ``""``, ``"weight"``, or
        ``"both"`` weight and activation.
    inverted : bool
        Weights that are late are complements. That spares an inverter for each lane.
    hold : int
        Vectors that take turns, see `Accumulator`: a first group of each, then a second one of
        each. Every final group gives a result.

    Members
    -------
    tags : In(TAGS)
    activation : In(simd * bits)
    weight : In(ArrayLayout(unsigned(simd), pe))
    take_start : Out(1)
        `start` is that of the next vector from the next clock on, and for one clock.
    start : In(ArrayLayout(unsigned(total_bits), pe))
    valid : Out(1)
    last : Out(1)
        As the vector's final tags had it.
    total : Out(ArrayLayout(unsigned(total_bits), pe))

    Platform overrides
    ------------------
    Where there are ``block_ram_shapes`` (see `RomStream`), flip-flops cost no lookup tables: words
    are registered, so that the comparison goes into the count. Elsewhere matches are.
    """

    def __init__(
        self,
        *,
        pe: int,
        simd: int,
        total_bits: int,
        bits: int = 1,
        masked: bool = False,
        starts: bool = False,
        every: int = 0,
        late: str = "",
        inverted: bool = False,
        hold: int = 1,
    ) -> None:
        self._pe, self._simd, self._bits = pe, simd, bits
        self._masked, self._starts = masked, starts
        self._total_bits = total_bits
        self._every = every
        self._late = late
        self._inverted = inverted
        self._hold = hold
        totals = data.ArrayLayout(unsigned(total_bits), pe)
        super().__init__(
            {
                "tags": In(TAGS),
                "activation": In(simd * bits),
                "weight": In(data.ArrayLayout(unsigned(simd), pe)),
                "take_start": Out(1),
                "start": In(totals),
                "valid": Out(1),
                "last": Out(1),
                "total": Out(totals),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from a vector's final tags to the clock at which its result is taken."""
        return core_clocks(self._simd, self._every)

    def elaborate(self, platform: object) -> Module:
        """Build the elements, one accumulator for each, and the tags beside them."""
        m = Module()
        registered = bool(self._late) or hasattr(platform, "block_ram_shapes")
        spread = spread_clocks(self._every)
        stages = spread + (registered and self._late != "both")
        # Elements behind registers want complements, of either side.
        group = ~self.activation if registered and not self._inverted else self.activation
        activation = self._held(m, "group", group, stages)
        stages = spread + (registered and not self._late)
        weight = self._held(m, "weights", self.weight.as_value(), stages)
        counted, steps, firsts = self._tags(m, platform)
        for row in range(self._pe):
            m.submodules[f"pe{row}"] = element = ProcessingElement(
                simd=self._simd, bits=self._bits, every=self._every, registered=registered
            )
            m.d.comb += [
                element.activation.eq(activation),
                element.weight.eq(weight.word_select(row, self._simd)),
            ]
            count = element.count
            if self._masked:
                half = self._simd * ((1 << self._bits) - 1)
                count = Mux(counted.masked, half, element.count << 1)
            m.submodules[f"sum{row}"] = total = Accumulator(
                bits=len(count), total_bits=self._total_bits, starts=self._starts,
                hold=self._hold,
            )  # fmt: skip
            m.d.comb += [
                total.step.eq(steps[row]),
                total.first.eq(firsts[row]),
                total.start.eq(self.start[row]),
                total.count.eq(count),
                self.total[row].eq(total.total),
            ]
        return m

    @staticmethod
    def _held(m: Module, name: str, value: Value, stages: int) -> Value:
        """Register what goes to the elements as often as asked."""
        for stage in range(stages):
            held = Signal(len(value), name=f"{name}{stage}", reset_less=True)
            m.d.sync += held.eq(value)
            value = held
        return value

    def _tags(
        self, m: Module, platform: object
    ) -> tuple[data.View, Sequence[Value], Sequence[Value]]:
        """Lead the tags along; give those that stand beside the counts, two of them by row."""
        tags = self.tags
        for stage in range(self.latency - 1):
            before = tags
            tags = Signal(TAGS, name=f"tags{stage}")
            m.d.sync += tags.eq(before)
        m.d.comb += self.take_start.eq(before.there & before.first)
        m.d.sync += [self.valid.eq(tags.there & tags.final), self.last.eq(tags.last)]
        # What the accumulators of several rows wait for.
        together = max(1, REACH // (self._total_bits * self._hold))
        number = -(-self._pe // together)
        if number == 1:
            return tags, [tags.there] * self._pe, [tags.first] * self._pe
        there = copies(m, platform, before.there, number)
        first = copies(m, platform, before.first, number)
        rows = [row // together for row in range(self._pe)]
        return tags, [there[at] for at in rows], [first[at] for at in rows]
