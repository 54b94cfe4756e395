"""The sum of a group's codes, each as it is or complemented, as its weight says."""

from amaranth.hdl import Elaboratable, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bnnhw.fold.array import count_clocks

from .popcount import balanced_sum

__all__ = ["CodeSum", "sum_in_pairs", "sum_registers"]


def sum_registers(simd: int, every: int) -> int:
    """Count the registers in a sum of codes: one behind every `every`-th level of pairs.

    No more than a popcount of as many lanes and the register behind it have, so that elements of
    both kinds take as long.

    Parameters
    ----------
    simd : int
        Lanes.
    every : int
        Levels of adders between registers; 0 is no register at all.
    """
    levels = (simd - 1).bit_length()
    return min(levels // every, count_clocks(simd, every)) if every else 0


def sum_in_pairs(m: Module, codes: list[Value], *, every: int) -> Value:
    """Add pair by pair, with `sum_registers` registers."""
    stop = sum_registers(len(codes), every)
    levels = placed = 0
    while len(codes) > 1:
        codes = [balanced_sum(codes[k : k + 2]) for k in range(0, len(codes), 2)]
        levels += 1
        if every and levels % every == 0 and placed < stop:
            placed += 1
            held = [Signal.like(code, name=f"part{levels}", reset_less=True) for code in codes]
            m.d.sync += [kept.eq(code) for kept, code in zip(held, codes, strict=True)]
            codes = list(held)
    return codes[0]


class CodeSum(wiring.Component):
    """Add the codes of a group, complemented where the weight is −1.

    Both come from registers outside, activations as their complements, so that a target can hide
    the comparison in its adders. Latency ``sum_registers(simd, every)``; one group a clock, and
    nothing stops it.

    Parameters
    ----------
    simd : int
        Lanes.
    bits : int
        Width of a code.
    every : int
        Levels of adders between registers; 0 is no register at all.

    Members
    -------
    i_activation : In(simd * bits)
        Complements of codes, lane 0 in the low bits.
    i_weight : In(simd)
        One bit a lane; 1 is +1, 0 is −1.
    o : Out(bits_for(simd * (2**bits - 1) + 1))

    Raises
    ------
    ValueError
        If `simd` or `bits` is below 1, or `every` below 0.

    Platform overrides
    ------------------
    Define ``get_code_sum(code_sum) -> Elaboratable`` that drives ``code_sum.o`` from the inputs.
    """

    def __init__(self, *, simd: int, bits: int, every: int = 0) -> None:
        for name, value in (("lanes", simd), ("bits", bits)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(
                    f"{name.title()} of a sum must be a positive integer, not {value!r}"
                )
        count_clocks(simd, every)
        self._simd, self._bits, self._every = simd, bits, every
        width = (simd * ((1 << bits) - 1)).bit_length()
        super().__init__({"i_activation": In(simd * bits), "i_weight": In(simd), "o": Out(width)})

    @property
    def simd(self) -> int:
        """Lanes."""
        return self._simd

    @property
    def bits(self) -> int:
        """Width of a code."""
        return self._bits

    @property
    def every(self) -> int:
        """Levels of adders between registers."""
        return self._every

    @property
    def latency(self) -> int:
        """Clocks from a group to its sum."""
        return sum_registers(self._simd, self._every)

    def elaborate(self, platform: object) -> Elaboratable:
        """Build XORs and a tree, or what the platform has instead."""
        if hasattr(platform, "get_code_sum"):
            return platform.get_code_sum(self)
        m = Module()
        codes: list[Value] = []
        for lane in range(self._simd):
            code = Signal(self._bits, name=f"code{lane}")
            flip = self.i_weight[lane].replicate(self._bits)
            m.d.comb += code.eq(self.i_activation.word_select(lane, self._bits) ^ flip)
            codes.append(code)
        m.d.comb += self.o.eq(sum_in_pairs(m, codes, every=self._every))
        return m
