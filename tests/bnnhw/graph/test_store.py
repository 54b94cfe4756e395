"""Saved graphs: the same digest and answers after reading, and no trust in what was changed."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bnnhw.errors import UsageError
from bnnhw.golden import run
from bnnhw.graph import BIPOLAR, Graph, Grid, Readout, load_graph, save_graph
from bnnhw.load import load_model

AGAIN = r"\nSave the graph again with this version of bnnhw\.$"
FEW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def path(random_graph: Callable[..., Graph], tmp_path: Path) -> Path:
    save_graph(random_graph(1), tmp_path / "net.json")
    return tmp_path / "net.json"


@FEW
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.integers(1, 20),
    widths=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    grid=st.sampled_from([BIPOLAR, Grid(-1, 1, 3), Grid(0, 1, 200)]),
    lut=st.booleans(),
    scored=st.booleans(),
)
def test_same_after_reading(
    random_graph: Callable[..., Graph],
    tmp_path: Path,
    seed: int,
    size: int,
    widths: list[int],
    grid: Grid,
    lut: bool,
    scored: bool,
) -> None:
    graph = random_graph(seed, (size,), widths, grid, lut=lut)
    classes = widths[-1]
    readout = Readout((0.1,) * classes, (1 / 3,) * classes) if scored else None
    graph = Graph(graph.name, graph.nodes, graph.outputs, readout, {"note": "ü\n"})
    save_graph(graph, tmp_path / "net.json")
    other = load_graph(tmp_path / "net.json")
    assert other.digest == graph.digest
    assert other.meta == graph.meta
    assert other.readout == graph.readout
    assert str(other) == str(graph)
    images = np.random.default_rng(seed).integers(0, 256 if lut else grid.levels, (3, size))
    assert np.array_equal(run(other, images).logits, run(graph, images).logits)


def test_same_bytes_every_time(path: Path, random_graph: Callable[..., Graph]) -> None:
    before = path.read_bytes(), path.with_suffix(".npz").read_bytes()
    save_graph(random_graph(1), path)
    assert (path.read_bytes(), path.with_suffix(".npz").read_bytes()) == before
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["net.json", "net.npz"]


def test_through_load_model(path: Path, random_graph: Callable[..., Graph]) -> None:
    assert load_model(path).digest == random_graph(1).digest
    renamed = load_model(path, name="other")
    assert renamed.name == "other"
    assert renamed.nodes[0].name == "image"


def test_suffix_wrong(random_graph: Callable[..., Graph], tmp_path: Path) -> None:
    message = r"^A graph is saved as a \.json file, not as 'net\.txt'\.\nChoose a name that ends"
    with pytest.raises(UsageError, match=message):
        save_graph(random_graph(1), tmp_path / "net.txt")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("version", 99, r"' is 'bnnhw-graph' version 99, not bnnhw-graph 1\."),
        ("format", "x\x1b", r"' is 'x\\x1b' version 1, not bnnhw-graph 1\."),
        ("digest", "0", r"' was changed after it was saved: its digest differs\."),
        ("name", "other", r"' was changed after it was saved: its digest differs\."),
        ("nodes", 3, r"' is no graph of bnnhw: TypeError: "),
        ("nodes", [{"kind": "Mystery"}], r"' is no graph of bnnhw: KeyError: 'Mystery'\."),
        ("nodes", [{"kind": "Input"}], r"' is no graph of bnnhw: KeyError: 'name'\."),
        ("outputs", None, r"' is no graph of bnnhw: TypeError: "),
        ("readout", [1], r"' is no graph of bnnhw: TypeError: "),
        ("meta", 1, r"' is no graph of bnnhw: AttributeError: "),
    ],
)
def test_head_wrong(path: Path, key: str, value: Any, what: str) -> None:
    head = json.loads(path.read_text())
    head[key] = value
    path.write_text(json.dumps(head))
    with pytest.raises(UsageError, match=f"{what}.*{AGAIN}"):
        load_graph(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("shape", [1.5]),
        ("shape", ["3"]),
        ("shape", [True]),
        ("shape", [1e999]),
        ("shape", [1 << 80]),
        ("shape", 15),
        ("name", 7),
        ("name", None),
        ("inputs", [[1]]),
        ("grid", {"low": 1e999, "step": 2, "levels": 2}),
        ("grid", {"low": -1, "step": 0, "levels": 2}),
        ("grid", [1, 2, 3]),
        ("grid", None),
        ("lut", [1 << 80] * 256),
        ("lut", {"array": "gone"}),
        ("lut", {"array": ["x"]}),
    ],
)
def test_node_wrong(path: Path, field: str, value: Any) -> None:
    head = json.loads(path.read_text())
    head["nodes"][0][field] = value
    path.write_text(json.dumps(head))
    # A digest that does not fit shows that the values themselves went unnoticed.
    with pytest.raises(UsageError, match=r"^(?!.*was changed after it was saved)"):
        load_graph(path)


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", "[" * 100_000, "\xff", '{"format": 1'])
def test_text_wrong(path: Path, text: str) -> None:
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(
        UsageError, match=f"{re.escape(str(path))}' is no graph of bnnhw: .*{AGAIN}"
    ):
        load_graph(path)


def test_arrays_changed_or_gone(path: Path) -> None:
    data = path.with_suffix(".npz")
    whole = data.read_bytes()
    data.write_bytes(whole[:-1] + b"x")
    with pytest.raises(UsageError, match=r"net\.npz' is not the file that belongs here"):
        load_graph(path)
    data.unlink()
    with pytest.raises(UsageError, match=r"net\.npz' does not exist"):
        load_graph(path)


def test_truncated_anywhere(path: Path) -> None:
    data = path.read_bytes()
    for length in range(0, len(data) - 1, 7):
        path.write_bytes(data[:length])
        with pytest.raises(UsageError):
            load_graph(path)


@FEW
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(32, 126)), min_size=1, max_size=3))
def test_flipped_bytes(path: Path, changes: list[tuple[int, int]]) -> None:
    before = path.read_bytes()
    data = bytearray(before)
    for position, value in changes:
        data[position % len(data)] = value
    try:
        path.write_bytes(data)
        load_graph(path)
    except UsageError as error:
        assert error.todo
    finally:
        path.write_bytes(before)
