# amaranth: UnusedElaboratable=no
"""Trained convolutional networks through their Verilog, on real images, edge by edge."""

from dataclasses import replace
from pathlib import Path

import pytest

from bnnhw.files import read_npz
from bnnhw.fold import Folding, LayerFold
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


def test_swapped_scales_of_classes_are_caught(models: Path) -> None:
    plan = planned(models, "networks/mnist_ebnn_simple.npz", EBNN)
    first, second, *rest = plan.answer.multipliers
    assert first != second
    swapped = replace(plan.answer, multipliers=(second, first, *rest))
    broken = replace(plan, blocks=(*plan.blocks[:-1], swapped))
    report = mnist(broken, models, "mnist_ebnn_simple", 60)
    assert {found.where for found in report.differences} >= {"argmax.index", "reference.pred"}
