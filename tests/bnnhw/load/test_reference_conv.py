"""Trained convolutional and 2-bit networks: they answer as others computed, at every layer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnhw.golden import run
from bnnhw.graph import Affine, Argmax, Conv, Dense, Graph, Grid, MaxPool, Threshold
from bnnhw.images import load_images
from bnnhw.load import load_model

MNIST = "mnist_test_0000_4999"
CIFAR = "cifar10_lossless_eran100"
NETWORKS = [
    ("mnist_ebnn_simple", MNIST, 0.8778),
    ("mnist_ebnn_binary", MNIST, 0.8548),
    ("mnist_tfc_w1a2", MNIST, 0.9292),
    ("cifar10_cnv_w1a1", CIFAR, 0.83),
    ("cifar10_cnv_w1a1", "bnnpynq_car", 1.0),
]


def arrays(path: Path) -> dict[str, Any]:
    with np.load(path) as archive:
        return dict(archive)


@pytest.fixture(scope="module")
def load(models: Path) -> Callable[[str], Graph]:
    known: dict[str, Graph] = {}

    def loaded(name: str) -> Graph:
        if name not in known:
            known[name] = load_model(models / f"networks/{name}.npz")
        return known[name]

    return loaded


@pytest.mark.parametrize(("name", "images", "accuracy"), NETWORKS)
def test_every_image(
    models: Path, load: Callable[[str], Graph], name: str, images: str, accuracy: float
) -> None:
    graph = load(name)
    expected = arrays(models / f"reference/{name}__{images}.npz")
    found = load_images(models / f"images/{images}.npz", graph)
    result = run(graph, found.x)
    assert len(found.x) == len(expected["logits"])
    assert np.array_equal(result.logits, expected["logits"])
    assert result.classes is not None
    assert np.array_equal(result.classes, expected["pred"])
    assert np.mean(result.classes == found.y) == pytest.approx(accuracy)
    if "score" in expected:
        assert graph.readout is not None
        scores = result.logits * np.array(graph.readout.scale) + graph.readout.bias
        assert np.abs(scores - expected["score"]).max() < 1e-4


@pytest.mark.parametrize(("name", "images", "accuracy"), NETWORKS)
def test_every_layer(
    models: Path, load: Callable[[str], Graph], name: str, images: str, accuracy: float
) -> None:
    graph = load(name)
    expected = arrays(models / f"reference/{name}__{images}.npz")
    found = load_images(models / f"images/{images}.npz", graph, limit=3)
    fast, slow = (run(graph, found.x, path=path, trace=True).edges for path in ("packed", "plain"))
    layers = [node.name for node in graph.nodes
              if isinstance(node, Conv | Dense | MaxPool | Threshold)]  # fmt: skip
    taps = sorted(key for key in expected if key.startswith("tap"))
    assert len(layers) == len(taps) >= 4
    for layer, tap in zip(layers, taps, strict=True):
        assert np.array_equal(fast[layer], expected[tap]), layer
    for edge, values in fast.items():
        assert np.array_equal(values, slow[edge]), edge


def test_what_a_board_printed(models: Path, load: Callable[[str], Graph]) -> None:
    graph = load("cifar10_cnv_w1a1")
    car = load_images(models / "images/bnnpynq_car.npz", graph)
    counts = (512 + run(graph, car.x).logits) // 2
    assert counts.tolist() == [[258, 417, 233, 206, 238, 215, 222, 238, 236, 249]]


def test_form(load: Callable[[str], Graph]) -> None:
    cnv, simple = load("cifar10_cnv_w1a1"), load("mnist_ebnn_simple")
    assert cnv.input.grid == Grid(-128, 1, 256)
    assert cnv.edges["conv1"].grid == Grid(-27 * 128, 1, 2 * 27 * 128 + 1)
    assert cnv.edges["conv2"].grid == Grid(-576, 2, 577)
    assert [node.name for node in simple.nodes] == [
        "image", "conv1", "sign1", "pool1", "flat", "fc1", "score", "argmax",
    ]  # fmt: skip
    assert simple.outputs == ("fc1", "argmax")
    assert load("mnist_tfc_w1a2").edges["act1"].grid == Grid(-1, 1, 3)


def test_scores_decide_as_fractions_for_random_logits(load: Callable[[str], Graph]) -> None:
    graph = load("mnist_ebnn_simple")
    score, last = graph.nodes[-2:]
    assert isinstance(score, Affine)
    assert isinstance(last, Argmax)
    assert graph.readout is not None
    rng = np.random.default_rng(1)
    logits = 2 * rng.integers(-180, 181, (20_000, 10))
    ours = np.argmax(logits * score.multiplier + score.offset, axis=1)
    theirs = np.argmax(logits * np.array(graph.readout.scale) + graph.readout.bias, axis=1)
    assert np.array_equal(ours, theirs)


def test_a_changed_threshold_is_seen(models: Path, load: Callable[[str], Graph]) -> None:
    graph = load("mnist_ebnn_binary")
    images = load_images(models / f"images/{MNIST}.npz", graph, limit=200).x
    nodes = list(graph.nodes)
    sign = nodes[2]
    assert isinstance(sign, Threshold)
    levels = sign.levels.copy()
    levels[3] += 2
    nodes[2] = Threshold("sign1", sign.inputs, levels, sign.direction)
    other = Graph("other", tuple(nodes), graph.outputs)
    assert not np.array_equal(run(graph, images).logits, run(other, images).logits)
