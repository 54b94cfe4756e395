"""Trained networks: loaded from each of their formats, they answer as others computed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnhw.golden import run
from bnnhw.graph import Graph, Threshold
from bnnhw.images import load_images
from bnnhw.load import load_model

SET = "mnist_test_0000_4999"
TFC = ["networks/mnist_tfc_w1a1.npz", "qonnx/TFC_1W1A.onnx", "qonnx/finn_dialect_tfc_w1a1.onnx"]
LFC = "networks/mnist_lfc_w1a1.npz"
TAPS = {"fc": "acc", "sign": "act"}


def arrays(path: Path) -> dict[str, Any]:
    with np.load(path) as archive:
        return dict(archive)


@pytest.fixture(scope="module")
def load(models: Path) -> Callable[[str], Graph]:
    known: dict[str, Graph] = {}

    def loaded(name: str) -> Graph:
        if name not in known:
            known[name] = load_model(models / name)
        return known[name]

    return loaded


def check_taps(graph: Graph, images: Any, expected: dict[str, Any]) -> None:
    edges = run(graph, images[:3], trace=True).edges
    taps = [name for name in edges if name.startswith(tuple(TAPS))]
    found = sorted(name for name in expected if name.startswith("tap"))
    assert len(taps) == len(found) >= 7
    for tap, name in zip(taps, found, strict=True):
        assert name.endswith(TAPS[tap.rstrip("0123456789")])
        assert np.array_equal(edges[tap], expected[name]), tap


@pytest.mark.parametrize("path", ["packed", "plain"])
@pytest.mark.parametrize("name", TFC)
def test_tfc(models: Path, load: Callable[[str], Graph], name: str, path: str) -> None:
    graph, expected = load(name), arrays(models / f"reference/mnist_tfc_w1a1__{SET}.npz")
    images = load_images(models / f"images/{SET}.npz", graph)
    result = run(graph, images.x, path=path)
    assert np.array_equal(result.logits, expected["logits"])
    assert result.classes is not None
    assert np.array_equal(result.classes, expected["pred"])
    assert np.mean(result.classes == images.y) == 0.907
    check_taps(graph, images.x, expected)


@pytest.mark.parametrize("name", TFC[1:])
def test_tfc_scores(models: Path, load: Callable[[str], Graph], name: str) -> None:
    graph = load(name)
    expected = arrays(models / "qonnx/TFC_1W1A.qonnx_out.npz")["out"]
    images = load_images(models / f"images/{SET}.npz", graph, limit=len(expected))
    assert graph.readout is not None
    scores = run(graph, images.x).logits * graph.readout.scale + graph.readout.bias
    assert np.abs(scores - expected).max() < 1e-5


def test_finn_example(models: Path, load: Callable[[str], Graph]) -> None:
    sample = arrays(models / "qonnx/finn_dialect_tfc_w1a1.io.npz")
    result = run(load(TFC[2]), sample["input"].astype(np.uint8))
    assert result.classes is not None
    assert np.array_equal(result.classes, sample["expected"])


def test_dialects_decide_alike_for_every_attainable_sum(load: Callable[[str], Graph]) -> None:
    first, *others = (load(name) for name in TFC)
    for node in first.nodes:
        if not isinstance(node, Threshold):
            continue
        grid = first.edges[node.inputs[0]].grid
        sums = np.array([grid.values(np.arange(grid.levels))] * 64).T
        for other in others:
            same = other.node(node.name)
            assert isinstance(same, Threshold)
            for value in (node, same):
                assert value.levels.shape == (64, 1)
            bits, theirs = (
                np.where(n.direction > 0, sums >= n.levels[:, 0], sums <= n.levels[:, 0])
                for n in (node, same)
            )
            assert np.array_equal(bits, theirs)


def test_lfc(models: Path, load: Callable[[str], Graph]) -> None:
    graph, expected = load(LFC), arrays(models / f"reference/mnist_lfc_w1a1__{SET}.npz")
    images = load_images(models / f"images/{SET}.npz", graph)
    result = run(graph, images.x)
    assert np.array_equal(result.logits, expected["logits"])
    assert result.classes is not None
    assert np.array_equal(result.classes, expected["pred"])
    assert graph.argmax is not None
    assert np.array_equal(result.logits + graph.argmax.offset >= 0, expected["bits"])
    plain = run(graph, images.x[:200], path="plain", trace=True)
    for name, values in run(graph, images.x[:200], trace=True).edges.items():
        assert np.array_equal(values, plain.edges[name])
    check_taps(graph, images.x, expected)
