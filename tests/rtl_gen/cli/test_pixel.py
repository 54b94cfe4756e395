"""`--pixel`, for models that do not say what they expect, and which board comes first."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from bnnhw.errors import DoesNotFit
from bnnhw.graph import Graph
from bnnhw.load import load_model
from rtl_gen.build.boards import all_boards
from rtl_gen.cli import options

WAYS = ("unit", "byte", "centred")


@pytest.fixture
def unsaid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Save a small model of Larq that says nothing of pixels."""
    monkeypatch.chdir(tmp_path)
    return larq(tmp_path / "net.h5")


SIGN = {"class_name": "SteSign", "config": {"clip_value": 1.0}}


def larq(path: Path, *first: dict[str, Any]) -> Path:
    """Write two layers of Larq behind others, with the attributes that Keras 2 gives its file."""
    dice = np.random.default_rng(0)
    layers: list[dict[str, Any]] = [
        {"class_name": "InputLayer", "config": {"name": "input", "batch_input_shape": [None, 8]}},
        *first,
    ]
    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights")
        names = [layer["config"]["name"] for layer in first]
        for name, shape, quantiser in (("a", (8, 6), None), ("b", (6, 3), SIGN)):
            config = {"name": name, "dtype": "float32", "units": shape[1], "use_bias": False,
                      "kernel_quantizer": SIGN, "input_quantizer": quantiser}  # fmt: skip
            layers.append({"class_name": "QuantDense", "config": config})
            part = group.create_group(name)
            part.attrs["weight_names"] = [f"{name}/kernel:0"]
            kernel = dice.choice([-1.0, 1.0], shape).astype(np.float32)
            part.create_dataset(f"{name}/kernel:0", data=kernel)
            names.append(name)
        for name in names[: len(first)]:
            group.create_group(name).attrs["weight_names"] = np.zeros(0, "S1")
        group.attrs["layer_names"] = names
        file.attrs["keras_version"] = "2.0.0"
        whole = {"class_name": "Sequential", "config": {"name": "net", "layers": layers}}
        file.attrs["model_config"] = json.dumps(whole)
    return path


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


def test_the_way_is_part_of_the_network(unsaid: Path) -> None:
    unit, byte, centred = (
        options.make(unsaid, pixel=way, board="icebreaker").plan.identity for way in WAYS
    )
    # Signs of sums do not see a scale, but they see where 0 is.
    assert unit == byte != centred


def test_a_model_that_says_it_needs_no_option(tmp_path: Path) -> None:
    config = {"name": "scaled", "dtype": "float32", "scale": 1 / 127.5, "offset": -1.0}
    path = larq(tmp_path / "net.h5", {"class_name": "Rescaling", "config": config})
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
