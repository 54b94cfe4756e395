"""BNN-PYNQ's CNV through its Verilog: on CIFAR-10's pixels and on the image that a board was shown.

The folding is the solver's for a ULX3S at 85 MHz, as in `scripts/results.py`, but at a quarter of
the rate there: a narrower accelerator is emitted and compiled sooner.
"""

from pathlib import Path

import numpy as np
import pytest

from bnnhw.cost import solve
from bnnhw.files import read_npz
from bnnhw.fold import Folding
from bnnhw.graph import Conv, Dense, Graph
from bnnhw.images import load_images
from bnnhw.load import load_model
from bnnhw.plan import Plan, make_plan
from rtl_gen.build.boards import load_board
from rtl_gen.network import network_verilog
from sim.network import Report, simulate

CLOCK_HZ, FPS = 85_000_000, 2_000
NPZ, QONNX = "networks/cifar10_cnv_w1a1.npz", "qonnx/cnv_cifar10_w1a1.onnx"
LOSSLESS, CAR = "cifar10_lossless_eran100", "bnnpynq_car"
POPCOUNTS = np.array([258, 417, 233, 206, 238, 215, 222, 238, 236, 249])
"""What a PYNQ board printed for the car, one count of 512 for each class."""


def solved(graph: Graph) -> Folding:
    board = load_board("ulx3s-85f")
    found = solve(graph, board.family, board.budget, fps=FPS, clock_hz=CLOCK_HZ)
    return found.on_family(board.family)


@pytest.fixture(scope="module")
def plan(models: Path) -> Plan:
    graph = load_model(models / NPZ)
    return make_plan(graph, solved(graph), name="cnv")


def reference(models: Path, images: str) -> dict[str, np.ndarray]:
    return read_npz(models / f"reference/cifar10_cnv_w1a1__{images}.npz")


def clocks(plan: Plan) -> int:
    """Count the slowest layer's folds: positions × (rows ÷ PE) × (columns ÷ SIMD)."""
    found = []
    for node in plan.graph.nodes:
        if isinstance(node, Conv | Dense):
            rows, *columns = node.weight.shape
            fold = plan.folding.layers[node.name]
            positions = plan.graph.edges[node.name].size // rows
            found.append(positions * -(-rows // fold.pe) * -(-int(np.prod(columns)) // fold.simd))
    return max(found)


def check(plan: Plan, report: Report, images: int) -> None:
    assert (report.mismatches, report.differences) == (0, ())
    assert report.images == images
    edges = {block.edge for block in plan.blocks if block.edge in plan.graph.edges}
    # All nine layers, both pools, and what the flattening and the argmax send.
    assert len(edges) >= 11
    assert report.compared > images * sum(plan.graph.edges[edge].size for edge in edges)


def test_both_files_make_the_same_hardware(models: Path, plan: Plan) -> None:
    """So what is simulated of the one holds for the other."""
    graph = load_model(models / QONNX)
    folding = solved(graph)
    assert folding == plan.folding
    assert make_plan(graph, folding, name="cnv").blocks == plan.blocks


def test_clocks_of_the_folding(plan: Plan) -> None:
    assert plan.cycles == clocks(plan) <= CLOCK_HZ // FPS


@pytest.mark.slow
def test_cnv(models: Path, plan: Plan) -> None:
    """One test, since Verilog and program take longer to make than to run."""
    verilog = network_verilog(plan)[0]
    lossless_images(models, plan, verilog)
    printed_popcounts(models, plan, verilog)


def lossless_images(models: Path, plan: Plan, verilog: str) -> None:
    pictures = load_images(models / f"images/{LOSSLESS}.npz", plan.graph)
    told = reference(models, LOSSLESS)
    assert {"logits", "pred", "tap01_act", "tap18_acc"} <= set(told)
    report = simulate(plan, verilog, pictures.x, labels=pictures.y, reference=told)
    check(plan, report, 100)
    assert report.cycles_per_image == plan.cycles == clocks(plan)
    assert report.accuracy == pytest.approx(0.83)


def printed_popcounts(models: Path, plan: Plan, verilog: str) -> None:
    """Show the car thrice, with stalls and without."""
    car = load_images(models / f"images/{CAR}.npz", plan.graph)
    told = reference(models, CAR)
    assert np.array_equal(told["logits"], [2 * POPCOUNTS - 512])
    cars = np.repeat(car.x, 3, axis=0)
    printed = {**told, "logits": np.tile(2 * POPCOUNTS - 512, (3, 1)), "pred": np.ones(3, int)}
    for stall in (0, 30):
        report = simulate(plan, verilog, cars, reference=printed, stall_in=stall, stall_out=stall)
        check(plan, report, 3)
        assert stall or report.cycles_per_image == plan.cycles
    # A count that is off by one, in one class of the last image, is seen.
    printed["logits"][2, 9] += 2
    report = simulate(plan, verilog, cars, reference=printed)
    assert [(found.where, found.count) for found in report.differences] == [("reference.logits", 1)]
