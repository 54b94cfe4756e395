"""Halves of ECP5's CCU2C on one carry, as cells or as the logic that they are."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Const, Instance, Module, Signal, Value

__all__ = ["KINDS", "PINS", "Halves", "build"]

Halves = Sequence[tuple[int, Sequence[Value], Value | None]]
"""Table, values of A, B, C and D, and what S drives, from the lowest half on."""

PINS = [f"{pin}{half}" for half in (0, 1) for pin in "ABCD"]
"""Inputs of a cell besides its carry."""

# Yosys connects 0 to a carry input that is left open, and a wire to a carry output, each of which
# takes nextpnr two LUT4 more. So the first and the last cell of a chain have a name of their own
# until synthesis is done. So has every other cell: ABC looks into a CCU2C, sees that some sums are
# carries, and leads the carry out itself, which takes two LUT4 as well.
KINDS = {
    (False, False): "ONLY",
    (False, True): "FIRST",
    (True, False): "LAST",
    (True, True): "MIDDLE",
}
"""Kinds of cells: whether a carry comes in, and whether one goes out."""


def build(m: Module, halves: Halves, *, cells: bool = True) -> None:
    """Put halves behind each other, two in a cell.

    Parameters
    ----------
    m : Module
        Where they go.
    halves : Halves
        An even number; the first one lets no carry in.
    cells : bool
        Whether to make cells; otherwise the same as logic, which any simulator and prover reads.
    """
    (_cells if cells else _logic)(m, halves)


def _cells(m: Module, halves: Halves) -> None:
    carry: Value | None = None
    for at in range(0, len(halves), 2):
        following = Signal(name="carry") if at + 2 < len(halves) else None
        ports: dict[str, Any] = {}
        for side, (init, pins, out) in enumerate(halves[at : at + 2]):
            ports[f"p_INIT{side}"] = Const(init, 16)
            ports |= {f"i_{pin}{side}": value for pin, value in zip("ABCD", pins, strict=True)}
            if out is not None:
                ports[f"o_S{side}"] = out
        if carry is not None:
            ports["i_CIN"] = carry
        if following is not None:
            ports["o_COUT"] = following
        kind = KINDS[carry is not None, following is not None]
        m.submodules += Instance(f"BNNHW_CARRY_{kind}", **ports)
        carry = following


def _logic(m: Module, halves: Halves) -> None:
    """Compute what the cells would, by their tables."""
    carry: Value = Const(0, 1)
    for init, pins, out in halves:
        propagate = Signal(name="p")
        following = Signal(name="c")
        generate = Const(init & 15, 4).bit_select(Cat(pins[:2]), 1)
        m.d.comb += [
            propagate.eq(Const(init, 16).bit_select(Cat(pins), 1)),
            following.eq((propagate & carry) | (~propagate & generate)),
        ]
        if out is not None:
            m.d.comb += out.eq(propagate ^ carry)
        carry = following
