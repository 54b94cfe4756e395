"""Convolutional QONNX operators one at a time, against answers worked out by hand."""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnhw.golden import run
from bnnhw.graph import (
    BIPOLAR,
    Affine,
    Conv,
    Graph,
    Grid,
    Input,
    IntConv,
    IntDense,
    MaxPool,
    Shuffle,
    Threshold,
)
from bnnhw.load import load_model

GENERAL = "qonnx.custom_op.general"

Save = Callable[[Any], Path]


def quant(o: Any, x: str, scale: float, bits: float, zero: float = 0.0, **options: Any) -> str:
    terms = (o.const(scale), o.const(zero), o.const(bits))
    return str(o.add("Quant", x, *terms, domain=GENERAL, **options))


def codes(graph: Graph) -> Graph:
    """Give the graph with codes instead of pixels as its input."""
    node = Input("image", (), graph.input.shape, graph.input.grid)
    return Graph(graph.name, (node, *graph.nodes[1:]), graph.outputs, graph.readout)


def scores(graph: Graph, images: Any, path: str = "packed") -> Any:
    assert graph.readout is not None
    result = run(graph, images, path=path)
    return result.logits * np.array(graph.readout.scale) + graph.readout.bias


@pytest.mark.parametrize(
    ("options", "scale", "bits", "word"),
    [
        ({"signed": 1, "narrow": 0}, 1 / 128, 8.0, "x = 2/255 * pixel - 1 (its first operation"),
        ({"signed": 1, "narrow": 0}, 0.5, 2.0, "x = 2/255 * pixel - 1 (its first operation"),
        ({"signed": 1, "narrow": 1}, 1 / 128, 8.0, "x = 1/255 * pixel (nothing else is said)"),
        ({"signed": 1, "narrow": 0}, 1 / 127, 8.0, "x = 1/255 * pixel (nothing else is said)"),
        ({"signed": 0, "narrow": 0}, 1 / 128, 8.0, "x = 1/255 * pixel (nothing else is said)"),
    ],
)
def test_pixels(
    new_onnx: Any, save: Save, options: Any, scale: float, bits: float, word: str
) -> None:
    o = new_onnx((1, 1, 2, 2))
    x = quant(o, "x", scale, bits, **options)
    path = save(o.model(o.add("MatMul", o.add("Flatten", x), o.const(np.ones((4, 1))))))
    assert load_model(path).meta["pixel"].startswith(word)
    table = load_model(path, pixel="centred").input.lut
    assert table is not None
    assert load_model(path, pixel="centred").meta["pixel"] == "x = 2/255 * pixel - 1 (as asked)"
    assert np.all(np.diff(table) >= 0)


def test_an_image_of_8_bits_keeps_its_values(new_onnx: Any, save: Save) -> None:
    o = new_onnx((1, 1, 2, 2))
    x = quant(o, "x", 1 / 128, 8.0, signed=1)
    graph = load_model(
        save(o.model(o.add("MatMul", o.add("Flatten", x), o.const(np.ones((4, 2))))))
    )
    assert graph.input.grid == Grid(-128, 1, 256)
    lut = graph.input.lut
    assert lut is not None
    # 255 is 1, which is beyond 127/128; between two pixels there are a little more than 256/255.
    assert (lut[0], lut[127], lut[128], lut[254], lut[255]) == (0, 127, 129, 255, 255)


@pytest.mark.parametrize("path", ["packed", "plain"])
@pytest.mark.parametrize("gain", [1.0, -1.0, 0.0])
@pytest.mark.parametrize("behind", [True, False])
def test_gain_before_and_behind_a_max_pool(
    new_onnx: Any, save: Save, path: str, gain: float, behind: bool
) -> None:
    # A falling function of the largest is not the largest of a falling function.
    o = new_onnx((1, 1, 1, 2))
    x = quant(o, "x", 1.0, 2.0, signed=0)
    x = o.add("Conv", x, o.const(np.ones((1, 1, 1, 1))))
    factor = o.const(np.full((1, 1, 1), gain))
    if behind:
        x = o.add("Mul", o.add("MaxPool", x, kernel_shape=[1, 2]), factor)
    else:
        x = o.add("MaxPool", o.add("Mul", x, factor), kernel_shape=[1, 2])
    x = o.add("BipolarQuant", o.add("Add", x, o.const(1.5)), o.const(1.0), domain=GENERAL)
    y = o.add("MatMul", o.add("Flatten", x), o.const(np.array([[1.0, -1.0]])))
    graph = codes(load_model(save(o.model(y)), pixel="byte"))
    turned = [node.name for node in graph.nodes if isinstance(node, Affine)]
    assert turned == (["turn1"] if gain < 0 and not behind else [])
    for pair in product(range(4), repeat=2):
        largest = gain * max(pair) if behind else max(gain * value for value in pair)
        expected = 1 if largest + 1.5 >= 0 else -1
        assert scores(graph, np.array(pair).reshape(1, 1, 1, 2), path).tolist() == [
            [expected, -expected]
        ]


