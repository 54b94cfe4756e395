"""Everything that a QONNX file can say and this loader refuses: one message each, with the node."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from bnnhw.errors import UsageError
from bnnhw.load import load_model

GENERAL = "qonnx.custom_op.general"
SIX = np.array([[1, -1, 1, -1, 1, 1], [1, 1, 1, -1, -1, 1]], np.float32)

Save = Callable[[Any], Path]
Make = Callable[[Any], str]


def bits(o: Any) -> str:
    """Give six ±1 values."""
    x = o.add("Sub", o.add("Flatten", "x"), o.const(0.5))
    return str(o.add("BipolarQuant", x, o.const(1.0), domain=GENERAL))


def sums(o: Any) -> str:
    """Give two sums of six ±1 values."""
    return str(o.add("MatMul", bits(o), o.const(SIX.T)))


def on_sums(op: str, *constants: Any, **options: Any) -> Make:
    return lambda o: o.add(op, sums(o), *map(o.const, constants), **options)


def on_bits(op: str, *constants: Any, **options: Any) -> Make:
    return lambda o: o.add(op, bits(o), *map(o.const, constants), **options)


def on_input(op: str, *constants: Any, **options: Any) -> Make:
    return lambda o: o.add(op, "x", *map(o.const, constants), **options)


def on_constants(op: str, *constants: Any, **options: Any) -> Make:
    return lambda o: o.add(op, *map(o.const, constants), **options)


def shape(op: str, *constants: Any, **options: Any) -> Make:
    return on_constants(op, np.zeros((2, 3), np.float32), *constants, **options)


TWO = np.array([1.0, 2.0])
NORM = (TWO, TWO, TWO, TWO)
LEVELS: dict[str, Any] = {"domain": GENERAL, "out_dtype": "BIPOLAR", "out_scale": 2.0,
                          "out_bias": -1.0}  # fmt: skip
NOT_YET = ", which is not supported yet."

WRONG: list[tuple[Make, str]] = [
    # Operators, domains, attributes.
    (on_sums("Softmax"), "Softmax 'Softmax_4' is an operator of the domain 'ai.onnx' that is not"),
    (on_sums("Gelu"), "Gelu 'Gelu_4' is an operator of the domain 'ai.onnx' that is not"),
    (on_sums("Quant", domain="evil\n"), r"Quant 'Quant_4' is an operator of the domain 'evil\n'"),
    (on_sums("MatMul", domain=GENERAL),
     "MatMul 'MatMul_4' is an operator of the domain 'qonnx"),
    (on_sums("Trunc", domain=GENERAL), "Trunc 'Trunc_4' is an operator of the domain"),
    (on_sums("MatMul", SIX, blocked=1),
     "MatMul 'MatMul_4' has the attribute 'blocked', which is not supported."),
    (on_sums("BatchNormalization", *NORM, training_mode=1),
     "BatchNormalization 'BatchNormalization_4' has the attribute training_mode = 1, which is not"),
    (on_sums("BatchNormalization", *NORM, epsilon=1),
     "BatchNormalization 'BatchNormalization_4' has the attribute 'epsilon' of the wrong type."),
    (on_bits("Gemm", SIX.T, transA=1), "Gemm 'Gemm_3' has the attribute transA = 1, which is not"),
    (on_sums("MultiThreshold", [[0.0]], data_layout="NHWC", **LEVELS),
     "MultiThreshold 'MultiThreshold_4' has the attribute data_layout = 'NHWC', which is not"),
    (on_sums("TopK", np.array([1]), largest=0), "TopK 'TopK_4' has the attribute largest = 0"),
    (on_sums("Add"), "Add 'Add_4' has 1 inputs instead of 2."),
    (on_sums("Add", 1.0, 2.0), "Add 'Add_4' has 3 inputs instead of 2."),
    (on_sums("Add", 1.0, outputs=2), "Add 'Add_4' has 2 outputs; 1 are supported."),
    (lambda o: o.add("Add", sums(o), "ghost"),
     "Add 'Add_4' reads 'ghost', which nothing before it gives."),
    # Inputs of the wrong kind.
    (lambda o: o.add("Mul", sums(o), sums(o)),
     f"Mul 'Mul_8' multiplies by a factor that depends on the data{NOT_YET}"),
    (lambda o: o.add("Add", sums(o), o.add("ArgMax", sums(o), axis=1)),
     f"Add 'Add_9' joins two branches{NOT_YET}"),
    (lambda o: o.add("Div", o.const(1.0), sums(o)),
     f"Div 'Div_4' divides a constant by a tensor{NOT_YET}"),
    (lambda o: o.add("Add", o.add("ArgMax", sums(o), axis=1), o.const(1.0)),
     f"Add 'Add_5' reads a class as the tensor{NOT_YET}"),
    (lambda o: o.add("Identity", o.add("TopK", sums(o), o.const(np.array([1])), outputs=2)[:-1]
                     + "0"), "its output is neither scores nor a class that layers have made."),
    (lambda o: o.add("Add", o.add("TopK", sums(o), o.const(np.array([1])), outputs=2)[:-1]
                     + "0", o.const(1.0)),
     f"Add 'Add_5' reads the best scores as the tensor{NOT_YET}"),
    (lambda o: o.add("Sqrt", sums(o)),
     f"Sqrt 'Sqrt_4' reads a layer's output as the tensor{NOT_YET}"),
    (lambda o: o.add("MatMul", o.const(SIX), bits(o)),
     f"MatMul 'MatMul_3' reads the input as the weights{NOT_YET}"),
    (lambda o: o.add("MatMul", o.const(SIX), o.const(SIX)),
     f"MatMul 'MatMul_0' reads a constant as the tensor to multiply{NOT_YET}"),
    (lambda o: o.add("ArgMax", bits(o)[:0] + "x", axis=1),
     f"ArgMax 'ArgMax_3' reads the input as the scores{NOT_YET}"),
    (on_constants("BatchNormalization", SIX, *NORM),
     f"BatchNormalization 'BatchNormalization_0' reads a constant as the tensor{NOT_YET}"),
    (lambda o: o.add("Flatten", o.add("ArgMax", sums(o), axis=1)),
     f"Flatten 'Flatten_5' reads a class as the tensor{NOT_YET}"),
    # Shapes.
    (shape("Reshape", np.array([5])),
     "Reshape 'Reshape_0' gives a tensor of (2, 3) the shape [5]."),
    (shape("Reshape", np.array([-1, -1])),
     "Reshape 'Reshape_0' gives a tensor of (2, 3) the shape [-1, -1]."),
    (shape("Reshape", np.array([-1, 4])),
     "Reshape 'Reshape_0' gives a tensor of (2, 3) the shape [-1, 4]."),
    (shape("Reshape", np.array([0, -1]), allowzero=1),
     "Reshape 'Reshape_0' gives a tensor of (2, 3) the shape [0, -1]."),
    (shape("Reshape", np.array([2, 3, 0])),
     "Reshape 'Reshape_0' copies an extent that (2, 3) does not have."),
    (shape("Reshape", np.array([1] * 8 + [6])),
     "Reshape 'Reshape_0' gives a tensor 9 axes; 8 are the limit."),
    (shape("Reshape", np.array([6.0])),
     "Reshape 'Reshape_0' needs a list of integers as the shape, not float32 (1,)."),
    (shape("Reshape", np.array([[6]])),
     "Reshape 'Reshape_0' needs a list of integers as the shape, not int64 (1, 1)."),
    (on_input("Reshape", np.array([2, 3])),
     f"Reshape 'Reshape_0' gives a tensor of (1, 1, 2, 3) the shape [2, 3]{NOT_YET}"),
    (on_sums("Reshape", np.array([1, 1, 2])),
     f"Reshape 'Reshape_4' moves the channels of (1, 2) to [1, 1, 2]{NOT_YET}"),
    (shape("Flatten", axis=3), "Flatten 'Flatten_0' has the axis 3 for a tensor of shape (2, 3)."),
    (shape("Transpose", perm=[0, 0]),
     "Transpose 'Transpose_0' has the permutation (0, 0) for a tensor of shape (2, 3)."),
    (lambda o: o.add("Transpose", bits(o), perm=[0, 1]),
     f"Transpose 'Transpose_3' reads the input as the tensor{NOT_YET}"),
    (shape("Squeeze", axes=[0]),
     "Squeeze 'Squeeze_0' drops an axis of (2, 3) that is not of extent 1."),
    (shape("Squeeze"), "Squeeze 'Squeeze_0' has the axes None for 2 axes."),
    (shape("Squeeze", np.array([2])), "Squeeze 'Squeeze_0' has the axes [2] for 2 axes."),
    (shape("Squeeze", np.array([0]), axes=[0]), "Squeeze 'Squeeze_0' has its axes twice."),
    (shape("Unsqueeze", np.array([0, 0])), "Unsqueeze 'Unsqueeze_0' has an axis twice in [0, 0]."),
    (shape("Unsqueeze", np.array([4])), "Unsqueeze 'Unsqueeze_0' has the axes [4] for 3 axes."),
    (shape("Unsqueeze", np.arange(7)),
     "Unsqueeze 'Unsqueeze_0' gives a tensor 9 axes; 8 are the limit."),
    (on_constants("Concat", np.ones((1, 1)), axis=0),
     f"Concat 'Concat_0' joins other things than lists{NOT_YET}"),
    (on_constants("Gather", np.array([1, 2]), np.array([2])),
     "Gather 'Gather_0' reads beyond the 2 elements of its data."),
    (on_constants("Gather", np.ones((2, 2)), np.array([0])),
     f"Gather 'Gather_0' gathers int64 (1,) from (2, 2){NOT_YET}"),
    (lambda o: o.add("Constant"), "Constant 'Constant_0' has 0 values instead of one."),
    (lambda o: o.add("Constant", value_int=1, value_float=2.0),
     "Constant 'Constant_0' has 2 values instead of one."),
    (lambda o: o.add("Constant", value_string="x"),
     "Constant 'Constant_0' has the attribute 'value_string', which is not supported."),
    # Arithmetic.
    (on_sums("Mul", np.ones(3)),
     "Mul 'Mul_4' has a constant of shape (3,) for a tensor of shape (1"),
    (on_sums("Mul", np.ones((4, 2))), "Mul 'Mul_4' has a constant of shape (4, 2) for a tensor of"),
    (on_input("Mul", np.arange(6.0).reshape(1, 2, 3)),
     f"Mul 'Mul_0' has 6 different values as a constant of the input{NOT_YET}"),
    (on_sums("Div", np.array([1.0, 0.0])), "Div 'Div_4' divides by 0."),
    (on_constants("Div", np.ones(2), np.zeros(2)), "Div 'Div_0' divides by 0."),
    (on_constants("Add", np.ones(2), np.ones(3)),
     "Add 'Add_0' combines tensors of the shapes (2,) and (3,)."),
    (on_constants("Add", np.ones((2, 1)), np.ones((1, 3))),
     f"Add 'Add_0' spreads both tensors, (2, 1) and (1, 3){NOT_YET}"),
    (on_constants("Add", np.array([1]), np.array([1])),
     f"Add 'Add_0' calculates with integers{NOT_YET}"),
    (on_constants("Add", np.ones((600, 600)), 1.0),
     f"Add 'Add_0' calculates with 360000 constants as a constant{NOT_YET}"),
    (on_constants("Sqrt", -1.0), "Sqrt 'Sqrt_0' takes the square root of -1.0."),
    (on_constants("Pow", -1.0, 0.5), "Pow 'Pow_0' takes the square root of -1.0."),
    (on_constants("Pow", 2.0, 3.0), f"Pow 'Pow_0' has the power 3.0{NOT_YET}"),
    (on_constants("Pow", 2.0, TWO), f"Pow 'Pow_0' has 2 different values as the power{NOT_YET}"),
    (on_sums("BatchNormalization", TWO, TWO, TWO, np.ones(3)),
     "BatchNormalization 'BatchNormalization_4' has var of shape (3,) for a tensor of shape"),
    (on_sums("BatchNormalization", TWO, TWO, TWO, -TWO),
     "BatchNormalization 'BatchNormalization_4' has the variance -1.0, which is not positive with"),
    (lambda o: o.add("BatchNormalization", o.add("Reshape", "x", o.const(np.array([1, 2, 3]))),
                     *map(o.const, NORM)),
     "BatchNormalization 'BatchNormalization_1' treats the channels of the input differ"),
    # Layers.
    (on_bits("MatMul", np.ones(6)), "MatMul 'MatMul_3' has weights of shape (6,) instead of a"),
    (on_bits("MatMul", np.ones((5, 2))),
     "MatMul 'MatMul_3' has 5 weights for each output but reads a tensor of shape (1, 6)."),
    (on_input("MatMul", np.ones((3, 2))),
     "MatMul 'MatMul_0' has 3 weights for each output but reads a tensor of shape (1, 1, 2, 3)."),
    (on_bits("MatMul", np.ones((6, 0))),
     "MatMul 'MatMul_3' has 0 outputs; 1 to 65536 are supported."),
    (on_bits("MatMul", np.ones((6, 65537), np.int8)),
     "MatMul 'MatMul_3' has 65537 outputs; 1 to 65536 are supported."),
    (on_bits("MatMul", SIX.T - 1), f"MatMul 'MatMul_3' has weights of 0{NOT_YET}"),
    (on_bits("MatMul", SIX.T + 0.5),
     f"MatMul 'MatMul_3' has weights that are not ±1 times one scale for each output{NOT_YET}"),
    (lambda o: o.add("MatMul", o.add("Flatten", "x"), o.const(SIX.T)),
     "MatMul 'MatMul_1' reads an input of 256 different values that nothing has quantised"),
    (lambda o: o.add("MatMul", o.add("BipolarQuant", o.add("Flatten", "x"), o.const(1.0),
                                     domain=GENERAL), o.const(SIX.T)),
     f"MatMul 'MatMul_2' reads an input of 1 different value{NOT_YET}"),
    (lambda o: o.add("MatMul", o.add("BipolarQuant", sums(o), o.const(TWO), domain=GENERAL),
                     o.const(np.ones((2, 2)))),
     f"MatMul 'MatMul_5' reads activations with a scale for each channel{NOT_YET}"),
    (lambda o: o.add("MatMul", o.add("Mul", o.add("Sign", o.add("Add", sums(o), o.const(1.0))),
                                     o.const(0.0)), o.const(np.ones((2, 2)))),
     f"MatMul 'MatMul_7' reads activations with a scale for each channel{NOT_YET}"),
    (on_bits("Gemm", SIX.T, np.ones(3)), "Gemm 'Gemm_3' has C of shape (3,) for a tensor of shape"),
    # Quantisers.
    (on_sums("BipolarQuant", 0.0, domain=GENERAL),
     "BipolarQuant 'BipolarQuant_4' has a scale that is not positive."),
    (on_sums("BipolarQuant", np.ones(0), domain=GENERAL),
     "BipolarQuant 'BipolarQuant_4' has a scale that is not positive."),
    (on_constants("BipolarQuant", SIX, np.ones(4), domain=GENERAL),
     "BipolarQuant 'BipolarQuant_0' has a scale of shape (4,) for weights of shape (2, 6)."),
    (on_constants("BipolarQuant", SIX, np.ones((3, 1, 1)), domain=GENERAL),
     "BipolarQuant 'BipolarQuant_0' has a scale of shape (3, 1, 1) for weights of shape (2, 6)."),
    (on_constants("Sign", SIX - 1), f"Sign 'Sign_0' reads a weight of 0 and gives 0{NOT_YET}"),
    (on_input("Sign"), f"Sign 'Sign_0' reads 0 for the pixel 0 and gives 0{NOT_YET}"),
    (on_sums("Sign"), f"Sign 'Sign_4' can read 0 in channel 0 and gives 0{NOT_YET}"),
    (lambda o: o.add("Sign", o.add("Add", sums(o), o.const(np.array([1.0, 6.0])))),
     f"Sign 'Sign_5' can read 0 in channel 1 and gives 0{NOT_YET}"),
    (lambda o: o.add("Sign", o.add("Mul", sums(o), o.const(0.0))),
     f"Sign 'Sign_5' can read 0 in channel 0 and gives 0{NOT_YET}"),
    (on_sums("MultiThreshold", [0.0], **LEVELS),
     "MultiThreshold 'MultiThreshold_4' has thresholds of shape (1,) instead of a matrix."),
    (on_sums("MultiThreshold", [[0.0, 1.0]], **LEVELS),
     "MultiThreshold 'MultiThreshold_4' gives the values -1.0 to 3.0 as out_dtype 'BIPOLAR'"),
    (on_sums("MultiThreshold", [list(range(256))], **(LEVELS | {"out_dtype": "INT16"})),
     f"MultiThreshold 'MultiThreshold_4' has 256 thresholds for each channel{NOT_YET}"),
    (on_sums("MultiThreshold", [[0.0]] * 3, **LEVELS),
     "MultiThreshold 'MultiThreshold_4' has thresholds for 3 channels but reads 2."),
    (on_input("MultiThreshold", [[0.0], [1.0]], **LEVELS),
     "MultiThreshold 'MultiThreshold_0' treats the channels of the input differ"),
    (on_sums("MultiThreshold", [[0.0]], **(LEVELS | {"out_bias": 0.0})),
     "MultiThreshold 'MultiThreshold_4' gives the values 0.0 and 2.0 as out_dtype"),
    (on_sums("MultiThreshold", [[0.0]], **(LEVELS | {"out_dtype": "UINT2"})),
     "MultiThreshold 'MultiThreshold_4' gives the values -1.0 and 1.0 as out_dtype 'U"),
    (on_sums("Quant", 1.0, 0.0, 9.0, domain=GENERAL),
     f"Quant 'Quant_4' makes 9-bit activations{NOT_YET}"),
    (on_constants("Quant", SIX, 1.0, 1.0, 4.0, domain=GENERAL),
     f"Quant 'Quant_0' has weights with a zero point{NOT_YET}"),
    (on_constants("Quant", SIX, np.ones(4), 0.0, 4.0, domain=GENERAL),
     "Quant 'Quant_0' has a scale of shape (4,) for weights of shape (2, 6)."),
    (on_input("Quant", 1.0, 0.0, 1.0, domain=GENERAL),
     f"Quant 'Quant_0' has the bit width 1{NOT_YET}"),
    (on_sums("Quant", 1.0, 0.0, 2.0, domain=GENERAL, narrow=7),
     "Quant 'Quant_4' has signed = 1 and narrow = 7 instead of 0 or 1."),
    (on_sums("Quant", 1.0, 0.0, 1.0, domain=GENERAL, signed=0, narrow=1),
     f"Quant 'Quant_4' has one value{NOT_YET}"),
    (on_input("Quant", 1.0, 0.0, 2.5, domain=GENERAL),
     f"Quant 'Quant_0' has the bit width 2.5{NOT_YET}"),
    (on_input("Quant", 1.0, 0.0, 99.0, domain=GENERAL),
     f"Quant 'Quant_0' has the bit width 99{NOT_YET}"),
    (on_input("Quant", 1.0, 0.0, 8.0, domain=GENERAL, rounding_mode="ODD"),
     f"Quant 'Quant_0' has the scale 1 and the rounding mode 'ODD'{NOT_YET}"),
    (on_input("Quant", 0.0, 0.0, 8.0, domain=GENERAL),
     f"Quant 'Quant_0' has the scale 0 and the rounding mode 'ROUND'{NOT_YET}"),
    (on_input("Quant", TWO, 0.0, 8.0, domain=GENERAL),
     f"Quant 'Quant_0' has 2 different values as the scale{NOT_YET}"),
    # Decisions and outputs.
    (on_sums("ArgMax", axis=0),
     f"ArgMax 'ArgMax_4' decides along axis 0 of a tensor of shape (1, 2){NOT_YET}"),
    (on_sums("TopK", np.array([1, 2]), outputs=2), "TopK 'TopK_4' has k = [1, 2]."),
    (lambda o: o.add("TopK", sums(o), o.const(np.array([1])), outputs=2)[:-1] + "0",
     "its output is neither scores nor a class that layers have made."),
    (lambda o: bits(o), "its output is neither scores nor a class that layers have made."),
    (lambda o: o.add("Constant", value_int=1),
     "0 of its inputs lead to its output instead of one."),
    (on_sums("Mul", np.array([1.0, -1.0])),
     "its class cannot be decided in integers: class 1 has a scale that is not positive."),
]  # fmt: skip


@pytest.mark.parametrize(("make", "what"), WRONG, ids=[what for _, what in WRONG])
def test_model_wrong(new_onnx: Any, save: Save, make: Make, what: str) -> None:
    o = new_onnx()
    output = make(o)
    if not any("x" in node.input for node in o.nodes) and "0 of its inputs" not in what:
        # A case of constants alone: let the input lead to the output as well.
        output = o.add("MatMul", bits(o), output)
    path = save(o.model(output))
    with pytest.raises(UsageError, match=f"^{re.escape(f'{str(path)!r}: {what}')}"):
        load_model(path)


def shaped(*extents: int | str) -> Callable[[Any], object]:
    def change(model: Any) -> None:
        model.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", 1, list(extents)))

    return change


def two_outputs(model: Any) -> None:
    model.graph.output.append(helper.make_tensor_value_info("t2", 1, [1, 6]))


def second_value(model: Any) -> None:
    model.graph.node[1].output[0] = "t0"
    model.graph.node[2].input[0] = "t0"


def two_inputs(model: Any) -> None:
    model.graph.input.append(helper.make_tensor_value_info("y", 1, [1, 6]))
    model.graph.node[4].input.append("y")


SHAPE = "its input 'x' has the shape "
CHANGED: list[tuple[Callable[[Any], object], str]] = [
    (shaped(6), SHAPE + "(6,) instead of one image of known size."),
    (shaped(1, "features"), SHAPE + "(1, None) instead of one image of known size."),
    (shaped(1, 0), SHAPE + "(1, 0) instead of one image of known size."),
    (shaped(1, -6), SHAPE + "(1, -6) instead of one image of known size."),
    (shaped(1, 1, 1, 1, 6), SHAPE + "(1, 1, 1, 1, 6) instead of one image of known size."),
    (shaped(1, 1 << 40), SHAPE + "(1, 1099511627776) instead of one image of known size."),
    (shaped(2, 6), "its input 'x' holds 2 images at once."),
    (two_outputs, "it has 2 outputs instead of one."),
    (two_inputs, "2 of its inputs lead to its output instead of one."),
    (second_value, "Sub 'Sub_1' gives the tensor 't0' a second value."),
    (lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", 11),
     "its input 'x' has the element type 11 instead of 32-bit floats."),
    (lambda m: m.graph.node[0].output.__setitem__(0, "other"),
     "0 of its inputs lead to its output instead of one."),
]  # fmt: skip


@pytest.mark.parametrize(("change", "what"), CHANGED)
def test_graph_wrong(small: Any, save: Save, change: Callable[[Any], object], what: str) -> None:
    path = save(small(change))
    with pytest.raises(UsageError, match=f"^{re.escape(f'{str(path)!r}: {what}')}"):
        load_model(path)


def test_two_ways_to_read_the_input_wrong(new_onnx: Any, save: Save) -> None:
    # The second layer of a network cannot read the image again as other bits.
    o = new_onnx()
    first = o.add("MatMul", bits(o), o.const(SIX.T))
    x = o.add("Sub", o.add("Flatten", "x"), o.const(0.7))
    x = o.add("BipolarQuant", x, o.const(1.0), domain=GENERAL)
    second = o.add("MatMul", x, o.const(SIX.T))
    message = (
        r"MatMul 'MatMul_7' reads the input in another way than an earlier layer, which is not"
    )
    with pytest.raises(UsageError, match=message):
        load_model(save(o.model(o.add("Add", first, second))))


@pytest.mark.parametrize("text", ["zero", "0", "-1", "1/0", "1e400", "9" * 40, "nan", "1/9999999"])
def test_pixel_property_wrong(small: Any, save: Save, text: str) -> None:
    path = save(small(lambda m: helper.set_model_props(m, {"bnnhw.pixel_scale": text})))
    message = (
        f"^'{re.escape(str(path))}': its property bnnhw.pixel_scale is '{text}'\\.\n"
        r"Give a positive fraction such as 1/255 or 1\.$"
    )
    with pytest.raises(UsageError, match=message):
        load_model(path)


def test_pixel_option_wrong(small: Any, save: Save) -> None:
    message = (
        r"^Pixels are read as 'unit', 'byte', 'centred' or 'auto', not 'x'\.\nChoose one of them\.$"
    )
    with pytest.raises(UsageError, match=message):
        load_model(save(small()), pixel="x")
