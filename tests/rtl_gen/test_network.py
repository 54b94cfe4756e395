# amaranth: UnusedElaboratable=no
"""The files of a network: what they are called, what they say, and that they agree."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bnnhw import __version__
from bnnhw.fold import Folding, LayerFold, load_folding
from bnnhw.plan import Plan, make_plan, manifest
from rtl_gen.network import file_names, folding_toml, network_files, network_verilog
from sim.samples import network

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
from sim.samples import network
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