def test_halves_round_to_even(new_onnx: Any, save: Save) -> None:
    o = new_onnx((1, 1, 1, 1))
    x = quant(o, "x", 1.0, 4.0, signed=0)
    x = o.add("Conv", x, o.const(np.ones((1, 1, 1, 1)) / 2))
    x = quant(o, o.add("Sub", x, o.const(2.0)), 1.0, 3.0, signed=1, narrow=1)
    y = o.add("MatMul", o.add("Flatten", x), o.const(np.ones((1, 1))))
    graph = codes(load_model(save(o.model(y)), pixel="byte"))
    ours = scores(graph, np.arange(16).reshape(16, 1, 1, 1))[:, 0]
    assert ours.tolist() == np.rint(np.arange(16) / 2 - 2).clip(-3, 3).tolist()
    assert ours[:6].tolist() == [-2, -2, -1, 0, 0, 0]


@pytest.mark.parametrize("value", [-1.0, 0.0, 1.0])
def test_pad_before_conv(new_onnx: Any, save: Save, value: float) -> None:
    o = new_onnx((1, 1, 2, 2))
    x = o.add("BipolarQuant", o.add("Sub", "x", o.const(0.5)), o.const(0.5), domain=GENERAL)
    pads = o.const(np.array([0, 0, 1, 0, 0, 0, 0, 1]))
    # The edge is ±1 but the tensor ±1/2: padding is that of the edge, twice as large.
    x = o.add("Pad", x, pads, o.const(np.float32(value / 2)))
    x = o.add("Conv", x, o.const(np.ones((1, 1, 2, 2))))
    y = o.add("MatMul", o.add("Flatten", x), o.const(np.eye(4)[:, :1] * 2 - 1))
    graph = load_model(save(o.model(y)))
    (conv,) = (node for node in graph.nodes if isinstance(node, Conv))
    assert conv.padding == (1, 0, 0, 1)
    assert conv.pad_value == value
    assert graph.edges["conv1"].grid.step == (1 if value == 0 else 2)


def test_zero_is_the_low_bit_of_binary_numbers(new_onnx: Any, save: Save) -> None:
    o = new_onnx((1, 1, 2, 2))
    options = {"out_scale": 1.0, "out_bias": 0.0, "out_dtype": "BINARY"}
    x = o.add("MultiThreshold", "x", o.const([[0.5]]), domain=GENERAL, **options)
    x = o.add("Conv", x, o.const(np.ones((1, 1, 2, 2))), pads=[1, 1, 0, 0])
    y = o.add("MatMul", o.add("Flatten", x), o.const(np.ones((4, 1))))
    graph = load_model(save(o.model(y)))
    (conv,) = (node for node in graph.nodes if isinstance(node, Conv))
    assert graph.edges["image"].grid == BIPOLAR
    assert conv.pad_value == -1
    image = np.array([[[[255, 0], [0, 255]]]], np.uint8)
    assert scores(graph, image).tolist() == [[1 + 1 + 1 + 2]]


