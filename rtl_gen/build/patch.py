"""New weights into a bitstream that is there: synthesis again, but no place and route."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from amaranth import Elaboratable

from bnnhw.errors import UsageError
from bnnhw.files import read_capped
from bnnhw.names import printable
from bnnhw.target import Board

from ..tools import environment, run_tool, toolchain
from .contents import Netlist, read_netlist, rewrite
from .platform import prepare

__all__ = ["RECORD", "patch_bitstream", "read_record", "record"]

RECORD = ".rams.json"
"""Suffix of the file that a build leaves for this."""
_FORMAT = 1
_CAP = 64 << 20
_PLACED = {"ice40": ".asc", "ecp5": ".config"}
_BITSTREAM = {"ice40": ".bin", "ecp5": ".bit"}


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
        raise UsageError(f"'{shown}' is no record of a build: {error!r}.", todo) from error
    return checked


def patch_bitstream(
    core: Elaboratable,
    board: Board,
    build: Path,
    out: Path,
    *,
    name: str,
    progress: Callable[[str], None] | None = None,
    limit: float = 3600,
) -> list[Path]:
    """Make the bitstream that a build of `core` would give, from that of a design like it.

    The core is synthesised. Its netlist must be that of the build in all but what block RAMs start
    with; then placing and routing it, with the same tools and the same seed, would give the same
    placed design, so their new contents are written into that one and it is packed again.

    Parameters
    ----------
    core : Component
    board : Board
    build, out : Path
        Folders: that of the build, and where the new files go; they may be the same.
    name : str
        Of the design and of its files.
    progress : callable or None
        Receives ``"synthesis"`` and ``"pack"`` as each begins.
    limit : float
        Seconds that each tool may take.

    Returns
    -------
    list of Path
        The bitstream, the placed design as text, and the record.

    Raises
    ------
    UsageError
        If the build is incomplete, or the new netlist differs in more than contents of block RAMs:
        weights or thresholds that lie in lookup tables were changed.
    ToolMissing, ToolFailed
        If a tool is not installed, or fails.
    """
    from .flow import scratch_folder

    tell = progress or (lambda step: None)
    family = board.family
    known = read_record(build / f"{name}{RECORD}")
    placed = build / f"{name}{_PLACED[family]}"
    if not placed.is_file():
        raise UsageError(f"'{placed}' does not exist.", "Give the folder of a whole build.")
    steps = prepare(core, board, name=name, **known["options"])
    tools, env = toolchain(family), environment(family)
    with scratch_folder(out, name) as scratch:
        place = Path(scratch)
        for file, text in steps.files.items():
            (place / file).write_bytes(text.encode() if isinstance(text, str) else text)
        tell("synthesis")
        run_tool([tools.programs[steps.commands[0][0]], *steps.commands[0][1:]],
                 cwd=place, env=env, limit=limit)  # fmt: skip
        text = (place / f"{name}.json").read_text(encoding="utf-8")
        result = _rewritten(family, placed.read_text(encoding="utf-8"), known["netlist"], text)
        (place / placed.name).write_text(result, encoding="utf-8")
        tell("pack")
        run_tool([tools.programs[steps.commands[2][0]], *steps.commands[2][1:]],
                 cwd=place, env=env, limit=limit)  # fmt: skip
        told = record(text, board=known["board"], options=known["options"], note=known["note"])
        (place / f"{name}{RECORD}").write_text(told, encoding="utf-8")
        out.mkdir(parents=True, exist_ok=True)
        files = [
            out / f"{name}{suffix}" for suffix in (_BITSTREAM[family], _PLACED[family], RECORD)
        ]
        for path in files:
            shutil.move(place / path.name, path)
    return files


def _rewritten(family: str, placed: str, old: Netlist, text: str) -> str:
    todo = 'Build it: bnnhw build. Weights in block RAM (weights = "block") can be patched.'
    new = read_netlist(text)
    if new.digest != old.digest or set(new.rams) != set(old.rams):
        raise UsageError(
            "The new network is not the build's with other contents of block RAMs: something that "
            "lies in lookup tables, or a column of weights that is constant, was changed.",
            todo,
        )
    result = rewrite(family, placed, old, new)
    if result is None:
        raise UsageError(
            "The build's block RAMs cannot be told apart: two hold the same and would then differ, "
            "or the placed design is not that of its record.",
            todo,
        )
    return result
