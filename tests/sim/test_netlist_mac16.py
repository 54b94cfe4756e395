"""8-bit convolutions on the multipliers of iCE40 UltraPlus, as cells and as a build."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bnnhw import golden
from bnnhw.errors import DoesNotFit
from bnnhw.fold import Folding, LayerFold
from bnnhw.plan import Plan, make_plan
from rtl_gen.build.boards import load_board
from rtl_gen.build.flow import build_bitstream
from rtl_gen.build.platform import prepare
from rtl_gen.system import LinkedAccelerator
from sim.netlist import Outside, netlist
from sim.network import Report, simulate
from sim.samples import eight_bit

GRAPH = eight_bit(5)
IMAGES = np.random.default_rng(3).integers(0, 256, (4, 1, 8, 8))
BOARD = load_board("icebreaker")
# Two products a clock in the layer of 3 x 3, and four in that of 1 x 1.
USED = 2 * 1 + 1 * 4


def planned(wide: int = 2, point: int = 1) -> Plan:
    layers = {"wide": LayerFold(wide, 1), "point": LayerFold(point, 4), "fc": LayerFold(1, 6)}
    return make_plan(GRAPH, Folding(layers).on_family("ice40"), name="net")


def accelerator(plan: Plan) -> LinkedAccelerator:
    return LinkedAccelerator(plan, clock_hz=BOARD.clock.sync_hz, baud=BOARD.link.baud)


@pytest.fixture(scope="module")
def mapped() -> tuple[Plan, str]:
    plan = planned()
    return plan, netlist(plan, BOARD)


def macs(text: str) -> list[str]:
    """Give the parameters of all multipliers."""
    own = text[text.index("module net_cells(") :]
    return re.findall(r"^  SB_MAC16 #\((.*?)\) \S+ +\(", own, re.MULTILINE | re.DOTALL)


def test_answers_differ() -> None:
    """Else a netlist that looked at nothing would pass."""
    trace = golden.run(GRAPH, IMAGES, path="plain", trace=True)
    assert trace.classes is not None and len(set(trace.classes)) >= 3
    assert len(np.unique(trace.edges["codes"])) == 16
    assert (trace.edges["point"] < 0).any() and (trace.edges["point"] > 0).any()


def test_every_product_is_one_cell_with_its_registers(mapped: tuple[Plan, str]) -> None:
    """A register that stood outside would leave a path that timing analysis does not see."""
    found = macs(mapped[1])
    assert len(found) == USED
    for parameters in found:
        values = Counter(re.findall(r"\.(\w+_REG\d?|\w+_SELECT)\(\d'[hb](\d)\)", parameters))
        kept = {name for name, value in values if name.endswith(("REG", "REG2")) and value != "0"}
        assert kept == {"A_REG", "B_REG", "PIPELINE_16x16_MULT_REG2"}
        assert values["TOPOUTPUT_SELECT", "3"] == values["BOTOUTPUT_SELECT", "3"] == 1


def run(plan: Plan, text: str, stalls: int = 0) -> Report:
    """Run it with Yosys's model of the cell, where what no image wrote is unknown."""
    return simulate(
        Outside.of(plan), text, IMAGES, simulator="icarus", stall_in=stalls, stall_out=stalls
    )


@pytest.mark.parametrize("stalls", [0, pytest.param(40, marks=pytest.mark.slow)])
def test_cells_give_the_golden_models_numbers(mapped: tuple[Plan, str], stalls: int) -> None:
    plan, text = mapped
    report = run(plan, text, stalls)
    assert report.passed, report.differences
    assert report.compared == 3 * 4 * len(IMAGES)
    if not stalls:
        assert report.cycles_per_image == plan.cycles


def test_one_multiplier_that_is_wrong_is_caught(mapped: tuple[Plan, str]) -> None:
    """An operand without its register is a clock too early."""
    plan, text = mapped
    at = text.index("SB_MAC16 #(", text.index("module net_cells("))
    broken = text[at:].replace(".A_REG(1'h1)", ".A_REG(1'h0)", 1)
    assert broken != text[at:]
    assert not run(plan, text[:at] + broken).passed


@pytest.mark.slow
def test_a_build_uses_them(tmp_path: Path) -> None:
    plan = planned()
    report = build_bitstream(accelerator(plan), BOARD, tmp_path, name="net")
    assert (report.usage["dsp"].used, report.usage["dsp"].available) == (USED, 8)


@pytest.mark.slow
def test_more_than_there_are_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(DoesNotFit, match="it needs 12 multipliers where there are 8"):
        build_bitstream(accelerator(planned(4, 2)), BOARD, tmp_path, name="net")


def test_boards_without_have_none() -> None:
    poor = replace(BOARD, budget=replace(BOARD.budget, dsp=0))
    for board, count in ((BOARD, USED), (poor, 0), (load_board("hx8k-breakout"), 0)):
        text = prepare(accelerator(planned()), board, name="net").files["net.il"]
        assert isinstance(text, str) and len(re.findall(r"cell \\SB_MAC16 ", text)) == count
