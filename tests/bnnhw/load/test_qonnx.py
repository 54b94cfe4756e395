"""What the QONNX loader takes besides the common dialects, operator by operator."""

from collections.abc import Callable
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from bnnhw.golden import run
from bnnhw.graph import Graph, Threshold
from bnnhw.load import load_model
from bnnhw.load.onnx_file import read_onnx
from bnnhw.load.pixels import pixel_table

GENERAL = "qonnx.custom_op.general"
WEIGHT = np.array([[1, -1, 1, -1, 1, 1], [1, 1, 1, -1, -1, 1]], np.float32)
BITS = np.where(np.arange(256) >= 128, 1, 0)

Save = Callable[[Any], Path]


@pytest.fixture
def finish(new_onnx: Any, save: Save) -> Callable[..., Graph]:
    """Give a function that ends a network behind ±1 values made by `start`, and loads it."""

    def build(start: Callable[[Any], str], weight: Any = WEIGHT.T, **options: Any) -> Graph:
        o = new_onnx()
        flat = o.add("Flatten", start(o))
        return load_model(save(o.model(o.add("MatMul", flat, o.const(weight)))), **options)

    return build


def lut_of(graph: Graph) -> list[int]:
    assert graph.input.lut is not None
    return [int(code) for code in graph.input.lut]


def sign_of(o: Any, x: str) -> str:
    return str(o.add("BipolarQuant", x, o.const(1.0), domain=GENERAL))


def quant(o: Any, x: str, scale: float, zero: float, bits: float, **options: Any) -> str:
    terms = (o.const(scale), o.const(zero), o.const(bits))
    return str(o.add("Quant", x, *terms, domain=GENERAL, **options))


@pytest.mark.parametrize(
    ("start", "least"),
    [
        (lambda o: sign_of(o, o.add("Sub", "x", o.const(0.5))), 128),
        (lambda o: sign_of(o, o.add("Sub", "x", o.const(np.float32(128 / 255)))), 128),
        (lambda o: sign_of(o, o.add("Sub", "x", o.const(np.nextafter(np.float32(128 / 255), 1)))),
         129),
        (lambda o: o.add("Sign", o.add("Sub", "x", o.const(0.7))), 179),
        (lambda o: sign_of(o, o.add("Sub", quant(o, "x", 1 / 255, 0, 8, signed=0, narrow=0),
                                    o.const(np.float32(1 / 255)))), 1),
        (lambda o: sign_of(o, o.add("Sub", quant(o, "x", 0.25, 0, 3, signed=0), o.const(0.5))), 96),
        (lambda o: sign_of(o, o.add("Sub", quant(o, "x", 0.5, 0, 2, signed=0, narrow=1),
                                    o.const(0.5))), 64),
        (lambda o: sign_of(o, o.add("Sub", quant(o, "x", 0.5, 0, 2, rounding_mode="FLOOR"),
                                    o.const(0.5))), 128),
        (lambda o: sign_of(o, o.add("Sub", quant(o, "x", 0.5, 0, 2, rounding_mode="CEIL"),
                                    o.const(0.5))), 1),
        (lambda o: sign_of(o, o.add("Sub", quant(o, "x", 0.5, 1, 4), o.const(0.25))), 64),
        (lambda o: sign_of(o, o.add("Sub", quant(o, "x", 1.0, 0, 2, narrow=1), o.const(0.5))), 128),
        (lambda o: o.add("MultiThreshold", "x", o.const([[0.25]]), domain=GENERAL, out_scale=2.0,
                         out_bias=-1.0, out_dtype="BIPOLAR"), 64),
        (lambda o: sign_of(o, o.add("BatchNormalization", "x", *(
            o.const(np.array([v])) for v in (2.0, -0.5, 0.25, 4.0 - 1e-5)))), 192),
    ],
)  # fmt: skip
def test_pixels_become_bits(finish: Any, start: Any, least: int) -> None:
    assert lut_of(finish(start, pixel="unit")) == [int(pixel >= least) for pixel in range(256)]


def test_falling_input(finish: Any) -> None:
    graph = finish(lambda o: sign_of(o, o.add("Sub", o.const(0.5), "x")))
    assert lut_of(graph) == [int(pixel <= 127) for pixel in range(256)]


def test_binary_input_values_enter_the_scores(finish: Any) -> None:
    def start(o: Any) -> str:
        options = {"out_scale": 1.0, "out_bias": 0.0, "out_dtype": "BINARY"}
        return str(o.add("MultiThreshold", "x", o.const([[0.5]]), domain=GENERAL, **options))

    bits = np.array(list(product([0, 1], repeat=6)))
    for weight in (WEIGHT.T, WEIGHT.T * np.array([[1, 3]])):
        graph = finish(start, weight)
        result = run(graph, bits.astype(np.uint8) * 255)
        scores = bits @ weight
        assert graph.readout is not None
        assert np.array_equal(result.logits * graph.readout.scale + graph.readout.bias, scores)
        assert result.classes is not None
        assert np.array_equal(result.classes, scores.argmax(axis=1))


