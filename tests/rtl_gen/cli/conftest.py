"""The command line inside this process, small models, and what a folder holds."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnhw.graph import BIPOLAR, Graph, Input, save_graph
from rtl_gen.cli.app import main
from sim.samples import network

Cli = Callable[..., "Outcome"]
CLASSES = 3


@dataclass(frozen=True)
class Outcome:
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)

    def refused(self, code: int, what: str) -> str:
        """Check an error's form and say what is to be done."""
        assert self.code == code, (self.code, self.out, self.err)
        lines = [line for line in self.err.splitlines() if not line.startswith("… ")]
        # One paragraph: it starts with our name, holds no empty line, and ends with the way out.
        assert lines[0].startswith("bnnhw: ") and all(lines) and len(lines) >= 2
        assert what in "\n".join(lines)[7:], lines
        assert "Traceback" not in self.err
        return lines[-1]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Give a function that runs `bnnhw` with arguments."""

    def run(*words: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["bnnhw", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        printed = capsys.readouterr()
        assert isinstance(left.value.code, int)
        return Outcome(left.value.code, printed.out, printed.err)

    return run


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="session")
def graph() -> Graph:
    """12 pixels, 6 hidden channels, 3 classes."""
    bare = network((12, 6, CLASSES), 1)
    table = (np.arange(256) >= 128).astype(np.int64)
    nodes = (Input("x", (), (12,), BIPOLAR, table), *bare.nodes[1:])
    return Graph("tiny", nodes, bare.outputs, meta={"accuracy": "made up"})


@pytest.fixture
def model(tmp_path: Path, graph: Graph) -> Path:
    """Give the small network as a saved graph."""
    path = tmp_path / "tiny.json"
    save_graph(graph, path)
    return path


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (30, 12)).astype(np.uint8)


@pytest.fixture
def pictures(tmp_path: Path, pixels: np.ndarray) -> Path:
    """Give 30 images without labels."""
    path = tmp_path / "images.npz"
    np.savez(path, x=pixels)
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Callable[[], list[str]]:
    """Give a function that lists everything below the test's folder."""
    return lambda: sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))


@pytest.fixture(scope="session")
def bundled() -> Path:
    """Folder of the bundled network and images."""
    from bnnhw import data

    return data.path("digits_mlp.onnx").parent


@pytest.fixture
def refuses(cli, tree):
    """Give a function that checks a refusal, as text and as JSON, and that nothing was written."""

    def check(code: int, what: str, todo: str, *words: object) -> None:
        before = tree()
        assert todo in cli(*words).refused(code, what)
        done = cli(*words, "--json")
        assert todo in done.refused(code, what)
        error = done.document["error"]
        assert set(error) == {"what", "todo", "exit_code"}
        assert what in error["what"] and todo in error["todo"] and error["exit_code"] == code
        assert tree() == before

    return check
