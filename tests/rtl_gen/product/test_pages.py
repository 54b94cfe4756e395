# amaranth: UnusedElaboratable=no
"""What comes with the Verilog of an array: clean in two compilers, and true in C and in Verilog."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rtl_gen.cells import CELL_WAIVERS
from rtl_gen.product import make_array, write_array
from rtl_gen.product.pages import WAIVERS
from rtl_gen.tools import find_program, run_tool, verilator

MATRIX = np.random.default_rng(5).integers(0, 2, (9, 70))
RAM = ("weights", "thresholds")
KINDS: dict[str, dict[str, Any]] = {
    "streamed": {"pe": 3, "simd": 5, "folds": 2},
    "tiled": {"pe": 128, "simd": 64, "pipeline": "balanced"},
    "rom": {"pe": 3, "simd": 16, "weights": MATRIX},
    "bits": {"pe": 3, "simd": 16, "weights": MATRIX, "thresholds": 30, "pipeline": "speed"},
    "axi": {"pe": 4, "simd": 16, "rows": 9, "columns": 70, "ram": RAM, "bus": "axi4-lite"},
    "wishbone": {"pe": 3, "simd": 11, "weights": MATRIX, "ram": ("weights",), "bus": "wishbone"},
    "batch": {"pe": 2, "simd": 8, "rows": 5, "columns": 30, "batch": 4},
    "carry": {"pe": 3, "simd": 21, "folds": 2, "target": "ecp5"},
    "memory": {
        "pe": 3,
        "simd": 16,
        "weights": MATRIX,
        "thresholds": 30,
        "style": "block",
        "pipeline": "balanced",
        "target": "ecp5",
    },
    "written": {
        "pe": 3,
        "simd": 11,
        "rows": 9,
        "columns": 70,
        "ram": RAM,
        "bus": "wishbone",
        "target": "ecp5",
    },
    "logic": {"pe": 3, "simd": 21, "folds": 2, "pipeline": "speed", "target": "ice40"},
}
NAMINGS = {"streamed": "axis", "axi": "axis", "batch": "axis"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    found = {}
    for kind, given in KINDS.items():
        found[kind] = tmp_path_factory.mktemp(kind)
        naming = NAMINGS.get(kind, "plain")
        write_array(make_array(**given), found[kind], name="unit", naming=naming)
    return found


def test_icarus_has_nothing_to_say(folders: dict[str, Path]) -> None:
    icarus = find_program("iverilog")
    assert icarus is not None, "install Icarus Verilog: apt-get install iverilog"
    for kind, folder in folders.items():
        done = run_tool([icarus, "-Wall", "-g2005", "-t", "null", *sources(folder)], cwd=folder)
        said = [line for line in done.output.splitlines() if "timescale" not in line]
        assert not said, (kind, said)


def sources(folder: Path) -> list[str]:
    """Name the files that the manifest names: models of cells, if there are any, in front."""
    files = json.loads((folder / "unit.json").read_text())["files"]
    return [file for file in (files["models"], files["hardware"]) if file]


def lint(folder: Path, *files: str) -> str:
    tool = verilator()
    command: list[str | Path] = [
        tool.binary,
        "--lint-only",
        "-Wall",
        "-Wno-fatal",
        "--quiet",
        "--top-module",
        "unit",
        *files,
    ]
    done = run_tool(command, cwd=folder, env={**os.environ, **tool.env})
    return "\n".join(line for line in done.output.splitlines() if line.startswith("%"))


def test_verilator_has_nothing_to_say(folders: dict[str, Path]) -> None:
    """With the waivers; and without them each waiver is needed somewhere."""
    needed = set()
    for kind, folder in folders.items():
        assert not lint(folder, "unit.vlt", *sources(folder)), kind
        for rule, file in re.findall(r"%Warning-(\w+): (\S+?):", lint(folder, *sources(folder))):
            needed.add((rule, file))
    hardware = {rule for rule, file in needed if file == "unit.v"}
    assert hardware >= set(WAIVERS) and hardware - set(WAIVERS) <= {"UNOPTFLAT"}
    assert {rule for rule, file in needed if file == "unit_cells.v"} == set(CELL_WAIVERS)


def test_a_true_fault_is_not_waived(folders: dict[str, Path], tmp_path: Path) -> None:
    shutil.copy(folders["axi"] / "unit.vlt", tmp_path)
    text = (folders["axi"] / "unit.v").read_text()
    latch = "reg held; always @* if (aclk) held = 1'b1;\nendmodule"
    loop = r"wire loop; assign loop = (loop ^ m_axis_tready) | \1;\n  assign m_axis_tlast = loop;"
    text, count = re.subn(r"assign m_axis_tlast = (.*);", loop, text)
    assert count == 1
    (tmp_path / "unit.v").write_text(text.replace("endmodule", latch, 1))
    said = lint(tmp_path, "unit.vlt", "unit.v")
    assert "LATCH" in said and "UNOPTFLAT" in said


@pytest.mark.parametrize("kind", ["streamed", "axi", "wishbone"])
def test_instance_compiles(folders: dict[str, Path], tmp_path: Path, kind: str) -> None:
    """Every port, at its width: Icarus warns of anything else."""
    icarus = find_program("iverilog")
    assert icarus is not None
    text = (folders[kind] / "unit.vh").read_text()
    (tmp_path / "top.v").write_text(f"module top;\n{text}\nendmodule\n")
    files = ["top.v", str(folders[kind] / "unit.v")]
    done = run_tool([icarus, "-Wall", "-g2005", "-s", "top", "-t", "null", *files], cwd=tmp_path)
    assert not [line for line in done.output.splitlines() if "timescale" not in line]
    manifest = json.loads((folders[kind] / "unit.json").read_text())
    assert set(re.findall(r"^    \.(\w+)", text, re.M)) == {p["name"] for p in manifest["ports"]}


PROGRAM = """
#include <stdio.h>
#include "unit_registers.h"
int main(void)
{
    for (uint32_t row = 0; row < 9; row++) {
        printf("%u\\n", unit_threshold_offset(row));
        for (uint32_t column = 0; column < 70; column++)
            printf("%u %u\\n", unit_weight_offset(row, column), unit_weight_bit(row, column));
    }
    printf("%x %x %x %x\\n", UNIT_IDENTITY_VALUE, UNIT_CONTROL, UNIT_CONTROL_RUN, UNIT_STATUS_OPEN);
    return 0;
}
"""


def test_c_header(folders: dict[str, Path], tmp_path: Path) -> None:
    """The header's functions against the packing rule, spelled out here."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler is not None, "install a C compiler"
    (tmp_path / "main.c").write_text(PROGRAM)
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", f"-I{folders['axi']}"]
    run_tool([compiler, *flags, "-o", "main", "main.c"], cwd=tmp_path)
    *lines, last = run_tool([str(tmp_path / "main")], cwd=tmp_path).output.splitlines()
    told = json.loads((folders["axi"] / "unit_registers.json").read_text())
    weights, thresholds = told["memories"]
    expected = []
    for row in range(9):
        group, lane = divmod(row, 4)
        expected.append(f"{thresholds['base'] + group * 16 + 4 * lane}")
        for column in range(70):
            word, bit = group * 5 + column // 16, lane * 16 + column % 16
            offset = weights["base"] + 8 * word + 4 * (bit // 32)
            expected.append(f"{offset} {bit % 32}")
    assert lines == expected
    manifest = json.loads((folders["axi"] / "unit.json").read_text())
    assert int(last.split()[0], 16) == int(manifest["identity"][:8], 16)
    assert [int(word, 16) for word in last.split()[1:]] == [0x18, 1, 2]


def test_cells_have_a_page_and_files(folders: dict[str, Path]) -> None:
    folder = folders["memory"]
    told = json.loads((folder / "unit.json").read_text())
    carries = [f"BNNHW_CARRY_{kind}" for kind in ("FIRST", "LAST", "MIDDLE")]
    assert told["cells"] == [*carries, "DP16KD"]
    page = (folder / "unit.md").read_text()
    assert all(f"`{cell}`" in page for cell in told["cells"])
    held = set(re.findall(r"^module (\w+)", (folder / "unit_cells.v").read_text(), re.M))
    assert held >= set(told["cells"])
    core = (folder / "unit.core").read_text()
    assert "filesets: [rtl, cells]" in core and "filesets: [waivers, models, rtl]" in core
    assert "- bnnhw_carry.vlib\n    file_type: user" in core
    for kind in ("streamed", "logic"):
        plain = json.loads((folders[kind] / "unit.json").read_text())
        assert (
            plain["cells"] == [] and plain["files"]["models"] is plain["files"]["library"] is None
        )
        assert not (folders[kind] / "unit_cells.v").exists()


@pytest.mark.parametrize("kind", ["axi", "memory"])
def test_pages_name_every_register_and_file(folders: dict[str, Path], kind: str) -> None:
    folder = folders[kind]
    index = (folder / "README.md").read_text()
    files = {file.name for file in folder.iterdir()} - {"README.md"}
    assert set(re.findall(r"\]\(([^)]+)\)", index)) == files
    core = (folder / "unit.core").read_text()
    assert core.startswith("CAPI=2:\n") and 'name: "bnnhw:array:unit:' in core
    assert all((folder / file).is_file() for file in re.findall(r"^      - (\S+)$", core, re.M))
    if kind != "axi":
        return
    told = json.loads((folder / "unit_registers.json").read_text())
    page = (folder / "unit_registers.md").read_text()
    for item in told["registers"] + told["memories"]:
        place = item["offset"] if "offset" in item else item["base"]
        assert f"| `0x{place:04x}` | `{item['name']}` |" in page
