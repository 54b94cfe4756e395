"""A network with random floats, written in every dialect, against its own exact evaluation."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bnnhw.golden import run
from bnnhw.graph import Threshold
from bnnhw.load import load_model

SIDE = (1, 2, 3)
F32 = np.float32


@dataclass
class Layer:
    """Latent weights, a bias, and a batch normalisation; the values of a framework."""

    latent: Any
    scale: Any
    bias: Any
    gamma: Any
    beta: Any
    mean: Any
    var: Any

    @property
    def signs(self) -> Any:
        return np.where(self.latent >= 0, 1, -1)


def layer(rng: np.random.Generator, columns: int, rows: int, bias: bool) -> Layer:
    latent = rng.normal(size=(rows, columns)).astype(F32)
    latent[rng.random(latent.shape) < 0.1] = 0.0
    latent[rng.random(latent.shape) < 0.1] = -0.0
    values = {
        "gamma": rng.normal(size=rows),
        "beta": rng.normal(size=rows) * rng.choice([0, 1, 50], rows),
        "mean": rng.normal(size=rows) * 2,
        "var": rng.choice([0.0, 1.0, 4.0, 1e-8, abs(rng.normal()) * 9], rows),
    }
    # Means on the grid of the sums, together with a beta of 0 below, give exact ties.
    whole = rng.random(rows) < 0.5
    values["mean"][whole] = rng.integers(-columns, columns + 1, rows)[whole]
    values["gamma"][rng.random(rows) < 0.15] = 0
    values["beta"][rng.random(rows) < 0.3] = 0
    return Layer(
        latent=latent,
        scale=F32(rng.choice([1.0, 0.5, 0.3, 2.7])),
        bias=rng.normal(size=rows).astype(F32) if bias else np.zeros(rows, F32),
        **{name: value.astype(F32) for name, value in values.items()},
    )


EPSILON = Fraction(float(F32(1e-5)))


def is_high(entry: Layer, row: int, total: int, act: Fraction) -> bool:
    """Tell whether the batch normalisation is at least 0, by squares instead of roots."""
    x = Fraction(float(entry.scale)) * act * total + Fraction(float(entry.bias[row]))
    a = Fraction(float(entry.gamma[row])) * (x - Fraction(float(entry.mean[row])))
    b = Fraction(float(entry.beta[row]))
    v = Fraction(float(entry.var[row])) + EPSILON
    if (a >= 0) == (b >= 0):
        return a >= 0
    return a * a >= b * b * v if a >= 0 else b * b * v >= a * a


def expected(layers: list[Layer], image: Any, act: Fraction) -> list[list[int]]:
    """Give the sums of every layer for one image, all in integers and fractions."""
    values = np.where(2 * (image.reshape(-1) / 255) - 1 >= 0, 1, -1)
    sums = []
    scale = Fraction(1)
    for entry in layers:
        sums.append((entry.signs @ values).tolist())
        high = [is_high(entry, row, total, scale) for row, total in enumerate(sums[-1])]
        values, scale = np.where(high, 1, -1), act
    return sums


def dynamo(o: Any, layers: list[Layer], act: float, domain: str, as_input: bool) -> str:
    """Write Gemm with transB and one shared scale, as the dynamo exporter does."""
    one = o.const(np.array([1.0]), "shared", as_input)
    x = o.add("Reshape", "x", o.const(np.array([1, 6]), "shape", as_input), allowzero=1)
    x = o.add("Sub", o.add("Mul", x, o.const(2.0)), o.const(np.array([1.0])))
    x = o.add("BipolarQuant", x, one, domain=domain)
    for number, entry in enumerate(layers):
        last = number == len(layers) - 1
        scale = one if entry.scale == 1 else o.const(entry.scale)
        latent = o.const(entry.latent, f"{number}.weight", as_input)
        weight = o.add("BipolarQuant", latent, scale, domain=domain)
        bias = [o.const(entry.bias)] if entry.bias.any() and not last else []
        x = o.add("Gemm", x, weight, *bias, alpha=1.0, beta=1.0, transA=0, transB=1)
        if not last:
            names = ("gamma", "beta", "mean", "var")
            terms = [o.const(getattr(entry, name), f"{number}.{name}", as_input) for name in names]
            x = o.add("BatchNormalization", x, *terms, epsilon=float(F32(1e-5)), momentum=0.9)
            x = o.add("BipolarQuant", x, o.const(act), domain=domain)
    return str(x)


def torchscript(o: Any, layers: list[Layer], act: float, domain: str, as_input: bool) -> str:
    """Write Transpose and MatMul, the bias as Add, the shape as the old exporter works it out."""
    batch = o.add("Gather", o.add("Shape", "x"), o.const(np.array(0)), axis=0)
    if o.opset < 13:
        batch = o.add("Unsqueeze", batch, axes=[0])
    else:
        batch = o.add("Unsqueeze", batch, o.const(np.array([0])))
    minus = o.add("Constant", value_ints=[-1])
    x = o.add("Reshape", "x", o.add("Concat", batch, minus, axis=0))
    x = o.add("Sub", o.add("Mul", o.const(2.0), x), o.const(1.0))
    x = o.add("BipolarQuant", x, o.const(1.0), domain=domain)
    for number, entry in enumerate(layers):
        weight = o.add("BipolarQuant", o.const(entry.latent), o.const(entry.scale), domain=domain)
        x = o.add("MatMul", x, o.add("Transpose", weight, perm=[1, 0]))
        if number < len(layers) - 1:
            x = o.add("Add", o.const(entry.bias), x) if entry.bias.any() else x
            names = ("gamma", "beta", "mean", "var")
            terms = [o.const(getattr(entry, name)) for name in names]
            x = o.add("BatchNormalization", x, *terms, training_mode=0)
            x = o.add("BipolarQuant", x, o.const(act), domain=domain)
    return str(x)


def clean(o: Any, layers: list[Layer], act: float, domain: str, as_input: bool) -> str:
    """Write the weights first and as columns, the batch normalisation as separate steps."""
    weights = [
        o.add("BipolarQuant", o.const(e.latent.T), o.const(np.full((1, 1), e.scale)), domain=domain)
        for e in layers
    ]
    x = o.add("Flatten", o.add("Identity", "x"))
    x = o.add("BipolarQuant", o.add("Sub", x, o.const(0.5)), o.const(1.0), domain=domain)
    for number, (entry, weight) in enumerate(zip(layers, weights, strict=True)):
        x = o.add("MatMul", x, weight)
        if number < len(layers) - 1:
            x = o.add("Add", x, o.const(entry.bias))
            x = o.add("Sub", x, o.const(entry.mean[None]))
            shifted = o.add("Add", o.const(entry.var), o.const(F32(1e-5)))
            x = o.add("Div", x, o.add("Pow", shifted, o.const(0.5)))
            x = o.add("Add", o.add("Mul", x, o.const(entry.gamma)), o.const(entry.beta))
            x = o.add("BipolarQuant", x, o.const(np.array([[act]])), domain=domain)
    return str(x)


def finn(o: Any, layers: list[Layer], act: float, domain: str, as_input: bool) -> str:
    """Write MultiThreshold on bytes, ±1 weights beside a Mul, and a batch norm with three axes."""
    options = {"domain": domain, "out_scale": 2.0, "out_bias": -1.0, "out_dtype": "BIPOLAR"}
    x = o.add("Reshape", "x", o.const(np.array([0, -1])))
    x = o.add("Div", x, o.const(255.0))
    x = o.add("Sub", o.add("Mul", x, o.const(2.0)), o.const(1.0))
    x = o.add("MultiThreshold", x, o.const([[0.0]]), **options)
    for number, entry in enumerate(layers):
        x = o.add("MatMul", x, o.const(entry.signs.T.astype(F32)))
        x = o.add("Mul", x, o.const(entry.scale))
        if number < len(layers) - 1:
            x = o.add("Unsqueeze", o.add("Add", x, o.const(entry.bias)), o.const(np.array([2])))
            names = ("gamma", "beta", "mean", "var")
            x = o.add("BatchNormalization", x, *(o.const(getattr(entry, n)) for n in names))
            x = o.add("Squeeze", x, o.const(np.array([2])))
            x = o.add("MultiThreshold", x, o.const([[0.0]]), data_layout="NC", **options)
            x = o.add("Mul", x, o.const(act))
    return str(o.add("TopK", x, o.const(np.array([1])), outputs=2, axis=-1, largest=1, sorted=1))


WRITERS = [dynamo, torchscript, clean, finn]
DOMAINS = ["onnx.brevitas", "qonnx.custom_op.general", "finn.custom_op.general"]


def check(path: Path, layers: list[Layer], act: float, rng: np.random.Generator) -> None:
    graph = load_model(path)
    images = rng.choice(np.array([0, 127, 128, 255], np.uint8), (6, *SIDE))
    edges = run(graph, images, trace=True).edges
    for index, image in enumerate(images):
        for number, sums in enumerate(expected(layers, image, Fraction(float(F32(act)))), 1):
            assert edges[f"fc{number}"][index].tolist() == sums, number
    # Beyond these images: every threshold at every attainable sum.
    scale = Fraction(1)
    for number, entry in enumerate(layers[:-1], 1):
        node = graph.node(f"sign{number}")
        assert isinstance(node, Threshold)
        grid = graph.edges[f"fc{number}"].grid
        for row, (level, way) in enumerate(zip(node.levels[:, 0], node.direction, strict=True)):
            for total in range(grid.low, grid.high + 1, grid.step):
                says = total >= level if way > 0 else total <= level
                assert says == is_high(entry, row, total, scale), (number, row, total)
        scale = Fraction(float(F32(act)))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.lists(st.integers(1, 7), min_size=1, max_size=3),
    writer=st.sampled_from(WRITERS),
    domain=st.sampled_from(DOMAINS),
    act=st.sampled_from([1.0, 0.1, 3.0]),
    bias=st.booleans(),
    as_input=st.booleans(),
)
def test_random_networks(
    new_onnx: Any,
    save: Callable[[Any], Path],
    seed: int,
    rows: list[int],
    writer: Any,
    domain: str,
    act: float,
    bias: bool,
    as_input: bool,
) -> None:
    rng = np.random.default_rng(seed)
    sizes = [6, *rows, 2]
    layers = [layer(rng, k, n, bias) for k, n in zip(sizes, sizes[1:], strict=False)]
    o = new_onnx((1, *SIDE))
    output = writer(o, layers, act, domain, as_input)
    check(save(o.model(output)), layers, act, rng)


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("batch", ["N", 1])
def test_each_dialect(
    new_onnx: Any, save: Callable[[Any], Path], writer: Any, batch: int | str
) -> None:
    rng = np.random.default_rng(7)
    layers = [layer(rng, 6, 9, True), layer(rng, 9, 8, True), layer(rng, 8, 2, False)]
    o = new_onnx((batch, *SIDE))
    output = writer(o, layers, 0.7, DOMAINS[1], True)
    check(save(o.model(output)), layers, 0.7, rng)


def test_axes_as_attribute(new_onnx: Any, save: Callable[[Any], Path]) -> None:
    rng = np.random.default_rng(8)
    layers = [layer(rng, 6, 4, True), layer(rng, 4, 2, False)]
    o = new_onnx((1, *SIDE))
    o.opset = 9
    check(save(o.model(torchscript(o, layers, 1.0, DOMAINS[0], False))), layers, 1.0, rng)
