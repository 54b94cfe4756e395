# amaranth: UnusedElaboratable=no
"""The AXI4-Stream ports in Icarus and Verilator, and what the runner says when things go wrong."""

import re
from dataclasses import replace

import pytest

from bnnhw.errors import CheckFailed, ToolMissing
from bnnhw.plan import MvtuPlan, Plan
from rtl_gen.accelerator import Accelerator
from rtl_gen.tools import ToolFailed
from rtl_gen.verilog import emit
from sim import cocotb_run
from sim.cocotb_check import check_axis
from sim.cocotb_run import run_bench
from sim.samples import images, network, planned

GRAPH = network((9, 6, 5), 4)
IMAGES = images(GRAPH, 6, 5)


def text_of(plan: Plan) -> str:
    return emit(Accelerator(plan), name=plan.name, header={}, naming="axis")[0]


@pytest.fixture(scope="module")
def plan() -> Plan:
    return planned(GRAPH, [(4, 2), (2, 4)])


@pytest.fixture(scope="module")
def text(plan: Plan) -> str:
    return text_of(plan)


@pytest.mark.parametrize("stalls", [(0, 0), (60, 30), (0, 90)])
def test_icarus(plan: Plan, text: str, stalls) -> None:
    """Every answer word is the golden model's, as those of plain ports are in test_interpreted."""
    count = check_axis(plan, text, IMAGES, stall_in=stalls[0], stall_out=stalls[1])
    assert count == len(IMAGES) * 5


def test_verilator(plan: Plan, text: str) -> None:
    check_axis(plan, text, IMAGES, simulator="verilator", stall_in=40, stall_out=40)


@pytest.mark.parametrize("after", [1, 7, 16, 31])
def test_reset_in_the_middle(plan: Plan, text: str, after: int) -> None:
    check_axis(plan, text, IMAGES, reset_after=after, stall_in=20, stall_out=20)


def test_reset_that_does_nothing_is_caught(plan: Plan, text: str) -> None:
    """A planted fault: without its reset the array is out of step after a cut frame."""
    broken, count = re.subn(r"if \(rst\)", "if (1'b0)", text)
    assert count
    with pytest.raises(CheckFailed):
        check_axis(plan, broken, IMAGES, reset_after=10, stall_in=20)


def test_flipped_weight_is_caught(plan: Plan) -> None:
    unit = plan.units[0]
    flipped = replace(unit, weights=(unit.weights[0] ^ 1, *unit.weights[1:]))
    blocks = tuple(flipped if isinstance(b, MvtuPlan) and b == unit else b for b in plan.blocks)
    with pytest.raises(CheckFailed, match=r"m_axis: frame \d, word \d, (data|index): expected"):
        check_axis(plan, text_of(replace(plan, blocks=blocks)), images(GRAPH, 40, 6))


@pytest.mark.parametrize(
    ("held", "message"),
    [
        (r"best_ready\(m_axis_tready\)", r"m_axis: frame 0, word 1, .* expected"),
        (r"guard_i__valid\(s_axis_tvalid\)", r"no answer for \d+ clocks"),
    ],
)
def test_held_handshake_is_caught(plan: Plan, text: str, held: str, message: str) -> None:
    broken, count = re.subn(held, lambda found: found[0].split("(")[0] + "(1'b0)", text)
    assert count == 1
    with pytest.raises(CheckFailed, match=message):
        check_axis(plan, broken, IMAGES[:1])


def test_a_bench_without_tests_fails(text: str) -> None:
    with pytest.raises((CheckFailed, ToolFailed)):
        run_bench("traffic", text, {}, top="net")


def test_a_run_that_takes_too_long_is_stopped(plan: Plan, text: str) -> None:
    with pytest.raises(ToolFailed, match=r"was stopped after 0\.2 s"):
        check_axis(plan, text, IMAGES, limit=0.2)


def test_missing_icarus_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(cocotb_run, "find_program", lambda name: None)
    with pytest.raises(ToolMissing, match=r"^Icarus Verilog is not installed\.\nInstall it"):
        run_bench("cocotb_axis", text, {}, top="net")


def test_missing_cocotb_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(cocotb_run, "python_package", lambda name: None)
    with pytest.raises(ToolMissing, match=r"^cocotb is not installed\."):
        run_bench("cocotb_axis", text, {}, top="net")


def test_simulator_wrong(text: str) -> None:
    message = r"^Simulator must be one of icarus, verilator, not 'vcs'$"
    with pytest.raises(ValueError, match=message):
        run_bench("cocotb_axis", text, {}, top="net", simulator="vcs")