@pytest.mark.parametrize(
    ("prop", "pixel", "divides", "word", "least"),
    [
        (None, "auto", False, "x = 1/255 * pixel (nothing else is said)", 128),
        (None, "auto", True, "x = 1 * pixel (its first operation divides by 255)", 128),
        (None, "unit", False, "x = 1/255 * pixel (as asked)", 128),
        (None, "byte", False, "x = 1 * pixel (as asked)", 1),
        ("1", "auto", False, "x = 1 * pixel (property bnnhw.pixel_scale)", 1),
        ("2/255", "auto", False, "x = 2/255 * pixel (property bnnhw.pixel_scale)", 64),
        ("1/255", "byte", False, "x = 1 * pixel (as asked)", 1),
    ],
)
def test_pixel_rule(
    new_onnx: Any, save: Save, prop: str | None, pixel: str, divides: bool, word: str, least: int
) -> None:
    o = new_onnx()
    if prop:
        o.props["bnnhw.pixel_scale"] = prop
    o.add("Shape", "x")
    x = o.add("Flatten", "x")
    x = o.add("Div", x, o.const(255.0)) if divides else x
    x = sign_of(o, o.add("Sub", x, o.const(0.5)))
    graph = load_model(save(o.model(o.add("MatMul", x, o.const(WEIGHT.T)))), pixel=pixel)
    assert graph.meta["pixel"] == word
    assert lut_of(graph) == [int(value >= least) for value in range(256)]


def test_pixels_are_the_floats_that_frameworks_give(small: Any, save: Save) -> None:
    file = read_onnx(save(small()))
    table, _ = pixel_table(file, file.nodes, "unit")
    given = np.arange(256, dtype=np.uint8).astype(np.float32) / np.float32(255)
    assert list(table) == [Fraction(float(value)) for value in given]
    assert list(pixel_table(file, file.nodes, "byte")[0]) == list(range(256))


def test_divisor_in_a_constant_node(new_onnx: Any, save: Save) -> None:
    o = new_onnx()
    value = helper.make_tensor("value", TensorProto.FLOAT, [], [255.0])
    x = o.add("Div", o.add("Flatten", "x"), o.add("Constant", value=value))
    x = sign_of(o, o.add("Sub", x, o.const(0.5)))
    graph = load_model(save(o.model(o.add("MatMul", x, o.const(WEIGHT.T)))))
    assert lut_of(graph) == BITS.tolist()


def test_properties_and_names(small: Any, save: Save) -> None:
    def change(model: Any) -> None:
        helper.set_model_props(model, {"accuracy": "97 %\nfine", "bad": "\x1b[2J"})

    graph = load_model(save(small(change)))
    assert graph.name == "model"
    assert dict(graph.meta) == {
        "format": "onnx", "producer": "tests", "accuracy": "97 %\nfine", "bad": "\\x1b[2J",
        "pixel": "x = 1/255 * pixel (nothing else is said)",
    }  # fmt: skip
    assert [node.name for node in graph.nodes] == ["image", "flat", "fc1", "argmax"]
    assert load_model(save(small()), name="mine").name == "mine"


def test_orphans_of_any_kind_are_left_out(small: Any, save: Save) -> None:
    def change(model: Any) -> None:
        orphan = helper.make_node("Mystery", ["t0"], ["unused"], domain="nobody.knows")
        model.graph.node.append(orphan)
        model.graph.input.append(helper.make_tensor_value_info("spare", 1, [3]))

    assert load_model(save(small(change))).digest == load_model(save(small())).digest


@pytest.mark.parametrize("op", ["ArgMax", "TopK"])
def test_decision_inside_the_model(new_onnx: Any, save: Save, op: str) -> None:
    o = new_onnx()
    x = sign_of(o, o.add("Sub", o.add("Flatten", "x"), o.const(0.5)))
    x = o.add("Add", o.add("MatMul", x, o.const(WEIGHT.T)), o.const(np.array([0.0, 2.5])))
    if op == "ArgMax":
        x = o.add("ArgMax", x, axis=1, keepdims=1, select_last_index=0)
    else:
        x = o.add("TopK", x, o.const(np.array([1])), outputs=2)
    graph = load_model(save(o.model(x)))
    images = np.random.default_rng(0).choice(np.array([0, 255], np.uint8), (64, 6))
    scores = np.where(images > 0, 1, -1) @ WEIGHT.T + [0, 2.5]
    classes = run(graph, images).classes
    assert classes is not None
    assert np.array_equal(classes, scores.argmax(axis=1))
    assert set(classes.tolist()) == {0, 1}


