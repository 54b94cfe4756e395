"""QONNX files that qonnx computed: scripts/record_qonnx.py wrote them down."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from bnnhw.golden import run
from bnnhw.graph import Graph, Threshold
from bnnhw.load import load_model

FILES = Path(__file__).resolve().parents[2] / "data/qonnx"
NAMES = ["branches", "levels", "thresholds", "windows"]


def recorded(name: str) -> dict[str, Any]:
    with np.load(FILES / f"{name}.npz") as archive:
        return dict(archive)


def scores_of(graph: Graph, images: Any) -> Any:
    assert graph.readout is not None
    return run(graph, images).logits * np.array(graph.readout.scale) + graph.readout.bias


def test_every_file_is_tested() -> None:
    found = {path.name for path in FILES.iterdir()}
    assert found == {f"{name}.{suffix}" for name in NAMES for suffix in ("onnx", "npz")}


@pytest.mark.parametrize("name", NAMES)
def test_qonnx_gave_the_same(name: str) -> None:
    told, graph = recorded(name), load_model(FILES / f"{name}.onnx")
    assert len(np.unique(told["scores"].argmax(axis=1))) > 1
    scores = scores_of(graph, told["x"])
    assert np.abs(scores - told["scores"]).max() < 1e-5 * np.abs(told["scores"]).max()
    classes = run(graph, told["x"]).classes
    assert classes is not None
    assert np.array_equal(classes, told["scores"].argmax(axis=1))


@pytest.mark.parametrize("name", NAMES)
def test_every_quantiser_gave_the_same(name: str) -> None:
    told, graph = recorded(name), load_model(FILES / f"{name}.onnx")
    edges = run(graph, told["x"], trace=True).edges
    nodes: list[Any] = [node for node in graph.nodes if isinstance(node, Threshold)]
    nodes = [graph.input] * (graph.input.grid.levels == 2) + nodes
    taps = [told[key] for key in sorted(told) if key.startswith("tap_")]
    assert len(nodes) == len(taps)
    for node, tap in zip(nodes, taps, strict=True):
        found = edges[node.name]
        ours, theirs = np.unique(found), np.unique(tap)
        # The same steps, on integers here and on numbers of a scale there.
        step = np.diff(theirs).min() / np.diff(ours).min()
        assert len(ours) == len(theirs) > 1
        shape = tap.shape if tap.ndim == found.ndim else found.shape
        assert np.allclose((found - ours[0]) * step, tap.reshape(shape) - theirs[0], atol=1e-6)


def test_a_changed_weight_is_seen(tmp_path: Path) -> None:
    model = onnx.load(FILES / "windows.onnx")
    place = next(each for each in model.graph.initializer if tuple(each.dims) == (5, 240))
    array = numpy_helper.to_array(place).copy()
    array[2] = -array[2]
    place.CopyFrom(numpy_helper.from_array(array, place.name))
    onnx.save(model, tmp_path / "changed.onnx")
    told = recorded("windows")
    found = scores_of(load_model(tmp_path / "changed.onnx"), told["x"])
    wrong = np.abs(found - told["scores"]).max(axis=0) > 1e-3
    assert wrong.tolist() == [False, False, True, False, False]
