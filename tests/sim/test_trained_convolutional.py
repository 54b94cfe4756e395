# amaranth: UnusedElaboratable=no
"""Trained convolutional networks through their Verilog, on real images, edge by edge."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bnnhw import golden
from bnnhw.files import read_npz
from bnnhw.fold import Folding, LayerFold
from bnnhw.graph import Graph, Input
from bnnhw.images import load_images
from bnnhw.load import load_model
from bnnhw.plan import Plan, ThresholdPlan, make_plan
from rtl_gen.network import network_verilog
from sim.network import Report, simulate

MNIST = "mnist_test_0000_4999"
EBNN = {"conv1": LayerFold(10, 1), "fc1": LayerFold(1, 10)}
SLOW = {"conv1": LayerFold(2, 1), "fc1": LayerFold(3, 7)}


def planned(models: Path, net: str, folds: dict[str, LayerFold], *, lanes: int = 1) -> Plan:
    graph = load_model(models / net)
    return make_plan(graph, Folding(folds, lanes))


def mnist(plan: Plan, models: Path, reference: str, limit: int, *, taps: bool = True) -> Report:
    pictures = load_images(models / "images" / f"{MNIST}.npz", plan.graph, limit=limit)
    told = read_npz(models / "reference" / f"{reference}__{MNIST}.npz")
    told = {name: array for name, array in told.items() if taps or not name.startswith("tap")}
    text = network_verilog(plan)[0]
    return simulate(plan, text, pictures.x, labels=pictures.y, reference=told)


def check(plan: Plan, report: Report, limit: int) -> None:
    assert (report.mismatches, report.differences) == (0, ())
    assert report.images == limit and report.cycles_per_image == plan.cycles
    edges = {block.edge for block in plan.blocks if block.edge in plan.graph.edges}
    values = sum(plan.graph.edges[edge].size for edge in edges)
    assert report.compared > limit * values


@pytest.mark.parametrize("name", ["mnist_ebnn_simple", "mnist_ebnn_binary"])
def test_ebnn(models: Path, name: str) -> None:
    plan = planned(models, f"networks/{name}.npz", EBNN)
    assert plan.cycles == 9 * 13 * 13
    check(plan, mnist(plan, models, name, 200), 200)


@pytest.mark.parametrize("name", ["ebnn_simple_mnist", "ebnn_simple_mnist_torchscript"])
def test_ebnn_with_the_threshold_behind_the_pool(models: Path, name: str) -> None:
    plan = planned(models, f"qonnx/{name}.onnx", EBNN)
    assert any(isinstance(block, ThresholdPlan) for block in plan.blocks)
    # Taps of the reference are those of the other order; logits and classes are the same.
    check(plan, mnist(plan, models, "mnist_ebnn_simple", 100, taps=False), 100)


@pytest.mark.slow
@pytest.mark.parametrize("folds", [EBNN, SLOW], ids=["wide", "ragged"])
@pytest.mark.parametrize(
    ("name", "accuracy"), [("mnist_ebnn_simple", 0.8778), ("mnist_ebnn_binary", 0.8548)]
)
def test_ebnn_on_all_images(
    models: Path, name: str, accuracy: float, folds: dict[str, LayerFold]
) -> None:
    plan = planned(models, f"networks/{name}.npz", folds)
    report = mnist(plan, models, name, 5000)
    check(plan, report, 5000)
    assert report.accuracy == pytest.approx(accuracy)


TINY = {
    "conv1": LayerFold(4, 3),
    "conv2": LayerFold(8, 4),
    "fc1": LayerFold(4, 8),
    "fc2": LayerFold(2, 5),
}


@pytest.mark.parametrize(
    "exporter", ["", pytest.param("_torchscript", marks=pytest.mark.slow)], ids=["dynamo", "script"]
)
@pytest.mark.parametrize("kind", ["w1a1", "w1a2"])
def test_exported_examples(models: Path, kind: str, exporter: str) -> None:
    folder = models / "export_examples"
    recorded = read_npz(folder / f"tiny_cnn_{kind}_io.npz")
    loaded = load_model(folder / f"tiny_cnn_{kind}_brevitas0134{exporter}.onnx")
    # The recorded input is no image of bytes: give the codes of the input quantiser, and others.
    first = Input("image", (), loaded.input.shape, loaded.input.grid)
    graph = Graph(loaded.name, (first, *loaded.nodes[1:]), loaded.outputs, loaded.readout)
    values = np.rint(128.0 * recorded["x"]).clip(-128, 127)
    dice = np.random.default_rng(1)
    codes = first.grid.codes(np.concatenate([values, dice.integers(-128, 128, (9, 3, 12, 12))]))
    plan = make_plan(graph, Folding(TINY, 3))
    expected = golden.run(graph, codes)
    assert graph.readout is not None and expected.classes is not None
    scores = expected.logits[:1] * np.array(graph.readout.scale) + graph.readout.bias
    assert np.abs(scores - recorded["y"]).max() < 1e-5
    assert expected.classes[0] == recorded["y"].argmax()
    told = {"logits": expected.logits, "pred": expected.classes}
    report = simulate(plan, network_verilog(plan)[0], codes, reference=told)
    check(plan, report, len(codes))


def test_swapped_scales_of_classes_are_caught(models: Path) -> None:
    plan = planned(models, "networks/mnist_ebnn_simple.npz", EBNN)
    first, second, *rest = plan.answer.multipliers
    assert first != second
    swapped = replace(plan.answer, multipliers=(second, first, *rest))
    broken = replace(plan, blocks=(*plan.blocks[:-1], swapped))
    report = mnist(broken, models, "mnist_ebnn_simple", 60)
    assert {found.where for found in report.differences} >= {"argmax.index", "reference.pred"}
