"""Top-k through the loaders: classes and scores against onnx's own evaluator, ties included."""

import re
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from bnnhw.errors import UsageError
from bnnhw.golden import run
from bnnhw.graph import Argmax, Graph, Grid, TopK, load_graph, save_graph
from bnnhw.load import load_model
from bnnhw.load.decide import class_offsets
from bnnhw.load.from_arrays import DenseLayer, from_arrays

CLASSES = 5
WEIGHT = np.random.default_rng(4).choice([-1, 1], (CLASSES, 6)).astype(np.float32)
IMAGES = np.array(list(product((0, 255), repeat=6)), np.uint8)


def model(new_onnx: Any, k: int, bias: list[float], scale: Any = 1.0, **options: Any) -> Any:
    """Make a network of ONNX's own operators, which its evaluator can run."""
    o = new_onnx()
    x = o.add("Sign", o.add("Sub", o.add("Flatten", "x"), o.const(0.5)))
    x = o.add("Mul", o.add("MatMul", x, o.const(WEIGHT.T)), o.const(scale))
    x = o.add("Add", x, o.const(np.array(bias)))
    x = o.add("TopK", x, o.const(np.array([k])), outputs=2, **options)
    o.outputs = [
        helper.make_tensor_value_info(f"{x[:-1]}0", TensorProto.FLOAT, [1, k]),
        helper.make_tensor_value_info(x, TensorProto.INT64, [1, k]),
    ]
    return o.model(x)


def reference(net: Any) -> tuple[np.ndarray, np.ndarray]:
    evaluator = ReferenceEvaluator(net)
    found = [
        evaluator.run(None, {"x": (image / np.float32(255)).reshape(1, 1, 2, 3)})
        for image in IMAGES
    ]
    values, classes = (np.concatenate(part) for part in zip(*found, strict=True))
    return values, classes


def check(graph: Graph, net: Any, k: int) -> None:
    values, classes = reference(net)
    assert graph.readout is not None
    for path in ("plain", "packed"):
        answers = run(graph, IMAGES, path=path)
        assert answers.top is not None and answers.classes is not None
        assert answers.top.shape == (len(IMAGES), k)
        assert np.array_equal(answers.top, classes)
        assert np.array_equal(answers.classes, classes[:, 0])
        scores = answers.logits * np.array(graph.readout.scale) + np.array(graph.readout.bias)
        assert np.array_equal(np.take_along_axis(scores, answers.top, axis=1), values)


@pytest.mark.parametrize("k", [2, 3, CLASSES])
@pytest.mark.parametrize(
    ("bias", "scale"),
    [
        ([0.0] * 5, 1.0),
        ([0.0, 2.0, -2.0, 0.0, 2.0], 1.0),
        ([0.5, -0.25, 0.0, 0.75, 0.5], 0.25),
        # Two classes that never come first, and are yet to be told apart.
        ([0.0, -100.0, -100.25, 1.0, -101.5], 1.0),
        ([0.0, 1.0, 0.5, 0.0, -1.0], np.array([1.0, 0.5, 2.0, 1.0, 0.25])),
    ],
    ids=["ties", "whole", "fractions", "far", "scales"],
)
def test_onnx_orders_classes_the_same(
    new_onnx: Any, save: Any, k: int, bias: list[float], scale: Any
) -> None:
    net = model(new_onnx, k, bias, scale)
    graph = load_model(save(net))
    assert isinstance(graph.nodes[-1], TopK) and graph.outputs[-1] == "topk"
    assert graph.edges["topk"].shape == (k,)
    check(graph, net, k)


def test_ties_occur(new_onnx: Any) -> None:
    values, classes = reference(model(new_onnx, CLASSES, [0.0] * 5))
    tied = values[:, 1:] == values[:, :-1]
    assert tied.sum() > 50
    # ONNX puts the lower class first.
    assert (classes[:, 1:][tied] > classes[:, :-1][tied]).all()


def test_one_class_is_an_argmax(new_onnx: Any, save: Any) -> None:
    net = model(new_onnx, 1, [0.0] * 5, sorted=0)
    graph = load_model(save(net))
    assert type(graph.nodes[-1]) is Argmax
    answers = run(graph, IMAGES)
    assert answers.top is None and answers.classes is not None
    assert np.array_equal(answers.classes, reference(net)[1][:, 0])


