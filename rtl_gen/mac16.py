"""A multiplication on SB_MAC16 of iCE40 UltraPlus, with its registers inside."""

from amaranth.hdl import Cat, ClockSignal, Const, Elaboratable, Instance, Module, Signal

from bnnhw.fold.multipliers import fits_mac16

from .multiply import Multiplier

__all__ = ["mac16"]

# Of both operands and of the product; and both halves of the output are the latter's.
_REGISTERS = ("A_REG", "B_REG", "PIPELINE_16x16_MULT_REG2")
_FROM = ("TOPOUTPUT_SELECT", "BOTOUTPUT_SELECT")
# Left open, they would be unknown in a simulation.
_IDLE = (
    "AHOLD", "BHOLD", "CHOLD", "DHOLD", "IRSTTOP", "IRSTBOT", "ORSTTOP", "ORSTBOT", "OLOADTOP",
    "OLOADBOT", "ADDSUBTOP", "ADDSUBBOT", "OHOLDTOP", "OHOLDBOT", "CI", "ACCUMCI", "SIGNEXTIN",
)  # fmt: skip


def mac16(multiplier: Multiplier) -> Elaboratable | None:
    """Build a multiplier as one SB_MAC16; give nothing where it is none for it.

    Both operands and the product lie in registers of the cell, which Lattice calls the 16 x 16
    multiplier with bypassed intermediate registers. The contract is that of `Multiplier`. The cell
    is instantiated, not inferred: nextpnr takes every pin of it for that of a register, so that a
    path through a multiplication without registers would go unseen; and Yosys leaves operands
    outside that are extended by zeros.

    Parameters
    ----------
    multiplier : Multiplier
    """
    if multiplier.constant is not None:
        return None  # A few additions, and there are eight cells in all.
    if not fits_mac16(multiplier.factor_bits, multiplier.bits):
        return None
    m = Module()
    factor, code, product = multiplier.factor, multiplier.code, multiplier.product
    parameters = {**dict.fromkeys(_REGISTERS, Const(1, 1)), **dict.fromkeys(_FROM, Const(3, 2))}
    m.submodules.cell = Instance(
        "SB_MAC16",
        p_A_SIGNED=Const(1, 1),
        p_B_SIGNED=Const(0, 1),
        i_CLK=ClockSignal(),
        i_CE=multiplier.step,
        i_A=Cat(factor, factor[-1].replicate(16 - len(factor))),
        i_B=Cat(code, Const(0, 16 - len(code))),
        i_C=Const(0, 16),
        i_D=Const(0, 16),
        o_O=Cat(product, Signal(32 - len(product), name="above")),
        **{f"p_{name}": value for name, value in parameters.items()},
        **{f"i_{name}": Const(0, 1) for name in _IDLE},
    )
    return m
