"""Flip-flops of ECP5 that synthesis merges with no other."""

from amaranth.hdl import ClockSignal, Instance, Module, Signal, Value

__all__ = ["CELL", "flip_flop"]

CELL = """module BNNHW_FLIP_FLOP(input CLK, D, output Q);
TRELLIS_FF #(.GSR("DISABLED"), .CLKMUX("CLK"), .CEMUX("1"), .LSRMUX("LSR"), .REGSET("RESET"))
    _TECHMAP_REPLACE_ (.CLK(CLK), .LSR(1'b0), .DI(D), .Q(Q));
endmodule
"""
"""Verilog of the cell: a library for synthesis, and what it becomes behind it."""


def flip_flop(m: Module, value: Value) -> Signal:
    """Build a flip-flop of its own behind a bit, which starts as 0 and knows no reset.

    Yosys merges registers that always hold the same; what thousands of others wait for is better
    said by several, each near those that listen to it.

    Parameters
    ----------
    m : Module
        Where it goes.
    value : Value
        One bit.

    Returns
    -------
    Signal
        The bit a clock later.
    """
    out = Signal()
    m.submodules += Instance("BNNHW_FLIP_FLOP", i_CLK=ClockSignal(), i_D=value, o_Q=out)
    return out
