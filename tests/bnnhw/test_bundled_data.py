"""The bundled networks are what their metadata says, and compute what their trainer computed."""

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from bnnhw import data
from bnnhw.errors import UsageError
from bnnhw.golden import run
from bnnhw.graph import Argmax, Conv, Dense, Graph, MaxPool, Threshold
from bnnhw.load import load_model

# Of each network the least share of the test images that it must get right.
FLOORS = {"digits_mlp": 0.95, "digits_cnn": 0.97, "digits_tiny": 0.9}


@dataclass(frozen=True)
class Bundle:
    """One network, and what its trainer wrote beside it."""

    name: str
    graph: Graph
    expected: dict[str, np.ndarray]

    @property
    def notes(self) -> dict[str, str]:
        """What the expected results say of the network."""
        return json.loads(str(self.expected["meta"]))


@pytest.fixture(scope="module", params=FLOORS)
def bundle(request: pytest.FixtureRequest) -> Bundle:
    with np.load(data.path(f"{request.param}_expected.npz"), allow_pickle=False) as file:
        expected = dict(file)
    return Bundle(request.param, load_model(data.path(f"{request.param}.onnx")), expected)


@pytest.fixture(scope="module")
def images() -> dict[str, np.ndarray]:
    return dict(np.load(data.path("digits_test.npz"), allow_pickle=False))


def model_of(bundle: Bundle) -> Any:
    import onnx

    return onnx.load(data.path(f"{bundle.name}.onnx"), load_external_data=False)


def test_every_network_is_tested() -> None:
    assert data.networks() == tuple(FLOORS)


def test_images_are_a_whole_split(images: dict[str, np.ndarray]) -> None:
    assert images["x"].shape == (360, 1, 8, 8)
    assert images["x"].dtype == images["y"].dtype == np.uint8
    assert images["x"].min() == 0
    assert images["x"].max() == 255
    # Stratified: every digit has its share of the 360.
    assert np.bincount(images["y"], minlength=10).min() >= 34


@pytest.mark.parametrize("path", ["packed", "plain"])
def test_golden_model_computes_what_the_trainer_did(
    bundle: Bundle, images: dict[str, np.ndarray], path: str
) -> None:
    found = run(bundle.graph, images["x"], path=path)
    np.testing.assert_array_equal(found.logits, bundle.expected["logits"])
    np.testing.assert_array_equal(found.classes, bundle.expected["pred"])


def test_accuracy_is_the_stated_one(bundle: Bundle, images: dict[str, np.ndarray]) -> None:
    found = run(bundle.graph, images["x"]).classes
    measured = float(np.mean(found == images["y"]))
    assert measured == pytest.approx(float(bundle.notes["accuracy_test"]), abs=5e-5)
    assert measured >= FLOORS[bundle.name]


def test_model_file_says_what_it_is(bundle: Bundle) -> None:
    notes = {prop.key: prop.value for prop in model_of(bundle).metadata_props}
    assert notes == bundle.notes
    assert notes["t_clip"] == "1.3"
    assert {"task", "topology", "split", "seed", "trainer", "pixels"} <= set(notes)


def test_networks_share_images_and_split(bundle: Bundle, images: dict[str, np.ndarray]) -> None:
    of_images = json.loads(str(images["meta"]))
    for key in ("task", "pixels", "split"):
        assert bundle.notes[key] == of_images[key]
    assert set(bundle.notes) == set(of_images)


def test_network_is_one_bit_throughout(bundle: Bundle) -> None:
    nodes = bundle.graph.nodes
    weighted = [node for node in nodes if isinstance(node, Dense | Conv)]
    assert all(set(np.unique(node.weight)) <= {0, 1} for node in weighted)
    steps = [node for node in nodes if isinstance(node, Threshold)]
    assert len(steps) == len(weighted) - 1
    assert all(node.grid.levels == 2 for node in steps)
    assert isinstance(nodes[-1], Argmax)


def test_cnn_is_convolutional() -> None:
    graph = load_model(data.path("digits_cnn.onnx"))
    kinds = [type(node) for node in graph.nodes]
    assert kinds.count(Conv) >= 3 and kinds.count(MaxPool) == 1 and kinds.count(Dense) == 1
    # The pool moves bits: it stands behind a sign, where it costs an OR.
    assert any(pair == (Threshold, MaxPool) for pair in pairwise(kinds))
    assert all(node.pad_value == -1 for node in graph.nodes if isinstance(node, Conv))


def reference(bundle: Bundle, x: np.ndarray) -> np.ndarray:
    """Dot products of the last layer from the file's own operators: one loop, no graph of ours."""
    from onnx import numpy_helper

    model = model_of(bundle).graph
    held = {each.name: numpy_helper.to_array(each) for each in model.initializer}
    held["image"] = x / 255.0
    for node in model.node:
        a, *rest = (held[name] for name in node.input)
        held[node.output[0]] = OPERATORS[node.op_type](a, *rest)
    return held["logits"] / held["logit_scale"]


def convolution(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], axis=(2, 3))
    return np.einsum("nchwij,ocij->nohw", windows, weight)


def normalisation(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, mean: np.ndarray, var: np.ndarray
) -> np.ndarray:
    shape = (1, -1) + (1,) * (x.ndim - 2)
    scale = gamma.astype(np.float64) / np.sqrt(var.astype(np.float64) + 1e-5)
    return (x - mean.reshape(shape)) * scale.reshape(shape) + beta.reshape(shape)


OPERATORS: dict[str, Any] = {
    "Sub": lambda x, y: x - y,
    "Mul": lambda x, y: x * y,
    "BipolarQuant": lambda x, scale: np.where(x >= 0, 1.0, -1.0) * scale,
    "Pad": lambda x, pads, value: np.pad(
        x, np.asarray(pads).reshape(2, -1).T, constant_values=float(value)
    ),
    "Conv": convolution,
    "BatchNormalization": normalisation,
    "MaxPool": lambda x: x.reshape(*x.shape[:2], x.shape[2] // 2, 2, -1, 2).max((3, 5)),
    "Reshape": lambda x, shape: x.reshape(len(x), -1),
    "MatMul": lambda x, weight: x @ weight,
}


def test_file_computes_what_the_trainer_did(bundle: Bundle, images: dict[str, np.ndarray]) -> None:
    np.testing.assert_array_equal(reference(bundle, images["x"]).round(), bundle.expected["logits"])


def test_path_wrong() -> None:
    with pytest.raises(UsageError, match="^There is no bundled file 'x.npz'.\nChoose one of: digi"):
        data.path("x.npz")
