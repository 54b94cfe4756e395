"""Models of Larq and Keras answer as their layers are documented, at every quantiser."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from bnnhw.golden import run
from bnnhw.graph import Graph, Threshold
from bnnhw.load import load_model

STYLES = [("h5", 2), ("keras", 2), ("h5", 3), ("keras", 3)]
WAYS = {
    "byte": lambda p: p.astype(float),
    "unit": lambda p: p / 255,
    "centred": lambda p: 2 * p / 255 - 1,
}


def check(
    graph: Graph,
    net: Any,
    pixel: str = "byte",
    count: int = 12,
    high: int = 256,
    corner: tuple[int, int] = (0, 0),
    picture: tuple[int, int, int] | None = None,
) -> None:
    """Compare scores, classes and every quantiser's output on random images.

    `corner` is where the image begins in what padding surrounds; `picture` is the shape (height,
    width, channels) of features that a quantiser reads.
    """
    pixels = np.random.default_rng(1).integers(0, high, (count, *net.shape))
    expected, taps = net.run(WAYS[pixel](pixels))
    images = np.moveaxis(pixels, -1, 1) if pixels.ndim == 4 else pixels
    result = run(graph, images, trace=True)
    # A quantiser of the pixels is the table of the input.
    nodes: list[Any] = [node for node in graph.nodes if isinstance(node, Threshold)]
    nodes = [graph.input] * (graph.input.grid.levels == 2) + nodes
    assert len(nodes) == len(taps)
    for node, tap in zip(nodes, taps, strict=True):
        values = result.edges[node.name]
        if tap.ndim == 2 and values.ndim == 4:
            _, channels, height, width = values.shape
            tap = tap.reshape(count, height, width, channels)
        elif tap.ndim == 2 and picture is not None:
            tap = np.moveaxis(tap.reshape(count, *picture), -1, 1).reshape(count, -1)
        elif tap.ndim == 4:
            height, width = values.shape[2:]
            tap = tap[:, corner[0] : corner[0] + height, corner[1] : corner[1] + width]
        want = np.moveaxis(tap, -1, 1) if tap.ndim == 4 else tap
        low, step = want.min(), max(np.diff(np.unique(want)), default=1)
        ranks = np.round((want - low) / step)
        found = (values - node.grid.low) / node.grid.step
        # From image to image, and within it: nothing is shown of what never changes.
        assert (found != found[:1]).mean() > 0.05
        assert tap.ndim == 2 or (tap != tap[:, :1, :1]).mean() > 0.05
        # A quantiser that falls where the integers rise counts from the other end.
        assert np.array_equal(found, ranks) or np.array_equal(found, ranks.max() - ranks)
    assert graph.readout is not None
    scores = result.logits * np.array(graph.readout.scale) + graph.readout.bias
    if np.allclose(expected.sum(axis=1), 1) and (expected >= 0).all():
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        scores /= scores.sum(axis=1, keepdims=True)
    assert np.allclose(scores, expected, atol=1e-6)
    assert result.classes is not None
    assert np.array_equal(result.classes, expected.argmax(axis=1))


@pytest.fixture
def lenet(new_net: Any, sign: Any) -> Any:
    net = new_net((11, 9, 1))
    both = {"input_quantizer": sign, "kernel_quantizer": sign}
    net.add("QuantConv2D", filters=6, kernel_size=[3, 3], strides=[1, 1], padding="valid",
            use_bias=False, kernel_quantizer=sign, pad_values=0.0, activation="linear")  # fmt: skip
    net.add("BatchNormalization", axis=[3], epsilon=0.001, center=True, scale=False)
    net.add("QuantConv2D", filters=5, kernel_size=[3, 3], strides=[2, 2], padding="same",
            use_bias=False, pad_values=1.0, **both)  # fmt: skip
    net.add("MaxPooling2D", pool_size=[2, 2], strides=[2, 2], padding="valid")
    net.add("BatchNormalization", axis=[3], epsilon=0.001, momentum=0.9)
    net.add("Flatten", data_format="channels_last")
    net.add("QuantDense", units=7, use_bias=False, **both)
    net.add("BatchNormalization", axis=[1], epsilon=0.01, center=False)
    net.add("Dropout", rate=0.5)
    net.add("QuantDense", units=4, use_bias=True, **both)
    net.add("Activation", activation="softmax")
    return net


@pytest.mark.parametrize(("suffix", "keras"), STYLES)
def test_sequential(lenet: Any, tmp_path: Path, suffix: str, keras: int) -> None:
    graph = load_model(lenet.save(tmp_path / f"net.{suffix}", keras), pixel="centred")
    check(graph, lenet, "centred", count=50)
    assert graph.name == "net"
    assert graph.meta["format"] == "keras"


@pytest.mark.parametrize(("suffix", "keras"), STYLES)
def test_functional(new_net: Any, sign: Any, tmp_path: Path, suffix: str, keras: int) -> None:
    net = new_net((8, 7, 2), seed=1)
    one = {"padding": "same", "strides": [1, 1], "use_bias": False, "kernel_quantizer": sign}
    stem = net.add("QuantConv2D", filters=4, kernel_size=[3, 3], **one)
    stem = net.add("BatchNormalization", stem, axis=[3], epsilon=0.001)
    one |= {"input_quantizer": sign, "pad_values": -1.0}
    left = net.add("QuantConv2D", stem, filters=4, kernel_size=[3, 3], **one)
    right = net.add("QuantConv2D", stem, filters=4, kernel_size=[1, 1], **one)
    both = net.add("Add", left, right)
    norm = net.add("BatchNormalization", both, axis=[3], epsilon=0.001)
    last = net.add("QuantConv2D", norm, filters=3, kernel_size=[2, 2], **one)
    joined = net.add("Concatenate", both, last, left, axis=-1)
    pooled = net.add("GlobalAveragePooling2D", joined, data_format="channels_last", keepdims=False)
    net.add("Softmax", pooled, axis=-1)
    # The channels of the joined branches are the classes; none has a scale of its own.
    graph = load_model(net.save(tmp_path / f"net.{suffix}", keras, False), pixel="centred")
    # Both branches binarise the same tensor, each for itself.
    check(graph, net, "centred")


SAME = {"padding": "same"}
CHAINS: list[list[dict[str, Any]]] = [
    [
        {"kernel_size": [3, 2], "strides": [2, 2], "pad_values": 1.0} | SAME,
        {"kernel_size": [2, 3], "strides": [1, 1], "pad_values": -1.0} | SAME,
        {"kernel_size": [3, 3], "strides": [1, 1], "dilation_rate": [2, 2]} | SAME,
    ],
    [
        {"kernel_size": [4, 4], "strides": [3, 3]} | SAME,
        {"kernel_size": [2, 2], "strides": [1, 1], "groups": 2} | SAME,
        {"kernel_size": [1, 1], "strides": [2, 2]} | SAME,
    ],
    [
        {"kernel_size": [3, 1], "strides": [2, 1], "padding": "valid"},
        {"kernel_size": [2, 2], "strides": [1, 1], "dilation_rate": [1, 3], "padding": "valid"},
        {"kernel_size": [5, 5], "strides": [1, 1], "groups": 4, "pad_values": -1.0} | SAME,
    ],
]


@pytest.mark.parametrize("chain", range(len(CHAINS)))
def test_windows(new_net: Any, sign: Any, tmp_path: Path, chain: int) -> None:
    net = new_net((13, 10, 4), seed=chain)
    for settings in CHAINS[chain]:
        net.add("QuantConv2D", filters=4, use_bias=True, input_quantizer=sign,
                kernel_quantizer=sign, **settings)  # fmt: skip
        net.add("BatchNormalization", axis=-1, epsilon=0.001)
        net.add("MaxPooling2D", pool_size=[2, 2], strides=[1, 1], padding="same")
    net.add("Flatten")
    net.add(
        "QuantDense", units=3, use_bias=False, input_quantizer=sign, kernel_quantizer="ste_sign"
    )
    check(load_model(net.save(tmp_path / "net.keras"), pixel="centred"), net, "centred")


def test_depthwise_and_other_quantisers(new_net: Any, sign: Any, tmp_path: Path) -> None:
    net = new_net((7, 6, 3), seed=5, span=(0, 1))
    step = {"class_name": "SteHeaviside", "config": {"clip_value": 1.0}}
    near = {"class_name": "ApproxSign", "config": {}}
    fine = {"class_name": "DoReFa", "config": {"k_bit": 2, "mode": "activations"}}
    net.add("QuantDepthwiseConv2D", kernel_size=[3, 3], strides=[1, 1], padding="same",
            depth_multiplier=2, use_bias=False, depthwise_quantizer=sign)  # fmt: skip
    net.add("BatchNormalization", axis=[3], epsilon=0.001)
    net.add("QuantConv2D", filters=4, kernel_size=[1, 1], strides=[1, 1], padding="valid",
            use_bias=False, input_quantizer=step, kernel_quantizer=near)  # fmt: skip
    net.add("BatchNormalization", axis=[3], epsilon=0.001)
    net.add("QuantConv2D", filters=4, kernel_size=[3, 3], strides=[1, 1], padding="same",
            use_bias=False, input_quantizer=fine, kernel_quantizer=sign)  # fmt: skip
    net.add("BatchNormalization", axis=[3], epsilon=0.001)
    net.add("ReLU", max_value=None, negative_slope=0.0, threshold=0.0)
    net.add("Activation", activation={"class_name": "function", "config": "ste_heaviside"})
    net.add("AveragePooling2D", pool_size=[2, 2], strides=None, padding="valid")
    net.add("Flatten")
    net.add("QuantDense", units=4, use_bias=False, kernel_quantizer="magnitude_aware_sign")
    check(load_model(net.save(tmp_path / "net.h5"), pixel="unit"), net, "unit")


def test_norm_behind_flatten_and_padding_before_a_quantiser(
    new_net: Any, sign: Any, tmp_path: Path
) -> None:
    net = new_net((6, 5, 3), seed=8, span=(0, 255))
    net.add("Rescaling", scale=1 / 127.5, offset=-1)
    net.add("ZeroPadding2D", padding=[[1, 0], [2, 1]])
    net.add("QuantConv2D", filters=5, kernel_size=[3, 3], strides=[1, 1], padding="valid",
            use_bias=False, input_quantizer=sign, kernel_quantizer=sign)  # fmt: skip
    net.add("Flatten")
    net.add("BatchNormalization", axis=[1], epsilon=0.001)
    net.add("QuantDense", units=4, use_bias=False, input_quantizer=sign, kernel_quantizer=sign)
    graph = load_model(net.save(tmp_path / "net.keras"))
    check(graph, net, corner=(1, 2), picture=(5, 6, 5))
    assert "its first layer rescales" in graph.meta["pixel"]


@pytest.mark.parametrize("shape", [(30,), (5, 6)])
def test_features(new_net: Any, sign: Any, tmp_path: Path, shape: tuple[int, ...]) -> None:
    net = new_net(shape, span=(0, 1))
    if len(shape) == 2:
        net.add("Flatten")
    net.add("QuantDense", units=8, use_bias=False, kernel_quantizer=sign)
    net.add("BatchNormalization", axis=[1], epsilon=0.001)
    net.add("QuantDense", units=3, use_bias=False, input_quantizer=sign, kernel_quantizer=sign)
    graph = load_model(net.save(tmp_path / "net.h5"), name="mine")
    check(graph, net, "unit")
    assert graph.name == "mine"


def test_zero_is_positive(new_net: Any, sign: Any, tmp_path: Path) -> None:
    # Sums of four weights on pixels 0 and 1 are often 0, and so are these weights.
    net = new_net((4,))
    kernel = np.array([[0.0, -0.5, 0.0], [-0.0, 0.5, -1], [-0.1, -0.0, -1], [-1, -1, 0.0]])
    net.add("QuantDense", units=3, use_bias=False, kernel_quantizer=sign,
            weights={"kernel": kernel.astype(np.float32)})  # fmt: skip
    net.add("QuantDense", units=2, use_bias=False, input_quantizer=sign, kernel_quantizer=sign)
    check(load_model(net.save(tmp_path / "net.h5"), pixel="byte"), net, high=2, count=60)


@pytest.fixture
def trained(models: Path, layer_type: Any) -> list[Any]:
    """Give the layers of a model that Larq trained and Keras saved."""
    with h5py.File(models / "export_examples/tiny_larq.h5") as file:
        listed = json.loads(file.attrs["model_config"])["config"]["layers"][1:]
        return [
            layer_type(
                entry["class_name"], entry["config"]["name"], entry["config"],
                {key.removesuffix(":0"): np.array(value) for key, value in
                 file[f"model_weights/{entry['config']['name']}"]
                 .get(entry["config"]["name"], {}).items()},
                [],
            )
            for entry in listed
        ]  # fmt: skip


def test_larq_itself(models: Path, trained: list[Any], compute: Callable[..., Any]) -> None:
    folder = models / "export_examples"
    with np.load(folder / "tiny_larq_io.npz") as archive:
        recorded = dict(archive)

    class Trained:
        shape = (12, 12, 1)

        def run(self, x: Any) -> tuple[Any, list[Any]]:
            taps: list[Any] = []
            for layer in trained:
                x = compute(layer, [x], taps)
            return x, taps

    # What these tests expect is what Larq and TensorFlow gave.
    scores, _ = Trained().run(recorded["x"].astype(float))
    assert np.allclose(scores, recorded["softmax"], atol=1e-6)
    first = load_model(folder / "tiny_larq.h5", pixel="centred")
    second = load_model(folder / "tiny_larq.keras", pixel="centred")
    assert first.digest == second.digest
    check(first, Trained(), "centred", count=100)


def test_latent_and_binary_kernels_are_the_same_network(models: Path, tmp_path: Path) -> None:
    folder, path = models / "export_examples", tmp_path / "tiny_larq.h5"
    path.write_bytes((folder / "tiny_larq.h5").read_bytes())
    with (
        h5py.File(path, "r+") as file,
        h5py.File(folder / "tiny_larq_binary_weights.h5") as binary,
    ):
        changed = [name for name in binary if name.startswith("quant")]
        for name in changed:
            target = file[f"model_weights/{name}/{name}/kernel:0"]
            assert set(np.unique(binary[f"{name}/{name}/kernel:0"])) == {-1, 1}
            assert not np.array_equal(target, binary[f"{name}/{name}/kernel:0"])
            target[...] = binary[f"{name}/{name}/kernel:0"]
    assert len(changed) == 4
    assert load_model(path).digest == load_model(folder / "tiny_larq.h5").digest


def test_global_largest(new_net: Any, sign: Any, tmp_path: Path) -> None:
    net = new_net((6, 5, 2), seed=9)
    net.add("QuantConv2D", filters=3, kernel_size=[3, 2], strides=[1, 1], padding="valid",
            use_bias=False, kernel_quantizer=sign)  # fmt: skip
    net.add("GlobalMaxPooling2D", data_format="channels_last", keepdims=False)
    check(load_model(net.save(tmp_path / "net.keras", 3), pixel="byte"), net)
