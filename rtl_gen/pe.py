"""The processing element: matches between a group of activations and a group of weights."""

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .popcount import Popcount, balanced_sum

__all__ = ["ProcessingElement"]

# From so many bits an adder tree of whole codes is smaller than a popcount a plane, on ECP5 and
# iCE40 alike; docs/decisions.md has the numbers.
_ADDERS_FROM = 4


class ProcessingElement(wiring.Component):
    """XNOR a group of activations with a group of weight bits and count the matches.

    Latency 1: the matches are registered, so that the way out of a memory ends before the count
    begins; one group a clock while `step`, otherwise everything holds. For K lanes of one bit with
    P matches the ±1 dot product is 2P − K. An activation of n bits counts as n bits that weigh
    1, 2, 4, …: a lane adds its code where the weight is +1 and the complement of its code where it
    is −1. Short codes are added as bit planes with a popcount each, long ones as they are.

    Parameters
    ----------
    simd : int
        Lanes of the group.
    bits : int
        Width of an activation.
    adders : bool or None
        Whether codes are added as they are; None takes what is smaller.

    Members
    -------
    step : In(1)
        Take the group.
    activation : In(simd * bits)
        Codes, lane 0 in the low bits.
    weight : In(simd)
        One bit a lane; 1 is +1, 0 is −1.
    count : Out(bits_for(simd * (2**bits - 1) + 1))
        Weighted number of bits that agree, of the group that was taken last.

    Raises
    ------
    ValueError
        If a parameter is below 1.
    """

    def __init__(self, *, simd: int, bits: int = 1, adders: bool | None = None) -> None:
        if not isinstance(simd, int) or simd < 1:
            raise ValueError(f"SIMD must be a positive integer, not {simd!r}")
        if not isinstance(bits, int) or bits < 1:
            raise ValueError(f"Bits of an activation must be a positive integer, not {bits!r}")
        self._simd = simd
        self._bits = bits
        self._adders = bits >= _ADDERS_FROM if adders is None else adders
        width = (simd * ((1 << bits) - 1)).bit_length()
        super().__init__(
            {
                "step": In(1),
                "activation": In(simd * bits),
                "weight": In(simd),
                "count": Out(width),
            }
        )

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

    def elaborate(self, platform: object) -> Module:
        """Build the XNOR and its sum."""
        m = Module()
        parts = self._codes(m) if self._adders else self._planes(m)
        m.d.comb += self.count.eq(balanced_sum(parts))
        return m

    def _planes(self, m: Module) -> list[Value]:
        """Register the matches of each plane, and count them."""
        planes: list[Value] = []
        for plane in range(self._bits):
            name = "popcount" if self._bits == 1 else f"popcount{plane}"
            m.submodules[name] = popcount = Popcount(width=self._simd)
            of_plane = Cat(self.activation[lane * self._bits + plane] for lane in range(self._simd))
            matches = Signal(self._simd, name=f"matches{plane}", reset_less=True)
            with m.If(self.step):
                m.d.sync += matches.eq(~(of_plane ^ self.weight))
            m.d.comb += popcount.i.eq(matches)
            planes.append(popcount.o << plane)
        return planes

    def _codes(self, m: Module) -> list[Value]:
        """Register the code of each lane, or its complement."""
        codes: list[Value] = []
        for lane in range(self._simd):
            code = self.activation.word_select(lane, self._bits)
            matches = Signal(self._bits, name=f"matches{lane}", reset_less=True)
            with m.If(self.step):
                m.d.sync += matches.eq(~(code ^ self.weight[lane].replicate(self._bits)))
            codes.append(matches)
        return codes
