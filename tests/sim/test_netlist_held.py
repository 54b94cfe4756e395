"""Words of weights that pixels share, after synthesis: in block RAMs with output registers."""

import numpy as np
import pytest

from bnnhw.fold import Folding, LayerFold
from bnnhw.graph import BIPOLAR, Argmax, Conv, Dense, Flatten, Graph, Input, Threshold
from bnnhw.plan import MvtuPlan, Plan, make_plan
from rtl_gen.build.boards import load_board
from sim.netlist import Outside, netlist
from sim.network import simulate

BOARD = "ulx3s-85f"
FOLDS = {
    "conv1": LayerFold(4, 4, "block", hold=3),
    "conv2": LayerFold(6, 4, "block", hold=9, replay="lut"),
    "fc": LayerFold(1, 6),
}


def planned() -> Plan:
    dice = np.random.default_rng(5)
    levels = dice.integers(-4, 5, (8, 1)), dice.integers(-3, 4, (6, 1))
    nodes = (
        Input("x", (), (4, 4, 4), BIPOLAR),
        Conv("conv1", ("x",), dice.integers(0, 2, (8, 4, 2, 2), np.uint8)),
        Threshold("act1", ("conv1",), levels[0], dice.choice(np.array([-1, 1], np.int8), 8)),
        Conv("conv2", ("act1",), dice.integers(0, 2, (6, 8, 1, 1), np.uint8)),
        Threshold("act2", ("conv2",), levels[1], np.ones(6, np.int8)),
        Flatten("flat", ("act2",)),
        Dense("fc", ("flat",), dice.integers(0, 2, (3, 54), np.uint8)),
        Argmax("top", ("fc",), np.zeros(3, np.int64)),
    )
    graph = Graph("net", nodes, ("fc", "top"))
    return make_plan(graph, Folding(FOLDS).on_family("ecp5"), name="net")


@pytest.fixture(scope="module")
def mapped() -> tuple[Plan, str]:
    plan = planned()
    return plan, netlist(plan, load_board(BOARD))


@pytest.mark.parametrize("stalls", [0, 40])
def test_shared_words(mapped: tuple[Plan, str], stalls: int) -> None:
    plan, text = mapped
    orders = [unit.reorders for unit in plan.blocks if isinstance(unit, MvtuPlan) and unit.hold > 1]
    assert sorted(orders) == [False, True]
    assert 'REGMODE_A("OUTREG")' in text
    images = np.random.default_rng(6).integers(0, 2, (12, 4, 4, 4))
    report = simulate(
        Outside.of(plan), text, images, simulator="icarus", stall_in=stalls, stall_out=stalls
    )
    assert report.passed, report.differences
    assert report.compared == 3 * 3 * len(images)
    if not stalls:
        assert report.cycles_per_image == plan.cycles


def test_a_word_that_lies_otherwise_is_seen(mapped: tuple[Plan, str]) -> None:
    plan, text = mapped
    at = text.index("INITVAL_00(320'h")
    digits = text[at + 16 : at + 16 + 80]
    assert int(digits, 16)
    other = text[: at + 16] + f"{int(digits, 16) ^ 1:080x}" + text[at + 96 :]
    images = np.random.default_rng(6).integers(0, 2, (12, 4, 4, 4))
    assert not simulate(Outside.of(plan), other, images, simulator="icarus").passed
