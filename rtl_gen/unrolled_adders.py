"""Adders of counts, which a target may build from its own carry cells."""

from typing import Any

from amaranth.hdl import C, Cat, Elaboratable, Instance, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Adder", "Halver", "ecp5_adder", "ecp5_halver"]

# A half of a CCU2C with its inputs C and D at 1: `INIT[15:12]` is P as a function of A and B,
# `INIT[3:0]` is G. Then S = P ^ CIN, and COUT = CIN where P is 1, otherwise G.
_FEED_NONE = 0x0000
_FEED_BOTH = 0x0008
_FEED_NOT = 0x0005
_ADD = 0x600A
_ADD_NOT = 0x900A
_ADD_ALONE = 0xA000
_NOT_ALONE = 0x5000
_PLUS_ONES = 0x500A
_CARRY = 0x0000
_NO_CARRY = 0xF000
# Cells at the ends of a chain, see `rtl_gen.counting.ecp5`.
_KINDS = {
    (False, False): "BNNHW_CARRY_ONLY",
    (False, True): "BNNHW_CARRY_FIRST",
    (True, False): "BNNHW_CARRY_LAST",
    (True, True): "CCU2C",
}
_NARROW = 3
"""Widest numbers that plain LUTs add with no more cells than a chain."""


class Adder(wiring.Component):
    """Add two counts; combinational.

    Parameters
    ----------
    left, right : int
        Widths of the numbers.
    width : int
        Width of the sum: one more than the wider number's, or as much as is known to suffice.

    Members
    -------
    i_left : In(left)
    i_right : In(right)
    o : Out(width)

    Raises
    ------
    ValueError
        If a width is below 1, or the sum is narrower than a number or more than one bit wider.

    Platform overrides
    ------------------
    Define ``get_adder(adder) -> Elaboratable`` that drives ``adder.o``.
    """

    def __init__(self, *, left: int, right: int, width: int) -> None:
        for name, value in (("left", left), ("right", right), ("width", width)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"Adder {name} must be a positive integer, not {value!r}")
        if width - max(left, right) not in (0, 1):
            raise ValueError(f"Adder width must be {max(left, right)} or one more, not {width!r}")
        super().__init__({"i_left": In(left), "i_right": In(right), "o": Out(width)})

    def elaborate(self, platform: object) -> Elaboratable:
        """Add, or build what the platform has instead."""
        if hasattr(platform, "get_adder"):
            return platform.get_adder(self)
        m = Module()
        m.d.comb += self.o.eq(self.i_left + self.i_right)
        return m


class Halver(wiring.Component):
    """Give ``2 * part - whole``; combinational.

    The lowest bit is that of `whole`, and what is above it is ``part - whole // 2 - whole % 2``.

    Parameters
    ----------
    part, whole : int
        Widths of the numbers.

    Members
    -------
    i_part : In(part)
    i_whole : In(whole)
    o : Out(signed)
        Two bits wider than the wider of `part` and ``whole // 2``.

    Raises
    ------
    ValueError
        If a width is below 1.

    Platform overrides
    ------------------
    Define ``get_halver(halver) -> Elaboratable`` that drives ``halver.o``.
    """

    def __init__(self, *, part: int, whole: int) -> None:
        for name, value in (("part", part), ("whole", whole)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"Halver {name} must be a positive integer, not {value!r}")
        width = max(part, whole - 1) + 2
        super().__init__({"i_part": In(part), "i_whole": In(whole), "o": Out(width)})

    def elaborate(self, platform: object) -> Elaboratable:
        """Subtract, or build what the platform has instead."""
        if hasattr(platform, "get_halver"):
            return platform.get_halver(self)
        m = Module()
        m.d.comb += self.o.eq((self.i_part << 1) - self.i_whole)
        return m


class _Chain:
    """Halves of CCU2C cells behind each other, from the lowest bit on."""

    def __init__(self, m: Module) -> None:
        self._m = m
        self._halves: list[tuple[int, Value, Value]] = []

    def add(self, init: int, a: Value, b: Value) -> None:
        self._halves.append((init, a, b))

    def sums(self, name: str) -> list[Value]:
        """Build the cells, and give the sum of every half."""
        halves = list(self._halves)
        if len(halves) % 2:
            halves.append((_FEED_NONE, C(1, 1), C(1, 1)))
        sums: list[Value] = []
        carry: Value | None = None
        for k in range(0, len(halves), 2):
            pair = Signal(2, name=f"{name}{k}")
            after = Signal(name=f"{name}{k}_carry") if k + 2 < len(halves) else None
            ports: dict[str, Any] = {} if carry is None else {"i_CIN": carry}
            if after is not None:
                ports["o_COUT"] = after
            for half, (init, a, b) in enumerate(halves[k : k + 2]):
                ports |= {
                    f"p_INIT{half}": C(init, 16),
                    f"i_A{half}": a,
                    f"i_B{half}": b,
                    f"i_C{half}": C(1, 1),
                    f"i_D{half}": C(1, 1),
                    f"o_S{half}": pair[half],
                }
            kind = _KINDS[carry is not None, after is not None]
            if kind == "CCU2C":
                ports |= {"p_INJECT1_0": "NO", "p_INJECT1_1": "NO"}
            self._m.submodules[f"{name}{k}_cell"] = Instance(kind, **ports)
            sums += [pair[0], pair[1]]
            carry = after
        return sums[: len(self._halves)]


def ecp5_adder(adder: Adder) -> Elaboratable:
    """Build an `Adder` from CCU2C cells, or from LUTs where it is narrow.

    The first half passes no carry on, so the chain needs none to come in; two more LUT4 than the
    wider number has bits, if the sum is wider than it.
    """
    m = Module()
    one = C(1, 1)
    long, short = adder.i_left, adder.i_right
    if len(long) < len(short):
        long, short = short, long
    if len(long) <= _NARROW:
        m.d.comb += adder.o.eq(long + short)
        return m
    chain = _Chain(m)
    more = len(adder.o) > len(long)
    # Halves come in pairs: either the lowest bit is added in the chain, or beside it.
    beside = (len(long) + more) % 2 == 0
    if beside:
        chain.add(_FEED_BOTH, long[0], short[0])
    else:
        chain.add(_FEED_NONE, one, one)
        chain.add(_ADD, long[0], short[0])
    for k in range(1, len(long)):
        if k < len(short):
            chain.add(_ADD, long[k], short[k])
        else:
            chain.add(_ADD_ALONE, long[k], one)
    if more:
        chain.add(_CARRY, one, one)
    sums = chain.sums("add")
    low = long[0] ^ short[0] if beside else sums[1]
    m.d.comb += adder.o.eq(Cat(low, sums[1 if beside else 2 :]))
    return m


def ecp5_halver(halver: Halver) -> Elaboratable:
    """Build a `Halver` from CCU2C cells: one for each bit but the lowest, and a half to start."""
    m = Module()
    one = C(1, 1)
    part, whole = halver.i_part, halver.i_whole
    width = max(len(part), len(whole) - 1)
    chain = _Chain(m)
    # A carry comes in where nothing is taken off.
    chain.add(_FEED_NOT, whole[0], one)
    for k in range(width):
        if k < len(part) and k + 1 < len(whole):
            chain.add(_ADD_NOT, part[k], whole[k + 1])
        elif k < len(part):
            chain.add(_PLUS_ONES, part[k], one)
        else:
            chain.add(_NOT_ALONE, whole[k + 1], one)
    chain.add(_NO_CARRY, one, one)
    m.d.comb += halver.o.eq(Cat(whole[0], chain.sums("halve")[1:]))
    return m
