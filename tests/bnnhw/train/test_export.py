"""Trained arrays as QONNX and as a graph, held against loops of NumPy that know neither."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnhw import golden
from bnnhw.errors import CheckFailed, ToolMissing
from bnnhw.graph import Add, load_graph
from bnnhw.load import load_model
from bnnhw.train.data import Split
from bnnhw.train.export import Results, Trained, check, export, save_results, slack
from bnnhw.train.qonnx import BnLayer, write_qonnx

RNG = np.random.default_rng(21)
NOTES = {"bnnhw.pixel_scale": "1/255", "seed": "21"}


def layer(shape: tuple[int, ...], *, pool: bool = False, join: bool = False) -> BnLayer:
    outs, taps = shape[0], int(np.prod(shape[1:]))
    return BnLayer(
        weight=RNG.uniform(-1, 1, shape).astype(np.float32),
        gamma=RNG.uniform(-1, 1, outs).astype(np.float32),
        beta=RNG.uniform(-0.2, 0.2, outs).astype(np.float32),
        mean=RNG.normal(0, 0.3 * taps**0.5, outs).astype(np.float32),
        var=RNG.uniform(0.5 * taps, 2 * taps, outs).astype(np.float32),
        eps=1e-5,
        pool=pool,
        join=join,
    )


def signs(x: Any) -> Any:
    return np.where(x >= 0, 1, -1)


def reference(net: Trained, x: np.ndarray) -> np.ndarray:
    """Compute the integer logits, image by image and place by place."""
    return np.array([one(net, image) for image in x])


def one(net: Trained, image: np.ndarray) -> np.ndarray:
    levels = np.array(net.levels, np.float32).astype(np.float64)
    bits = signs(image / 255 - levels[:, None, None])
    carries = any(found.join for found in net.hidden)
    carried: Any = None
    for found in net.hidden:
        weight = signs(found.weight)
        sums = convolved(bits, weight) if weight.ndim == 4 else weight @ bits.reshape(-1)
        if found.join:
            sums = sums + carried
        if found.pool and carries:
            sums = largest(sums)
        carried = sums
        spread = found.gamma / np.sqrt(found.var.astype(np.float64) + found.eps)
        rest = (-1,) + (1,) * (sums.ndim - 1)
        bits = signs(
            (sums - found.mean.reshape(rest)) * spread.reshape(rest) + found.beta.reshape(rest)
        )
        if found.pool and not carries:
            bits = largest(bits)
    return signs(net.last) @ bits.reshape(-1)


def convolved(bits: Any, weight: Any) -> Any:
    padded = np.pad(bits, ((0, 0), (1, 1), (1, 1)), constant_values=-1)
    _, height, width = bits.shape
    return np.array([
        [[int((padded[:, i : i + 3, j : j + 3] * kernel).sum()) for j in range(width)]
         for i in range(height)]
        for kernel in weight
    ])  # fmt: skip


def largest(x: Any) -> Any:
    return np.array([
        [[plane[i : i + 2, j : j + 2].max() for j in range(0, plane.shape[1], 2)]
         for i in range(0, plane.shape[0], 2)]
        for plane in x
    ])  # fmt: skip


def last(classes: int, size: int) -> np.ndarray:
    return RNG.uniform(-1, 1, (classes, size)).astype(np.float32)


NETS = {
    "mlp": Trained(
        (layer((9, 40)), layer((7, 9))), last(4, 7), (1, 4, 5), (0.31, 0.71), 0.25
    ),
    "mlp_shortcuts": Trained(
        (layer((8, 20)), layer((8, 8), join=True), layer((8, 8), join=True)),
        last(3, 8), (1, 1, 20), (0.5,), 0.5,
    ),
    "cnn": Trained(
        (layer((4, 2, 3, 3)), layer((6, 4, 3, 3), pool=True)),
        last(3, 36), (1, 6, 4), (0.21, 0.61), 1.5,
    ),
    "cnn_shortcuts": Trained(
        (layer((4, 2, 3, 3)), layer((4, 4, 3, 3), pool=True, join=True),
         layer((4, 4, 3, 3), join=True), layer((6, 4, 3, 3))),
        last(3, 36), (1, 6, 4), (0.21, 0.61), 1.0,
    ),
    "colour": Trained(
        (layer((3, 3, 3, 3)), layer((5, 3, 3, 3), pool=True)),
        last(3, 20), (3, 4, 4), (0.41,), 1.0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NETS)
def test_graph_computes_what_the_arrays_say(name: str, tmp_path: Path) -> None:
    net = NETS[name]
    x = RNG.integers(0, 256, (25, *net.shape)).astype(np.uint8)
    logits = reference(net, x)
    graph = export(net, tmp_path, name, NOTES, producer="a test")
    results = Results(logits.astype(np.int32), logits.argmax(1))
    split = Split(x, np.zeros(25, np.int64))
    found = check(graph, split, results)
    assert found == {
        "images": 25, "logits": logits.size, "right": int((logits.argmax(1) == 0).sum())
    }  # fmt: skip
    assert len(np.unique(logits)) > 3
    assert graph.meta["producer"] == "a test" and graph.meta["seed"] == "21"
    joins = sum(hidden.join for hidden in net.hidden)
    assert sum(isinstance(node, Add) for node in graph.nodes) == joins
    for saved in (load_graph(tmp_path / f"{name}.json"), load_model(tmp_path / f"{name}.onnx")):
        assert saved.digest == graph.digest
        np.testing.assert_array_equal(golden.run(saved, x).logits, logits)


def test_a_wrong_answer_is_seen(tmp_path: Path) -> None:
    net = NETS["mlp"]
    x = RNG.integers(0, 256, (10, *net.shape)).astype(np.uint8)
    logits = reference(net, x)
    graph = export(net, tmp_path, "net", NOTES, producer="a test")
    split = Split(x, np.zeros(10, np.int64))
    planted = logits.copy()
    planted[3, 2] += 2
    with pytest.raises(CheckFailed, match="^The integer graph and PyTorch differ in 1 of 40 logit"):
        check(graph, split, Results(planted, logits.argmax(1)))
    classes = logits.argmax(1)
    classes[7] ^= 1
    with pytest.raises(CheckFailed, match="0 of 40 logits and 1 of 10 classes"):
        check(graph, split, Results(logits, classes))
    other = replace(net, last=-net.last)
    graph = export(other, tmp_path, "other", NOTES, producer="a test")
    with pytest.raises(CheckFailed):
        check(graph, split, Results(logits, logits.argmax(1)))


def test_same_arrays_give_the_same_bytes(tmp_path: Path) -> None:
    seen = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        export(NETS["cnn_shortcuts"], folder, "net", NOTES, producer="a test")
        seen.append((folder / "net.onnx").read_bytes())
    assert seen[0] == seen[1]


def test_results_on_disk(tmp_path: Path) -> None:
    split = Split(RNG.integers(0, 256, (4, 1, 2, 2)).astype(np.uint8), np.array([0, 1, 2, 1]))
    logits = RNG.integers(-9, 9, (4, 3)).astype(np.int32)
    save_results(tmp_path, "net", split, Results(logits, logits.argmax(1)), NOTES)
    with np.load(tmp_path / "net_test.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["x"], split.x)
        np.testing.assert_array_equal(file["y"], split.y)
    with np.load(tmp_path / "net_expected.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["logits"], logits)
        np.testing.assert_array_equal(file["pred"], logits.argmax(1))
        assert json.loads(str(file["meta"])) == NOTES


def test_slack() -> None:
    found = layer((2, 4))
    ones = np.ones(2, np.float32)
    # Sums are -4, -2 … 4; zeros of the normalisation at 0.5 and 3: 0.25 and 0.5 of a step away.
    found = replace(found, gamma=ones, beta=0 * ones, mean=np.array([0.5, 3.0], np.float32),
                    var=ones)  # fmt: skip
    assert slack(found) == pytest.approx(0.25)
    assert slack(replace(found, mean=np.array([3.0, 3.0], np.float32))) == pytest.approx(0.5)
    assert slack(replace(found, mean=np.array([2.0, 3.0], np.float32))) == 0
    # A channel whose gain is 0 says the same for every sum.
    assert slack(replace(found, gamma=np.array([0, 1], np.float32))) == pytest.approx(0.5)
    assert slack(replace(found, gamma=0 * ones)) == 0.5


def test_without_onnx(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    net = NETS["mlp"]
    with pytest.raises(ToolMissing, match="needs the package onnx"):
        write_qonnx(tmp_path / "x.onnx", net.hidden, net.last, shape=net.shape, levels=net.levels,
                    scale=1.0, metadata={})  # fmt: skip
    assert not list(tmp_path.iterdir())
