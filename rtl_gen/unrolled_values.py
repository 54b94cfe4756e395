"""The counts that rows of a constant matrix share, as signals."""

from amaranth.hdl import C, Cat, Module, Signal, Value

from bnnhw.fold.sharing import Leaf, Program, Row, Sum

from .popcount import Popcount
from .unrolled_adders import Adder, Halver

__all__ = ["Values"]

_TABLE = 4
"""Most lanes that are counted by one LUT4 a bit."""


def _table(bits: list[Value]) -> Value:
    """Count up to four bits, each bit of the count a function of them."""
    if len(bits) == 1:
        return bits[0]
    if len(bits) == 2:
        a, b = bits
        return Cat(a ^ b, a & b)
    if len(bits) == 3:
        a, b, c = bits
        return Cat(a ^ b ^ c, (a & b) | (a & c) | (b & c))
    a, b, c, d = bits
    every = a & b & c & d
    two = (a & b) | (c & d) | ((a | b) & (c | d))
    return Cat(a ^ b ^ c ^ d, two & ~every, every)


class Values:
    """The nodes of a program, each to be had behind its own registers or any later ones.

    A node of level n is computed from what is behind ``(n - 1) // every`` registers, and is itself
    behind ``n // every``. Nothing in here has an enable.

    Parameters
    ----------
    m : Module
        Where it is built.
    program : Program
    every : int
        Levels of adders between registers; 0 is none but those at the end.
    lanes : view of ArrayLayout
        The vector.
    """

    def __init__(self, m: Module, program: Program, every: int, lanes: Value) -> None:
        self._m = m
        self._program = program
        self._every = every
        self._stages = program.stages(every)
        self._levels = program.levels
        self._lanes = lanes
        self._there: dict[tuple[int, int], Value] = {}
        for number, node in enumerate(program.nodes):
            if isinstance(node, Leaf):
                value = self._leaf(number, node)
            else:
                value = self._sum(number, node)
            self._there[number, self._behind(self._levels[number])] = value

    def row(self, row: Row) -> tuple[Value, int]:
        """Give ``2 * part - whole``, signed, or a whole; and how many levels are in front of it."""
        level = self._program.row_level(row)
        if row.part is None:
            return self._at(row.whole, self._behind(level)), level
        before = self._before(level)
        part, whole = self._at(row.part, before), self._at(row.whole, before)
        halver = Halver(part=len(part), whole=len(whole))
        self._m.submodules += halver
        self._m.d.comb += [halver.i_part.eq(part), halver.i_whole.eq(whole)]
        return self._registered(halver.o, level, "row").as_signed(), level

    def ending(self, result: Value, level: int, width: int) -> Value:
        """Lead a result of some level to the end, through at least one register there."""
        for _ in range(self._before(level), self._stages):
            held = Signal(width, name="ending", reset_less=True)
            self._m.d.sync += held.eq(result)
            result = held
        return result

    def _before(self, level: int) -> int:
        return max(level - 1, 0) // self._every if self._every else 0

    def _behind(self, level: int) -> int:
        return level // self._every if self._every else 0

    def _at(self, number: int, stage: int) -> Value:
        """Give a node behind so many registers."""
        key = (number, stage)
        if key not in self._there:
            earlier = self._at(number, stage - 1)
            held = Signal(len(earlier), name=f"node{number}_at{stage}", reset_less=True)
            self._m.d.sync += held.eq(earlier)
            self._there[key] = held
        return self._there[key]

    def _registered(self, value: Value, level: int, name: str) -> Value:
        """Put a register behind a level that has one."""
        if self._before(level) == self._behind(level):
            return value
        held = Signal(len(value), name=name, reset_less=True)
        self._m.d.sync += held.eq(value)
        return held

    def _leaf(self, number: int, leaf: Leaf) -> Value:
        bits = [self._lanes[lane][leaf.plane] for lane in leaf.lanes]
        if len(bits) <= _TABLE:
            plain = [~bit if flip else bit for bit, flip in zip(bits, leaf.flips, strict=True)]
            value, level = _table(plain), self._levels[number]
            for _ in range(self._behind(level)):
                held = Signal(len(value), name=f"node{number}", reset_less=True)
                self._m.d.sync += held.eq(value)
                value = held
            return value
        # More complements than plain bits would be counted as their complement, which takes a
        # subtraction; the lanes in excess are inverted here, once for all classes.
        excess = max(sum(leaf.flips) - len(bits) // 2, 0)
        mask = 0
        for k, flip in enumerate(leaf.flips):
            if flip and excess:
                bits[k] = ~bits[k]
                excess -= 1
            elif flip:
                mask |= 1 << k
        count = Popcount(width=len(bits), every=self._every, inverted=mask)
        self._m.submodules[f"count{number}"] = count
        self._m.d.comb += count.i.eq(Cat(bits))
        return count.o

    def _sum(self, number: int, node: Sum) -> Value:
        level = self._levels[number]
        before = self._before(level)
        left, right = self._at(node.left, before), self._at(node.right, before)
        # Only what lies above the shift is added; the sum is never larger than `tops` says.
        above = left[node.shift :]
        if not len(above):
            beside = Cat(left, C(0, node.shift - len(left)), right)
            return self._registered(beside, level, f"node{number}")
        width = self._program.tops[number].bit_length() - node.shift
        adder = Adder(left=len(above), right=len(right), width=width)
        self._m.submodules[f"add{number}"] = adder
        self._m.d.comb += [adder.i_left.eq(above), adder.i_right.eq(right)]
        return self._registered(Cat(left[: node.shift], adder.o), level, f"node{number}")
