# amaranth: UnusedElaboratable=no
"""`bnnhw generate`: its files, what they say, and that they come back in."""

import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from bnnhw.fold import load_folding
from bnnhw.graph import save_graph
from rtl_gen.tools import find_program, run_tool
from sim.samples import network

KEYS = {"name", "identity", "board", "cycles_per_image", "bottleneck", "files"}
FOLDING = """
input_lanes = 6
[layer.fc0]
pe = 2
simd = 4
[layer.fc1]
pe = 1
simd = 3
weights = "block"
"""


def modules(text: str) -> list[str]:
    return re.findall(r"^module (\S+?)\s*\(", text, re.MULTILINE)


def elaborates(path: Path, top: str, *more: Path) -> None:
    """Have another tool than the one that wrote it read the Verilog, and `more` of it."""
    icarus = find_program("iverilog")
    assert icarus, "Icarus is not installed: apt-get install iverilog"
    files = [file.resolve() for file in (path, *more)]
    run_tool([icarus, "-g2005", "-Wall", "-s", top, "-o", "/dev/null", *files], cwd=path.parent)


def test_network(cli, model: Path, own_folder: Path) -> None:
    done = cli("generate", "network", model, "-o", "deep/out", "--json")
    assert (done.code, done.err) == (0, "")
    facts = done.document
    assert set(facts) == KEYS
    names = ["tiny.v", "tiny.json", "tiny.folding.toml"]
    assert facts["files"] == [f"deep/out/{name}" for name in names]
    assert sorted(path.name for path in Path("deep/out").iterdir()) == sorted(names)
    text = Path("deep/out/tiny.v").read_text()
    assert facts["identity"] in text and modules(text)[0] == "tiny"
    assert str(own_folder) not in text
    manifest = json.loads(Path("deep/out/tiny.json").read_text())
    assert manifest["identity"] == facts["identity"]
    # The smallest of all, an iCEstick, holds it in 904 of 1,280 cells, which leaves too little.
    assert manifest["board"] == facts["board"] == "icebreaker"
    assert manifest["cycles_per_image"] == facts["cycles_per_image"]
    ports = {port["name"] for port in manifest["ports"]}
    assert ports >= {"clk", "rst", "i_data", "i_valid", "i_ready", "o_data", "o_index"}
    elaborates(Path("deep/out/tiny.v"), "tiny")


def test_network_with_the_cells_of_a_family(cli, model: Path) -> None:
    words = ("generate", "network", model, "--board", "ulx3s-85f", "-o", "out", "--json")
    done = cli(*words, "--target", "ecp5")
    names = {Path(path).name for path in done.document["files"]}
    assert names == {
        "tiny.v", "tiny.json", "tiny.folding.toml", "tiny_cells.v", "bnnhw_carry.vlib"
    }  # fmt: skip
    told = json.loads(Path("out/tiny.json").read_text())
    assert told["target"] == "ecp5" and "BNNHW_CARRY_FIRST" in told["cells"]
    assert "techmap -map bnnhw_carry.vlib" in told["synthesis"][0]
    elaborates(Path("out/tiny.v"), "tiny", Path("out/tiny_cells.v"))
    other = cli(*words, "--target", "ice40")
    assert "cannot have cells of ice40" in other.err and other.code == 2
    assert cli(*words, "--target", "asic").code == 2


def test_network_as_text(cli, model: Path) -> None:
    done = cli("generate", "network", model, "-o", "out", "--board", "ulx3s-85f")
    assert done.code == 0
    assert "Radiona ULX3S 85F" in done.out and "clocks an image" in done.out
    assert done.err == "… writing Verilog (the first start of Yosys takes half a minute)\n"


def test_same_bytes_again_and_in_place(cli, model: Path) -> None:
    first = cli("generate", "network", model, "-o", "out", "--json")
    bytes_of = {path.name: path.read_bytes() for path in Path("out").iterdir()}
    Path("out/notes.txt").write_text("mine")
    again = cli("generate", "network", model, "-o", "out", "--json")
    assert again.document == first.document
    assert {p.name: p.read_bytes() for p in Path("out").iterdir() if p.suffix != ".txt"} == bytes_of
    assert Path("out/notes.txt").read_text() == "mine"


def test_folding_by_hand_comes_back(cli, model: Path) -> None:
    Path("mine.toml").write_text(FOLDING)
    facts = cli(
        "generate", "network", model, "--folding", "mine.toml", "-o", "out", "--json"
    ).document
    # fc0: 3 × 3 folds; fc1: 3 × 2; the input: 2 words.
    assert (facts["cycles_per_image"], facts["bottleneck"]) == (9, "fc0")
    written = Path("out/tiny.folding.toml")
    assert tomllib.loads(written.read_text())["layer"] == {
        "fc0": {"pe": 2, "simd": 4, "weights": "lut"},
        "fc1": {"pe": 1, "simd": 3, "weights": "block"},
    }
    assert load_folding(written).input_lanes == 6
    again = cli(
        "generate", "network", model, "--folding", written, "-o", "again", "--json"
    ).document
    assert again["identity"] == facts["identity"]


