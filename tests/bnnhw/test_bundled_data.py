"""The bundled network is what its metadata says, and computes what its trainer computed."""

import json

import numpy as np
import pytest

from bnnhw import data
from bnnhw.errors import UsageError
from bnnhw.golden import run
from bnnhw.graph import Argmax, Dense, Graph, Threshold
from bnnhw.load import load_model


@pytest.fixture(scope="module")
def network() -> Graph:
    return load_model(data.path("digits_mlp.onnx"))


@pytest.fixture(scope="module")
def images() -> dict[str, np.ndarray]:
    return dict(np.load(data.path("digits_test.npz"), allow_pickle=False))


@pytest.fixture(scope="module")
def expected() -> dict[str, np.ndarray]:
    return dict(np.load(data.path("digits_mlp_expected.npz"), allow_pickle=False))


def test_images_are_a_whole_split(images: dict[str, np.ndarray]) -> None:
    assert images["x"].shape == (360, 1, 8, 8)
    assert images["x"].dtype == images["y"].dtype == np.uint8
    assert images["x"].min() == 0
    assert images["x"].max() == 255
    # Stratified: every digit has its share of the 360.
    assert np.bincount(images["y"], minlength=10).min() >= 34


@pytest.mark.parametrize("path", ["packed", "plain"])
def test_golden_model_computes_what_the_trainer_did(
    network: Graph, images: dict[str, np.ndarray], expected: dict[str, np.ndarray], path: str
) -> None:
    found = run(network, images["x"], path=path)
    np.testing.assert_array_equal(found.logits, expected["logits"])
    np.testing.assert_array_equal(found.classes, expected["pred"])


def test_accuracy_is_the_stated_one(
    network: Graph, images: dict[str, np.ndarray], expected: dict[str, np.ndarray]
) -> None:
    stated = float(json.loads(str(images["meta"]))["accuracy_test"])
    found = run(network, images["x"]).classes
    measured = float(np.mean(found == images["y"]))
    assert measured == pytest.approx(stated, abs=5e-5)
    assert measured >= 0.95


def test_model_file_says_what_it_is(images: dict[str, np.ndarray]) -> None:
    import onnx

    model = onnx.load(data.path("digits_mlp.onnx"), load_external_data=False)
    notes = {prop.key: prop.value for prop in model.metadata_props}
    assert notes == json.loads(str(images["meta"]))
    assert notes["t_clip"] == "1.3"
    assert {"task", "split", "seed", "trainer", "pixels"} <= set(notes)


def test_network_is_one_bit_throughout(network: Graph) -> None:
    dense = [node for node in network.nodes if isinstance(node, Dense)]
    assert all(set(np.unique(node.weight)) <= {0, 1} for node in dense)
    steps = [node for node in network.nodes if isinstance(node, Threshold)]
    assert len(steps) == len(dense) - 1
    assert all(node.grid.levels == 2 for node in steps)
    assert isinstance(network.nodes[-1], Argmax)


def test_path_wrong() -> None:
    with pytest.raises(UsageError, match="^There is no bundled file 'x.npz'.\nChoose one of: digi"):
        data.path("x.npz")
