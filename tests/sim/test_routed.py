"""Small designs after place and route, of both families: netlist, bitstream and what is in it."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from bnnhw import golden
from bnnhw.errors import CheckFailed
from bnnhw.fold import Folding, LayerFold
from bnnhw.link import Frame, Kind, encode
from bnnhw.plan import Plan, make_plan, manifest
from rtl_gen.build.boards import load_board
from rtl_gen.system import LinkedAccelerator
from sim.readback_ecp5 import (
    compare_rams,
    compare_tables,
    compare_weights,
    ram_cells,
    rams,
    repacked,
    unpacked,
)
from sim.readback_flips import play
from sim.readback_line import requests
from sim.routed import Placed, place
from sim.routed_verilog import routed_verilog
from sim.samples import images, network

GRAPH = network((20, 12, 6, 5), 2)
# Few, but each with another answer.
POOL = images(GRAPH, 200, 2)
_, _FIRST = np.unique(golden.run(GRAPH, POOL, path="plain").logits, axis=0, return_index=True)
IMAGES = POOL[np.sort(_FIRST)[:4]]
FOLDS = {
    "fc0": LayerFold(5, 8, "block"),
    "fc1": LayerFold(6, 12, "unrolled"),
    "fc2": LayerFold(2, 3, "block"),
}
# Four clocks a bit: Icarus sees more images in the same time.
BOARDS = {"hx8k-breakout": 12_000_000, "ulx3s-12f": 12_500_000}


@pytest.fixture(
    scope="module", params=[pytest.param("hx8k-breakout", marks=pytest.mark.slow), "ulx3s-12f"]
)
def built(request: pytest.FixtureRequest) -> tuple[Plan, Placed]:
    return make(request.param)


@pytest.fixture(scope="module")
def ecp5() -> tuple[Plan, Placed, str]:
    plan, placed = make("ulx3s-12f")
    return plan, placed, unpacked(placed.bitstream)


@cache
def make(name: str) -> tuple[Plan, Placed]:
    board = load_board(name)
    board = replace(board, link=replace(board.link, baud=BOARDS[name]))
    plan = make_plan(GRAPH, Folding(FOLDS).on_family(board.family), name="net")
    core = LinkedAccelerator(plan, clock_hz=board.clock.sync_hz, baud=board.link.baud)
    return plan, place(core, board, name="net")


def lots(plan: Plan) -> list[tuple[bytes, bytes]]:
    """Ask one image at a time, and compute the answers' bytes from the plain golden model."""
    out = manifest(plan)["output"]
    trace = golden.run(plan.graph, IMAGES, path="plain")
    assert trace.classes is not None
    replies = []
    for k, (logits, best) in enumerate(zip(trace.logits, trace.classes, strict=True)):
        codes = [(int(value) - out["low"]) // out["step"] for value in logits]
        payload = b"".join(code.to_bytes(out["bytes"], "little") for code in codes)
        payload += int(best).to_bytes(out["index_bytes"], "little")
        replies.append(encode(Frame(Kind.RESULT, k, payload)))
    return list(zip(requests(plan, IMAGES), replies, strict=True))


def ask(plan: Plan, placed: Placed) -> str:
    return play(routed_verilog(placed), plan, placed.board, lots(plan))


def damaged(placed: Placed, pattern: str, parameter: str, bit: int) -> Placed:
    """Flip a bit of a cell in nextpnr's netlist."""
    document = json.loads(placed.routed)
    (cell,) = [
        cell
        for module in document["modules"].values()
        for name, cell in module["cells"].items()
        if re.fullmatch(pattern, name)
    ]
    digits = list(cell["parameters"][parameter])
    digits[-1 - bit] = "10"[digits[-1 - bit] == "1"]
    cell["parameters"][parameter] = "".join(digits)
    return replace(placed, routed=json.dumps(document))


def test_answers_through_the_pins(built: tuple[Plan, Placed]) -> None:
    assert ask(*built) == ""


def test_wrong_weight_in_the_netlist(built: tuple[Plan, Placed]) -> None:
    plan, placed = built
    if placed.board.family == "ecp5":
        wrong = damaged(placed, r".*fc2\.weights\.rom\.rom0", "INITVAL_00", 0)
    else:
        wrong = damaged(placed, r".*fc2\.weights\.memory\.0\.0_RAM", "INIT_0", 0)
    assert re.match(r"byte \d+ is", ask(plan, wrong))


def test_lost_byte_in_the_answer(built: tuple[Plan, Placed]) -> None:
    """The bench itself: answers that are not what must come, or do not come."""
    plan, placed = built
    text, every = routed_verilog(placed), lots(plan)
    sent, wanted = every[0]
    assert play(text, plan, placed.board, [(sent, wanted + b"\1")]).startswith("silent at byte")
    assert play(text, plan, placed.board, [(sent, wanted[:-1])]).endswith("without a request")


def test_a_kept_build_is_the_same(built: tuple[Plan, Placed], tmp_path: Path) -> None:
    _, placed = built
    folder = tmp_path / "kept"
    placed.save(folder)
    assert Placed.load(folder, placed.board, placed.name) == placed


def test_unknown_cells_are_refused(built: tuple[Plan, Placed]) -> None:
    _, placed = built
    kind = "ICESTORM_LC" if placed.board.family == "ice40" else "TRELLIS_COMB"
    with pytest.raises(CheckFailed, match="There is no model for the cell"):
        routed_verilog(replace(placed, routed=placed.routed.replace(kind, "STRANGE")))
    with pytest.raises(CheckFailed, match="has no port"):
        routed_verilog(replace(placed, routed=placed.routed.replace("__rx__", "__other__")))


def test_ecp5_packs_again_to_the_same(ecp5: tuple[Plan, Placed, str]) -> None:
    _, placed, text = ecp5
    assert repacked(text) == placed.bitstream


def test_ecp5_holds_weights_and_tables(ecp5: tuple[Plan, Placed, str]) -> None:
    plan, placed, text = ecp5
    weights = compare_weights(placed, plan, text)
    assert {name: found.bits for name, found in weights.items()} == {"fc0": 20 * 12, "fc2": 6 * 5}
    assert all(found.passed for found in weights.values()), weights
    assert compare_rams(placed, text).passed
    tables = compare_tables(placed, text)
    assert tables.passed and tables.items > 500, tables


def flip(text: str, at: int) -> str:
    return text[:at] + f"{int(text[at], 16) ^ 1:x}" + text[at + 1 :]


def positions(text: str, words: Sequence[int]) -> list[int]:
    """Find where memories begin that hold these words."""
    return [
        found.start(1)
        for found in re.finditer(r"^\.bram_init \d+\n((?:[0-9a-f]{3}[ \n])+)", text, re.MULTILINE)
        if tuple(int(word, 16) for word in found[1].split()) == tuple(words)
    ]


def test_ecp5_wrong_weight_in_the_bitstream(ecp5: tuple[Plan, Placed, str]) -> None:
    """One bit in the text, packed, unpacked: that weight and that block RAM are told."""
    plan, placed, text = ecp5
    where = {name: spot for name, spot, _ in ram_cells(placed)}
    (name,) = [name for name in where if name.endswith("fc0.weights.rom.rom0")]
    (at,) = positions(text, rams(text)[where[name]])
    changed = unpacked(repacked(flip(text, at + 2)))
    found = compare_weights(placed, plan, changed)
    assert (found["fc0"].wrong, found["fc0"].what) == (1, "row 0, column 0")
    assert found["fc2"].passed
    assert compare_rams(placed, changed).wrong == 1


def test_ecp5_wrong_table_in_the_bitstream(ecp5: tuple[Plan, Placed, str]) -> None:
    _, placed, text = ecp5
    kind, at = "SLICE[A-D].K[01]", 0
    for name in re.finditer(rf"^word: {kind}\.INIT (\d{{16}})$", text, re.MULTILINE):
        if name[1] in ("0110100110010110", "1001011001101001", "0110011001100110"):
            at = name.start(1)
    assert at
    assert compare_tables(placed, flip(text, at)).wrong == 1


def test_placement_of_weights_matters(ecp5: tuple[Plan, Placed, str]) -> None:
    """Two block RAMs exchanged: the same contents, and not where they belong."""
    plan, placed, text = ecp5
    first, second = (
        spot for name, spot, _ in ram_cells(placed) if re.search(r"weights\.rom\.rom0$", name)
    )
    bels = [f"X{x}/Y{y}/EBR{n}" for x, y, n in (first, second)]
    swapped = placed.routed.replace(bels[0], "?").replace(bels[1], bels[0]).replace("?", bels[1])
    other = replace(placed, routed=swapped)
    assert not all(found.passed for found in compare_weights(other, plan, text).values())
    assert not compare_rams(other, text).passed


def test_images_are_of_every_kind() -> None:
    """A chip that always answers the same is not taken for right."""
    trace = golden.run(GRAPH, IMAGES, path="plain")
    assert len(IMAGES) == 4 and len(np.unique(np.asarray(trace.logits), axis=0)) == 4
