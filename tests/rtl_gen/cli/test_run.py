# amaranth: UnusedElaboratable=no
"""`bnnhw run`: the simulated board in this process, and two real processes over TCP."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnhw import golden
from bnnhw.errors import DeviceError
from bnnhw.graph import Dense, Graph

ROOT = Path(__file__).resolve().parents[3]
KEYS = {"board", "simulated", "images", "classes", "logits", "correct"}
SERVER = """
import sys
from pathlib import Path
from rtl_gen.cli.options import make
from rtl_gen.content import module
planned = make(Path(sys.argv[1]), board="icebreaker")
board = module("sim.board").SimulatedBoard(
    planned.plan, clock_hz=planned.board.clock.sync_hz, baud=planned.board.link.baud)
with board:
    print(board.url, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def expected(graph: Graph, pixels: np.ndarray) -> Any:
    return golden.run(graph, pixels, path="plain")


@pytest.fixture
def server(model: Path) -> Iterator[str]:
    """Give the address of a simulated board in a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(model)], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None and process.stdin is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
    assert process.returncode == 0


def console(*words: object, folder: Path) -> "subprocess.CompletedProcess[str]":
    program = Path(sys.executable).with_name("bnnhw")
    return subprocess.run(
        [program, *map(str, words)], cwd=folder, capture_output=True, text=True, check=False
    )


def test_simulated_board(cli, model: Path, pictures: Path, expected: Any) -> None:
    words = ("run", model, "--images", pictures, "--board", "icebreaker")
    done = cli(*words, "--json")
    assert (done.code, done.err) == (0, "")
    facts = done.document
    assert set(facts) == KEYS
    assert (facts["board"], facts["simulated"], facts["images"]) == ("icebreaker", True, 30)
    assert facts["logits"] == expected.logits.tolist()
    assert facts["classes"] == expected.classes.tolist()
    assert facts["correct"] is None
    text = cli(*words)
    assert text.code == 0
    assert "… and 10 more; --json prints all." in text.out
    assert "no --port: simulating 1BitSquared iCEBreaker" in text.err


def test_weights_that_are_not_in_the_build(
    cli, model: Path, graph: Graph, pictures: Path, expected: Any
) -> None:
    names = [node.name for node in graph.nodes if isinstance(node, Dense)]
    tables = [f'[layer.{name}]\npe = 1\nsimd = 2\nweights = "spram"\n' for name in names]
    Path("fold.toml").write_text("".join(tables))
    words = ("run", model, "--images", pictures, "--board", "icebreaker", "--folding", "fold.toml")
    done = cli(*words, "--json")
    assert (done.code, done.err) == (0, "")
    assert done.document["logits"] == expected.logits.tolist()
    assert "loading weights" in cli(*words).err


def test_labels(cli, model: Path, pixels: np.ndarray, expected: Any) -> None:
    labels = expected.classes.copy()
    labels[:4] = (labels[:4] + 1) % 3
    np.savez("labelled.npz", x=pixels, y=labels)
    words = ("run", model, "--images", "labelled.npz", "--board", "icebreaker")
    assert cli(*words, "--json").document["correct"] == 26
    limited = cli(*words, "--limit", 5)
    assert limited.code == 0 and "1 of 5 labels are right." in limited.out


def test_two_processes(server: str, model: Path, pictures: Path, expected: Any, tmp_path) -> None:
    words = ("run", model, "--images", pictures, "--board", "icebreaker", "--port", server)
    for _ in range(2):  # The second time the board has a past.
        done = console(*words, "--json", folder=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        facts = json.loads(done.stdout)
        assert facts["simulated"] is False and facts["images"] == 30
        assert facts["logits"] == expected.logits.tolist()
        assert facts["classes"] == expected.classes.tolist()
    text = console(*words, folder=tmp_path)
    assert text.returncode == 0 and "answers of the 1BitSquared iCEBreaker" in text.stdout
    other = console(*words, "--name", "renamed", folder=tmp_path)
    assert other.returncode == DeviceError.exit_code and other.stdout == ""
    what, todo = other.stderr.splitlines()[-2:]
    assert what.startswith(f"bnnhw: The board at '{server}' runs the design ")
    assert todo.startswith("Flash the manifest's design")


def test_subprocess_errors_and_pipes(model: Path, tmp_path: Path) -> None:
    bad = console("info", "no.onnx", "--json", folder=tmp_path)
    assert (bad.returncode, bad.stderr) == (
        2,
        "bnnhw: 'no.onnx' does not exist.\nCheck the path.\n",
    )
    assert json.loads(bad.stdout)["error"]["todo"] == "Check the path."
    good = console("info", model, "--json", folder=tmp_path)
    assert good.returncode == 0 and json.loads(good.stdout)["name"] == "tiny"


def test_reader_that_leaves_early(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("bnnhw")
    with subprocess.Popen(
        [program, "boards", "--json"], cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (0, "")
