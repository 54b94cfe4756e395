# amaranth: UnusedElaboratable=no
"""`bnnhw serve`: the command, its address, who answers, and what it refuses."""

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnhw import golden
from bnnhw.graph import Graph, save_graph
from sim.samples import network

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def graph(graph: Graph) -> Graph:
    """Nine pixels, which make a picture."""
    bare = network((9, 6, 3), 2)
    table = (np.arange(256) >= 128).astype(np.int64)
    first = type(graph.input)("x", (), (9,), graph.input.grid, table)
    return Graph("tiny", (first, *bare.nodes[1:]), bare.outputs)


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (5, 9)).astype(np.uint8)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Give a function that starts the command and gives its process and its document."""
    with ExitStack() as stack:

        def run(*words: object) -> Any:
            program = Path(sys.executable).with_name("bnnhw")
            process = stack.enter_context(
                subprocess.Popen(
                    [program, "serve", *map(str, words), "--json"], cwd=tmp_path, text=True,
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                    # Where the tests run in the background, a shell has them ignore it.
                    preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
                )
            )  # fmt: skip
            stack.callback(process.kill)
            assert process.stdout is not None
            text = ""
            for line in process.stdout:
                text += line
                if line.startswith("}"):
                    return process, json.loads(text)
            raise AssertionError(process.stderr and process.stderr.read())

        yield run


def ask(url: str, value: Any = None) -> Any:
    body = None if value is None else json.dumps(value).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.loads(reply.read())


def stop(process: Any) -> None:
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0


def test_golden_model(start, model: Path, pictures: Path, graph: Graph, pixels: Any) -> None:
    process, told = start(model, "--images", pictures)
    assert set(told) == {"url", "target", "identity"} and told["target"] == "model:"
    known = ask(f"{told['url']}design.json")
    assert known["manifest"]["identity"] == told["identity"]
    assert [sample["image"] for sample in known["samples"]] == pixels.tolist()
    wanted = golden.run(graph, pixels, path="plain")
    for image, logits in zip(pixels.tolist(), wanted.logits.tolist(), strict=True):
        assert ask(f"{told['url']}api/infer", {"image": image})["logits"] == logits
    stop(process)


def test_simulated_board(start, model: Path, graph: Graph, pixels: Any) -> None:
    process, told = start(model, "--board", "icebreaker", "--target", "sim:")
    state = ask(f"{told['url']}api/state")
    assert (state["kind"], state["connected"]) == ("simulated", True)
    assert state["title"] == "The simulated 1BitSquared iCEBreaker"
    # So small a network is quicker than its answer of four bytes.
    assert state["measured"]["cycles"] == 4 < state["measured"]["latency"]
    wanted = golden.run(graph, pixels, path="plain")
    for image, logits in zip(pixels.tolist(), wanted.logits.tolist(), strict=True):
        answer = ask(f"{told['url']}api/infer", {"image": image})
        assert (answer["logits"], answer["agrees"]) == (logits, True)
    stop(process)


def test_board_that_is_not_there(start, model: Path) -> None:
    process, told = start(model, "--target", "socket://127.0.0.1:9")
    state = ask(f"{told['url']}api/state")
    assert not state["connected"] and "Nothing answers" in state["error"]["what"]
    with pytest.raises(urllib.error.HTTPError, match=r"503"):
        ask(f"{told['url']}api/connect", {})
    stop(process)
    assert "Nothing answers at 'socket://127.0.0.1:9'" in process.stderr.read()


def test_plain_files(cli, model: Path) -> None:
    done = cli("serve", model, "--out", "site", "--json")
    assert (done.code, done.err) == (0, "")
    assert all(Path(name).is_file() for name in done.document["files"])
    known = json.loads(Path("site/design.json").read_text())
    assert known["manifest"]["identity"] == done.document["identity"]
    assert "The page is in again" in cli("serve", model, "-o", "again").out


def test_refused(refuses, model: Path, tmp_path: Path) -> None:
    for target in ("nobody", "usb://0", "http://localhost:1", "model"):
        refuses(2, "is nobody who answers", "--target model:", "serve", model, "--target", target)
    refuses(2, "no address of a board", "", "serve", model, "--target", "socket://")
    refuses(2, "no address of a board", "spi:///dev", "serve", model, "--target", "spi://0")
    refuses(2, "'no.onnx' does not exist.", "Check the path.", "serve", "no.onnx")
    save_graph(network((12, 6, 3), 1), tmp_path / "flat.json")
    words = ("serve", tmp_path / "flat.json")
    refuses(2, "this network reads 12", "reads pictures", *words)
