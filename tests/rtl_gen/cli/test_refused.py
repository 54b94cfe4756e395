# amaranth: UnusedElaboratable=no
"""Bad input: one message each, the documented exit code, and nothing half-written left behind."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from bnnhw.graph import Graph, save_graph
from sim.samples import network

KEYWORDS = ("a;touch pwned", "a\nb", "module", "", "1a", "é", "a" * 64, "../a")


MODEL_COMMANDS = {
    "info": (),
    "generate network": ("-o", "out"),
    "build": ("--board", "icebreaker", "-o", "out"),
    "simulate": ("--images", "none.npz"),
    "run": ("--images", "none.npz"),
}


@pytest.mark.parametrize("command", MODEL_COMMANDS)
@pytest.mark.parametrize("suffix", ["onnx", "npz", "json"])
def test_missing_file(refuses, command: str, suffix: str) -> None:
    words = [*command.split(), f"no.{suffix}", *MODEL_COMMANDS[command]]
    refuses(2, f"'no.{suffix}' does not exist.", "Check the path.", *words)


def test_not_a_model(refuses, tmp_path: Path) -> None:
    (tmp_path / "model.pth").write_bytes(b"")
    words = ("info", tmp_path / "model.pth")
    refuses(2, "has the suffix '.pth', which names no known format", "Give a .onnx file", *words)
    (tmp_path / "folder.onnx").mkdir()
    refuses(2, "folder.onnx' is a folder", "Check the path", "info", tmp_path / "folder.onnx")


def test_truncated_onnx(refuses, tmp_path: Path, bundled: Path) -> None:
    whole = (bundled / "digits_mlp.onnx").read_bytes()
    (tmp_path / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    words = ("generate", "network", tmp_path / "cut.onnx", "-o", "out")
    refuses(2, "cut.onnx'", "", *words)


def test_unknown_operator(refuses, tmp_path: Path) -> None:
    nodes = [helper.make_node("Softplus", ["x"], ["y"], "odd_one")]
    value = [helper.make_tensor_value_info(name, 1, [1, 4]) for name in "xy"]
    model = helper.make_model(
        helper.make_graph(nodes, "g", value[:1], value[1:]),
        opset_imports=[helper.make_opsetid("", 20)],
    )
    onnx.save(model, tmp_path / "odd.onnx")
    refuses(2, "Softplus", "", "build", tmp_path / "odd.onnx", "-b", "icebreaker", "-o", "out")


@pytest.mark.parametrize(
    ("arrays", "what", "todo"),
    [
        (
            {"x": np.zeros((3, 11), np.uint8)},
            "images of shape (11,); the network reads 12",
            "n, 12",
        ),
        ({"x": np.full((3, 12), np.nan)}, "36 values that are NaN or infinite", "Mend or drop"),
        ({"x": np.full((3, 12), 0.5, np.float32)}, "float32 numbers", "numpy.rint(x * 255)"),
        ({"x": np.full((3, 12), 256)}, "values from 256 to 256", "from 0 to 255"),
        ({"x": np.zeros((0, 12), np.uint8)}, "holds no image", "at least one"),
        (
            {"x": np.zeros((3, 12), np.uint8), "y": np.zeros(2, int)},
            "labels of type int64",
            "one i",
        ),
        ({"x": np.zeros((3, 12), np.uint8), "y": np.zeros(3)}, "labels of type float64", "one int"),
        (
            {"image": np.zeros((3, 12), np.uint8)},
            "has no array 'x' but 'image'",
            "under the name x",
        ),
        ({"x": np.array([{}])}, "no readable .npz file", "plain numeric arrays"),
    ],
)
@pytest.mark.parametrize("command", ["simulate", "run"])
def test_images_wrong(refuses, model: Path, tmp_path: Path, arrays, what, todo, command) -> None:
    np.savez(tmp_path / "bad.npz", **arrays)
    refuses(2, what, todo, command, model, "--images", tmp_path / "bad.npz")


@pytest.mark.parametrize("limit", ["0", "-3"])
def test_limit_wrong(refuses, model: Path, pictures: Path, limit: str) -> None:
    words = ("simulate", model, "--images", pictures, "--limit", limit)
    refuses(2, f"The limit must be at least 1 image, not {limit}.", "Leave it out.", *words)


GOOD = "[layer.fc0]\npe=2\nsimd=4\n[layer.fc1]\npe=1\nsimd=3\n"


@pytest.mark.parametrize(
    ("text", "what", "todo"),
    [
        (
            GOOD.replace("pe=2", "pe=7"),
            "Layer 'fc0': pe = 7 does not fit its 6 rows",
            "from 1 to 6",
        ),
        (GOOD.replace("simd=4", "simd=0"), "simd = 0 does not fit its 12 columns", "from 1 to 12"),
        (GOOD.replace("pe=2", "pe='2'"), "pe = '2' does not fit its 6 rows", "a whole number"),
        (GOOD.replace("fc1", "fc9"), "names a layer 'fc9'", " are: fc0, fc1"),
        (GOOD.partition("[layer.fc1]")[0], "says nothing of layer 'fc1'", "[layer.fc1]"),
        (GOOD + "lanes=3\n", "[layer.fc1] does not hold pe and simd", "[layer.NAME]"),
        ("colour = 3\n" + GOOD, "'colour', which a folding does not know", "[layer.NAME]"),
        ("[layer.fc0", "is no TOML", "[layer.NAME]"),
        (GOOD + "weights='gold'\n", "weights = 'gold' is not known", "auto, lut, block, ram"),
        ("input_lanes = 13\n" + GOOD, "input_lanes = 13 does not fit its 12", "from 1 to 12"),
        ("", "has no table [layer.NAME]", "[layer.NAME]"),
    ],
)
def test_folding_wrong(refuses, model: Path, tmp_path: Path, text: str, what, todo) -> None:
    (tmp_path / "f.toml").write_text(text)
    words = ("generate", "network", model, "--folding", tmp_path / "f.toml", "-o", "out")
    refuses(2, what, todo, *words)


def test_no_folding_file(refuses, model: Path) -> None:
    words = ("build", model, "-b", "icebreaker", "--folding", "no.toml", "-o", "out")
    refuses(2, "'no.toml' does not exist", "Check the path", *words)


@pytest.mark.parametrize(
    ("words", "what", "todo"),
    [
        (("--folding", "f.toml", "--fps", "9"), "--folding says what --fps", "Give one of them"),
        (("--clock", "-3", "--fps", "9"), "A clock of -3 MHz is not possible", "Give --clock in"),
        (("--clock", "12"), "--clock only matters together with", "Give one of them as well"),
        (("--fps", "1e12"), "1e+12 images/s at 50 MHz leave 0 clocks", "Ask for at most 16666666"),
        (("--fps", "0"), "A frame rate of 0.0", "above 0"),
        (("--fps", "-5"), "A frame rate of -5.0", "above 0"),
        (("--fps", "nan"), "A frame rate of nan", "above 0"),
        (("--fps", "inf"), "A frame rate of inf", "above 0"),
        (("--fps", "many"), "Invalid value for '--fps'", "See: bnnhw generate network --help"),
        (
            ("--board", "de10"),
            "There is no board 'de10'",
            "hx8k-breakout, icebreaker",
        ),
        (("--board", "no.py"), "The board file 'no.py' does not exist", "Check the path"),
        (("--naming", "avalon"), "There is no naming 'avalon'", "Choose one of plain, axis"),
        (("--colour", "red"), "No such option: --colour", "See: bnnhw generate network --help"),
    ],
)
def test_option_wrong(refuses, model: Path, words: tuple[str, ...], what: str, todo: str) -> None:
    refuses(2, what, todo, "generate", "network", model, "-o", "out", *words)


@pytest.mark.parametrize("name", KEYWORDS)
def test_name_wrong(refuses, model: Path, name: str) -> None:
    what, todo = "is not usable in Verilog and file names", "Use a letter or underscore"
    for words in (("network", model), ("array", "--pe", 1, "--simd", 1)):
        refuses(2, what, todo, "generate", *words, "-o", "out", "--name", name)


@pytest.mark.parametrize(
    ("words", "what", "todo"),
    [
        (("--simulator", "vcs"), "There is no simulator 'vcs'", "verilator, icarus, pysim"),
        (("--stall-in", "96"), "Invalid value for '--stall-in'", "See: bnnhw simulate --help"),
        (("--stall-out", "-1"), "Invalid value for '--stall-out'", "See: bnnhw simulate --help"),
        (("--seed", "-1"), "Invalid value for '--seed'", "See: bnnhw simulate --help"),
        (("--seed", str(1 << 64)), "Invalid value for '--seed'", "See: bnnhw simulate --help"),
        (("--expect", "no.npz"), "'no.npz' does not exist", "Check the path"),
    ],
)
def test_simulation_wrong(refuses, model, pictures, words, what: str, todo: str) -> None:
    refuses(2, what, todo, "simulate", model, "--images", pictures, *words)


@pytest.mark.parametrize(
    ("words", "what", "todo"),
    [
        (("nonsense",), "No such command 'nonsense'", "See: bnnhw --help"),
        (("simulate", "a.onnx"), "Missing option '--images'", "See: bnnhw simulate --help"),
        (("info",), "Missing argument", "See: bnnhw info --help"),
        (("generate", "array", "--pe", "2", "-o", "out"), "Missing option '--simd'", "See: bnnhw"),
    ],
)
def test_usage_wrong(refuses, words: tuple[str, ...], what: str, todo: str) -> None:
    refuses(2, what, todo, *words)


@pytest.mark.parametrize(
    ("words", "what", "todo"),
    [
        (("--pe", 0, "--simd", 4), "PE must be a whole number from 1", "Choose another PE"),
        (("--pe", 4, "--simd", -1), "SIMD must be a whole number from 1", "Choose another SIMD"),
        (("--pe", 1 << 11, "--simd", 1 << 10), "PE times SIMD must be", "Choose another"),
        (("--pe", 2, "--simd", 4, "--target", "xilinx"), "target must be one of generic", "Choose"),
        (("--pe", 2, "--simd", 4, "--folds", 0), "folds must be a whole number", "Choose another"),
        (("--pe", 2, "--simd", 4, "--naming", "wb"), "Naming must be one of plain, axis", "Choose"),
        (("--pe", 2, "--simd", 4, "--weights", "no.npz"), "'no.npz' does not exist", "Check the p"),
        (("--pe", 2, "--simd", 4, "--thresholds", "no.npz"), "'no.npz' does not exist", "Check"),
        (("--pe", 2, "--simd", 4, "--weights", "ram"), "The bus is none", "Give a bus"),
        (("--pe", 2, "--simd", 4, "--initial", "w.npz"), "--initial was given", "Leave it out"),
        (("--pe", 2, "--simd", 4, "--batch", 2, "--thresholds", 1), "A batch of 2", "Leave out"),
    ],
)
def test_array_wrong(refuses, words: tuple[Any, ...], what: str, todo: str) -> None:
    refuses(2, what, todo, "generate", "array", "-o", "out", *words)


def huge(tmp_path: Path) -> Path:
    path = tmp_path / "huge.json"
    save_graph(network((4000, 2000, 10), 1), path)
    return path


def test_too_big_for_the_board(refuses, tmp_path: Path) -> None:
    words = ("build", huge(tmp_path), "--board", "icebreaker", "-o", "out")
    refuses(4, "holds 8020000 weight bits", "Choose a larger board or a smaller network", *words)


def test_too_fast_for_the_board(refuses, tmp_path: Path) -> None:
    path = tmp_path / "wide.json"
    save_graph(network((300, 100, 10), 1), path)
    words = ("build", path, "--board", "icebreaker", "--fps", "2.4e6", "-o", "out")
    refuses(4, "2.4e+06 images/s of 'net' need about", "Ask for at most ", *words)


def test_names_full_of_payloads(cli, tmp_path: Path, tree) -> None:
    """What an ONNX file calls itself and its nodes reaches no file, shell or netlist as it is."""
    evil = 'x`touch pwned`;$(touch pwned)\n\\module pwned \nend\nattribute \\src "a"\n../../pwned'
    one = helper.make_tensor("one", 1, [], [1.0])
    weight = helper.make_tensor(f"w {evil}", 1, [2, 6], [1, -1, 1, -1, 1, 1, 1, 1, 1, -1, -1, 1])
    half = helper.make_tensor("half", 1, [], [0.5])
    quant = {"domain": "qonnx.custom_op.general"}
    nodes = [
        helper.make_node("Sub", ["x", "half"], [f"c {evil}"], f"n0 {evil}"),
        helper.make_node("BipolarQuant", [f"c {evil}", "one"], ["b"], f"n1 {evil}", **quant),
        helper.make_node("BipolarQuant", [f"w {evil}", "one"], ["q"], f"n2 {evil}", **quant),
        helper.make_node("Gemm", ["b", "q"], ["y"], f"n3 {evil}", transB=1),
    ]
    graph = helper.make_graph(
        nodes, evil, [helper.make_tensor_value_info("x", 1, [1, 6])],
        [helper.make_tensor_value_info("y", 1, [1, 2])], initializer=[one, weight, half],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid(quant["domain"], 2)]
    model = helper.make_model(graph, opset_imports=opsets, producer_name=evil)
    helper.set_model_props(model, {"description": evil, evil: evil})
    onnx.save(model, tmp_path / "evil.onnx")
    done = cli("generate", "network", tmp_path / "evil.onnx", "-o", "out", "--json")
    assert done.code == 0, done.err
    files = [Path(name) for name in done.document["files"]]
    assert all(file.parent == Path("out") and file.is_file() for file in files)
    text = files[0].read_text()
    assert "touch" not in text and "`" not in text and "pwned;" not in text
    modules = {line.split()[1].partition("(")[0] for line in text.splitlines()
               if line.startswith("module ")}  # fmt: skip
    name = done.document["name"]
    assert all(module == name or module.startswith(f"{name}_core") for module in modules)
    assert not [path for path in tree() if path.endswith("pwned")]


@pytest.mark.parametrize("name", ["a;b", "module", "a\nb"])
def test_saved_graph_with_a_bad_name(refuses, model: Path, name: str) -> None:
    text = json.loads(model.read_text())
    text["name"] = name
    model.write_text(json.dumps(text))
    refuses(2, "is not usable in Verilog and file names", "Use a letter", "info", model)


def test_interrupt(cli, tree, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    before = tree()
    monkeypatch.setattr("rtl_gen.network.network_files", stop)
    done = cli("generate", "network", model, "-o", "out")
    assert done.code == 130 and done.err.endswith("bnnhw: stopped by the user.\n")
    assert tree() == before


def test_defect(cli, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr("rtl_gen.cli.info.load_model", fail)
    done = cli("info", model, "--json")
    assert done.code == 70 and done.document["error"]["exit_code"] == 70
    assert "RuntimeError: planted" in done.err
    assert done.err.endswith(
        "bnnhw: This is a defect of bnnhw.\nPlease report it with the lines above.\n"
    )


def test_graph_is_not_spoilt(graph: Graph) -> None:
    """The session's network is shared by all tests."""
    assert graph.name == "tiny"
