"""The model of ECP5's block RAM, under what Yosys maps to it: the same as the memory itself."""

import random
import re
from pathlib import Path

import pytest

from rtl_gen.tools import environment, find_program, run_tool, toolchain
from sim.netlist import models

# Two ports that read and write; what a port gives while it writes is one of three things.
TWO_PORTS = """
module @NAME@(input clk, rst_a, rst_b, en_a, en_b, we_a, we_b, input [@TOP@:0] ad_a, ad_b,
  input [@HIGH@:0] di_a, di_b, output reg [@HIGH@:0] do_a, do_b);
  (* ram_style = "block", no_rw_check *) reg [@HIGH@:0] mem [0:@LAST@];
  initial begin $readmemh("init.hex", mem); {do_a, do_b} = 0; end
  always @(posedge clk) begin
    if (en_a) begin
      if (we_a && !rst_a) mem[ad_a] <= di_a;
      @READ_A@
    end
    if (rst_a) do_a <= 0;
  end
  always @(posedge clk) begin
    if (en_b) begin
      if (we_b && !rst_b) mem[ad_b] <= di_b;
      @READ_B@
    end
    if (rst_b) do_b <= 0;
  end
endmodule
"""
READS = {
    "old": "do_{0} <= mem[ad_{0}];",
    "new": "do_{0} <= we_{0} ? di_{0} : mem[ad_{0}];",
    "hold": "if (!we_{0}) do_{0} <= mem[ad_{0}];",
}
# One port writes parts of 9 bits, the other reads.
WIDE = """
module @NAME@(input clk, rst_a, rst_b, en_a, en_b, we_a, we_b, input [@TOP@:0] ad_a, ad_b,
  input [@HIGH@:0] di_a, di_b, output [@HIGH@:0] do_a, output reg [@HIGH@:0] do_b);
  (* ram_style = "block", no_rw_check *) reg [@HIGH@:0] mem [0:@LAST@];
  assign do_a = 0;
  integer k;
  initial begin $readmemh("init.hex", mem); do_b = 0; end
  always @(posedge clk) begin
    for (k = 0; k < 4; k = k + 1)
      if (en_a && di_b[k]) mem[ad_a][9 * k +: 9] <= di_a[9 * k +: 9];
    if (en_b) do_b <= mem[ad_b];
    if (rst_b) do_b <= 0;
  end
endmodule
"""
BENCH = """
module bench;
  reg clk = 0; always #5 clk = !clk;
  reg [5:0] control = 0; reg [@TOP@:0] ad_a = 0, ad_b = 0; reg [@HIGH@:0] di_a = 0, di_b = 0;
  wire [@HIGH@:0] gold_a, gold_b, gate_a, gate_b;
  // Ports that meet at an address while one of them writes may read anything.
  wire apart = ad_a != ad_b;
  gold gold(clk, control[0], control[1], control[2], control[3] && apart, control[4], control[5],
    ad_a, ad_b, di_a, di_b, gold_a, gold_b);
  gate gate(clk, control[0], control[1], control[2], control[3] && apart, control[4], control[5],
    ad_a, ad_b, di_a, di_b, gate_a, gate_b);
  integer n = 0, seen = 0, seed = 1;
  always @(posedge clk) begin
    if (gold_a !== gate_a || gold_b !== gate_b)
      $display("WRONG at %0d: %h %h, not %h %h", n, gate_a, gate_b, gold_a, gold_b);
    if (gold_a != 0 || gold_b != 0) seen = seen + 1;
    // Few resets, and addresses that come again.
    control <= {$random(seed)} & ({$random(seed)} % 8 ? 60 : 63);
    ad_a <= {$random(seed)} & ({$random(seed)} % 4 ? 7 : -1);
    ad_b <= {$random(seed)} & ({$random(seed)} % 4 ? 7 : -1);
    di_a <= {{$random(seed)}, {$random(seed)}};
    di_b <= {{$random(seed)}, {$random(seed)}};
    n = n + 1;
    if (n == 4000) begin $display("DONE, %0d", seen); $finish; end
  end
endmodule
"""
CASES = [(18, "hold"), (9, "new"), (4, "old"), (2, "new"), (1, "hold"), (36, "wide")]


def depth(width: int) -> int:
    return 16 * 1024 // (width * 8 // 9 if width >= 9 else width)


def filled(text: str, width: int, kind: str, name: str) -> str:
    words = depth(width)
    values = {"NAME": name, "HIGH": width - 1, "LAST": words - 1, "TOP": words.bit_length() - 2}
    values |= {f"READ_{s.upper()}": READS.get(kind, "").format(s) for s in "ab"}
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    return text


def simulated(width: int, kind: str, folder: Path, change: str = "") -> str:
    """Map the memory; give what the bench says of it beside the memory as it was."""
    source = WIDE if kind == "wide" else TWO_PORTS
    dice = random.Random(width)
    contents = (f"{dice.getrandbits(width):x}\n" for _ in range(depth(width)))
    (folder / "init.hex").write_text("".join(contents))
    (folder / "gate.v").write_text(filled(source, width, kind, "gate"))
    script = "read_verilog gate.v; synth_ecp5 -noabc9 -top gate; write_verilog -noattr mapped.v"
    program = toolchain("ecp5").programs["yosys"]
    run_tool([program, "-q", "-p", script], cwd=folder, env=environment("ecp5"))
    mapped = (folder / "mapped.v").read_text()
    assert len(re.findall(r"^  DP16KD ", mapped, re.MULTILINE)) == 1
    cells = models("ecp5")
    if change:
        assert change in cells
        cells = cells.replace(change, f"!({change})", 1)
    gold = filled(source, width, kind, "gold")
    (folder / "all.v").write_text("\n".join([cells, mapped, gold, filled(BENCH, width, kind, "")]))
    for tool, *words in (("iverilog", "-g2012", "-o", "a.out", "all.v"), ("vvp", "a.out")):
        found = find_program(tool)
        assert found is not None, f"{tool} is not installed"
        said = run_tool([found, *words], cwd=folder).output
    return said


@pytest.mark.parametrize(("width", "kind"), CASES)
def test_mapped_memories(width: int, kind: str, tmp_path: Path) -> None:
    said = simulated(width, kind, tmp_path)
    assert "WRONG" not in said and "DONE" in said, said[:400]
    assert int(said.rsplit(maxsplit=1)[-1]) > 1000, said


def test_wrong_model_is_caught(tmp_path: Path) -> None:
    assert "WRONG" in simulated(18, "hold", tmp_path, 'WEA && WRITEMODE_A == "NORMAL"')
