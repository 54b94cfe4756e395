"""Sums of codes for ECP5: two codes, the weights that complement them and a carry in one LUT4."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Const, Module, Signal, Value

from ..unrolled_adders import Adder
from .cells import build

__all__ = ["code_sum"]

_FEED = _END = 0
"""P = 0 and G = 0: S is the carry that comes in, and none goes on."""
_ONE = Const(1, 1)


@dataclass(frozen=True)
class _Number:
    """A number 0 … `top` that is `value`, with all bits complemented where `flip` is 1."""

    value: Value
    flip: Value | None
    top: int


def code_sum(component: Any, *, cells: bool = True) -> Module:
    """Build a `CodeSum`; see there.

    A code waits for its adder together with its weight, so that no LUT only complements it.
    """
    m = Module()
    bits, every = component.bits, component.every
    numbers = [
        _Number(component.i_activation[lane * bits :][:bits], weight, (1 << bits) - 1)
        for lane, weight in enumerate(component.i_weight)
    ]
    levels = placed = 0
    while len(numbers) > 1:
        levels += 1
        numbers = [
            _added(m, *numbers[at : at + 2], name=f"sum{levels}_{at // 2}", cells=cells)
            for at in range(0, len(numbers), 2)
        ]
        if every and levels % every == 0 and placed < component.latency:
            placed += 1
            numbers = [_held(m, number, f"part{levels}_{k}") for k, number in enumerate(numbers)]
    (number,) = numbers
    flip = 0 if number.flip is None else number.flip.replicate(len(number.value))
    m.d.comb += component.o.eq(number.value ^ flip)
    return m


def _held(m: Module, number: _Number, name: str) -> _Number:
    value = Signal(len(number.value), name=name, reset_less=True)
    m.d.sync += value.eq(number.value)
    flip = None
    if number.flip is not None:
        flip = Signal(name=f"{name}_flip", reset_less=True)
        m.d.sync += flip.eq(number.flip)
    return _Number(value, flip, number.top)


def _added(
    m: Module, left: _Number, right: _Number | None = None, *, name: str, cells: bool
) -> _Number:
    """Add a pair; what has none goes on as it is."""
    if right is None:
        return left
    if len(left.value) < len(right.value):
        left, right = right, left
    top = left.top + right.top
    total = Signal(top.bit_length(), name=name)
    if left.flip is None and right.flip is None:
        m.submodules[name] = adder = Adder(
            left=len(left.value), right=len(right.value), width=len(total)
        )
        m.d.comb += [
            adder.i_left.eq(left.value),
            adder.i_right.eq(right.value),
            total.eq(adder.o),
        ]
        return _Number(total, None, top)
    halves: list[tuple[int, list[Value], Value | None]] = [(_FEED, [_ONE] * 4, None)]
    for bit in range(len(left.value)):
        there = bit < len(right.value)
        pins = [left.value[bit], _ONE if left.flip is None else left.flip]
        if there:
            pins += [right.value[bit], _ONE if right.flip is None else right.flip]
        pins += [_ONE] * (4 - len(pins))
        table = _table(left.flip is not None, there, right.flip is not None)
        halves.append((table, pins, total[bit]))
    if len(total) > len(left.value):
        halves.append((_END, [_ONE] * 4, total[-1]))
    if len(halves) % 2:
        halves.append((_END, [_ONE] * 4, None))
    build(m, halves, cells=cells)
    return _Number(total, None, top)


def _table(left_flips: bool, there: bool, right_flips: bool) -> int:
    """Give the table of a bit: A and its complement B, C and its complement D.

    P is the sum of both bits. G, which is the half of the table with C = D = 0, is the left one:
    where P is 0 both agree, and the carry is either of them. Where the right number has no such
    bit, C and D are 1, and a carry is passed on or ends.
    """
    table = 0
    for index in range(16):
        a, b, c, d = (index >> k & 1 for k in range(4))
        left = a ^ (b & left_flips)
        right = (c ^ (d & right_flips)) & there
        table |= ((left ^ right) if there or c or d else 0) << index
    return table
