from dataclasses import replace
from pathlib import Path

import pytest

from bnnhw.errors import DeviceError, ToolMissing, UsageError
from bnnhw.target import Programmer
from rtl_gen.build.boards import load_board
from rtl_gen.flash import plan_flash, run_flash

FIRST = Programmer(
    tool="bnnhw-test-first",
    sram=("-S", "{bitstream}"),
    flash=("-x", "{bitstream}", "-y"),
    install="shop one",
)
SECOND = Programmer(tool="bnnhw-test-second", sram=(), flash=("{bitstream}",), install="shop two")
BOARD = replace(load_board("icebreaker"), programmers=(FIRST, SECOND))


@pytest.fixture
def bitstream(tmp_path):
    path = tmp_path / "-odd name.bin"
    path.write_bytes(b"bits")
    return path


@pytest.fixture
def programmer(tmp_path, monkeypatch):
    """Make a programmer that records its arguments, one a line, and ends with a status."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def make(name, *, status=0, said=""):
        path = folder / name
        path.write_text(
            f"#!/bin/sh\nprintf '%s\\n' \"$@\" > {tmp_path}/argv\nprintf '{said}'\nexit {status}\n"
        )
        path.chmod(0o755)
        return path

    return make


def test_sram_by_default_flash_when_asked(programmer, bitstream, tmp_path):
    program = programmer("bnnhw-test-first")
    said: list[str] = []
    command = run_flash(BOARD, bitstream, say=said.append)
    assert command == [str(program), "-S", str(bitstream)]
    assert (tmp_path / "argv").read_text().splitlines() == ["-S", str(bitstream)]
    assert said == [f"{program} -S '{bitstream}'"]
    run_flash(BOARD, bitstream, flash=True, say=said.append)
    assert (tmp_path / "argv").read_text().splitlines() == ["-x", str(bitstream), "-y"]


def test_relative_name_is_made_absolute(programmer, bitstream, monkeypatch):
    programmer("bnnhw-test-first")
    monkeypatch.chdir(bitstream.parent)
    assert plan_flash(BOARD, Path(bitstream.name))[-1] == str(bitstream)


def test_dry_run_prints_and_does_not_run(programmer, bitstream, tmp_path, capsys):
    program = programmer("bnnhw-test-first", status=1)
    run_flash(BOARD, bitstream, dry_run=True)
    assert capsys.readouterr().out == f"{program} -S '{bitstream}'\n"
    assert not (tmp_path / "argv").exists()


def test_the_installed_one_is_taken(programmer, bitstream):
    second = programmer("bnnhw-test-second")
    assert plan_flash(BOARD, bitstream, flash=True) == [str(second), str(bitstream)]
    first = programmer("bnnhw-test-first")
    assert plan_flash(BOARD, bitstream, flash=True)[0] == str(first)


def test_no_programmer_installed(programmer, bitstream):
    with pytest.raises(ToolMissing) as caught:
        plan_flash(BOARD, bitstream, flash=True)
    assert caught.value.what == (
        "1BitSquared iCEBreaker needs bnnhw-test-first or bnnhw-test-second, which is not "
        "installed."
    )
    assert caught.value.todo == "Install bnnhw-test-first (shop one), then try again."
    programmer("bnnhw-test-second")
    with pytest.raises(ToolMissing, match="needs bnnhw-test-first, which"):
        plan_flash(BOARD, bitstream)


def test_failing_programmer(programmer, bitstream):
    programmer("bnnhw-test-first", status=2, said="init..\\nCannot find iCE FTDI USB device.\\n")
    with pytest.raises(DeviceError) as caught:
        run_flash(BOARD, bitstream, say=lambda line: None)
    assert caught.value.what == (
        "bnnhw-test-first failed with status 2:\ninit..\nCannot find iCE FTDI USB device."
    )
    assert caught.value.todo.startswith("Check that 1BitSquared iCEBreaker is plugged in")


def test_programmer_that_hangs(programmer, bitstream):
    path = programmer("bnnhw-test-first")
    path.write_text("#!/bin/sh\nsleep 600\n")
    with pytest.raises(DeviceError, match=r"^bnnhw-test-first took too long:\nIt said nothing\."):
        run_flash(BOARD, bitstream, say=lambda line: None, limit=0.2)


def test_way_that_the_board_does_not_have(bitstream):
    with pytest.raises(UsageError) as caught:
        plan_flash(load_board("icebreaker"), bitstream)
    assert "no programmer that loads the FPGA without its flash memory" in caught.value.what
    assert "jumpers" in caught.value.what
    assert caught.value.todo.startswith("Say --flash")
    only_sram = replace(BOARD, programmers=(replace(FIRST, flash=()),))
    with pytest.raises(UsageError, match="no programmer that writes its flash memory"):
        plan_flash(only_sram, bitstream, flash=True)


def test_absent_bitstream(tmp_path):
    with pytest.raises(UsageError, match=r"absent\.bin' does not exist"):
        plan_flash(BOARD, tmp_path / "absent.bin")


@pytest.mark.parametrize(
    ("board", "tool", "flash", "words"),
    [
        ("icebreaker", "iceprog", True, ["*"]),
        ("hx8k-breakout", "iceprog", False, ["-S", "*"]),
        ("hx8k-breakout", "iceprog", True, ["*"]),
        ("ulx3s-85f", "openFPGALoader", False, ["-b", "ulx3s", "-m", "*"]),
        ("ulx3s-85f", "openFPGALoader", True, ["-b", "ulx3s", "-f", "*"]),
    ],
)
def test_commands_of_our_boards(programmer, bitstream, board, tool, flash, words):
    program = programmer(tool)
    command = plan_flash(load_board(board), bitstream, flash=flash)
    assert command == [str(program), *(str(bitstream) if word == "*" else word for word in words)]