@pytest.mark.parametrize("outputs", [[1], [1, 0]])
def test_outputs_in_other_numbers(new_onnx: Any, save: Any, outputs: list[int]) -> None:
    net = model(new_onnx, 3, [0.0] * 5, axis=1)
    whole = load_model(save(net))
    kept = [net.graph.output[k] for k in outputs]
    del net.graph.output[:]
    net.graph.output.extend(kept)
    assert load_model(save(net)).digest == whole.digest


def test_saved_and_loaded(new_onnx: Any, save: Any, tmp_path: Path) -> None:
    graph = load_model(save(model(new_onnx, 3, [0.0, 2.0, -2.0, 0.0, 2.0])))
    save_graph(graph, tmp_path / "net.json")
    again = load_graph(tmp_path / "net.json")
    assert again.digest == graph.digest
    assert isinstance(again.argmax, TopK) and again.argmax.k == 3
    other = load_model(save(model(new_onnx, 2, [0.0, 2.0, -2.0, 0.0, 2.0])))
    assert other.digest != graph.digest


NOT_YET = ", which is not supported yet."


@pytest.mark.parametrize(
    ("k", "options", "what"),
    [
        (2, {"sorted": 0}, f"TopK 'TopK_6' has sorted = 0, any order of the classes{NOT_YET}"),
        (2, {"largest": 0}, "TopK 'TopK_6' has the attribute largest = 0, which is not supported."),
        (2, {"axis": 0},
         f"TopK 'TopK_6' decides along axis 0 of a tensor of shape (1, 5){NOT_YET}"),
        (6, {}, "TopK 'TopK_6' has k = 6 for 5 classes."),
        (0, {}, "TopK 'TopK_6' has k = [0]."),
        (-1, {}, "TopK 'TopK_6' has k = [-1]."),
    ],
)  # fmt: skip
def test_top_k_wrong(new_onnx: Any, save: Any, k: int, options: dict[str, Any], what: str) -> None:
    path = save(model(new_onnx, k, [0.0] * 5, **options))
    with pytest.raises(UsageError, match=f"^{re.escape(f'{str(path)!r}: {what}')}"):
        load_model(path)


def order(scores: list[Any]) -> list[int]:
    return sorted(range(len(scores)), key=lambda c: (-scores[c], c))


@pytest.mark.parametrize("seed", range(30))
def test_offsets_keep_every_order(seed: int) -> None:
    dice = np.random.default_rng(seed)
    grid = Grid(-2, 2, 3)
    bias = [Fraction(int(n), 4) for n in dice.integers(-40, 40, 4) * dice.choice([1, 9], 4)]
    scale, offset = class_offsets(grid, [Fraction(1)] * 4, bias, ordered=True)
    for logits in product(range(-2, 3, 2), repeat=4):
        exact = order([v + b for v, b in zip(logits, bias, strict=True)])
        assert order((scale * np.array(logits) + offset).tolist()) == exact


def test_offsets_for_the_first_alone_would_not_do() -> None:
    """A planted fault: what is enough for an argmax tells lost classes apart no more."""
    bias = [Fraction(0), Fraction(1, 3), Fraction(2, 3), Fraction(-100), Fraction(-99)]
    grid, equal = Grid(-1, 1, 3), [Fraction(1)] * 5
    orders = []
    for ordered in (True, False):
        scale, offset = class_offsets(grid, equal, bias, ordered=ordered)
        orders.append(order(offset.tolist()))
        assert scale > 1
    assert orders[0] == order(bias) != orders[1]


def test_arrays() -> None:
    layers = [DenseLayer(weight=WEIGHT)]
    graph = from_arrays(layers, shape=(6,), pixels=np.where(np.arange(256) > 127, 1, -1), top=3)
    answers = run(graph, IMAGES)
    sums = np.where(IMAGES > 127, 1, -1) @ WEIGHT.astype(int).T
    assert answers.top is not None
    assert answers.top.tolist() == [order(row)[:3] for row in sums.tolist()]
    for top in (0, 6, 2.0, True):
        wrong: Any = top
        message = rf"^from_arrays: top is {re.escape(repr(top))} instead of 1 to 5 classes\."
        with pytest.raises(UsageError, match=message):
            from_arrays(layers, shape=(6,), top=wrong)
