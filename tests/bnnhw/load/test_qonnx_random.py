"""Random convolutional QONNX files: our integers against ONNX's own reference, number by number.

All constants are small dyadic fractions, so that the reference is exact in 32-bit floats, ties
included, and the comparison needs no tolerance.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from bnnhw.errors import UsageError
from bnnhw.golden import run
from bnnhw.load import load_model

GENERAL = "qonnx.custom_op.general"
ROUNDINGS: dict[str, Callable[[Any], Any]] = {
    "ROUND": np.rint,
    "HALF_EVEN": np.rint,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "UP": lambda x: np.where(x < 0, np.floor(x), np.ceil(x)),
    "DOWN": lambda x: np.where(x < 0, np.ceil(x), np.floor(x)),
    "HALF_UP": lambda x: np.where(x < 0, np.ceil(x - 0.5), np.floor(x + 0.5)),
    "HALF_DOWN": lambda x: np.where(x < 0, np.floor(x + 0.5), np.ceil(x - 0.5)),
}


class BipolarQuant(OpRun):
    op_domain = GENERAL

    def _run(self, x: Any, scale: Any) -> Any:
        return (np.where(x >= 0, np.float32(1), np.float32(-1)) * scale,)


class Quant(OpRun):
    op_domain = GENERAL

    def _run(
        self, x: Any, scale: Any, zero: Any, bits: Any,
        signed: Any = None, narrow: Any = None, rounding_mode: Any = None,
    ) -> Any:  # fmt: skip
        low = (-(2 ** (bits - 1)) + narrow) if signed else 0
        high = 2 ** (bits - 1) - 1 if signed else 2**bits - 1 - narrow
        codes = np.clip(ROUNDINGS[rounding_mode](x / scale + zero), low, high)
        return (((codes - zero) * scale).astype(np.float32),)


class MultiThreshold(OpRun):
    op_domain = GENERAL

    def _run(
        self, x: Any, levels: Any, out_bias: Any = None, out_dtype: Any = None,
        out_scale: Any = None,
    ) -> Any:  # fmt: skip
        table = levels.reshape(1, levels.shape[0], *(1,) * (x.ndim - 2), -1)
        count = (x[..., None] >= table).sum(axis=-1)
        return ((out_bias + out_scale * count).astype(np.float32),)


class Maker:
    """Adds random operators behind one another."""

    def __init__(self, seed: int, make: type) -> None:
        self.rng = np.random.default_rng(seed)
        self.shape = (self.draw(1, 4), self.draw(4, 8), self.draw(4, 8))
        self.o = make((1, *self.shape))
        # x = pixel, quantised to a few bits: every value that follows is exact.
        self.x = self.quantised("x", 4.0 * 2 ** self.draw(0, 4), signed=0, bits=4)

    def draw(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high))

    def dyadic(self, *shape: int, low: int = -12, high: int = 13) -> Any:
        return self.o.const(self.rng.integers(low, high, shape).astype(np.float32) / 4)

    def custom(self, op: str, *inputs: str, **options: Any) -> str:
        return str(self.o.add(op, *inputs, domain=GENERAL, **options))

    def quantised(self, x: str, size: float, signed: int, bits: int, zero: float = 0.0) -> str:
        c = self.o.const
        options = {"signed": signed, "narrow": self.draw(0, 2),
                   "rounding_mode": str(self.rng.choice(list(ROUNDINGS)))}  # fmt: skip
        return self.custom("Quant", x, c(size), c(zero), c(float(bits)), **options)

    def weights(self, *shape: int) -> str:
        latent = self.o.const(self.rng.normal(size=shape).astype(np.float32))
        if self.draw(0, 3):
            return self.custom("BipolarQuant", latent, self.o.const(2.0 ** self.draw(-2, 2)))
        size = self.o.const(2.0 ** -self.draw(1, 3) * np.ones((shape[0], 1, 1, 1)[: len(shape)]))
        options = {"signed": 1, "narrow": 1, "rounding_mode": "ROUND"}
        return self.custom("Quant", latent, size, self.o.const(0.0), self.o.const(4.0), **options)

    def conv(self, stride: int = 1, pad: bool = True) -> None:
        channels, *size = self.shape
        groups = int(self.rng.choice([n for n in (1, channels) if channels % n == 0]))
        rows, kernel = groups * self.draw(1, 3), [self.draw(1, min(3, n) + 1) for n in size]
        pads = [self.draw(0, 2) for _ in range(4)] if pad else [0] * 4
        whole = [n + pads[axis] + pads[axis + 2] for axis, n in enumerate(size)]
        spread = [self.draw(1, 3) if n > 2 * (k - 1) else 1
                  for n, k in zip(whole, kernel, strict=True)]  # fmt: skip
        inputs = [self.x, self.weights(rows, channels // groups, *kernel)]
        if self.draw(0, 2):
            inputs.append(self.dyadic(rows))
        self.x = self.o.add("Conv", *inputs, group=groups, pads=pads, strides=[stride, 1],
                            kernel_shape=kernel, dilations=spread)  # fmt: skip
        down, across = (n - (k - 1) * d for n, k, d in zip(whole, kernel, spread, strict=True))
        self.shape = (rows, (down - 1) // stride + 1, across)

    def padded_conv(self) -> None:
        value = float(self.rng.choice([-1, 0, 1]))
        self.x = self.custom("BipolarQuant", self.x, self.o.const(1.0))
        pads = np.array([0, 0, 1, 0, 0, 0, 1, 2])
        self.x = self.o.add("Pad", self.x, self.o.const(pads), self.o.const(np.float32(value)))
        self.shape = (self.shape[0], self.shape[1] + 2, self.shape[2] + 2)
        self.conv(pad=False)

    def norm(self) -> None:
        channels = self.shape[0]
        root = 2.0 ** self.rng.integers(-1, 2, channels)
        self.x = self.o.add(
            "BatchNormalization", self.x, self.dyadic(channels), self.dyadic(channels),
            self.dyadic(channels), self.o.const((root * root).astype(np.float32)), epsilon=0.0,
        )  # fmt: skip

    def pool(self) -> None:
        channels, *size = self.shape
        if not self.draw(0, 3):
            # Overlapping, with padding that never wins.
            options = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
            self.x = self.o.add("MaxPool", self.x, **options)
            self.shape = (channels, (size[0] - 1) // 2 + 1, (size[1] - 1) // 2 + 1)
        elif min(size) >= 2:
            op = ("MaxPool", "AveragePool")[self.draw(0, 2)]
            self.x = self.o.add(op, self.x, kernel_shape=[2, 2], strides=[2, 1])
            self.shape = (channels, size[0] // 2, size[1] - 1)

    def activation(self) -> None:
        if self.draw(0, 2):
            self.x = self.o.add("Relu", self.x)
        kind = self.draw(0, 4)
        if kind == 0:
            self.x = self.custom("BipolarQuant", self.x, self.o.const(2.0 ** self.draw(-1, 2)))
        elif kind == 1:
            levels = np.sort(self.rng.integers(-40, 40, (self.shape[0], 3)), axis=1) / 4
            self.x = self.custom(
                "MultiThreshold", self.x, self.o.const(levels), out_scale=2.0, out_bias=-3.0,
                out_dtype="INT3",
            )  # fmt: skip
        else:
            self.x = self.quantised(self.x, 2.0 ** self.draw(-1, 4), self.draw(0, 2),
                                    self.draw(2, 5), float(self.draw(0, 2)))  # fmt: skip

    def branch(self) -> None:
        before, shape = self.x, self.shape
        self.x = self.o.add("Mul", self.x, self.dyadic(low=1))
        other, self.x = self.x, before
        if self.draw(0, 2):
            self.activation()
        kind = self.draw(0, 3)
        if kind < 2:
            self.x = self.o.add(("Add", "Sub")[kind], other, self.x)
        else:
            self.x = self.o.add("Concat", other, self.x, axis=1)
            self.shape = (2 * shape[0], *shape[1:])
            start, end = (self.o.const(np.array([value])) for value in (1, 2 * shape[0]))
            self.x = self.o.add("Slice", self.x, start, end, self.o.const(np.array([1])))
            self.shape = (2 * shape[0] - 1, *shape[1:])
        self.activation()

    def shuffle(self) -> None:
        channels, *size = self.shape
        groups = int(self.rng.choice([n for n in range(1, channels + 1) if channels % n == 0]))
        parts = self.o.const(np.array([1, groups, channels // groups, *size]))
        x = self.o.add("Transpose", self.o.add("Reshape", self.x, parts), perm=[0, 2, 1, 3, 4])
        self.x = self.o.add("Reshape", x, self.o.const(np.array([1, channels, *size])))

    def model(self, steps: int) -> Any:
        for _ in range(steps):
            self.conv(stride=self.draw(1, 3))
            order = [self.norm, self.pool, self.activation]
            last = order.pop()
            self.rng.shuffle(order)
            for step in [*order, last]:
                step()
            if not self.draw(0, 3):
                self.shuffle()
            if not self.draw(0, 3):
                self.branch()
            if not self.draw(0, 3):
                self.padded_conv()
                self.activation()
        if not self.draw(0, 2) and self.shape[1] * self.shape[2] in (1, 2, 4, 8, 16):
            self.x = self.o.add("GlobalAveragePool", self.x)
            self.shape = (self.shape[0], 1, 1)
        if self.draw(0, 2):
            self.x = self.o.add("Transpose", self.x, perm=[0, 2, 3, 1])
        flat = self.o.add("Flatten", self.x)
        weight = self.weights(3, int(np.prod(self.shape)))
        return self.o.model(self.o.add("Gemm", flat, weight, self.dyadic(3), transB=1))


def answer(reference: Any, image: Any) -> Any:
    return reference.run(None, {"x": image[None].astype(np.float32)})[0]


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32 - 1), steps=st.integers(1, 3))
def test_scores_are_those_of_the_reference(
    new_onnx: Any, save: Callable[[Any], Path], seed: int, steps: int
) -> None:
    maker = Maker(seed, new_onnx)
    model = maker.model(steps)
    try:
        graph = load_model(save(model), pixel="byte")
    except UsageError as error:
        # The only things that chance can make and integers cannot say.
        assert re.search("pads with|weights of 0|a scale for each channel|input of 1", error.what)
        return
    images: Any = np.random.default_rng(seed).integers(0, 256, (4, *graph.input.image_shape))
    reference = ReferenceEvaluator(model, new_ops=[BipolarQuant, Quant, MultiThreshold])
    expected = np.concatenate([answer(reference, image) for image in images])
    result = run(graph, images, trace=True)
    assert graph.readout is not None
    assert np.array_equal(
        result.logits * np.array(graph.readout.scale) + graph.readout.bias, expected
    )
    assert result.classes is not None
    assert np.array_equal(result.classes, expected.argmax(axis=1))
    for name, values in result.edges.items():
        graph.edges[name].grid.codes(values)
