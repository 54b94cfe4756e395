"""`bnnhw demo`: each bundled network from its file to a bitstream."""

from pathlib import Path

import numpy as np
import pytest

from bnnhw import data, golden
from bnnhw.driver import places
from bnnhw.fold import Folding, LayerFold
from bnnhw.graph import Graph
from bnnhw.images import Images
from bnnhw.plan import make_plan
from rtl_gen.build.boards import load_board
from rtl_gen.cli import demo
from rtl_gen.cli.demo import first_answer
from rtl_gen.cli.options import Planned
from rtl_gen.content import folder
from rtl_gen.prebuilt import read_prebuilt
from sim.board import SimulatedBoard

PREBUILT = folder("boards") / "prebuilt" / "digits_mlp.icebreaker.json"


def test_unknown_network(refuses) -> None:
    what = r"There is no bundled network 'digits\x1b'."
    refuses(2, what, "digits_mlp, digits_cnn", "demo", "--network", "digits\x1b")


def test_unknown_board(refuses) -> None:
    refuses(2, "icebraeker", "icebreaker", "demo", "icebraeker", "--network", "digits_cnn")


def test_help_names_the_networks(cli) -> None:
    said = cli("demo", "--help").out
    assert all(name in said for name in data.networks())


@pytest.mark.parametrize(
    ("board", "name"), [("icebreaker", "digits_mlp"), ("icestick", "digits_tiny")]
)
def test_the_first_network_that_fits(board: str, name: str) -> None:
    assert demo._planned(None, board).plan.graph.name == name


def test_a_network_that_was_asked_for_does_not_fit(refuses) -> None:
    what = "'digits_mlp' holds 62720 weight bits"
    refuses(4, what, "larger board", "demo", "icestick", "--network", "digits_mlp")


@pytest.fixture
def small(graph: Graph, pixels: np.ndarray) -> tuple[Planned, Images]:
    plan = make_plan(graph, Folding({"fc0": LayerFold(2, 4), "fc1": LayerFold(1, 2)}))
    labels = np.zeros(len(pixels), np.int64)
    return Planned(plan, load_board("icebreaker"), ()), Images(pixels, labels)


def test_first_answer_of_the_simulated_board(
    small: tuple[Planned, Images], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "candidates", list)
    told: list[str] = []
    answer = first_answer(*small, lambda what, done, total: told.append(what))
    wanted = golden.run(small[0].plan.graph, small[1].x[:1], path="plain")
    assert answer["simulated"] and answer["why"] == "No serial port of a board was found."
    assert answer["logits"] == wanted.logits[0].tolist()
    assert "1/4 no board runs this design: simulating 1BitSquared iCEBreaker" in told


def test_first_answer_of_a_board(
    small: tuple[Planned, Images], monkeypatch: pytest.MonkeyPatch
) -> None:
    board = small[0].board
    with SimulatedBoard(
        small[0].plan, clock_hz=board.clock.sync_hz, baud=board.link.baud
    ) as running:
        monkeypatch.setattr(places, "candidates", lambda: [running.url])
        answer = first_answer(*small, lambda what, done, total: None)
    wanted = golden.run(small[0].plan.graph, small[1].x[:1], path="plain")
    assert (answer["simulated"], answer["why"]) == (False, None)
    assert (answer["board"], answer["label"]) == ("icebreaker", 0)
    assert answer["logits"] == wanted.logits[0].tolist()


def test_load_where_nothing_is_prebuilt(refuses) -> None:
    refuses(
        2, "No bitstream of digits_cnn", "bnnhw flash", "demo", "--network", "digits_cnn", "--load"
    )
    refuses(2, "No bitstream of digits_mlp", "bnnhw flash", "demo", "--load", "--build")


def test_flash_of_what_is_prebuilt(cli, refuses, tmp_path, monkeypatch) -> None:
    """The bitstream is the checked one, and only a board that has one gets it."""
    tool = tmp_path / "iceprog"
    tool.write_text("#!/bin/sh\nexit 0\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    done = cli("flash", "--prebuilt", "--board", "icebreaker", "--flash", "--json")
    assert done.code == 0 and done.document["done"]
    path = Path(done.document["command"][-1])
    assert path.read_bytes() == read_prebuilt(PREBUILT).bitstream()
    what = "No bitstream of digits_mlp for Lattice iCE40-HX8K"
    refuses(2, what, "bnnhw build", "flash", "--prebuilt", "--board", "hx8k-breakout")
    refuses(2, "said once", "--prebuilt", "flash", "--board", "icebreaker")
    refuses(2, "said once", "--prebuilt", "flash", str(path), "--prebuilt", "--board", "icebreaker")


@pytest.mark.slow
def test_prebuilt_bitstream_for_people(cli, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(places, "candidates", list)
    done = cli("demo", "-o", str(tmp_path / "out"))
    assert done.code == 0
    for said in ("bnnhw demo icebreaker --load", "is the prebuilt one; --build"):
        assert said in done.out
    written = (tmp_path / "out" / "digits_mlp.bin").read_bytes()
    assert written == read_prebuilt(PREBUILT).bitstream()
    assert (tmp_path / "out" / "digits_mlp.json").is_file()


@pytest.mark.slow
def test_first_network_for_people(cli) -> None:
    done = cli("demo", "--build")
    assert done.code == 0
    title = "digits_mlp on 1BitSquared iCEBreaker"
    for said in (title, "360 images", "98.61 %", "clock", "bnnhw flash ", "bnnhw serve "):
        assert said in done.out
    # Whoever has seen one is told of the others.
    others = [line.rsplit(" ", 1)[1] for line in done.out.splitlines() if "Another" in line]
    assert others == ["digits_cnn", "digits_tiny"]


@pytest.mark.slow
def test_second_network_as_json(cli) -> None:
    done = cli("demo", "--network", "digits_cnn", "--json")
    assert (done.code, done.err) == (0, "")
    facts = done.document
    assert set(facts) == {"answer", "simulation", "build", "files"}
    assert facts["answer"]["class"] == facts["answer"]["label"]
    assert facts["build"]["prebuilt"] is False
    simulated, built = facts["simulation"], facts["build"]
    assert simulated["network"] == built["name"] == "digits_cnn"
    assert simulated["mismatches"] == 0 and simulated["passed"]
    assert simulated["images"] == 360 and simulated["accuracy"] >= 0.97
    assert simulated["cycles_per_image"] == simulated["cycles_formula"] == built["cycles_per_image"]
    assert built["board"] == "icebreaker"
    assert all(Path(path).is_file() for path in facts["files"])
