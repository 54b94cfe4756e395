"""The processing element: matches between a group of activations and a group of weights."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .popcount import Popcount

__all__ = ["ProcessingElement"]


class ProcessingElement(wiring.Component):
    """XNOR a group of activation bits with a group of weight bits and count the matches.

    Combinational: latency 0, one group a clock, no state. For K lanes with P matches the ±1 dot
    product is 2P − K.

    Parameters
    ----------
    simd : int
        Lanes of the group.

    Members
    -------
    activation, weight : In(simd)
        One bit a lane; 1 is +1, 0 is −1.
    count : Out(bits_for(simd + 1))
        Number of lanes whose bits agree, 0 … simd.

    Raises
    ------
    ValueError
        If `simd` is below 1.
    """

    def __init__(self, *, simd: int) -> None:
        if not isinstance(simd, int) or simd < 1:
            raise ValueError(f"SIMD must be a positive integer, not {simd!r}")
        self._simd = simd
        super().__init__(
            {"activation": In(simd), "weight": In(simd), "count": Out(simd.bit_length())}
        )

    @property
    def simd(self) -> int:
        """Lanes of the group."""
        return self._simd

    def elaborate(self, platform: object) -> Module:
        """Build the XNOR and its popcount."""
        m = Module()
        m.submodules.popcount = popcount = Popcount(width=self._simd)
        m.d.comb += [popcount.i.eq(~(self.activation ^ self.weight)), self.count.eq(popcount.o)]
        return m
