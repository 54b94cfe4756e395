"""`--pixel`, for models that do not say what they expect, and which board comes first."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnhw.errors import DoesNotFit
from bnnhw.graph import Graph
from bnnhw.load import load_model
from rtl_gen.build.boards import all_boards
from rtl_gen.cli import options
from tests.bnnhw.load.keras.conftest import SIGN, Net

WAYS = ("unit", "byte", "centred")


@pytest.fixture
def unsaid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Save a small model of Larq that says nothing of pixels."""
    monkeypatch.chdir(tmp_path)
    return larq().save(tmp_path / "net.h5")


def larq(*first: tuple[str, dict[str, Any]]) -> Net:
    net = Net((8,))
    for kind, config in first:
        net.add(kind, **config)
    quantised = {"kernel_quantizer": SIGN, "use_bias": False}
    net.add("QuantDense", units=6, **quantised)
    net.add("BatchNormalization", epsilon=1e-3)
    net.add("QuantDense", units=3, input_quantizer=SIGN, **quantised)
    return net


@pytest.mark.parametrize("words", [
    ("generate", "network", "net.h5", "-o", "out"),
    ("build", "net.h5", "-b", "icebreaker", "-o", "out"),
    ("simulate", "net.h5", "--images", "no.npz"),
    ("run", "net.h5", "--images", "no.npz"),
])  # fmt: skip
def test_a_model_that_does_not_say_is_refused(
    refuses: Any, cli: Any, unsaid: Path, words: tuple[str, ...]
) -> None:
    what = "'net.h5' does not say what it expects of a pixel."
    refuses(2, what, "Give --pixel unit (0 to 1), --pixel byte (0 to 255) or --pixel", *words)
    if "no.npz" in words:
        # With it, the next thing is looked for.
        cli(*words, "--pixel", "centred").refused(2, "no.npz")


@pytest.mark.parametrize("way", WAYS)
def test_info_says_what_was_taken(cli: Any, unsaid: Path, way: str) -> None:
    facts = cli("info", unsaid, "--pixel", way, "--json").document
    assert facts["digest"] == load_model(unsaid, pixel=way).digest
    assert facts["meta"]["pixel"].endswith("(as asked)")


def test_info_needs_no_pixel(cli: Any, unsaid: Path) -> None:
    assert cli("info", unsaid, "--json").document["meta"]["pixel"].endswith("else is said)")


def test_each_way_is_another_network(unsaid: Path) -> None:
    plans = [options.make(unsaid, pixel=way, board="icebreaker").plan for way in WAYS]
    assert len({plan.identity for plan in plans}) == 3
    tables = [plan.graph.input.encode(np.arange(256).repeat(8).reshape(256, 8)) for plan in plans]
    assert all(table.shape == (256, 8) for table in tables)


def test_a_model_that_says_it_needs_no_option(tmp_path: Path) -> None:
    path = larq(("Rescaling", {"scale": 1 / 127.5, "offset": -1.0})).save(tmp_path / "net.h5")
    assert options.load(path, "auto").digest == load_model(path, pixel="byte").digest


def test_other_files_and_ways_wrong(refuses: Any, unsaid: Path, model: Path) -> None:
    words = ("generate", "network", "-o", "out")
    refuses(2, "says itself how it reads pixels", "Leave the option out", *words, model,
            "--pixel", "byte")  # fmt: skip
    refuses(2, "Pixels are read as 'unit', 'byte', 'centred' or 'auto', not 'mine'", "Choose one",
            *words, unsaid, "--pixel", "mine")  # fmt: skip


def board_for(graph: Graph, monkeypatch: pytest.MonkeyPatch, least: int) -> tuple[str, list[str]]:
    """Find the first board, where what is smaller than `least` holds nothing."""
    asked = []

    def solve(graph: Graph, board: Any, fps: Any, clock: Any) -> Any:
        asked.append(board.name)
        if board.budget.lut4 < least:
            raise DoesNotFit("Too small.", "Take another.")
        return "folding"

    monkeypatch.setattr(options, "_solve", solve)
    return options._first_board(graph, None, None)[0].name, asked


@pytest.mark.parametrize(
    ("least", "name"),
    [
        (0, "icestick"),
        (2000, "icebreaker"),
        (6000, "hx8k-breakout"),
        (9000, "ulx3s-12f"),
        (30_000, "ulx3s-45f"),
        (50_000, "ulx3s-85f"),
    ],
)
def test_boards_that_are_measured_come_first(
    graph: Graph, monkeypatch: pytest.MonkeyPatch, least: int, name: str
) -> None:
    found, asked = board_for(graph, monkeypatch, least)
    assert found == name
    sizes = {board.name: board.budget.lut4 for board in all_boards()}
    assert [sizes[each] for each in asked] == sorted(sizes[each] for each in asked)


def test_the_same_device_is_asked_once(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    _, asked = board_for(graph, monkeypatch, 80_000)
    boards = {board.name: board for board in all_boards()}
    kinds = [(boards[n].family, boards[n].budget, boards[n].clock.sync_hz) for n in asked]
    assert len(set(kinds)) == len(kinds) < len(boards)


def test_where_nothing_fits_the_largest_is_the_one_that_is_measured(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    def solve(*_: Any) -> Any:
        raise DoesNotFit("Too small.", "Take another.")

    monkeypatch.setattr(options, "_solve", solve)
    assert options._roomiest(graph).name == "ulx3s-85f"
