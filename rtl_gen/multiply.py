"""A signed number times an unsigned code, on a DSP block or on LUTs."""

from amaranth.hdl import Cat, Const, Elaboratable, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .popcount import balanced_sum

__all__ = ["MULTIPLIERS", "Multiplier"]

MULTIPLIERS = ("dsp", "lut")


def _shifted_sum(planes: list[Value]) -> Value:
    """Add signed planes, each of which weighs twice as much as the one before.

    What a plane has below the next one's first bit goes around the adder. That saves the bits, and
    keeps Yosys from joining the adders into one sum of many terms, for which it would count with
    LUTs instead of carry chains: 136 cells instead of 177 for 8 × 8 bits on ECP5.
    """
    weight = 1
    while len(planes) > 1:
        joined: list[Value] = []
        for low, high in zip(planes[::2], planes[1::2], strict=False):
            joined.append(Cat(low[:weight], (low >> weight) + high).as_signed())
        planes = joined + planes[len(planes) & ~1 :]
        weight *= 2
    return planes[0]


class Multiplier(wiring.Component):
    """Multiply a signed factor with an unsigned code.

    Latency 2: both operands are registered, so that the way out of a memory ends in front of the
    multiplier, and so is the product; one product a clock while `step`, otherwise everything holds.

    Parameters
    ----------
    factor_bits : int
        Width of the factor.
    bits : int
        Width of the code.
    style : str
        ``"dsp"`` is a multiplication, for which a synthesiser takes a DSP block where there is one
        (elsewhere a product of LUTs and carries). On iCE40 UltraPlus the platform has one, from 11
        bits of product on; see `rtl_gen.mac16`.
        ``"lut"`` is a sum over the bits of the code of the factor shifted, or over those of a
        constant factor of the code shifted, in which no synthesiser sees a multiplication.
    constant : int or None
        Factor that never changes, in place of the member.

    Members
    -------
    step : In(1)
        Take the operands.
    factor : In(signed(factor_bits))
        Absent where it is constant.
    code : In(bits)
    product : Out(signed(factor_bits + bits))
        Of the operands that were taken by the last step but one.

    Raises
    ------
    ValueError
        If a width is below 1, the style unknown, or the constant does not fit.

    Platform overrides
    ------------------
    Define ``get_multiplier(multiplier) -> Elaboratable | None`` that drives ``multiplier.product``,
    or gives nothing where this one is better; it is asked for those of style ``"dsp"``.
    """

    LATENCY = 2

    def __init__(
        self, *, factor_bits: int, bits: int, style: str = "dsp", constant: int | None = None
    ) -> None:
        for name, value in (("factor_bits", factor_bits), ("bits", bits)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"Multiplier {name} must be a positive integer, not {value!r}")
        if style not in MULTIPLIERS:
            raise ValueError(f"Multiplier must be one of {', '.join(MULTIPLIERS)}, not {style!r}")
        half = 1 << factor_bits - 1
        if constant is not None and not -half <= constant < half:
            raise ValueError(f"Multiplier constant must fit {factor_bits} bits, not {constant!r}")
        self._factor_bits = factor_bits
        self._bits = bits
        self._style = style
        self._constant = constant
        varying = {"factor": In(signed(factor_bits))} if constant is None else {}
        super().__init__(
            {"step": In(1), "code": In(bits), "product": Out(signed(factor_bits + bits)), **varying}
        )

    @property
    def factor_bits(self) -> int:
        """Width of the factor."""
        return self._factor_bits

    @property
    def bits(self) -> int:
        """Width of the code."""
        return self._bits

    @property
    def style(self) -> str:
        """What it is built of."""
        return self._style

    @property
    def constant(self) -> int | None:
        """Factor that never changes, or none."""
        return self._constant

    def elaborate(self, platform: object) -> Elaboratable:
        """Build operands' registers, multiplication and product's register, or what there is."""
        if self._style == "dsp" and hasattr(platform, "get_multiplier"):
            own: Elaboratable | None = platform.get_multiplier(self)
            if own is not None:
                return own
        m = Module()
        code = Signal(unsigned(self._bits), reset_less=True)
        # A register would hide from the synthesiser that a constant is one.
        factor: Value = Const(self._constant or 0, signed(self._factor_bits))
        if self._constant is None:
            factor = Signal(signed(self._factor_bits), name="multiplicand", reset_less=True)
        product = Signal(self.product.shape(), name="multiplied", reset_less=True)
        m.d.comb += self.product.eq(product)
        with m.If(self.step):
            m.d.sync += [code.eq(self.code), product.eq(self._multiplied(factor, code))]
            if self._constant is None:
                m.d.sync += factor.eq(self.factor)
        return m

    def _multiplied(self, factor: Value, code: Value) -> Value:
        if self._style == "dsp":
            return factor * code
        if self._constant is None:
            return _shifted_sum([Mux(code[k], factor, 0) for k in range(self._bits)])
        top = self._factor_bits - 1
        planes = [code << k for k in range(top) if self._constant >> k & 1]
        total = balanced_sum(planes) if planes else Const(0)
        return total - (code << top) if self._constant < 0 else total