def test_network_for_a_device_of_ones_own(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """No known board holds it, and with a folding by hand none is needed."""
    from dataclasses import replace

    from rtl_gen.build.boards import all_boards

    save_graph(network((40, 30, 3), 1), Path("big.json"))
    small = [replace(b, budget=replace(b.budget, lut4=500, ebr=0)) for b in all_boards()]
    monkeypatch.setattr("rtl_gen.build.boards.all_boards", lambda: tuple(small))
    words = ("generate", "network", "big.json", "-o", "out", "--json")
    assert cli(*words).refused(4, "the device has 500 and 0") == (
        "Choose a larger board or a smaller network."
    )
    Path("f.toml").write_text("[layer.fc0]\npe=2\nsimd=8\n[layer.fc1]\npe=1\nsimd=3\n")
    done = cli(*words, "--folding", "f.toml")
    assert done.code == 0 and done.document["cycles_per_image"] == 15 * 5


@pytest.mark.parametrize("fps", [100_000, 1_000_000])
def test_rate(cli, model: Path, fps: int) -> None:
    facts = cli(
        "generate", "network", model, "--fps", fps, "--clock", "12", "--board", "icebreaker",
        "-o", "out", "--json",
    ).document  # fmt: skip
    assert 12e6 / facts["cycles_per_image"] >= fps


def test_as_many_as_the_board_holds(cli, model: Path) -> None:
    words = ("generate", "network", model, "--board", "icebreaker", "-o", "out", "--json")
    usual = cli(*words).document["cycles_per_image"]
    assert cli(*words, "--fps", "max").document["cycles_per_image"] <= usual


def test_axis_and_name(cli, model: Path) -> None:
    done = cli("generate", "network", model, "--naming", "axis", "--name", "core7", "-o", "out")
    assert done.code == 0
    text = Path("out/core7.v").read_text()
    head = text[text.index("module core7(") :].partition(";")[0]
    ports = set(re.findall(r"\w+", head.partition("(")[2]))
    assert ports >= {
        "aclk", "aresetn", "s_axis_tdata", "s_axis_tvalid", "s_axis_tready", "s_axis_tlast",
        "m_axis_tdata", "m_axis_tvalid", "m_axis_tready", "m_axis_tlast",
    }  # fmt: skip
    elaborates(Path("out/core7.v"), "core7")


@pytest.mark.parametrize("target", ["ice40", "ecp5", "generic"])
def test_array(cli, target: str) -> None:
    done = cli(
        "generate", "array", "--pe", 3, "--simd", 5, "--target", target, "-o", "out", "--json"
    )
    assert (done.code, done.err) == (0, "")
    facts = done.document
    assert facts["format"] == "bnnhw-array"
    assert facts["parameters"]["pe"] == 3 and facts["parameters"]["simd"] == 5
    assert facts["parameters"]["target"] == target
    assert facts["streams"]["weight"]["bits"] * facts["streams"]["weight"]["elements"] == 15
    cells = {"array_3x5_cells.v", "bnnhw_carry.vlib"} if target == "ecp5" else set()
    assert {Path(path).name for path in facts["files"]} - cells == {
        "array_3x5.v", "array_3x5.json", "array_3x5.md", "test_array_3x5.py", "array_3x5.vh",
        "array_3x5.core", "array_3x5.vlt", "README.md",
    }  # fmt: skip
    assert all(Path(path).is_file() for path in facts["files"])
    assert all((Path("out") / file).is_file() for file in cells)
    assert ("BNNHW_CARRY_FIRST" in Path("out/array_3x5.v").read_text()) == bool(cells)
    models = [Path("out/array_3x5_cells.v")] if cells else []
    elaborates(Path("out/array_3x5.v"), "array_3x5", *models)


def test_array_with_stored_weights_and_folds(cli) -> None:
    np.savez("w.npz", weights=np.random.default_rng(1).integers(0, 2, (6, 10)))
    done = cli(
        "generate", "array", "--pe", 2, "--simd", 5, "--weights", "w.npz", "-o", "out", "--json"
    )
    parameters = done.document["parameters"]
    assert (parameters["rows"], parameters["columns"], parameters["folds"]) == (6, 10, 2)
    assert done.document["schedule"]["cycles"] == 6
    streamed = cli("generate", "array", "--pe", 2, "--simd", 5, "--folds", 4, "-o", "b", "--json")
    assert streamed.document["parameters"]["columns"] == 20


def test_array_as_text(cli) -> None:
    done = cli("generate", "array", "--pe", 2, "--simd", 4, "-o", "out", "--name", "mine")
    assert done.code == 0 and "out/mine.v" in done.out and "bnnhw-array" in done.out


def test_array_behind_a_bus(cli) -> None:
    np.savez("w.npz", weights=np.eye(6, 10))
    done = cli(
        "generate", "array", "--pe", 2, "--simd", 5, "--weights", "ram", "--initial", "w.npz",
        "--thresholds", "ram", "--bus", "wishbone", "--pipeline", "speed", "--interface",
        "axi4-stream", "-o", "out", "--json",
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    told = json.loads(Path("out/array_2x5.json").read_text())
    given = told["parameters"]
    assert (given["weights"], given["thresholds"], given["bus"]) == ("written",) * 2 + ("wishbone",)
    assert (given["rows"], given["columns"], given["pipeline"]) == (6, 10, "speed")
    assert told["naming"] == "axis" and told["bus"]["ports"]["cyc_i"] == "wb_cyc_i"
    assert told["weights"] == [hex(1 << k) for k in range(6)]
    assert Path("out/array_2x5_registers.h").is_file()
    elaborates(Path("out/array_2x5.v"), "array_2x5")


def test_array_in_batches_and_with_a_constant_threshold(cli) -> None:
    words = ("--rows", 4, "--columns", 10, "-o", "out", "--json")
    done = cli("generate", "array", "--pe", 2, "--simd", 5, "--batch", 3, *words)
    assert done.document["schedule"]["cycles"] == 2 * 2 * 3
    done = cli("generate", "array", "--pe", 2, "--simd", 5, "--thresholds", 6, *words)
    assert done.document["thresholds"] == [6] * 4 and done.document["schedule"]["cycles"] == 4
