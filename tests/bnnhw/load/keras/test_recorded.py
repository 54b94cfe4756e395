"""Models that Larq made and TensorFlow computed: scripts/record_larq.py wrote them down."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from bnnhw.golden import run
from bnnhw.graph import Graph, Threshold
from bnnhw.load import load_model

FILES = Path(__file__).resolve().parents[3] / "data/keras"
NAMES = ["features", "functional", "quantisers", "rescaled", "sequential", "windows"]


def recorded(name: str) -> dict[str, Any]:
    with np.load(FILES / f"{name}.npz") as archive:
        return dict(archive)


def first_channels(x: Any) -> Any:
    return np.moveaxis(x, -1, 1) if x.ndim == 4 else x


def scores_of(graph: Graph, logits: Any, told: Any) -> Any:
    assert graph.readout is not None
    scores = logits * np.array(graph.readout.scale) + graph.readout.bias
    if np.allclose(told.sum(axis=1), 1) and (told >= 0).all():
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        scores /= scores.sum(axis=1, keepdims=True)
    return scores


def test_every_file_is_tested() -> None:
    found = {path.name for path in FILES.iterdir()}
    assert found == {f"{name}.{suffix}" for name in NAMES for suffix in ("h5", "keras", "npz")}


@pytest.mark.parametrize("suffix", ["h5", "keras"])
@pytest.mark.parametrize("name", NAMES)
def test_tensorflow_gave_the_same(name: str, suffix: str) -> None:
    told = recorded(name)
    # A model that rescales says itself that it wants bytes.
    pixel = "auto" if name == "rescaled" else str(told["way"])
    graph = load_model(FILES / f"{name}.{suffix}", pixel=pixel)
    result = run(graph, first_channels(told["x"]), trace=True)
    scores = scores_of(graph, result.logits, told["scores"])
    assert np.abs(scores - told["scores"]).max() < 1e-5 * max(1, np.abs(told["scores"]).max())
    assert result.classes is not None
    assert np.array_equal(result.classes, told["scores"].argmax(axis=1))
    assert len(np.unique(result.classes)) > 1
    nodes: list[Any] = [node for node in graph.nodes if isinstance(node, Threshold)]
    nodes = [graph.input] * (graph.input.grid.levels == 2) + nodes
    taps = [told[key] for key in sorted(told) if key.startswith("tap_")]
    assert len(nodes) == len(taps)
    for node, tap in zip(nodes, taps, strict=True):
        codes = (result.edges[node.name] - node.grid.low) / node.grid.step
        levels = np.unique(tap)
        ranks = np.searchsorted(levels, tap)
        if tap.ndim == 2 and codes.ndim == 4:
            # Quantised behind a Flatten, channels last; the graph does so in front of it.
            ranks = ranks.reshape(len(tap), *codes.shape[2:], codes.shape[1])
        ranks = first_channels(ranks) if ranks.ndim == 4 else ranks
        assert len(levels) == node.grid.levels
        # A quantiser that falls where the integers rise counts from the other end.
        assert np.array_equal(codes, ranks) or np.array_equal(codes, len(levels) - 1 - ranks)


def test_a_changed_kernel_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "changed.h5"
    path.write_bytes((FILES / "sequential.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        kernels: list[Any] = []
        file["model_weights"].visititems(
            lambda name, each: kernels.append(each) if name.endswith("kernel:0") else None
        )
        # In the rows of one unit of the first dense layer.
        place = next(each for each in kernels if each.shape[-1] == 7)
        place[:, 3] = -place[:, 3]
    told = recorded("sequential")
    graph = load_model(path, pixel="centred")
    scores = scores_of(graph, run(graph, first_channels(told["x"])).logits, told["scores"])
    assert np.abs(scores - told["scores"]).max() > 0.01
