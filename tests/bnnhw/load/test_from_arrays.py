"""Networks from plain arrays answer as NumPy does."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bnnhw import BatchNorm, ConvLayer, DenseLayer, PoolLayer, from_arrays
from bnnhw.errors import UsageError
from bnnhw.golden import run
from bnnhw.graph import Threshold
from bnnhw.load.from_arrays import Layer

Array = Any


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def signs(rng: np.random.Generator, *shape: int) -> Array:
    return rng.choice([-1, 1], shape)


def norm(rng: np.random.Generator, count: int) -> BatchNorm:
    return BatchNorm(
        gamma=rng.normal(0, 1, count),
        beta=rng.normal(0, 1, count),
        mean=rng.normal(0, 3, count),
        variance=rng.uniform(0.5, 9, count),
        epsilon=1e-3,
    )


def normed(x: Array, n: BatchNorm) -> Array:
    shape = (-1,) + (1,) * (x.ndim - 2)
    gamma, beta, mean, variance = (
        np.asarray(part).reshape(shape) for part in (n.gamma, n.beta, n.mean, n.variance)
    )
    return gamma * (x - mean) / np.sqrt(variance + n.epsilon) + beta


def sign(x: Array) -> Array:
    return np.where(x >= 0, 1, -1)


def convolved(x: Array, w: Array, stride: tuple[int, int]) -> Array:
    rows, _, high, wide = w.shape
    down = (x.shape[2] - high) // stride[0] + 1
    across = (x.shape[3] - wide) // stride[1] + 1
    result = np.zeros((len(x), rows, down, across))
    for i in range(down):
        for j in range(across):
            part = x[:, :, i * stride[0] : i * stride[0] + high, j * stride[1] :][..., :wide]
            result[:, :, i, j] = np.tensordot(part, w, ((1, 2, 3), (1, 2, 3)))
    return result


def scores(graph: Any, result: Any) -> Array:
    return result.logits * np.array(graph.readout.scale) + graph.readout.bias


@pytest.mark.parametrize("order", ["CHW", "HWC"])
def test_convolutional(rng: np.random.Generator, order: str) -> None:
    x = rng.integers(0, 256, (20, 2, 9, 8))
    w1, w2 = rng.uniform(-1, 1, (4, 2, 3, 3)), signs(rng, 3, 4, 2, 3)
    w1[0, 0, 0, :2] = 0.0, -0.0
    w3, w4 = signs(rng, 6, 3 * 2 * 3), signs(rng, 5, 6)
    n1, n4 = norm(rng, 4), norm(rng, 5)
    n4 = BatchNorm(mean=n4.mean, variance=np.full(5, 4.0), epsilon=0)
    levels, turned = rng.integers(-6, 6, 3), signs(rng, 3)
    graph = from_arrays(
        [
            ConvLayer(weight=w1, latent=True, norm=n1),
            ConvLayer(weight=w2, stride=(2, 1), padding=(1, 2, 0, 1), pad_value=-1,
                      thresholds=levels, direction=turned),
            PoolLayer(size=(2, 3), stride=(2, 2)),
            DenseLayer(weight=w3, order=order),
            DenseLayer(weight=w4, norm=n4),
        ],
        shape=(2, 9, 8),
        pixels="centred",
        name="net",
    )  # fmt: skip
    first = sign(normed(convolved(2 * x / 255 - 1, sign(w1), (1, 1)), n1))
    padded = np.pad(first, ((0, 0), (0, 0), (1, 0), (2, 1)), constant_values=-1)
    sums = convolved(padded, w2, (2, 1))
    reached = sums * turned[:, None, None] >= (levels * turned)[:, None, None]
    second = np.where(reached, 1, -1)
    parts = [second[:, :, i : i + 3 : 2, j : j + 5 : 2] for i in range(2) for j in range(3)]
    size = min(p.shape[2] for p in parts), min(p.shape[3] for p in parts)
    pooled = np.max([p[:, :, : size[0], : size[1]] for p in parts], axis=0)
    if order == "HWC":
        pooled = np.moveaxis(pooled, 1, -1)
    third = sign(pooled.reshape(20, -1) @ w3.T)
    mean = np.asarray(n4.mean)
    expected = (third @ w4.T - mean) / 2
    result = run(graph, x, trace=True)
    taps = [node.name for node in graph.nodes if isinstance(node, Threshold)]
    for name, want in zip(taps, (first, second, third), strict=True):
        assert np.array_equal(result.edges[name], want)
        assert len(np.unique(want)) == 2
    assert np.allclose(scores(graph, result), expected)
    assert np.array_equal(result.classes, expected.argmax(axis=1))  # type: ignore[arg-type]
    assert graph.name == "net"
    assert graph.meta["pixel"] == "x = 2/255 * pixel - 1, not rounded"


@pytest.mark.parametrize("pixels", ["unit", "byte", "table"])
def test_several_levels(rng: np.random.Generator, pixels: str) -> None:
    x = rng.integers(0, 256, (30, 12))
    w1, w2 = signs(rng, 7, 12), signs(rng, 3, 7)
    table = {"unit": np.arange(256) / 255, "byte": np.arange(256.0),
             "table": sign(np.arange(256) - 100)}[pixels]  # fmt: skip
    entered = table[x]
    sums = entered @ w1.T
    turned = signs(rng, 7)
    levels = np.quantile(sums, [0.2, 0.5, 0.8], axis=0).T + 1e-3
    graph = from_arrays(
        [
            DenseLayer(weight=w1, thresholds=levels, direction=turned),
            DenseLayer(weight=w2),
        ],
        shape=(12,),
        pixels=table if pixels == "table" else pixels,
    )
    up = (sums[:, :, None] >= levels).sum(axis=2)
    down = (sums[:, :, None] <= levels).sum(axis=2)
    hidden = np.where(turned > 0, up, down)
    result = run(graph, x, trace=True)
    assert np.array_equal(result.edges["act1"], hidden)
    assert set(np.unique(hidden)) == {0, 1, 2, 3}
    assert np.allclose(scores(graph, result), hidden @ w2.T)


def test_zero_is_positive() -> None:
    graph = from_arrays(
        [DenseLayer(weight=[[1, -1], [-1, 1]]), DenseLayer(weight=[[1, 1], [-1, -1]])],
        shape=(2,),
        pixels="byte",
    )
    result = run(graph, np.array([[5, 5], [4, 5]]), trace=True)
    assert result.edges["sign1"].tolist() == [[1, 1], [-1, 1]]


ONE = np.ones((2, 4), int)
WRONG: list[tuple[str, Callable[[], Any]]] = [
    ("'layer 0' has weights other than +1 and -1",
     lambda: from_arrays([DenseLayer(weight=ONE * 0.5)], shape=(4,))),
    ("has 4 weights for each output but reads a tensor of shape (1, 5)",
     lambda: from_arrays([DenseLayer(weight=ONE)], shape=(5,))),
    ("has float64 (2, 4) as weights instead of finite",
     lambda: from_arrays([DenseLayer(weight=ONE * np.nan, latent=True)], shape=(4,))),
    ("has weights of shape (2, 4) instead of 4 axes",
     lambda: from_arrays([ConvLayer(weight=ONE), DenseLayer(weight=ONE)], shape=(1, 4, 4))),
    ("has object (2,) as weights",
     lambda: from_arrays([DenseLayer(weight=np.array([None, 1]))], shape=(4,))),
    ("is the last and has thresholds",
     lambda: from_arrays([DenseLayer(weight=ONE, thresholds=[0, 0])], shape=(4,))),
    ("has thresholds of shape (3, 1) for 2 rows", lambda: from_arrays(
        [DenseLayer(weight=ONE, thresholds=[0] * 3), DenseLayer(weight=ONE)], shape=(4,))),
    ("has thresholds that do not rise", lambda: from_arrays(
        [DenseLayer(weight=ONE, thresholds=[[1, 0]] * 2), DenseLayer(weight=ONE)], shape=(4,))),
    ("needs 2 directions", lambda: from_arrays(
        [DenseLayer(weight=ONE, thresholds=[0, 0], direction=[1, 0]), DenseLayer(weight=ONE)],
        shape=(4,))),
    ("has directions and no thresholds", lambda: from_arrays(
        [DenseLayer(weight=ONE, direction=[1, 1]), DenseLayer(weight=ONE)], shape=(4,))),
    ("has the order 'WHC'", lambda: from_arrays(
        [DenseLayer(weight=ONE, order="WHC")], shape=(1, 2, 2))),
    ("has gamma of shape (3,) for 2 rows", lambda: from_arrays(
        [DenseLayer(weight=ONE, norm=BatchNorm(mean=[0] * 3, variance=[1] * 3))], shape=(4,))),
    ("has the variance -1.0", lambda: from_arrays(
        [DenseLayer(weight=ONE, norm=BatchNorm(mean=[0, 0], variance=[-1, 1]))], shape=(4,))),
    ("must end in a layer with weights", lambda: from_arrays([PoolLayer(size=(2, 2))], shape=(4,))),
    ("must end in a layer with weights", lambda: from_arrays([], shape=(4,))),
    ("Layer 0 must be a layer, not int", lambda: from_arrays([3], shape=(4,))),  # type: ignore[list-item]
    ("must be 1 to 3 sizes, not (0,)", lambda: from_arrays([DenseLayer(weight=ONE)], shape=(0,))),
    ("must have up to", lambda: from_arrays([DenseLayer(weight=ONE)], shape=(1 << 30, 2))),
    ("not 'bits'", lambda: from_arrays([DenseLayer(weight=ONE)], shape=(4,), pixels="bits")),
    ("must be 256 finite numbers", lambda: from_arrays(
        [DenseLayer(weight=ONE)], shape=(4,), pixels=[1, 2])),
    ("has the padding", lambda: from_arrays(
        [ConvLayer(weight=np.ones((1, 1, 1, 1)), padding=(1, 1)), DenseLayer(weight=ONE)],  # type: ignore[arg-type]
        shape=(1, 2, 2))),
    ("beyond 10 to the power", lambda: from_arrays(
        [DenseLayer(weight=ONE, norm=BatchNorm(mean=[0, 1e-300], variance=[1, 1]))], shape=(4,))),
    ("has the size (2,) instead of 2 whole numbers from 1 on", lambda: from_arrays(
        [PoolLayer(size=(2,)), DenseLayer(weight=ONE)], shape=(1, 4, 4))),  # type: ignore[arg-type]
    ("has the stride (0, 1) instead", lambda: from_arrays(
        [ConvLayer(weight=np.ones((1, 1, 1, 1)), stride=(0, 1)), DenseLayer(weight=ONE)],
        shape=(1, 2, 2))),
    ("pads with 0.5 instead of an int", lambda: from_arrays(
        [ConvLayer(weight=np.ones((1, 1, 1, 1)), padding=(1, 1, 1, 1),
                   pad_value=0.5),  # type: ignore[arg-type]
         DenseLayer(weight=ONE)], shape=(1, 2, 2))),
    ("pads with 3, which no value", lambda: from_arrays(
        [ConvLayer(weight=np.ones((1, 1, 1, 1)), padding=(1, 1, 1, 1), pad_value=3),
         DenseLayer(weight=ONE)], shape=(1, 2, 2))),
    ("network name 'a b'", lambda: from_arrays([DenseLayer(weight=ONE)], shape=(4,), name="a b")),
]  # fmt: skip


@pytest.mark.parametrize(("message", "make"), WRONG)
def test_wrong(message: str, make: Callable[[], Any]) -> None:
    with pytest.raises(UsageError) as caught:
        make()
    assert message in caught.value.what


def test_groups_and_dilation(rng: np.random.Generator) -> None:
    x, w = rng.integers(0, 256, (9, 2, 5, 4)), signs(rng, 4, 1, 2, 2)
    last = signs(rng, 3, 4 * 3 * 3)
    layers: list[Layer] = [ConvLayer(weight=w, groups=2, dilation=(2, 1)), DenseLayer(weight=last)]
    graph = from_arrays(layers, shape=(2, 5, 4), pixels="centred")
    centred = 2 * x - 255
    hidden = np.zeros((9, 4, 3, 3))
    for row in range(4):
        part = centred[:, row // 2]
        for i in range(2):
            for j in range(2):
                hidden[:, row] += w[row, 0, i, j] * part[:, 2 * i : 2 * i + 3, j : j + 3]
    result = run(graph, x, trace=True)
    assert np.array_equal(result.edges["sign1"], sign(hidden))
    assert np.allclose(scores(graph, result), sign(hidden).reshape(9, -1) @ last.T)
