"""Networks after synthesis, made of a family's cells, against the golden model."""

import re
from pathlib import Path

import numpy as np
import pytest

from bnnhw import golden
from bnnhw.fold import Folding, LayerFold
from bnnhw.images import load_images
from bnnhw.plan import Plan, make_plan
from rtl_gen.build.boards import load_board
from rtl_gen.cli.options import make
from sim.netlist import Outside, netlist, settled, simulate_netlist
from sim.network import Report, simulate
from sim.samples import images, network

GRAPH = network((20, 12, 6, 5), 36, lively=True)
IMAGES = images(GRAPH, 24, 2)
# Block RAMs, constants in logic, and folds that are not full.
FOLDS = {
    "fc0": LayerFold(5, 8, "block"),
    "fc1": LayerFold(6, 12, "unrolled"),
    "fc2": LayerFold(2, 3, "block"),
}
LIMIT = 100
BOARDS = ("icebreaker", "ulx3s-85f")
DATA = Path(__file__).parents[2] / "bnnhw" / "data"


def planned(name: str) -> Plan:
    board = load_board(name)
    return make_plan(GRAPH, Folding(FOLDS).on_family(board.family), name="net")


@pytest.fixture(scope="module", params=BOARDS)
def mapped(request: pytest.FixtureRequest) -> tuple[str, Plan, str]:
    plan = planned(request.param)
    return request.param, plan, netlist(plan, load_board(request.param))


def test_answers_differ() -> None:
    """Else a netlist that looked at nothing would pass."""
    trace = golden.run(GRAPH, IMAGES, trace=True)
    assert len(np.unique(trace.edges["fc2"], axis=0)) == 16
    assert trace.classes is not None and len(set(trace.classes)) == 4


def cells(text: str) -> set[str]:
    own = text[text.index("module net_cells(") :]
    return set(re.findall(r"^  ([A-Z]\w+) (?:#\(|\S+ +\()", own, re.MULTILINE))


def run(plan: Plan, text: str, stalls: int = 0) -> Report:
    """Run it in Icarus, where every bit that a build leaves open is unknown."""
    return simulate(
        Outside.of(plan), text, IMAGES, simulator="icarus", stall_in=stalls, stall_out=stalls
    )


def test_cells_are_those_of_a_build(mapped: tuple[str, Plan, str]) -> None:
    name, _, text = mapped
    if name == "icebreaker":
        assert cells(text) >= {"SB_LUT4", "SB_CARRY", "SB_RAM40_4K", "SB_DFF"}
    else:
        assert cells(text) >= {"LUT4", "CCU2C", "TRELLIS_FF", "DP16KD"}
        assert ".CIN(1'hx)" in text and 'REGMODE_A("OUTREG")' in text


@pytest.mark.parametrize("stalls", [0, 40])
def test_small_network(mapped: tuple[str, Plan, str], stalls: int) -> None:
    _, plan, text = mapped
    report = run(plan, text, stalls)
    assert report.passed, report.differences
    # Logits, running classes and `last` of each image, and nothing else.
    assert report.compared == 3 * 5 * len(IMAGES)
    if not stalls:
        assert report.cycles_per_image == plan.cycles


FLIPS = {
    # Cell, parameter and bit: a weight of the last layer, and logic in front of its sums.
    ("icebreaker", "weights"): (r"\core.fc2.weights.memory.0.0", "INIT_0", 0),
    ("icebreaker", "logic"): (r"\core.fc2.core.pe0.i_SB_DFF_Q_D_SB_LUT4_O", "LUT_INIT", 0),
    ("ulx3s-85f", "weights"): (r"\core.fc2.weights.rom.rom0", "INITVAL_00", 0),
    ("ulx3s-85f", "logic"): (r"\core.fc2.core.sum0.U$0", "INIT1", 5),
}


def flipped(text: str, cell: str, parameter: str, bit: int) -> str:
    """Flip a bit of a cell's parameter."""
    name = text.index(f" {cell}  (")
    at = text.index(f".{parameter}(", text.rindex("#(", 0, name))
    digit = text.index(")", at) - 1 - bit // 4
    assert at < digit < name
    return text[:digit] + f"{int(text[digit], 16) ^ 1 << bit % 4:x}" + text[digit + 1 :]


@pytest.mark.parametrize("kind", ["weights", "logic"])
def test_flipped_bit_is_caught(mapped: tuple[str, Plan, str], kind: str) -> None:
    name, plan, text = mapped
    report = run(plan, flipped(text, *FLIPS[name, kind]))
    assert not report.passed and {d.where for d in report.differences} >= {"best"}


def test_open_inputs_change_where_nothing_is_unknown(mapped: tuple[str, Plan, str]) -> None:
    name, _, text = mapped
    assert "(1'hx)" not in settled(text)
    assert (".CIN(any_bit)" in settled(text)) == (name == "ulx3s-85f")


@pytest.mark.slow
@pytest.mark.parametrize("name", BOARDS)
@pytest.mark.parametrize("model", ["digits_mlp", "digits_cnn"])
def test_bundled_networks_as_they_are_built(model: str, name: str) -> None:
    found = make(DATA / f"{model}.onnx", board=name)
    pictures = load_images(DATA / "digits_test.npz", found.plan.graph, limit=LIMIT)
    report = simulate_netlist(found.plan, load_board(name), pictures.x)
    assert report.passed, report.differences
    assert report.images == LIMIT and report.cycles_per_image == found.plan.cycles
