"""Bundled networks on boards: they fit, keep to the clock, and give the same bytes twice."""

from pathlib import Path

import pytest

from bnnhw import data
from bnnhw.errors import DoesNotFit
from bnnhw.target import Board
from rtl_gen.build.boards import all_boards, load_board
from rtl_gen.build.report import BuildReport
from rtl_gen.cli.board import build_network
from rtl_gen.cli.options import Planned, make

# One for each device family and package tool, and both sizes of iCE40.
QUICK = ("icebreaker", "hx8k-breakout", "ulx3s-12f", "orangecrab-25f")
# Too small for any other.
TINY = {"icestick"}


def quiet(step: str, done: int, total: int) -> None:
    pass


def bitstream(planned: Planned, folder: Path) -> tuple[BuildReport, bytes]:
    report, _ = build_network(planned, folder, 1, quiet)
    return report, (folder / report.bitstream).read_bytes()


def check(report: BuildReport, board: Board) -> None:
    """Hold a report against the board's own numbers, not against what the build made of them."""
    assert report.board == board.name and report.device == board.device
    assert 0 < report.usage["lut4"].used <= board.budget.lut4 == report.usage["lut4"].available
    assert 0 < report.usage["ebr"].used <= board.budget.ebr
    assert report.fmax_mhz is not None and report.fmax_mhz >= board.clock.sync_hz / 1e6


@pytest.mark.parametrize("name", QUICK)
def test_a_narrow_folding(name: str, tmp_path: Path) -> None:
    """The fewest cells, so that place and route is short."""
    planned = make(data.path("digits_mlp.onnx"), board=name, fps=400)
    report, made = bitstream(planned, tmp_path)
    check(report, load_board(name))
    assert len(made) > 30_000
    assert report.fps is not None and report.fps >= 400


@pytest.mark.slow
@pytest.mark.parametrize("board", all_boards(), ids=lambda board: board.name)
def test_as_delivered(board: Board, tmp_path: Path) -> None:
    """What `bnnhw build` makes, twice."""
    path = data.path(f"{data.networks()[0]}.onnx")
    if board.name in TINY:
        with pytest.raises(DoesNotFit):
            make(path, board=board.name)
        path = data.path("digits_tiny.onnx")
    planned = make(path, board=board.name)
    report, made = bitstream(planned, tmp_path / "one")
    check(report, board)
    assert bitstream(planned, tmp_path / "two") == (report, made)
