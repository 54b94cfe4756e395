"""Boards by name, or from a file of the user's own."""

import hashlib
import importlib.util
import pkgutil
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from bnnhw.errors import UsageError
from bnnhw.names import printable
from bnnhw.target import Board

from ..content import module

__all__ = ["all_boards", "load_board"]


def all_boards() -> tuple[Board, ...]:
    """Every board that comes with us, sorted by name."""
    names = [entry.name for entry in pkgutil.iter_modules(module("boards").__path__)]
    found = [module(f"boards.{name}").BOARD for name in names if not name.startswith("_")]
    return tuple(sorted(found, key=lambda board: board.name))


def load_board(name_or_path: str | Path) -> Board:
    """Find a board.

    Parameters
    ----------
    name_or_path : str or Path
        The name of one of ours, or the path of a Python file that sets ``BOARD``. A path ends in
        ``.py``; that file is run, so it must be one that the user trusts.

    Raises
    ------
    UsageError
        If there is no such board, or the file does not describe one.
    """
    given = str(name_or_path)
    if given.endswith(".py"):
        return _own(Path(given))
    boards = all_boards()
    for board in boards:
        if board.name == given:
            return board
    raise UsageError(
        f"There is no board '{printable(given)}'.",
        f"Choose one of {', '.join(board.name for board in boards)}, or give the path of your own"
        " board's .py file.",
    )


def _own(path: Path) -> Board:
    todo = "Give a Python file that sets BOARD to a bnnhw.target.Board, as those in boards/ do."
    if not path.is_file():
        raise UsageError(f"The board file '{path}' does not exist.", "Check the path.")
    source = _run(path, todo)
    board = getattr(source, "BOARD", None)
    if not isinstance(board, Board):
        raise UsageError(f"The board file '{path}' does not set BOARD to a Board.", todo)
    if board.platform.startswith(":"):
        return replace(board, platform=source.__name__ + board.platform)
    return board


def _run(path: Path, todo: str) -> ModuleType:
    # A name of its own for each path, so that two files never shadow each other or a real module.
    key = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    spec = importlib.util.spec_from_file_location(f"bnnhw_own_board_{key}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"The board file '{path}' is no Python file.", todo)
    source = importlib.util.module_from_spec(spec)
    sys.modules[source.__name__] = source
    try:
        spec.loader.exec_module(source)
    except Exception as error:
        del sys.modules[source.__name__]
        reason = f"{type(error).__name__}: {error}"
        raise UsageError(f"The board file '{path}' cannot be run: {reason}.", todo) from error
    return source
