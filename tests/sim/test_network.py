# amaranth: UnusedElaboratable=no
"""Whole networks through their Verilog: trained ones on real images, and planted faults."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnhw import golden
from bnnhw.errors import CheckFailed, UsageError
from bnnhw.files import read_npz
from bnnhw.fold import Folding, LayerFold
from bnnhw.graph import Dense
from bnnhw.images import Images, load_images
from bnnhw.load import load_model
from bnnhw.plan import Plan, make_plan
from rtl_gen.network import network_verilog
from sim.network import SIMULATORS, Report, simulate
from sim.samples import images, network, planned

GRAPH = network((12, 6, 3), 1)
SMALL = planned(GRAPH, [(2, 4), (1, 3)])
FEW = images(GRAPH, 30, 2)


@pytest.fixture(scope="module")
def text() -> str:
    return network_verilog(SMALL)[0]


def formula(plan: Plan) -> int:
    """Work the clocks of an image out again: the slowest unit, or the longest stream."""
    folds = [-(-u.rows // u.pe) * -(-u.columns // u.simd) for u in plan.units]
    ends = (-(-plan.blocks[0].elements_in // plan.blocks[0].lanes_in), plan.answer.elements_out)
    return max(*folds, *ends)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_report(text: str, simulator: str) -> None:
    labels = golden.run(GRAPH, FEW).classes
    assert labels is not None
    labels = np.where(np.arange(30) < 3, (labels + 1) % 3, labels)
    told: list[tuple[str, int, int]] = []
    report = simulate(
        SMALL, text, FEW, labels=labels, simulator=simulator,
        progress=lambda *step: told.append(step),
    )  # fmt: skip
    assert report.passed and report.differences == ()
    assert (report.network, report.simulator, report.images) == ("net", simulator, 30)
    assert report.identity == SMALL.identity
    assert report.cycles_per_image == report.cycles_formula == formula(SMALL) == 9
    assert report.accuracy == 0.9
    assert report.latency > report.cycles_formula
    assert {what for what, _, _ in told} >= {"simulating", "comparing with the golden model"}


def test_one_image(text: str) -> None:
    report = simulate(SMALL, text, FEW[:1])
    assert report.passed and report.cycles_per_image == report.latency
    assert report.accuracy is None


def test_more_images_than_a_batch(text: str) -> None:
    many = images(GRAPH, 600, 3)
    result = golden.run(GRAPH, many, path="plain")
    assert result.classes is not None
    reference = {"logits": result.logits, "pred": result.classes.copy()}
    report = simulate(SMALL, text, many, reference=reference)
    assert report.passed
    reference["pred"][[300, 599]] += 1
    report = simulate(SMALL, text, many, reference=reference)
    (found,) = report.differences
    assert (found.where, found.count, report.mismatches) == ("reference.pred", 2, 2)
    assert found.what.startswith("image 300, ") and not report.passed


@pytest.mark.parametrize("stalls", [(60, 0), (0, 60), (50, 70)])
def test_stalls_change_nothing_but_the_clocks(text: str, stalls: tuple[int, int]) -> None:
    free = simulate(SMALL, text, FEW)
    report = simulate(SMALL, text, FEW, stall_in=stalls[0], stall_out=stalls[1], seed=5)
    assert report.passed and report.compared == free.compared
    assert report.cycles_per_image >= free.cycles_per_image
    assert report.latency > free.latency


def test_unknown_simulator(text: str) -> None:
    with pytest.raises(UsageError, match=r"^There is no simulator 'vcs'\.\n.*verilator, icarus"):
        simulate(SMALL, text, FEW, simulator="vcs")


def test_reference_is_looked_at_before_the_verilog() -> None:
    with pytest.raises(UsageError, match="'pred' for 29 images; 30 are simulated"):
        simulate(SMALL, "no Verilog", FEW, reference={"pred": np.zeros(29, int)})


def mutated(text: str, pattern: str, replacement: str) -> str:
    changed, count = re.subn(pattern, replacement, text, count=1, flags=re.DOTALL)
    assert count == 1 and changed != text
    return changed


def with_flipped_weight(text: str, layer: str, word: int, bit: int) -> str:
    """Flip one bit of a layer's weights, in the text."""
    pattern = rf"(module net_core_{layer}_weights .*?memory\[{word}\] = \d+'h)(\w+);"
    found = re.search(pattern, text, re.DOTALL)
    assert found
    return mutated(text, pattern, rf"\g<1>{int(found[2], 16) ^ 1 << bit:x};")


