"""Every sample file: each loads and answers as was recorded, or there is a reason why it cannot.

Nothing is left out: what stands in the folders and in none of the tables below fails.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from bnnhw.errors import UsageError
from bnnhw.golden import run
from bnnhw.graph import Conv, Dense, Graph, Input
from bnnhw.images import load_images
from bnnhw.load import load_model
from bnnhw.load.torch import Description

ROOT = Path(__file__).resolve().parents[3]
PUBLISHED = ["TFC_1W1A", "TFC_1W2A", "cnv_cifar10_w1a1", "ebnn_simple_mnist",
             "ebnn_simple_mnist_torchscript"]  # fmt: skip
BREVITAS = [
    f"tiny_cnn_{kind}_brevitas0134{form}"
    for kind in ("w1a1", "w1a2")
    for form in ("", "_clean", "_torchscript", "_torchscript_clean")
]
LARQ = ["tiny_larq.h5", "tiny_larq.keras"]
BITORCH = ["tiny_bitorch_torchscript.onnx", "tiny_bitorch_dynamo.onnx"]
# What holds others' results, parts of other files, or text.
BESIDE = {
    "qonnx": {"NODES.txt", "finn_dialect_tfc_w1a1.io.npz",
              *(f"{name}.qonnx_out.npz" for name in PUBLISHED)},
    "export_examples": {"NODES.txt", "tiny_bitorch_dynamo.onnx.data", "tiny_bitorch_io.npz",
                        "tiny_cnn_w1a1_io.npz", "tiny_cnn_w1a2_io.npz", "tiny_larq_io.npz"},
}  # fmt: skip
READ = {
    "qonnx": {"finn_dialect_tfc_w1a1.onnx", *(f"{name}.onnx" for name in PUBLISHED)},
    "export_examples": {"tiny_bitorch_state_dict.pth", "tiny_larq_binary_weights.h5", *LARQ,
                        *BITORCH, *(f"{name}.onnx" for name in BREVITAS)},
}  # fmt: skip


def arrays(path: Path) -> dict[str, Any]:
    with np.load(path) as archive:
        return dict(archive)


def scores_of(graph: Graph, logits: Any) -> Any:
    assert graph.readout is not None
    return logits * np.array(graph.readout.scale) + graph.readout.bias


def on_values(graph: Graph, values: Any) -> Any:
    """Give the answers for inputs that are no bytes, but values of the grid of the input."""
    nodes = (Input("image", (), graph.input.shape, graph.input.grid), *graph.nodes[1:])
    codes = graph.input.grid.codes(values)
    return run(Graph("codes", nodes, graph.outputs, graph.readout), codes)


def check(graph: Graph, result: Any, told: Any, apart: float) -> None:
    assert np.abs(scores_of(graph, result.logits) - told).max() < apart
    assert np.array_equal(result.classes, told.argmax(axis=1))


@pytest.mark.parametrize("folder", READ)
def test_no_file_is_left_out(models: Path, folder: str) -> None:
    found = {path.name for path in (models / folder).iterdir()}
    assert found == READ[folder] | BESIDE[folder]


@pytest.mark.parametrize("name", PUBLISHED)
def test_published(models: Path, name: str) -> None:
    graph = load_model(models / f"qonnx/{name}.onnx")
    told = arrays(models / f"qonnx/{name}.qonnx_out.npz")
    images = json.loads(str(told["meta"]))["images"]
    few = load_images(models / f"images/{images}.npz", graph, limit=20).x
    # All of them are compared in `test_qonnx_reference.py` and `test_reference.py`.
    check(graph, run(graph, few), told["out"][:20], 1e-5)


def test_finn(models: Path) -> None:
    graph = load_model(models / "qonnx/finn_dialect_tfc_w1a1.onnx")
    told = arrays(models / "qonnx/finn_dialect_tfc_w1a1.io.npz")
    result = run(graph, told["input"].astype(np.uint8))
    assert result.classes is not None
    assert np.array_equal(result.classes, told["expected"])


@pytest.mark.parametrize("name", BREVITAS)
def test_brevitas(models: Path, name: str) -> None:
    folder = models / "export_examples"
    graph, told = load_model(folder / f"{name}.onnx"), arrays(folder / f"{name[:13]}_io.npz")
    values = np.rint(np.float64(128) * told["x"]).clip(-128, 127)
    check(graph, on_values(graph, values), told["y"], 1e-5)


@pytest.mark.parametrize("name", BITORCH)
def test_bitorch(models: Path, tmp_path: Path, name: str) -> None:
    path = models / "export_examples" / name
    if name == "tiny_bitorch_dynamo.onnx":
        with pytest.raises(UsageError, match="lies in another file; external data is not read"):
            load_model(path)
        onnx.save(onnx.load(path), tmp_path / name)
        path = tmp_path / name
    told = arrays(models / "export_examples/tiny_bitorch_io.npz")
    graph = load_model(path)
    result = run(graph, np.rint(told["x"] * 255).astype(np.uint8))
    # The first and the last layer are rounded to 8 bits, and so are the image's random numbers.
    check(graph, result, told["y"], 0.03 * told["y"].std())


def test_bitorch_state(models: Path) -> None:
    """The recorded module has this very state_dict, and gives what bitorch gave for it."""
    told = arrays(models / "export_examples/tiny_bitorch_io.npz")
    path = ROOT / "tests/data/torch/tiny_bitorch.npz"
    recorded = list(Description.load(path).arrays.values())

    def holds(value: Any) -> bool:
        return any(np.array_equal(value, array) for array in recorded)

    weights = {key[3:]: value for key, value in told.items() if key.startswith("sd.")}
    for key, value in weights.items():
        if key in ("2.weight", "6.weight"):
            assert holds(np.where(value >= 0, 1, -1)), key
        elif not key.endswith("num_batches_tracked"):
            assert holds(value), key
    graph = load_model(path)
    binary = [node.weight for node in graph.nodes if isinstance(node, Conv | Dense)]
    for found, key in zip(binary, ("2.weight", "6.weight"), strict=True):
        assert np.array_equal(found, weights[key] >= 0)
    result = run(graph, np.rint(told["x"] * 255).astype(np.uint8))
    check(graph, result, told["y"], 0.03 * told["y"].std())


@pytest.mark.parametrize("name", LARQ)
def test_larq(models: Path, name: str) -> None:
    folder = models / "export_examples"
    graph, told = load_model(folder / name, pixel="centred"), arrays(folder / "tiny_larq_io.npz")
    pixels = np.rint((np.moveaxis(told["x"], -1, 1) + 1) * 127.5).clip(0, 255).astype(np.uint8)
    # The image was random numbers; taken to the nearest pixel, they turn no sign.
    check(graph, run(graph, pixels), told["prelogits"], 1e-5)


def test_weights_alone_are_refused(models: Path) -> None:
    # Which network they are for is tested by `test_latent_and_binary_kernels_are_the_same_network`.
    with pytest.raises(UsageError, match="holds no model: weights alone do not say what they are"):
        load_model(models / "export_examples/tiny_larq_binary_weights.h5")
