# amaranth: UnusedElaboratable=no
"""The multiplication on SB_MAC16, with Yosys's model of the cell, in Icarus."""

import itertools
import random
from pathlib import Path
from typing import Any

import pytest
from amaranth.back import rtlil, verilog

from rtl_gen.counting.fabric import Fabric
from rtl_gen.multiply import Multiplier
from rtl_gen.tools import find_program, run_tool
from sim.netlist import models

UP5K = Fabric("ice40", dsp=True)
BENCH = """
module bench;
  reg clk = 0, rst = 0; always #5 clk = !clk;
  reg [@WORD@-1:0] sent [0:@LAST@]; integer at = 0;
  wire [@PRODUCT@-1:0] product; wire step, known, spare;
  wire [@FACTOR@-1:0] factor; wire [@CODE@-1:0] code; wire [@PRODUCT@-1:0] wanted;
  assign {known, wanted, step, factor, code} = sent[at];
  dut dut(.clk(clk), .rst(rst), .step(step), .factor(factor), .code(code), .product(product));
  initial $readmemh("sent.hex", sent);
  always @(negedge clk) begin
    if (known && product !== wanted) $display("WRONG: %0d is %h, not %h", at, product, wanted);
    if (at == @LAST@) begin $display("DONE"); $finish; end
    at = at + 1;
  end
endmodule
"""


def words(factor_bits: int, bits: int) -> list[int]:
    """Give operands, whether to step, and the product that is there behind the clock's edge."""
    dice = random.Random(factor_bits * bits)
    half, top = 1 << factor_bits - 1, (1 << bits) - 1
    ends = itertools.product((-half, -1, 0, 1, half - 1), (0, 1, top // 2, top))
    pairs = [*ends, *((dice.randrange(-half, half), dice.randrange(top + 1)) for _ in range(200))]
    held: list[tuple[int, int]] = []
    found = []
    for factor, code in pairs:
        for step in [0, 1] if dice.random() < 0.3 else [1]:
            held += [(factor, code)] * step
            seen = len(held) >= 2
            product = held[-2][0] * held[-2][1] if seen else 0
            word = int(seen)
            for width, value in (
                (factor_bits + bits, product),
                (1, step),
                (factor_bits, factor if step else ~factor),
                (bits, code),
            ):
                word = word << width | value % (1 << width)
            found.append(word)
    return found


def said(factor_bits: int, bits: int, folder: Path, broken: tuple[str, str] | None = None) -> str:
    """Run a multiplier; `broken` is text of it and what stands there instead."""
    sent = words(factor_bits, bits)
    dut = Multiplier(factor_bits=factor_bits, bits=bits)
    text = verilog.convert(dut, name="dut", platform=UP5K, emit_src=False)
    assert text.count("SB_MAC16") == 1
    if broken:
        assert broken[0] in text
        text = text.replace(broken[0], broken[1])
    product = factor_bits + bits
    given = {"FACTOR": factor_bits, "CODE": bits, "PRODUCT": product, "WORD": 2 * product + 2}
    bench = BENCH.replace("@LAST@", str(len(sent) - 1))
    for key, value in given.items():
        bench = bench.replace(f"@{key}@", str(value))
    (folder / "all.v").write_text("\n".join([text, models("ice40"), bench]))
    (folder / "sent.hex").write_text("".join(f"{word:x}\n" for word in sent))
    compiler, runner = (find_program(name) for name in ("iverilog", "vvp"))
    assert compiler is not None and runner is not None, "Icarus is not installed"
    run_tool([compiler, "-g2012", "-o", "a.out", "all.v"], cwd=folder)
    return run_tool([runner, "a.out"], cwd=folder).output


@pytest.mark.parametrize(("factor_bits", "bits"), [(8, 8), (8, 3), (2, 9), (16, 16), (12, 5)])
def test_products(factor_bits: int, bits: int, tmp_path: Path) -> None:
    found = said(factor_bits, bits, tmp_path)
    assert "DONE" in found and "WRONG" not in found, found


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [("A_SIGNED", 1, 0), ("B_SIGNED", 0, 1), ("A_REG", 1, 0), ("B_REG", 1, 0),
     ("PIPELINE_16x16_MULT_REG2", 1, 0)],
)  # fmt: skip
def test_planted_faults_are_caught(name: str, right: int, wrong: int, tmp_path: Path) -> None:
    """Signs matter above the width of the operands alone."""
    swap = f".{name}(1'h{right})", f".{name}(1'h{wrong})"
    assert "WRONG" in said(16, 16, tmp_path, swap)


@pytest.mark.parametrize(
    "given",
    [
        {"factor_bits": 8, "bits": 2},
        {"factor_bits": 17, "bits": 8},
        {"factor_bits": 8, "bits": 8, "style": "lut"},
        {"factor_bits": 8, "bits": 8, "constant": 99},
    ],
)
def test_others_stay_in_lookup_tables(given: dict[str, Any]) -> None:
    assert "SB_MAC16" not in rtlil.convert(Multiplier(**given), platform=UP5K)


def test_devices_without_have_none() -> None:
    for family in ("ice40", "ecp5"):
        text = rtlil.convert(Multiplier(factor_bits=8, bits=8), platform=Fabric(family))
        assert "$mul" in text and "SB_MAC16" not in text
