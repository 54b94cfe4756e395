"""`bnnhw info` and the plain commands around it, against facts worked out here."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnhw import __version__
from bnnhw.graph import (
    Argmax,
    Conv,
    Flatten,
    Graph,
    Grid,
    Input,
    IntConv,
    IntDense,
    Node,
    save_graph,
)

KEYS = {
    "name", "digest", "input_shape", "classes", "weight_bits", "weight_bytes",
    "float_weight_bytes", "binary_weight_bytes", "float_binary_weight_bytes",
    "operations_per_image", "layers", "meta",
}  # fmt: skip
LAYER_KEYS = {
    "name", "kind", "inputs", "shape", "values", "bits", "weights", "operations",
}  # fmt: skip


def test_info_json(cli, model: Path, graph: Graph) -> None:
    done = cli("info", model, "--json")
    assert (done.code, done.err) == (0, "")
    facts = done.document
    assert set(facts) == KEYS
    assert all(set(layer) == LAYER_KEYS for layer in facts["layers"])
    assert (facts["name"], facts["digest"]) == ("tiny", graph.digest)
    assert (facts["input_shape"], facts["classes"]) == ([12], 3)
    weights = 12 * 6 + 6 * 3
    assert facts["weight_bits"] == weights
    assert facts["weight_bytes"] == 12
    assert facts["float_weight_bytes"] == 4 * weights
    assert facts["operations_per_image"] == 2 * weights
    assert [layer["kind"] for layer in facts["layers"]] == [
        "Input", "Dense", "Threshold", "Dense", "Argmax",
    ]  # fmt: skip
    assert [layer["weights"] for layer in facts["layers"]] == [0, 72, 0, 18, 0]
    assert facts["layers"][1]["values"] == {"low": -12, "step": 2, "levels": 13}
    assert facts["layers"][1]["bits"] == 4
    assert facts["meta"] == {"accuracy": "made up"}


def test_info_text(cli, model: Path, graph: Graph) -> None:
    done = cli("info", model)
    assert done.code == 0
    for part in ("tiny", "Threshold", "90 bits; 12 bytes packed", graph.digest, "made up"):
        assert part in done.out


def test_convolutions_and_bytes_count(cli, tmp_path: Path) -> None:
    byte = np.ones((3, 2, 3, 3), np.int8)
    nodes: tuple[Node, ...] = (
        Input("x", (), (2, 6, 5), Grid(0, 1, 4)),
        IntConv("stem", ("x",), byte, stride=(2, 1), padding=(1, 1, 0, 0)),
        Conv("c", ("stem",), np.ones((3, 1, 2, 2), np.uint8), groups=3),
        Flatten("flat", ("c",)),
        IntDense("fc", ("flat",), np.ones((2, 3 * 2 * 3), np.int8)),
        Argmax("top", ("fc",), np.zeros(2, int)),
    )
    save_graph(Graph("conv", nodes, ("fc", "top")), tmp_path / "conv.json")
    facts = cli("info", tmp_path / "conv.json", "--json").document
    # The stem's windows lie at 3 x 4 places, those of the second at 2 x 3.
    assert [layer["weights"] for layer in facts["layers"]] == [0, 54, 12, 0, 36, 0]
    assert [layer["operations"] for layer in facts["layers"]] == [
        0, 2 * 54 * 12, 2 * 12 * 6, 0, 2 * 36, 0,
    ]  # fmt: skip
    assert facts["operations_per_image"] == 2 * (54 * 12 + 12 * 6 + 36)
    assert facts["weight_bits"] == 8 * 54 + 12 + 8 * 36
    assert facts["weight_bytes"] == -(-(8 * 54 + 12 + 8 * 36) // 8)
    assert facts["float_weight_bytes"] == 4 * (54 + 12 + 36)


def test_three_forms_of_a_model(cli, tmp_path: Path, model: Path) -> None:
    weight = np.random.default_rng(1).choice(np.array([-1, 1], np.int8), (3, 12))
    layers: list[Any] = [{"kind": "fc", "W": "W"}]
    np.savez(
        tmp_path / "plain.npz",
        meta=np.array(json.dumps({"in_shape": [1, 3, 4], "layers": layers})),
        in_lut=np.where(np.arange(256) >= 128, 1, -1).astype(np.int16),
        W=weight,
    )
    facts = cli("info", tmp_path / "plain.npz", "--json").document
    assert (facts["name"], facts["weight_bits"], facts["input_shape"]) == ("plain", 36, [1, 3, 4])
    assert cli("info", model, "--json").document["name"] == "tiny"


def test_bundled_network(cli, bundled: Path) -> None:
    facts = cli("info", bundled / "digits_mlp.onnx", "--json").document
    # Pixels of 8 × 8, perhaps in several planes, and ten digits.
    assert (facts["input_shape"][-2:], facts["classes"]) == ([8, 8], 10)
    assert [layer["kind"] for layer in facts["layers"]].count("Dense") >= 2


@pytest.mark.parametrize(
    "name", ["digits_mlp.onnx", "digits_cnn.onnx", "lenet", "resnet_e", "melius"]
)
def test_binary_layers_take_a_thirtieth_of_floats(cli, bundled: Path, name: str) -> None:
    torch = Path(__file__).resolve().parents[2] / "data/torch"
    path = bundled / name if name.endswith(".onnx") else torch / f"{name}.npz"
    facts = cli("info", path, "--json").document
    binary = [layer for layer in facts["layers"] if layer["kind"] in ("Dense", "Conv")]
    weights = [layer["weights"] for layer in binary]
    packed = sum(-(-count // 8) for count in weights)
    assert len(weights) >= 2
    assert facts["float_binary_weight_bytes"] == 4 * sum(weights)
    assert facts["binary_weight_bytes"] == packed
    assert 30 * packed <= 4 * sum(weights)
    told = f"{packed:,} bytes packed, {4 * sum(weights):,} bytes as 32-bit floats: 1/"
    (line,) = (line for line in cli("info", path).out.splitlines() if "binary layers" in line)
    assert told in line
    assert float(line.split("1/")[1].split()[0]) >= 30


def test_terminal_is_safe_from_what_a_file_says(cli, tmp_path: Path, graph: Graph) -> None:
    meta = {"source": "\x1b[2J[red]\x07", "b\x1b]0;x\x07": "1"}
    save_graph(Graph("tiny", graph.nodes, graph.outputs, meta=meta), tmp_path / "loud.json")
    done = cli("info", tmp_path / "loud.json")
    assert done.code == 0 and "\x1b" not in done.out and "\x07" not in done.out
    assert r"\x1b[2J[red]\x07" in done.out
    assert cli("info", tmp_path / "loud.json", "--json").document["meta"] == meta


def test_boards(cli) -> None:
    found = cli("boards", "--json").document
    assert isinstance(found, list)
    boards = {board["name"]: board for board in found}
    assert {"icebreaker", "ulx3s-85f"} <= set(boards)
    assert boards["icebreaker"]["budget"]["lut4"] == 5280
    assert boards["icebreaker"]["family"] == "ice40"
    assert boards["ulx3s-85f"]["budget"]["ebr"] == 208
    assert boards["ulx3s-85f"]["clock"]["source_hz"] == 25_000_000
    text = cli("boards")
    assert text.code == 0 and all(name in text.out for name in boards)


def test_doctor(cli) -> None:
    found = cli("doctor", "--json").document
    assert set(found) == {"tools", "cold"}
    tools = {tool["name"]: tool for tool in found["tools"]}
    assert all(set(tool) == {"name", "needed_for", "found", "version", "how"}
               for tool in tools.values())  # fmt: skip
    assert tools["amaranth"]["found"] and tools["verilator"]["found"] and tools["yosys"]["found"]
    text = cli("doctor")
    assert text.code == 0 and "verilator" in text.out


@pytest.mark.parametrize("words", [("--version",), ("--help",), ("info", "-h")])
def test_help_and_version(cli, words: tuple[str, ...]) -> None:
    done = cli(*words)
    assert (done.code, done.err) == (0, "")
    assert (f"bnnhw {__version__}\n" == done.out) is (words == ("--version",))


@pytest.mark.parametrize("words", [(), ("generate",)])
def test_no_command_prints_help(cli, words: tuple[str, ...]) -> None:
    done = cli(*words)
    assert done.code == 2 and "Usage" in done.out
