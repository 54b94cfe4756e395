import pytest

from bnnhw.errors import UsageError
from rtl_gen.build.boards import all_boards, load_board
from rtl_gen.build.platform import platform_of

OWN = """
from dataclasses import replace
from amaranth_boards.icestick import ICEStickPlatform
from bnnhw.target import *

class Mine(ICEStickPlatform):
    pass

BOARD = Board(
    name="mine", title="Mine", family="ice40", device="iCE40HX1K-TQ144", platform=":Mine",
    budget=Budget(lut4=1280, ff=1280, ebr=16, ebr_bits=4096),
    clock=Clock(source_hz=12_000_000, sync_hz=12_000_000), link=Link(), programmers=(),
)
"""


def test_names_find_boards():
    names = [board.name for board in all_boards()]
    assert names == sorted(names)
    assert {"hx8k-breakout", "icebreaker", "ulx3s-12f", "ulx3s-85f"} <= set(names)
    assert [load_board(name) for name in names] == list(all_boards())


def test_unknown_name():
    with pytest.raises(UsageError) as caught:
        load_board("icebraker")
    assert caught.value.what == "There is no board 'icebraker'."
    assert ", ".join(board.name for board in all_boards()) in caught.value.todo


@pytest.mark.parametrize("name", ["icebreaker/../os", "__init__", "_ulx3s", "_platforms", "", "os"])
def test_only_boards_are_loaded(name):
    with pytest.raises(UsageError, match="^There is no board"):
        load_board(name)


def test_own_file_with_own_platform(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(OWN)
    board = load_board(path)
    assert board.name == "mine"
    assert type(platform_of(board)).__name__ == "Mine"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("BOARD = 3", "does not set BOARD to a Board"),
        ("", "does not set BOARD to a Board"),
        ("BOARD = (", "cannot be run: SyntaxError"),
        ("raise KeyError('x')", "cannot be run: KeyError"),
        (OWN.replace("lut4=1280", "lut4=-1"), "Budget.lut4 must be a non-negative integer"),
    ],
)
def test_bad_own_file(tmp_path, text, message):
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        load_board(path)


def test_absent_own_file(tmp_path):
    with pytest.raises(UsageError, match=r"absent\.py' does not exist"):
        load_board(str(tmp_path / "absent.py"))
