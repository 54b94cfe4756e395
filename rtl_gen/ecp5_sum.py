"""Accumulators for ECP5: the choice of what to add to, and the adder, in one LUT4 a bit."""

from typing import Any

from amaranth.hdl import Const, Module, Signal, Value

from .counting.cells import build

__all__ = ["accumulator"]

# The first half of a chain takes no carry: with P = 0 and G = 0 it gives 0 to the next one.
_FEED = 0


def _table(*, counted: bool, starts: bool) -> int:
    """Give the table of a bit: A of the count, B `first`, C of the start, D of the total.

    P is ``A ^ (B ? C : D)``. G, which is the half of the table with C = D = 0, is A: where P is 0
    both numbers agree, and the carry is either of them. An input that is missing is connected to 1:
    A where the count has no such bit and is 0, C where sums start at 0.
    """
    table = 0
    for index in range(16):
        a, b, c, d = (index >> k & 1 for k in range(4))
        added = a if counted else 0
        base = (c if starts else 0) if b else d
        generate = not starts and not c
        table |= (added if generate else added ^ base) << index
    return table


def accumulator(component: Any) -> Module:
    """Build an `Accumulator`; see there. The cells are those of `rtl_gen.counting.ecp5`."""
    m = Module()
    width = component.total_bits
    halves: list[tuple[int, list[Value], Value | None]] = [(_FEED, [Const(1, 1)] * 4, None)]
    following = Signal(width)
    total, earlier = component.registers(m)
    for bit in range(width):
        counted = bit < component.bits
        pins = [
            component.count[bit] if counted else Const(1, 1),
            component.first,
            component.start[bit] if component.starts else Const(1, 1),
            earlier[bit],
        ]
        table = _table(counted=counted, starts=component.starts)
        halves.append((table, pins, following[bit]))
    if len(halves) % 2:
        halves.append((_FEED, [Const(1, 1)] * 4, None))
    build(m, halves)
    with m.If(component.step):
        m.d.sync += total.eq(following)
    return m
