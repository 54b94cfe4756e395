"""What a build leaves for a later patch: its options, and what lies in which block RAM."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bnnhw.errors import UsageError
from bnnhw.files import read_capped
from bnnhw.names import printable

from .contents import Netlist, read_netlist

__all__ = ["RECORD", "read_record", "record"]

RECORD = ".rams.json"
"""Suffix of the record's file."""
_FORMAT = 1
_CAP = 64 << 20


def record(netlist: str, *, board: str, options: Mapping[str, Any], note: Mapping[str, Any]) -> str:
    """Say as JSON what a later patch must know of a build.

    Parameters
    ----------
    netlist : str
        What Yosys wrote as JSON.
    board : str
        Name or path of the board, as `load_board` takes it.
    options : dict
        Those of `prepare`.
    note : dict
        JSON values of the caller's own.
    """
    found = read_netlist(netlist)
    rams = {name: [f"{row:x}" for row in rows] for name, rows in found.rams.items()}
    told = {
        "format": _FORMAT,
        "board": board,
        "options": dict(options),
        "netlist": found.digest,
        "note": dict(note),
        "rams": rams,
    }
    return json.dumps(told, indent=0, sort_keys=True) + "\n"


def read_record(path: Path) -> dict[str, Any]:
    """Read what `record` wrote.

    Raises
    ------
    UsageError
        If there is no such file, or it is none.
    """
    todo = "Build the design again with this version of bnnhw."
    try:
        told = json.loads(read_capped(path, _CAP))
        if told["format"] != _FORMAT:
            raise ValueError("another format")
        rams = {str(k): tuple(int(row, 16) for row in rows) for k, rows in told["rams"].items()}
        netlist = Netlist(str(told["netlist"]), rams)
        checked: dict[str, Any] = {
            "netlist": netlist,
            "board": str(told["board"]),
            "options": {key: told["options"][key] for key in ("seed", "wide_luts", "router2")},
            "note": dict(told["note"]),
        }
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        shown = printable(str(path))
        raise UsageError(
            f"'{shown}' is no record of a build: {printable(repr(error))}.", todo
        ) from error
    return checked
