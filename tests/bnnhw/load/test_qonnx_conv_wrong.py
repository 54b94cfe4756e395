"""What a QONNX file with convolutions can say and this loader refuses, by the name of the node."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnhw.errors import UsageError
from bnnhw.load import load_model

GENERAL = "qonnx.custom_op.general"
NOT_YET = ", which is not supported yet."
ONES = np.ones((2, 2, 2, 2), np.float32)
MIXED = np.array([1, -1] * 8, np.float32).reshape(2, 2, 2, 2)

Save = Callable[[Any], Path]
Make = Callable[[Any], str]


def image(o: Any) -> str:
    """Give ±1 values of shape (1, 2, 4, 4)."""
    x = o.add("Sub", "x", o.const(0.5))
    return str(o.add("BipolarQuant", x, o.const(1.0), domain=GENERAL))


def sums(o: Any) -> str:
    """Give sums of shape (1, 2, 3, 3)."""
    return str(o.add("Conv", image(o), o.const(MIXED)))


def on_image(op: str, *constants: Any, **options: Any) -> Make:
    return lambda o: o.add(op, image(o), *map(o.const, constants), **options)


def on_sums(op: str, *constants: Any, **options: Any) -> Make:
    return lambda o: o.add(op, sums(o), *map(o.const, constants), **options)


def padded(o: Any, value: float = -1.0) -> str:
    pads = o.const(np.array([0, 0, 1, 1, 0, 0, 1, 1]))
    return str(o.add("Pad", image(o), pads, o.const(np.float32(value))))


def scaled_by_data(op: str) -> Make:
    def make(o: Any) -> str:
        x = sums(o)
        return str(o.add(op, x, o.add("GlobalAveragePool", x)))

    return make


WINDOW: dict[str, Any] = {"kernel_shape": [2, 2], "strides": [2, 2]}
WRONG: list[tuple[Make, str]] = [
    # What the formats can say and no hardware of ours can do.
    (on_image("Conv", MIXED * [0, 1]), f"Conv 'Conv_2' has weights of 0{NOT_YET}"),
    (on_image("Conv", MIXED * [0.5, 1]),
     f"Conv 'Conv_2' has weights that are not ±1 times one scale for each output{NOT_YET}"),
    (on_image("Conv", ONES[..., None]), f"Conv 'Conv_2' is a convolution over 3 axes{NOT_YET}"),
    (on_image("Conv", ONES[..., 0]), f"Conv 'Conv_2' is a convolution over 1 axes{NOT_YET}"),
    (scaled_by_data("Mul"),
     f"Mul 'Mul_4' multiplies by a factor that depends on the data{NOT_YET}"),
    (scaled_by_data("Div"),
     f"Div 'Div_4' divides by a factor that depends on the data{NOT_YET}"),
    (lambda o: o.add("BipolarQuant", sums(o), o.add("GlobalAveragePool", image(o)),
                     domain=GENERAL),
     f"BipolarQuant 'BipolarQuant_6' reads a layer's output as the scale{NOT_YET}"),
    (lambda o: o.add("Conv", image(o), o.add("Sub", "x", o.const(0.5))),
     f"Conv 'Conv_3' reads the input as the weights{NOT_YET}"),
    (lambda o: o.add("Conv", "x", o.const(MIXED)),
     f"Conv 'Conv_0' reads an input of 256 different values that nothing has quantised{NOT_YET}"),
    # Geometry.
    (on_image("Conv", MIXED, auto_pad="SAME_UPPER"),
     "Conv 'Conv_2' has the attribute auto_pad = 'SAME_UPPER', which is not supported."),
    (on_image("Conv", MIXED, kernel_shape=[3, 3]),
     "Conv 'Conv_2' has the kernel (3, 3) but weights of shape (2, 2, 2, 2)."),
    (on_image("Conv", MIXED, strides=[0, 1]),
     "Conv 'Conv_2' has the strides (0, 1) and the dilations (1, 1)."),
    (on_image("Conv", MIXED, dilations=[4, 1]),
     "Conv 'Conv_2' has weights of shape (2, 2, 2, 2), larger than (1, 2, 4, 4)."),
    (on_image("Conv", MIXED, pads=[1, 1]), f"Conv 'Conv_2' has the padding (1, 1){NOT_YET}"),
    (on_image("Conv", MIXED, pads=[0, 0, 0, -1]),
     f"Conv 'Conv_2' has the padding (0, 0, 0, -1){NOT_YET}"),
    (on_image("Conv", MIXED, group=2),
     "Conv 'Conv_2' has 2 groups of weights (2, 2, 2, 2) for 2 channels."),
    (on_image("Conv", MIXED, np.ones(3)), "Conv 'Conv_2' has a bias of shape (3,) for 2 outputs."),
    (lambda o: o.add("Conv", o.add("Flatten", image(o)), o.const(MIXED)),
     f"Conv 'Conv_3' reads a tensor of shape (1, 32) as the image{NOT_YET}"),
    # Padding.
    (lambda o: o.add("Conv", padded(o, 0.5), o.const(MIXED)),
     f"Conv 'Conv_3' pads with 0.5, which no value of its input stands for{NOT_YET}"),
    (lambda o: o.add("Conv", padded(o), o.const(MIXED), pads=[1, 1, 1, 1]),
     f"Conv 'Conv_3' pads with 0 what is padded with something else already{NOT_YET}"),
    (lambda o: o.add("Flatten", padded(o)),
     f"Flatten 'Flatten_3' reads a padded tensor as the tensor{NOT_YET}"),
    (on_image("Pad", np.array([0, 1, 0, 0, 0, 0, 0, 0])), f"Pad 'Pad_2' pads channels{NOT_YET}"),
    (on_image("Pad", np.array([0, 0, -1, 0, 0, 0, 0, 0])),
     f"Pad 'Pad_2' has the padding [0, 0, -1, 0, 0, 0, 0, 0]{NOT_YET}"),
    (on_image("Pad", np.array([1, 1])), "Pad 'Pad_2' has the padding [1, 1] for 4 axes."),
    (on_image("Pad", np.zeros(8, int), mode="reflect"),
     "Pad 'Pad_2' has the attribute mode = 'reflect', which is not supported."),
    # Pools.
    (on_sums("MaxPool", **(WINDOW | {"ceil_mode": 1})),
     "MaxPool 'MaxPool_3' has the attribute ceil_mode = 1, which is not supported."),
    (on_sums("MaxPool", kernel_shape=[2]), "MaxPool 'MaxPool_3' has the kernel (2,) and the"),
    (on_sums("MaxPool", **(WINDOW | {"dilations": [2, 2]})),
     f"MaxPool 'MaxPool_3' has the padding (0, 0, 0, 0) and the dilations (2, 2){NOT_YET}"),
    (on_sums("MaxPool", **(WINDOW | {"pads": [2, 0, 0, 0]})),
     "MaxPool 'MaxPool_3' has the padding (2, 0, 0, 0) around windows of (2, 2)."),
    (on_sums("MaxPool", kernel_shape=[4, 4]),
     "MaxPool 'MaxPool_3' moves a window of (4, 4) over a tensor of shape (1, 2, 3, 3)."),
    (on_sums("AveragePool", **(WINDOW | {"pads": [1, 1, 1, 1]})),
     f"AveragePool 'AveragePool_3' averages fewer cells at the border{NOT_YET}"),
    (lambda o: o.add("AveragePool", o.add("Add", sums(o), o.const(1.0)), pads=[1, 1, 1, 1],
                     count_include_pad=1, **WINDOW),
     f"AveragePool 'AveragePool_4' averages padding with values that have an offset{NOT_YET}"),
    (on_sums("ReduceMean", np.array([1, 2])),
     f"ReduceMean 'ReduceMean_3' averages over the axes [1, 2]{NOT_YET}"),
    # Joins.
    (lambda o: o.add("Add", sums(o), image(o)),
     f"Add 'Add_5' joins branches of the shapes (1, 2, 3, 3) and (1, 2, 4, 4){NOT_YET}"),
    (lambda o: o.add("Add", o.add("Mul", sums(o), o.const(np.float32(0.3))), sums(o)),
     f"Add 'Add_7' joins branches whose scales are no small multiples of one unit{NOT_YET}"),
    (lambda o: o.add("Concat", sums(o), sums(o), axis=2),
     f"Concat 'Concat_6' joins branches along axis 2{NOT_YET}"),
    (lambda o: o.add("Concat", sums(o), image(o), axis=1),
     f"Concat 'Concat_5' joins branches of the shapes (1, 2, 3, 3) and (1, 2, 4, 4){NOT_YET}"),
    (on_sums("Slice", np.array([0]), np.array([1]), np.array([2])),
     f"Slice 'Slice_3' slices axis 2 in steps of 1{NOT_YET}"),
    (on_sums("Slice", np.array([2]), np.array([1]), np.array([1])),
     "Slice 'Slice_3' takes the channels 2 to 1 of 2."),
    (on_sums("Slice", np.array([0, 0]), np.array([1, 1])),
     f"Slice 'Slice_3' slices along several axes{NOT_YET}"),
    # Orders that nothing resolves.
    (lambda o: o.add("Conv", o.add("Transpose", sums(o), perm=[0, 1, 3, 2]), o.const(MIXED)),
     f"Conv 'Conv_4' reads a rearranged tensor as the image{NOT_YET}"),
    (on_sums("Transpose", perm=[1, 0, 2, 3]),
     "Transpose 'Transpose_3' has the permutation (1, 0, 2, 3) for a tensor of shape (1, 2, 3, 3)"),
    (lambda o: o.add("Transpose", o.add("Reshape", o.add("Flatten", sums(o)),
                                        o.const(np.array([1, 2, 3, 3])))),
     f"Reshape 'Reshape_4' moves the channels of (1, 18) to [1, 2, 3, 3]{NOT_YET}"),
    # Constants and activations.
    (on_sums("Mul", np.arange(1.0, 4.0)),
     f"Mul 'Mul_3' has a constant that is not the same all over a channel{NOT_YET}"),
    (lambda o: o.add("Conv", o.add("Relu", sums(o)), o.const(MIXED)),
     f"Conv 'Conv_4' reads the output of a Relu as the image{NOT_YET}"),
    (lambda o: o.add("Conv", o.add("BipolarQuant", sums(o),
                                   o.const(np.array([[[1.0]], [[2.0]]])), domain=GENERAL),
                     o.const(MIXED)),
     f"Conv 'Conv_4' reads activations with a scale for each channel{NOT_YET}"),
    (lambda o: sums(o), "its output has the shape (1, 2, 3, 3) instead of one score a class."),
]  # fmt: skip


@pytest.mark.parametrize(("make", "what"), WRONG, ids=[what for _, what in WRONG])
def test_model_wrong(new_onnx: Any, save: Save, make: Make, what: str) -> None:
    o = new_onnx((1, 2, 4, 4))
    path = save(o.model(make(o)))
    with pytest.raises(UsageError, match=f"^{re.escape(f'{str(path)!r}: {what}')}"):
        load_model(path)


def test_weights_of_more_than_8_bits_wrong(new_onnx: Any, save: Save) -> None:
    o = new_onnx((1, 2, 4, 4))
    latent = o.const(np.linspace(-500, 500, 16).reshape(2, 2, 2, 2))
    weight = o.add("Quant", latent, *map(o.const, (1.0, 0.0, 12.0)), domain=GENERAL, signed=1)
    message = r"Conv 'Conv_3' has weights of -500 to 500 times their scale, which is not supported"
    with pytest.raises(UsageError, match=message):
        load_model(save(o.model(o.add("Conv", image(o), weight))))


def test_image_of_unknown_size_wrong(new_onnx: Any, save: Save) -> None:
    o = new_onnx((1, 2, "height", "width"))
    with pytest.raises(UsageError, match=r"the shape \(1, 2, None, None\) instead of one image"):
        load_model(save(o.model(o.add("GlobalAveragePool", "x"))))