def test_8_bit_layers(new_onnx: Any, save: Save) -> None:
    rng = np.random.default_rng(3)
    o = new_onnx((1, 2, 3, 3))
    x = quant(o, "x", 1.0, 8.0, signed=0)
    latent = rng.normal(size=(4, 2, 2, 2)).astype(np.float32)
    size = np.array([0.01, 0.02, 0.04, 0.08], np.float32)
    terms = (o.const(size.reshape(4, 1, 1, 1)), o.const(0.0), o.const(8.0))
    weight = o.add("Quant", o.const(latent), *terms, domain=GENERAL, signed=1, narrow=1)
    x = o.add("Conv", x, weight)
    x = quant(o, x, 4.0, 4.0, signed=1)
    dense = rng.normal(size=(16, 3)).astype(np.float32)
    y = o.add("MatMul", o.add("Flatten", x), quant(o, o.const(dense), 0.1, 6.0, signed=1))
    graph = load_model(save(o.model(y)), pixel="byte")
    conv, fc = graph.node("conv1"), graph.node("fc1")
    assert isinstance(conv, IntConv)
    assert isinstance(fc, IntDense)
    wanted = np.rint(latent / size.reshape(4, 1, 1, 1)).clip(-127, 127)
    assert np.array_equal(conv.weight, wanted)
    assert np.array_equal(fc.weight, np.rint(dense.T / np.float32(0.1)).clip(-32, 31))
    images = rng.integers(0, 256, (5, 2, 3, 3))
    assert np.array_equal(run(graph, images).logits, run(graph, images, path="plain").logits)


def test_shuffle_and_grouped_convolution(new_onnx: Any, save: Save) -> None:
    o = new_onnx((1, 6, 1, 1))
    ones = o.const(np.ones((6, 1, 1, 1)))
    x = o.add("Conv", quant(o, "x", 1.0, 4.0, signed=0), ones, group=6)
    x = o.add("Reshape", x, o.const(np.array([1, 2, 3, 1, 1])))
    x = o.add("Reshape", o.add("Transpose", x, perm=[0, 2, 1, 3, 4]),
              o.const(np.array([1, 6, 1, 1])))  # fmt: skip
    x = o.add("Conv", x, ones, group=6)
    y = o.add("MatMul", o.add("Flatten", x), o.const(2 * np.eye(6) - 1))
    graph = codes(load_model(save(o.model(y)), pixel="byte"))
    assert [node.name for node in graph.nodes if isinstance(node, Shuffle)] == ["shuffle1"]
    image = np.arange(6).reshape(1, 6, 1, 1)
    edges = run(graph, image, trace=True).edges
    assert edges["conv2"].reshape(-1).tolist() == [0, 3, 1, 4, 2, 5]


def test_branches_with_one_unit(new_onnx: Any, save: Save) -> None:
    o = new_onnx((1, 2, 1, 1))
    x = quant(o, "x", 1.0, 4.0, signed=0)
    ones = o.const(np.ones((2, 2, 1, 1)))
    a = o.add("Mul", o.add("Conv", x, ones), o.const(np.array([1.5, -0.5]).reshape(2, 1, 1)))
    b = o.add("Add", x, o.const(0.25))
    total = o.add("Sub", a, b)
    y = o.add("MatMul", o.add("Flatten", quant(o, total, 0.5, 8.0, signed=1)),
              o.const(np.array([[1.0], [1.0]])))  # fmt: skip
    graph = codes(load_model(save(o.model(y)), pixel="byte"))
    names = [node.name for node in graph.nodes if isinstance(node, Affine)]
    assert names == ["scale1", "scale2"]
    for first, second in product(range(0, 16, 3), repeat=2):
        exact = [1.5 * (first + second) - first - 0.25, -0.5 * (first + second) - second - 0.25]
        expected = sum(float(np.rint(value * 2).clip(-128, 127)) / 2 for value in exact)
        assert scores(graph, np.array([first, second]).reshape(1, 2, 1, 1)).tolist() == [[expected]]


def test_relu_through_a_max_pool_into_a_threshold(new_onnx: Any, save: Save) -> None:
    o = new_onnx((1, 1, 1, 2))
    x = o.add("Conv", quant(o, "x", 1.0, 3.0, signed=0), o.const(np.ones((1, 1, 1, 1))))
    x = o.add("Relu", o.add("Sub", x, o.const(3.0)))
    x = o.add("MaxPool", x, kernel_shape=[1, 2])
    x = quant(o, x, 1.0, 2.0, signed=0)
    y = o.add("MatMul", o.add("Flatten", x), o.const(np.ones((1, 1))))
    graph = codes(load_model(save(o.model(y)), pixel="byte"))
    kinds = [type(node) for node in graph.nodes[2:4]]
    assert kinds == [MaxPool, Threshold]
    for pair in product(range(8), repeat=2):
        expected = min(max(max(pair) - 3, 0), 3)
        assert scores(graph, np.array(pair).reshape(1, 1, 1, 2)).tolist() == [[expected]]
