"""The processing element: matches between a group of activations and a group of weights."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .popcount import Popcount, balanced_sum

__all__ = ["ProcessingElement"]


class ProcessingElement(wiring.Component):
    """XNOR a group of activations with a group of weight bits and count the matches.

    Latency 1: the matches are registered, so that the way out of a memory ends before the count
    begins; one group a clock while `step`, otherwise everything holds. For K lanes of one bit with
    P matches the ±1 dot product is 2P − K. An activation of n bits is n bit planes, counted with
    the weights 1, 2, 4, …: a lane adds its code where the weight is +1 and the complement of its
    code where it is −1.

    Parameters
    ----------
    simd : int
        Lanes of the group.
    bits : int
        Width of an activation.

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

    def __init__(self, *, simd: int, bits: int = 1) -> None:
        if not isinstance(simd, int) or simd < 1:
            raise ValueError(f"SIMD must be a positive integer, not {simd!r}")
        if not isinstance(bits, int) or bits < 1:
            raise ValueError(f"Bits of an activation must be a positive integer, not {bits!r}")
        self._simd = simd
        self._bits = bits
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

    def elaborate(self, platform: object) -> Module:
        """Build the XNOR and its popcount."""
        m = Module()
        planes = []
        for plane in range(self._bits):
            name = "popcount" if self._bits == 1 else f"popcount{plane}"
            m.submodules[name] = popcount = Popcount(width=self._simd)
            of_plane = Cat(self.activation[lane * self._bits + plane] for lane in range(self._simd))
            matches = Signal(self._simd, name=f"matches{plane}", reset_less=True)
            with m.If(self.step):
                m.d.sync += matches.eq(~(of_plane ^ self.weight))
            m.d.comb += popcount.i.eq(matches)
            planes.append(popcount.o << plane)
        m.d.comb += self.count.eq(balanced_sum(planes))
        return m
