import importlib
from dataclasses import asdict
from pathlib import Path

import pytest

import boards
from rtl_gen.build.platform import platform_of
from rtl_gen.build.pll import ecp5_dividers, ice40_dividers

FILES = sorted(
    path.stem for path in Path(boards.__path__[0]).glob("*.py") if not path.name.startswith("_")
)
BOARDS = [importlib.import_module(f"boards.{name}").BOARD for name in FILES]


def test_files_are_named_like_their_boards():
    assert [board.name.replace("-", "_") for board in BOARDS] == FILES
    assert {"icebreaker", "ulx3s_85f"} <= set(FILES)


@pytest.mark.parametrize("board", BOARDS, ids=FILES)
def test_data_agrees_with_the_platform(board):
    platform = platform_of(board)
    assert platform.default_clk_frequency == board.clock.source_hz
    assert board.device.startswith(platform.device)
    assert board.device.endswith(platform.package)
    platform.lookup(board.link.resource)
    platform.lookup(board.led)


@pytest.mark.parametrize("board", BOARDS, ids=FILES)
def test_clock_can_be_made(board):
    search = {"ice40": ice40_dividers, "ecp5": ecp5_dividers}[board.family]
    assert search(board.clock.source_hz, board.clock.sync_hz)


@pytest.mark.parametrize("board", BOARDS, ids=FILES)
def test_line_rate_divides_the_clock(board):
    assert board.clock.sync_hz % board.link.baud == 0


@pytest.mark.parametrize("board", BOARDS, ids=FILES)
def test_a_programmer_writes_the_flash(board):
    assert any(programmer.flash for programmer in board.programmers)


@pytest.mark.parametrize("board", BOARDS, ids=FILES)
def test_plain_data(board):
    assert asdict(board)["name"] == board.name
