"""QONNX files with convolutions and n-bit activations: equal to what others computed from them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnhw.golden import run
from bnnhw.graph import Graph, Input, Threshold
from bnnhw.images import load_images
from bnnhw.load import load_model

MNIST = "mnist_test_0000_4999"
CIFAR = "cifar10_lossless_eran100"
FILES = [
    ("TFC_1W2A", "mnist_tfc_w1a2", MNIST),
    ("cnv_cifar10_w1a1", "cifar10_cnv_w1a1", CIFAR),
    ("ebnn_simple_mnist", "mnist_ebnn_simple", MNIST),
    ("ebnn_simple_mnist_torchscript", "mnist_ebnn_simple", MNIST),
]
TINY = [
    f"tiny_cnn_{kind}_brevitas0134{form}"
    for kind in ("w1a1", "w1a2")
    for form in ("", "_clean", "_torchscript", "_torchscript_clean")
]


def arrays(path: Path) -> dict[str, Any]:
    with np.load(path) as archive:
        return dict(archive)


def scores_of(graph: Graph, logits: Any) -> Any:
    assert graph.readout is not None
    return logits * np.array(graph.readout.scale) + graph.readout.bias


@pytest.fixture(scope="module")
def load(models: Path) -> Callable[[str], Graph]:
    known: dict[str, Graph] = {}

    def loaded(name: str) -> Graph:
        if name not in known:
            known[name] = load_model(models / name)
        return known[name]

    return loaded


@pytest.mark.parametrize(("name", "network", "images"), FILES)
def test_every_image(
    models: Path, load: Callable[[str], Graph], name: str, network: str, images: str
) -> None:
    graph = load(f"qonnx/{name}.onnx")
    expected = arrays(models / f"reference/{network}__{images}.npz")
    result = run(graph, load_images(models / f"images/{images}.npz", graph).x)
    assert np.array_equal(result.logits, expected["logits"])
    assert result.classes is not None
    assert np.array_equal(result.classes, expected["pred"])
    theirs = arrays(models / f"qonnx/{name}.qonnx_out.npz")["out"]
    ours = scores_of(graph, result.logits)[: len(theirs)]
    assert np.abs(ours - theirs).max() < 1e-5
    assert np.array_equal(result.classes[: len(theirs)], theirs.argmax(axis=1))


@pytest.mark.parametrize(("name", "network", "images"), FILES)
def test_every_layer(
    models: Path, load: Callable[[str], Graph], name: str, network: str, images: str
) -> None:
    graph, other = load(f"qonnx/{name}.onnx"), load(f"networks/{network}.npz")
    few = load_images(models / f"images/{images}.npz", graph, limit=2).x
    ours, theirs = (run(each, few, trace=True).edges for each in (graph, other))
    slow = run(graph, few, path="plain", trace=True).edges
    assert all(np.array_equal(values, slow[edge]) for edge, values in ours.items())
    # Where pool and activation are in the other order, what lies between them differs; and scores
    # of other floats are rounded to other integers.
    alike = set(ours) - {"pool1", "sign1", "score"} if "ebnn" in name else set(ours)
    assert alike <= set(theirs)
    for edge in alike:
        assert np.array_equal(ours[edge], theirs[edge]), edge
    if "ebnn" in name:
        assert np.array_equal(ours["sign1"], theirs["pool1"])


@pytest.mark.parametrize("path", ["packed", "plain"])
@pytest.mark.parametrize("name", TINY)
def test_export_examples(models: Path, load: Callable[[str], Graph], name: str, path: str) -> None:
    graph = load(f"export_examples/{name}.onnx")
    recorded = arrays(models / f"export_examples/{name[:13]}_io.npz")
    # The recorded input is no image of bytes: give the codes of the input quantiser.
    values = np.rint(np.float64(128) * recorded["x"]).clip(-128, 127)
    nodes = (Input("image", (), graph.input.shape, graph.input.grid), *graph.nodes[1:])
    codes = graph.input.grid.codes(values)
    result = run(Graph("codes", nodes, graph.outputs, graph.readout), codes, path=path)
    assert np.abs(scores_of(graph, result.logits) - recorded["y"]).max() < 1e-5
    assert result.classes is not None
    assert np.array_equal(result.classes, recorded["y"].argmax(axis=1))


@pytest.mark.parametrize("kind", ["w1a1", "w1a2"])
def test_exporters_agree(load: Callable[[str], Graph], kind: str) -> None:
    first, *others = (load(f"export_examples/{name}.onnx") for name in TINY if kind in name)
    for other in others:
        assert [str(edge) for edge in other.edges.items()] == [
            str(edge) for edge in first.edges.items()
        ]
        for node in first.nodes:
            same = other.node(node.name)
            if isinstance(node, Threshold) and isinstance(same, Threshold):
                assert np.array_equal(node.levels, same.levels)
                assert np.array_equal(node.direction, same.direction)
        assert other.readout == first.readout


def test_meta_says_how_pixels_are_read(load: Callable[[str], Graph]) -> None:
    said = load("qonnx/cnv_cifar10_w1a1.onnx").meta["pixel"]
    assert said == "x = 2/255 * pixel - 1 (its first operation quantises numbers from -1 to 1)"
