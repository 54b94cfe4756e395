"""Popcounts for iCE40: pairs into LUT4 counters of five, dots into carry chains."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import product
from typing import Any

from amaranth.hdl import Cat, Const, Elaboratable, Instance, Module, Signal, Value

from bnnhw.fold.pipeline import adder_levels

from .heap import Dot, Heap, Segment, heap
from .lanes import Wires
from .shape import shape

__all__ = ["Ice40Count", "PairCounter", "match_count", "pair_groups", "popcount", "segment_rows"]

_LONGEST, _SHORT = 64, 16
"""Most positions of a chain, if no segment is longer; and of one between registers.

Timing analysis follows the carry through all of a chain, though none passes from one segment to the
next: 64 positions are 8 ns on an HX8K. Shorter ones cost some cells for their ends, 20 of 947 in an
array of 4 x 64 lanes, which then reaches 117 MHz instead of 95.
"""


class Ice40Count(Elaboratable):
    """Count the dots of a heap in carry chains, each of which is one addition.

    A position where both numbers have the same bit lets the carry out that comes in and makes that
    bit the carry: so segments stand behind each other in one addition, of any synthesiser. On iCE40
    the two inputs of such a cell are one net, which only nextpnr's router2 can be relied on to
    route.

    Takes new inputs with every `step`; `o` is their count ``(levels + offset) // every`` steps
    later, `levels` being those of the heap and `offset` 0 or 1, and in the same clock where `every`
    is 0. Without `step` all registers hold.

    Parameters
    ----------
    heap : Heap
        Without fives.
    inputs : sequence of Value
        One bit for each dot from outside.
    step : Value
        When registers move on.
    every : int
        Levels between registers; 0 is no register at all.
    offset : int
        Levels in front of the heap.
    """

    def __init__(
        self,
        heap: Heap,
        inputs: Sequence[Value],
        *,
        step: Value,
        every: int,
        offset: int = 0,
    ) -> None:
        self._heap = heap
        self._inputs = inputs
        self._step = step
        self._every = every
        self._offset = offset
        self.o = Signal(len(heap.result))

    def elaborate(self, platform: object) -> Module:
        """Build additions, and registers where something is read later than it is made."""
        m = Module()
        wires = Wires(m, self._step, self._every)
        for dot, value in enumerate(self._inputs):
            wires.set(dot, value, max(self._offset - 1, 0))
        most = _SHORT if self._every else _LONGEST
        for place, level in enumerate(self._heap.levels):
            at = place + self._offset
            for row in segment_rows(level.segments, most=most):
                _addition(m, wires, row, at)
        last = len(self._heap.levels) + self._offset
        m.d.comb += self.o.eq(
            Cat(Const(0, 1) if dot is None else wires.get(dot, last) for dot in self._heap.result)
        )
        wires.registers()
        return m


def segment_rows(segments: Sequence[Segment], *, most: int) -> list[list[Segment]]:
    """Join segments to rows of at most `most` positions, each with one for its end."""
    rows: list[list[Segment]] = []
    lengths: list[int] = []
    for segment in sorted(segments, key=lambda one: -len(one.operations)):
        length = len(segment.operations)
        fits = [row for row, own in enumerate(lengths) if own + length <= most]
        if fits:
            best = max(fits, key=lambda row: lengths[row])
            rows[best].append(segment)
            lengths[best] += length
        else:
            rows.append([segment])
            lengths.append(length + 1)
    return rows


def _addition(m: Module, wires: Wires, row: Sequence[Segment], at: int) -> None:
    """Build one addition, and name the bits of its sum."""
    left: list[Value] = []
    right: list[Value] = []
    gives: list[int | None] = []
    before: int | None = None
    for segment in row:
        feed, *others = segment.operations
        fed = wires.get(feed.takes[0], at)
        left.append(fed)
        right.append(fed)
        gives.append(before)
        before = segment.end
        for operation in others:
            operands = [wires.get(dot, at) for dot in operation.takes]
            left.append(operands[0])
            right.append(operands[1] if len(operands) > 1 else Const(0, 1))
            gives.append(operation.gives[0])
    total = Signal(len(left) + 1, name="total")
    m.d.comb += total.eq(Cat(left) + Cat(right))
    for bit, dot in enumerate([*gives, before]):
        if dot is not None:
            wires.set(dot, total[bit], at)


def pair_groups(width: int, most: int) -> list[int]:
    """Split pairs into groups: one, and fours behind it, `most` at most; or what is left."""
    groups = []
    while width >= 5:
        fours = min((width - 1) // 4, most)
        groups.append(1 + 4 * fours)
        width -= groups[-1]
    return [*groups, *([width] if width else [])]


@lru_cache(maxsize=256)
def _pairs_heap(width: int, registered: bool) -> tuple[list[int], Heap, int]:
    """Choose groups of pairs, and make the heap of what they give, with the levels before it.

    Counters are the first level. The search finds no levels for some widths (of those up to 512,
    240 and 24 from 418 on): there they stand in front of the first additions, between the same
    registers.
    """
    offset = min(adder_levels(width), 1)
    # Counters in a row are slow: between registers there is one.
    fives = pair_groups(width, 1 if registered else 2)
    threes = [3] * (width // 3) + [width % 3] * (width % 3 > 0)
    for groups, before in ((fives, offset), (threes, offset), (fives, 0)):
        ones = sum(2 if size == 4 else 1 for size in groups)
        twos = sum((size + (size == 2) - (size == 4)) // 2 for size in groups)
        levels = adder_levels(width) - before
        if shape(0, (ones, twos), levels, False) is not None:
            return groups, _dots_heap(ones, twos, levels), before
    raise AssertionError(f"A count of {width} pairs must fit its levels")


def popcount(component: Any, *, cells: bool = True) -> Module:
    """Build a `Popcount`; see there.

    A carry takes the raw inputs of its cell, so complements are counted in LUT4s first, by threes.
    There are no instances in it: `cells` changes nothing.
    """
    del cells
    m = Module()
    width, inverted = component.width, component.inverted
    flipped = [~component.i[k] for k in range(width) if inverted >> k & 1]
    ones = [component.i[k] for k in range(width) if not inverted >> k & 1]
    twos: list[Value] = []
    for at in range(0, len(flipped) - 2, 3):
        a, b, c = flipped[at : at + 3]
        ones.append(a ^ b ^ c)
        twos.append((a & b) | (a & c) | (b & c))
    ones += flipped[len(flipped) // 3 * 3 :]
    m.submodules.count = count = Ice40Count(
        _dots_heap(len(ones), len(twos), adder_levels(width)),
        ones + twos,
        step=component.step,
        every=component.every,
    )
    m.d.comb += component.o.eq(count.o)
    return m


@lru_cache(maxsize=256)
def _dots_heap(ones: int, twos: int, levels: int) -> Heap:
    found = shape(0, (ones, twos), levels, False)
    assert found is not None, f"A count of {ones} and {twos} dots must fit its levels"
    dots = [Dot(0, (k,)) for k in range(ones)] + [Dot(1, (ones + k,)) for k in range(twos)]
    return heap(dots, found)


def match_count(component: Any, *, cells: bool = True) -> Module:
    """Build a `MatchCount`; see there. Its first level are counters of pairs."""
    m = Module()
    pairs = list(zip(component.i_activation, component.i_weight, strict=True))
    ones: list[Value] = []
    twos: list[Value] = []
    groups, heap, offset = _pairs_heap(component.width, component.every != 0)
    at = 0
    for size in groups:
        counter = PairCounter(pairs[at : at + size], differ=component.complement, cells=cells)
        m.submodules += counter
        ones += counter.ones
        twos += counter.twos
        at += size
    m.submodules.count = count = Ice40Count(
        heap, ones + twos, step=component.step, every=component.every, offset=offset
    )
    m.d.comb += component.o.eq(count.o)
    return m


class PairCounter(Elaboratable):
    """Count a group of pairs in LUT4s, which Yosys would not find: five for four pairs and a sum.

    Combinational: latency 0.

    Parameters
    ----------
    pairs : sequence of (Value, Value)
        As many as `pair_groups` puts into a group.
    differ : bool
        Whether pairs that differ count; otherwise those that agree.
    cells : bool
        Whether to make cells; otherwise the same tables as logic.

    Attributes
    ----------
    ones, twos : list of Signal
        Dots that count 1 and 2.
    """

    def __init__(
        self, pairs: Sequence[tuple[Value, Value]], *, differ: bool, cells: bool = True
    ) -> None:
        self._pairs = list(pairs)
        self._differ = differ
        self._cells = cells
        size = len(self._pairs)
        self.ones = [Signal(name=f"one{k}") for k in range(2 if size == 4 else 1)]
        twos = (size + (size == 2) - (size == 4)) // 2
        self.twos = [Signal(name=f"two{k}") for k in range(twos)]

    def elaborate(self, platform: object) -> Module:
        """Build a row of counters, each with the sum of the one before."""
        m = Module()
        agree = 0 if self._differ else 1
        pairs = list(self._pairs)
        if len(pairs) == 2:
            (a, b), (c, d) = pairs
            self._lut(m, self.ones[0], lambda a, b, c, d: a ^ b ^ c ^ d, a, b, c, d)
            self._lut(
                m, self.twos[0], lambda a, b, c, d: (a ^ b ^ agree) & (c ^ d ^ agree), a, b, c, d
            )
            return m
        if len(pairs) == 4:
            self._lut(m, self.ones[1], lambda a, b: a ^ b ^ agree, *pairs.pop())
        total = Signal(name="sum") if len(pairs) > 1 else self.ones[0]
        self._lut(m, total, lambda a, b: a ^ b ^ agree, *pairs[0])
        twos = iter(self.twos)
        for at in range(1, len(pairs), 4):
            last = at + 4 >= len(pairs)
            following = self.ones[0] if last else Signal(name="sum")
            self._counter(m, pairs[at : at + 4], total, following, twos, agree)
            total = following
        return m

    def _counter(
        self,
        m: Module,
        pairs: Sequence[tuple[Value, Value]],
        total: Signal,
        following: Signal,
        twos: Iterator[Signal],
        agree: int,
    ) -> None:
        """Add four pairs, or two, to a sum of one bit."""
        odd = [Signal(name="odd") for _ in range(0, len(pairs), 2)]
        for signal, (first, second) in zip(
            odd, zip(pairs[::2], pairs[1::2], strict=True), strict=True
        ):
            self._lut(m, signal, lambda a, b, c, d: a ^ b ^ c ^ d, *first, *second)
        self._lut(m, following, lambda *bits: sum(bits) % 2, total, *odd)
        # Where two bits differ, the carry is the third; otherwise it is either of them.
        self._lut(
            m, next(twos), lambda p, z, a, b: z if p else a ^ b ^ agree, odd[0], total, *pairs[0]
        )
        if len(odd) == 2:
            self._lut(
                m,
                next(twos),
                lambda p, z, a, b: 1 - z if p else a ^ b ^ agree,
                odd[1],
                following,
                *pairs[2],
            )

    def _lut(self, m: Module, out: Signal, function: Callable[..., int], *ins: Value) -> None:
        rows = product((0, 1), repeat=len(ins))
        init = sum(function(*reversed(row)) << at for at, row in enumerate(rows))
        if not self._cells:
            m.d.comb += out.eq(Const(init, 1 << len(ins)).bit_select(Cat(ins), 1))
            return
        for known in range(len(ins), 4):
            init |= init << (1 << known)
        ports = {f"i_I{k}": ins[k] if k < len(ins) else Const(0, 1) for k in range(4)}
        m.submodules += Instance("SB_LUT4", p_LUT_INIT=Const(init, 16), o_O=out, **ports)
