# amaranth: UnusedElaboratable=no
"""The files of a network: what they are called, what they say, and that they agree."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bnnhw import __version__
from bnnhw.fold import Folding, LayerFold, load_folding
from bnnhw.plan import Plan, make_plan, manifest
from rtl_gen.network import file_names, folding_toml, network_files, network_verilog
from sim.network import simulate
from sim.samples import images, network

GRAPH = network((10, 7, 3), 1)


def plan(lanes: int | None = None, name: str | None = None) -> Plan:
    folds = {"fc0": LayerFold(3, 4, "block"), "fc1": LayerFold(2, 7)}
    return make_plan(GRAPH, Folding(folds, lanes), name=name)


def test_files_agree() -> None:
    made = plan(name="core")
    files = network_files(made, board="b", link={"baud": 9600})
    assert tuple(files) == file_names(made) == ("core.v", "core.json", "core.folding.toml")
    told = json.loads(files["core.json"])
    assert (told["board"], told["link"], told["naming"]) == ("b", {"baud": 9600}, "plain")
    assert {key: told[key] for key in manifest(made)} == json.loads(json.dumps(manifest(made)))
    assert [port["name"] for port in told["ports"]][:2] == ["clk", "rst"]


@pytest.mark.parametrize("family", ["ecp5", "ice40"])
def test_cells_of_a_family_give_the_numbers_of_the_golden_model(family: str) -> None:
    """Verilog for a family, with the models that come beside it, on every edge; a table flipped."""
    made = make_plan(GRAPH, Folding(plan().folding.layers).on_family(family), name="core")
    files = network_files(made, target=family)
    assert set(files) <= set(file_names(made, family))
    assert ("core_cells.v" in files) == (family == "ecp5")
    few = images(GRAPH, 40, 2)

    def differ(hardware: str) -> int:
        text = files.get("core_cells.v", "") + hardware
        return simulate(made, text, few, quick=True).mismatches

    assert differ(files["core.v"]) == 0
    if family == "ecp5":
        wrong = re.sub(
            r"(\.INIT1\(16'h)(\w{4})",
            lambda m: f"{m[1]}{int(m[2], 16) ^ 0x8001:04x}",
            files["core.v"],
        )
        assert wrong != files["core.v"] and differ(wrong) > 0


def test_header() -> None:
    made = plan()
    text, ports = network_verilog(made)
    head = text[: text.index("module")]
    assert f"// generator: bnnhw {__version__}\n" in head
    assert "// network: net\n" in head and f"// identity: {made.identity}\n" in head
    # fc0: 3 × 3 folds, the slowest.
    assert "// schedule: 9 clocks an image, set by fc0\n" in head
    assert all(port.name in head for port in ports)


@pytest.mark.parametrize("lanes", [None, 5])
def test_folding_comes_back(tmp_path: Path, lanes: int | None) -> None:
    made = plan(lanes)
    (tmp_path / "f.toml").write_text(folding_toml(made))
    again = make_plan(GRAPH, load_folding(tmp_path / "f.toml"))
    assert again.identity == made.identity
    layers = tomllib.loads(folding_toml(made))["layer"]
    assert layers["fc0"] == {"pe": 3, "simd": 4, "weights": "block"}
    assert layers["fc1"]["weights"] in ("lut", "block")


SCRIPT = """
import hashlib
from bnnhw.fold import serial
from bnnhw.plan import make_plan
from rtl_gen.network import network_files
from sim.network import simulate
from sim.samples import images, network
graph = network((10, 7, 3), 1)
for name, text in network_files(make_plan(graph, serial(graph))).items():
    print(name, hashlib.sha256(text.encode()).hexdigest())
"""


def test_same_bytes_whatever_the_hash_seed() -> None:
    root = Path(__file__).resolve().parents[2]
    outcomes = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT], cwd=root, check=True, capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    (only,) = outcomes
    assert len(only.splitlines()) == 3
