"""The processing element: matches between a group of activations and a group of weights."""

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bnnhw.fold.array import ADDERS_FROM, count_clocks

from .code_sum import CodeSum, sum_in_pairs, sum_registers
from .popcount import MatchCount, Popcount, balanced_sum

__all__ = ["ProcessingElement"]


class ProcessingElement(wiring.Component):
    """XNOR a group of activations with a group of weight bits and count the matches.

    One group a clock, and nothing stops it. Latency `latency`: one register for the matches, so
    that the way out of a memory ends before the count begins, then those of the count. Where groups
    come from registers of their own already, `registered`, the first one is left out; activations
    are their complements then, since that is what adders can hide (see `MatchCount` and `CodeSum`).
    For K lanes of one bit with P matches the ±1 dot product is 2P − K. An activation of n bits
    counts as n bits that weigh 1, 2, 4, …: a lane adds its code where the weight is +1 and the
    complement of its code where it is −1. Short codes are added as bit planes with a popcount each,
    long ones as they are.

    Parameters
    ----------
    simd : int
        Lanes of the group.
    bits : int
        Width of an activation.
    adders : bool or None
        Whether codes are added as they are; None takes what is smaller.
    every : int
        Levels of adders between registers, see `bnnhw.fold.pipeline`.
    registered : bool
        Groups come from registers, and activations as their complements.

    Members
    -------
    activation : In(simd * bits)
        Codes, lane 0 in the low bits; all bits are complemented where `registered`.
    weight : In(simd)
        One bit a lane; 1 is +1, 0 is −1.
    count : Out(bits_for(simd * (2**bits - 1) + 1))
        Weighted number of bits that agree, of the group that was there `latency` clocks before.

    Raises
    ------
    ValueError
        If a parameter is below 1, or `every` below 0.
    """

    def __init__(
        self,
        *,
        simd: int,
        bits: int = 1,
        adders: bool | None = None,
        every: int = 0,
        registered: bool = False,
    ) -> None:
        if not isinstance(simd, int) or simd < 1:
            raise ValueError(f"SIMD must be a positive integer, not {simd!r}")
        if not isinstance(bits, int) or bits < 1:
            raise ValueError(f"Bits of an activation must be a positive integer, not {bits!r}")
        self._clocks = count_clocks(simd, every)
        self._simd = simd
        self._bits = bits
        self._adders = bits >= ADDERS_FROM if adders is None else adders
        self._every = every
        self._registered = registered
        width = (simd * ((1 << bits) - 1)).bit_length()
        super().__init__({"activation": In(simd * bits), "weight": In(simd), "count": Out(width)})

    @property
    def simd(self) -> int:
        """Lanes of the group."""
        return self._simd

    @property
    def bits(self) -> int:
        """Width of an activation."""
        return self._bits

    @property
    def adders(self) -> bool:
        """Whether codes are added as they are, instead of plane by plane."""
        return self._adders

    @property
    def every(self) -> int:
        """Levels of adders between registers."""
        return self._every

    @property
    def registered(self) -> bool:
        """Whether groups come from registers."""
        return self._registered

    @property
    def latency(self) -> int:
        """Clocks from a group to its count."""
        return self._clocks + (not self._registered)

    def elaborate(self, platform: object) -> Module:
        """Build the XNOR and its sum."""
        m = Module()
        total, clocks = self._codes(m) if self._adders else self._planes(m)
        for stage in range(clocks, self._clocks):
            held = Signal(len(self.count), name=f"sum{stage}", reset_less=True)
            m.d.sync += held.eq(total)
            total = held
        m.d.comb += self.count.eq(total)
        return m

    def _planes(self, m: Module) -> tuple[Value, int]:
        """Count the matches of each plane; give the sum of the counts, and its clocks."""
        planes: list[Value] = []
        clocks = 0
        for plane in range(self._bits):
            name = "popcount" if self._bits == 1 else f"popcount{plane}"
            of_plane = Cat(self.activation[lane * self._bits + plane] for lane in range(self._simd))
            if self._registered:
                m.submodules[name] = count = MatchCount(
                    width=self._simd, every=self._every, complement=True
                )
                m.d.comb += [count.i_activation.eq(of_plane), count.i_weight.eq(self.weight)]
                planes.append(count.o << plane)
                clocks = count.latency
            else:
                matches = Signal(self._simd, name=f"matches{plane}", reset_less=True)
                m.submodules[name] = popcount = Popcount(width=self._simd, every=self._every)
                m.d.sync += matches.eq(~(of_plane ^ self.weight))
                m.d.comb += popcount.i.eq(matches)
                planes.append(popcount.o << plane)
                clocks = popcount.latency
        return balanced_sum(planes), clocks

    def _codes(self, m: Module) -> tuple[Value, int]:
        """Add the codes of all lanes, or their complements; give the sum, and its clocks."""
        if self._registered:
            m.submodules.codes = total = CodeSum(
                simd=self._simd, bits=self._bits, every=self._every
            )
            m.d.comb += [
                total.i_activation.eq(self.activation),
                total.i_weight.eq(self.weight),
            ]
            return total.o, total.latency
        codes: list[Value] = []
        for lane in range(self._simd):
            code = self.activation.word_select(lane, self._bits)
            matches = Signal(self._bits, name=f"matches{lane}", reset_less=True)
            m.d.sync += matches.eq(~(code ^ self.weight[lane].replicate(self._bits)))
            codes.append(matches)
        return sum_in_pairs(m, codes, every=self._every), sum_registers(self._simd, self._every)