def test_offset_activations_and_scaled_weights(new_onnx: Any, save: Save) -> None:
    # Activations of 0 and 1 and weights of ±0.3 and ±2: constants that reach the next threshold.
    o = new_onnx()
    x = sign_of(o, o.add("Sub", o.add("Flatten", "x"), o.const(0.5)))
    x = o.add("MatMul", x, o.const(WEIGHT.T))
    options = {"out_scale": 1.0, "out_bias": 0.0, "out_dtype": "BINARY", "domain": GENERAL}
    x = o.add("MultiThreshold", x, o.const([[0.0], [2.0]]), **options)
    second = np.array([[0.3, -0.3], [-2, -2]], np.float32)
    x = o.add(
        "Gemm", x, o.const(second), o.const(np.array([-0.1, 3])), transB=1, alpha=2.0, beta=0.5
    )
    x = sign_of(o, x)
    graph = load_model(save(o.model(o.add("MatMul", x, o.const(np.ones((2, 2)))))))
    images = np.random.default_rng(0).choice(np.array([0, 255], np.uint8), (64, 6))
    high = (np.where(images > 0, 1, -1) @ WEIGHT.T >= [0, 2]).astype(int)
    total = high @ second.T * 2 + np.array([-0.1, 3]) * 0.5
    edges = run(graph, images, trace=True).edges
    assert np.array_equal(edges["sign2"], np.where(total >= 0, 1, -1))
    assert len(np.unique(edges["sign2"])) == 2


@pytest.mark.parametrize("shift", [-7.0, -2.0, -1.0, 0.0, 2.0, 7.0])
@pytest.mark.parametrize("gain", [1.0, -1.0, 0.0])
def test_threshold_direction_and_constant_channels(
    new_onnx: Any, save: Save, shift: float, gain: float
) -> None:
    o = new_onnx()
    x = sign_of(o, o.add("Sub", o.add("Flatten", "x"), o.const(0.5)))
    x = o.add("Mul", o.add("MatMul", x, o.const(WEIGHT.T)), o.const(gain))
    x = sign_of(o, o.add("Add", x, o.const(shift)))
    graph = load_model(save(o.model(o.add("MatMul", x, o.const(np.ones((2, 2)))))))
    node = graph.node("sign1")
    assert isinstance(node, Threshold)
    reached = [gain * total + shift >= 0 for total in range(-6, 7, 2)]
    level, way = int(node.levels[0, 0]), int(node.direction[0])
    assert [total >= level if way > 0 else total <= level for total in range(-6, 7, 2)] == reached
    if all(reached):
        assert (level, way) == (-6, 1)
    elif not any(reached):
        assert (level, way) == (8, 1)
    else:
        assert way == gain


def test_sign_where_zero_is_unattainable(new_onnx: Any, save: Save) -> None:
    o = new_onnx()
    x = o.add("Sign", o.add("Sub", o.add("Flatten", "x"), o.const(0.7)))
    x = o.add("MatMul", x, o.add("Sign", o.const(WEIGHT.T)))
    x = o.add("Sign", o.add("Add", x, o.const(np.array([1.0, 7.0]))))
    graph = load_model(save(o.model(o.add("MatMul", x, o.const(np.ones((2, 2)))))))
    node = graph.node("sign1")
    assert isinstance(node, Threshold)
    assert node.levels.tolist() == [[0], [-6]]


def test_weights_from_constants(new_onnx: Any, save: Save) -> None:
    o = new_onnx()
    x = sign_of(o, o.add("Sub", o.add("Flatten", "x"), o.const(0.5)))
    weight = o.add("Unsqueeze", o.const(WEIGHT.T), o.const(np.array([-1])))
    weight = o.add("Squeeze", o.add("Mul", weight, o.add("Sqrt", o.const(2.0))), axes=[2])
    tensor = o.add("Reshape", weight, o.const(np.array([6, -1])))
    squared = o.add("Pow", o.add("Pow", o.const(0.5), o.const(1.0)), o.const(2.0))
    x = o.add("Div", o.add("MatMul", x, tensor), o.add("Add", squared, o.const(0.75)))
    graph = load_model(save(o.model(x)))
    assert graph.readout is not None
    assert graph.readout.scale == (2**0.5, 2**0.5)


def test_flat_input_optional_inputs_and_listed_constants(new_onnx: Any, save: Save) -> None:
    o = new_onnx((1, 6))
    x = sign_of(o, o.add("Sub", "x", o.add("Constant", value_floats=[0.5])))
    x = o.add("Gemm", x, o.const(WEIGHT), "", transB=1)
    graph = load_model(save(o.model(x)))
    assert [node.name for node in graph.nodes] == ["image", "fc1", "argmax"]
    assert graph.input.shape == (6,)
    assert lut_of(graph) == BITS.tolist()
