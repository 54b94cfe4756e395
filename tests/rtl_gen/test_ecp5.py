# amaranth: UnusedElaboratable=no
"""Units as they are built for ECP5, with models of its cells, in Icarus: the same numbers."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from amaranth.back import rtlil, verilog
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from rtl_gen.accumulator import Accumulator
from rtl_gen.cells import models as beside
from rtl_gen.counting.ecp5 import CELLS
from rtl_gen.counting.fabric import Fabric
from rtl_gen.ecp5_ff import CELL
from rtl_gen.ecp5_ram import Ecp5Ram, Ecp5Rom, initial_values
from rtl_gen.ecp5_sum import accumulator
from rtl_gen.mvtu import Mvtu
from rtl_gen.tools import environment, find_program, run_tool, toolchain
from sim.netlist import models

BENCH = """
module bench;
  reg clk = 0, rst = 0; always #5 clk = !clk;
  reg [@IN@-1:0] sent [0:@SENT@]; reg [@OUT@-1:0] wanted [0:@WANTED@];
  integer s = 0, r = 0, clocks = 0, seed = 1; reg valid = 0, ready = 0;
  wire i_ready, o_valid; wire [@OUT@-1:0] o;
  dut dut(.clk(clk), .rst(rst), .i__valid(valid), .i__ready(i_ready), .i__payload(sent[s]),
    .o__valid(o_valid), .o__ready(ready), .o__payload(o));
  initial begin
    $readmemh("sent.hex", sent); $readmemh("wanted.hex", wanted);
    #1 rst = 1; #21 rst = 0;
  end
  always @(posedge clk) if (!rst) begin
    clocks = clocks + 1;
    if (o_valid === 1'bx) $display("WRONG: valid is unknown");
    if (o_valid && ready) begin
      if (o !== wanted[r]) $display("WRONG: word %0d is %h, not %h", r, o, wanted[r]);
      r = r + 1;
    end
    if (valid && i_ready) s <= s + 1;
    if (i_ready || !valid)
      valid <= s + (valid && i_ready) < @SENT@ && (@STALL@ || $random(seed) % 3 != 0);
    ready <= @STALL@ || $random(seed) % 4 != 0;
    if (r == @WANTED@) begin $display("DONE in %0d", clocks); $finish; end
    if (clocks > 200000) begin $display("WRONG: stuck at %0d %0d", s, r); $finish; end
  end
endmodule
"""


def cells(flip_flop: str) -> str:
    """Give models of the cells, and of those that become such behind synthesis."""
    ours = CELLS.replace(".COUT(1'bx)", ".COUT()")
    assert ours.count(CELL) == 1
    return models("ecp5") + ours.replace(CELL, flip_flop)


def program(name: str) -> Path:
    found = find_program(name)
    assert found is not None, f"{name} is not installed"
    return found


def simulate(
    unit: Any,
    sent: list[int],
    wanted: list[int],
    folder: Path,
    *,
    stalls: bool,
    flip_flop: str = CELL,
) -> str:
    """Run a unit with one stream in and one out; give what the bench says."""
    given = {"IN": len(unit.i.payload.as_value()), "OUT": len(unit.o.payload.as_value())}
    given |= {"SENT": len(sent), "WANTED": len(wanted), "STALL": int(not stalls)}
    bench = BENCH
    for key, value in given.items():
        bench = bench.replace(f"@{key}@", str(value))
    text = verilog.convert(unit, name="dut", platform=Fabric("ecp5"), emit_src=False)
    (folder / "all.v").write_text("\n".join([text, cells(flip_flop), bench]))
    (folder / "sent.hex").write_text("".join(f"{word:x}\n" for word in [*sent, 0]))
    (folder / "wanted.hex").write_text("".join(f"{word:x}\n" for word in [*wanted, 0]))
    run_tool([program("iverilog"), "-g2012", "-o", "a.out", "all.v"], cwd=folder)
    return run_tool([program("vvp"), "a.out"], cwd=folder).output


def layer(
    rows: int, columns: int, pe: int, simd: int, *, width: int = 1, **more: Any
) -> tuple[Mvtu, list[int], list[int]]:
    """Draw a layer; give the unit, words that go in and, from plain sums, those that leave."""
    dice, top = random.Random(rows * columns + pe), (1 << width) - 1
    most = columns * top
    weights = [[dice.getrandbits(1) for _ in range(columns)] for _ in range(rows)]
    levels = [dice.randrange(most // 3, 2 * most // 3 + 1) for _ in range(rows)]
    vectors = [[dice.getrandbits(width) for _ in range(columns)] for _ in range(4)]
    bits = (most + 1).bit_length()
    words = []
    for first in range(0, rows, pe):
        for group in range(0, columns, simd):
            lanes = [weights[first + p][group + s] for p in range(pe) for s in range(simd)]
            words.append(sum(bit << k for k, bit in enumerate(lanes)))
    numbers = [sum(levels[f + p] << p * bits for p in range(pe)) for f in range(0, rows, pe)]
    unit = Mvtu(
        rows=rows, columns=columns, pe=pe, simd=simd, weights=words, thresholds=numbers,
        weight_style="block", bits=width, **more,
    )  # fmt: skip
    sent, wanted = [], []
    for vector in vectors:
        cut = [vector[group : group + simd] for group in range(0, columns, simd)]
        sent += [sum(code << k * width for k, code in enumerate(group)) for group in cut]
        reached = [
            sum(a if w else top - a for a, w in zip(vector, row, strict=True)) >= level
            for row, level in zip(weights, levels, strict=True)
        ]
        for first in range(0, rows, pe):
            word = sum(bit << k for k, bit in enumerate(reached[first : first + pe]))
            wanted.append(word | (first + pe == rows) << pe)
    return unit, sent, wanted


PIXELS = [
    ((4, 27, 2, 3), 8),  # the first layer of CNV
    ((2, 10, 2, 5), 4),
    ((3, 14, 3, 7), 2),
    ((4, 6, 1, 1), 8),  # nothing to add
]


@pytest.mark.parametrize(("shape", "width"), PIXELS)
@pytest.mark.parametrize("every", [0, 1, 2])
def test_units_that_read_codes(
    shape: tuple[int, ...], width: int, every: int, tmp_path: Path
) -> None:
    unit, sent, wanted = layer(*shape, width=width, every=every)
    said = simulate(unit, sent, wanted, tmp_path, stalls=every == 1)
    assert "WRONG" not in said and "DONE" in said, said
    if every != 1:
        clocks = int(said.rsplit(maxsplit=1)[-1])
        assert clocks - (unit.latency + unit.cycles * 4 - unit.synapse_folds) in range(4), said


SHAPES = [
    ((6, 40, 3, 10), 1),  # block RAMs of 36 bits
    ((4, 12, 4, 4), 2),  # one fold of neurons
    ((20, 30, 1, 1), 1),  # 600 words: 18 bits
    ((46, 50, 1, 1), 0),  # 2300 words: 4 bits
    ((3, 8, 1, 8), 1),  # a group a vector
    ((80, 20, 80, 10), 1),  # 400 flip-flops hold sums: what they wait for has copies
]


@pytest.mark.parametrize(("shape", "every"), SHAPES)
@pytest.mark.parametrize("stalls", [False, True])
def test_units(shape: tuple[int, ...], every: int, stalls: bool, tmp_path: Path) -> None:
    unit, sent, wanted = layer(*shape, every=every)
    said = simulate(unit, sent, wanted, tmp_path, stalls=stalls)
    assert "WRONG" not in said and "DONE" in said, said
    if not stalls:
        # As fast as everywhere, but for the clocks of the bench.
        clocks = int(said.rsplit(maxsplit=1)[-1])
        assert clocks - (unit.latency + unit.cycles * 4 - unit.synapse_folds) in range(4), said


FLIP_FLOPS = {"mapped": CELL, "model": beside(["BNNHW_FLIP_FLOP"])}


@pytest.mark.parametrize("shape", [(16, 72, 8, 36), (8, 72, 8, 36), (8, 36, 8, 36)])
@pytest.mark.parametrize("kind", FLIP_FLOPS)
def test_units_whose_weights_serve_several_vectors(
    shape: tuple[int, ...], kind: str, tmp_path: Path
) -> None:
    """Words of 288 bits: more than one flip-flop tells them when to load."""
    unit, sent, wanted = layer(*shape, every=1, hold=2, vectors=4)
    # One frame of four vectors: only its last word is marked.
    bits = (1 << shape[2]) - 1
    wanted = [*(word & bits for word in wanted[:-1]), wanted[-1]]
    flip_flop = FLIP_FLOPS[kind]
    said = simulate(unit, sent, wanted, tmp_path, stalls=kind == "mapped", flip_flop=flip_flop)
    assert "WRONG" not in said and "DONE" in said, said
    # Two for a word of weights, one for the part of it that comes first, one for thresholds.
    copied = (tmp_path / "all.v").read_text().count("  BNNHW_FLIP_FLOP ")
    assert copied == 4


def test_a_flip_flop_that_is_none_is_seen(tmp_path: Path) -> None:
    unit, sent, wanted = layer(8, 72, 8, 36, every=1, hold=2, vectors=4)
    wire = "module BNNHW_FLIP_FLOP(input CLK, D, output Q);\nassign Q = D;\nendmodule\n"
    assert "WRONG" in simulate(unit, sent, wanted, tmp_path, stalls=False, flip_flop=wire)


def test_planted_fault_is_caught(tmp_path: Path) -> None:
    unit, sent, wanted = layer(6, 40, 3, 10, every=1)
    wanted[5] ^= 1
    assert "WRONG: word 5" in simulate(unit, sent, wanted, tmp_path, stalls=False)


class Inferred(wiring.Component):
    """A memory as Yosys maps it."""

    def __init__(self, words: list[int], width: int) -> None:
        self._words, self._width = words, width
        super().__init__({"address": In((len(words) - 1).bit_length()), "data": Out(width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        memory: Memory[Any, Any] = Memory(
            shape=self._width, depth=len(self._words), init=self._words,
            attrs={"rom_style": "block"},
        )  # fmt: skip
        m.submodules.memory = memory
        read = memory.read_port()
        m.d.comb += [read.addr.eq(self.address), self.data.eq(read.data)]
        return m


@pytest.mark.parametrize(("width", "depth"), [(18, 1024), (9, 2048), (4, 4096), (1, 16384)])
def test_contents_are_packed_as_yosys_packs_them(width: int, depth: int, tmp_path: Path) -> None:
    dice = random.Random(width)
    words = [dice.getrandbits(width) for _ in range(depth)]
    (tmp_path / "t.il").write_text(rtlil.convert(Inferred(words, width), name="t"))
    tools = toolchain("ecp5")
    commands = "read_rtlil t.il; synth_ecp5 -noabc9 -top t -json t.json"
    run_tool([tools.programs["yosys"], "-q", "-p", commands], cwd=tmp_path, env=environment("ecp5"))
    cells = json.loads((tmp_path / "t.json").read_text())["modules"]["t"]["cells"].values()
    [ram] = [cell for cell in cells if cell["type"] == "DP16KD"]
    for name, value in initial_values(words, width).items():
        assert int(ram["parameters"][name[2:]], 2) == value.value, name


@pytest.mark.parametrize("starts", [False, True])
def test_accumulator_cells_add(starts: bool) -> None:
    """Run the tables of the halves in plain Python, for all bits of two numbers."""
    unit = Accumulator(bits=3, total_bits=5, starts=starts)
    halves = tables(unit)
    for total in range(32):
        for count in range(8):
            for first in (0, 1):
                for start in (0, 9, 31) if starts else (0,):
                    carry, found = 0, 0
                    for bit, table in enumerate(halves):
                        a = count >> bit & 1 if bit < 3 else 1
                        c = start >> bit & 1 if starts else 1
                        index = a | first << 1 | c << 2 | (total >> bit & 1) << 3
                        p, g = table >> index & 1, table >> (index & 3) & 1
                        found |= (p ^ carry) << bit
                        carry = carry if p else g
                    assert found == ((start if first else total) + count) % 32


def tables(unit: Accumulator) -> list[int]:
    """Take the tables out of the instances, without that of the feed."""
    m = accumulator(unit)
    found: list[int] = []
    fragment: Any
    for fragment, _ in m._anon_submodules:
        found += [fragment.parameters[f"INIT{side}"].value for side in (0, 1)]
    assert found[0] == 0
    return found[1 : 1 + unit.total_bits]


def test_rom_depth_wrong() -> None:
    with pytest.raises(ValueError, match=r"^Words of an ECP5 ROM must be 1 to 16384, not 0$"):
        Ecp5Rom(words=[], width=3)


def test_ram_address_wrong() -> None:
    with pytest.raises(ValueError, match=r"^Address bits of an ECP5 RAM must be 1 to 9, not 10$"):
        Ecp5Ram(width=3, address_bits=10)