def test_flipped_weight_bit_of_the_first_layer_is_found(text: str) -> None:
    seen = images(GRAPH, 100, 4)
    varies = np.ptp(golden.run(GRAPH, seen, trace=True).edges["s0"], axis=0)
    row = int(np.flatnonzero(varies)[0])
    # 2 rows at once, with 4 of 12 columns: 3 words for a pair of rows, 4 bits for each of them.
    broken = with_flipped_weight(text, "fc0", 3 * (row // 2), 4 * (row % 2))
    report = simulate(SMALL, broken, seen, simulator="icarus")
    assert report.mismatches > 0 and not report.passed
    first = report.differences[0]
    assert first.where == "fc0"
    assert re.match(rf"image \d+, element {row}: expected ", first.what)


def test_flipped_weight_bit_of_the_last_layer_is_found(text: str) -> None:
    broken = with_flipped_weight(text, "fc1", 0, 0)
    report = simulate(SMALL, broken, FEW, simulator="icarus")
    # Row 0 is off by one in every image; the row's sum leaves three times.
    assert not report.passed
    counts = {found.where: found.count for found in report.differences}
    assert list(counts)[0] == "fc1" and counts["fc1"] == 30
    assert counts["best"] == 30
    assert report.differences[0].what.startswith("image 0, element 0: expected ")


def test_held_ready_stops_the_simulation(text: str) -> None:
    broken = mutated(text, r"best_ready\(o_ready\)", "best_ready(1'b0)")
    with pytest.raises(CheckFailed, match="stopped with status"):
        simulate(SMALL, broken, FEW)


# Trained networks on real images.

TFC = {
    "onnx": ("qonnx/TFC_1W1A.onnx", "mnist_tfc_w1a1"),
    "npz": ("networks/mnist_tfc_w1a1.npz", "mnist_tfc_w1a1"),
}
TFC_FOLDS = {
    "even": ((16, 28), (8, 16), (8, 16), (5, 8)),
    "ragged": ((9, 50), (7, 11), (64, 3), (3, 7)),
}


def real(models: Path, net: str, reference: str, folds: Any, limit: int) -> tuple[Plan, Report]:
    graph = load_model(models / net)
    dense = [node.name for node in graph.nodes if isinstance(node, Dense)]
    layers = {name: LayerFold(*fold) for name, fold in zip(dense, folds, strict=True)}
    plan = make_plan(graph, Folding(layers))
    pictures: Images = load_images(
        models / "images" / "mnist_test_0000_4999.npz", graph, limit=limit
    )
    expected = read_npz(models / "reference" / f"{reference}__mnist_test_0000_4999.npz")
    report = simulate(
        plan, network_verilog(plan)[0], pictures.x, labels=pictures.y, reference=expected
    )
    return plan, report


def check(plan: Plan, report: Report, limit: int) -> None:
    assert (report.mismatches, report.differences) == (0, ())
    assert report.images == limit
    assert report.cycles_per_image == plan.cycles == formula(plan)
    # At least: every input bit, every activation and logit, the reference's logits and classes.
    assert report.compared > limit * sum(u.columns for u in plan.units)


@pytest.mark.parametrize("folds", TFC_FOLDS)
@pytest.mark.parametrize("form", TFC)
def test_tfc_on_all_images(models: Path, form: str, folds: str) -> None:
    plan, report = real(models, *TFC[form], TFC_FOLDS[folds], 5000)
    check(plan, report, 5000)
    assert report.accuracy is not None and report.accuracy > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("folds", TFC_FOLDS)
def test_tfc_of_two_bits_on_all_images(models: Path, folds: str) -> None:
    """Ternary pixels, activations of −1, 0 and +1."""
    net = ("networks/mnist_tfc_w1a2.npz", "mnist_tfc_w1a2")
    plan, report = real(models, *net, TFC_FOLDS[folds], 5000)
    check(plan, report, 5000)
    assert report.accuracy == pytest.approx(0.9292)


@pytest.mark.slow
def test_tfc_unrolled_on_all_images(models: Path) -> None:
    """Weights in logic, counts shared between rows; the best class is what takes ten clocks."""
    folds = ((64, 784, "unrolled"), *[(64, 64, "unrolled")] * 2, (10, 64, "unrolled"))
    plan, report = real(models, *TFC["onnx"], folds, 5000)
    assert {unit.cycles for unit in plan.units} == {1}
    check(plan, report, 5000)
    assert report.accuracy is not None and report.accuracy > 0.9


LFC = ("networks/mnist_lfc_w1a1.npz", "mnist_lfc_w1a1")


def test_lfc_on_some_images(models: Path) -> None:
    plan, report = real(models, *LFC, ((32, 49), (32, 32), (32, 32), (10, 16)), 100)
    check(plan, report, 100)


@pytest.mark.slow
@pytest.mark.parametrize(
    "folds",
    [((32, 49), (32, 32), (32, 32), (10, 16)), ((30, 50), (64, 16), (20, 60), (3, 100))],
    ids=["even", "ragged"],
)
def test_lfc_on_a_thousand_images(models: Path, folds: Any) -> None:
    plan, report = real(models, *LFC, folds, 1000)
    check(plan, report, 1000)
    assert report.accuracy is not None and report.accuracy > 0.95
