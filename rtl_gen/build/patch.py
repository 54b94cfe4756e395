"""New weights into a bitstream that is there: synthesis again, but no place and route."""

from collections.abc import Callable
from pathlib import Path

from amaranth import Elaboratable

from bnnhw.errors import UsageError
from bnnhw.target import Board

from ..tools import toolchain
from .contents import Netlist, read_netlist, rewrite
from .flow import BITSTREAM, Job, deliver, scratch_folder
from .platform import prepare
from .record import RECORD, read_record, record

__all__ = ["patch_bitstream"]

_PLACED = {"ice40": ".asc", "ecp5": ".config"}


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
    core, board, name
        As in `build_bitstream`.
    build, out : Path
        Folders: that of the build, and where the new files go; they may be the same.
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
    tell = progress or (lambda step: None)
    family = board.family
    known = read_record(build / f"{name}{RECORD}")
    placed = _existing(build / f"{name}{_PLACED[family]}")
    steps = prepare(core, board, name=name, **known["options"])
    with scratch_folder(out, name) as scratch:
        job = Job(board, name, toolchain(family), Path(scratch))
        job.begin(steps, tell)
        tell("synthesis")
        job.step("synthesis", steps, limit)
        text = (job.place / f"{name}.json").read_text(encoding="utf-8")
        result = _rewritten(family, placed.read_text(encoding="utf-8"), known["netlist"], text)
        (job.place / placed.name).write_text(result, encoding="utf-8")
        tell("pack")
        job.step("pack", steps, limit)
        told = record(text, board=known["board"], options=known["options"], note=known["note"])
        (job.place / f"{name}{RECORD}").write_text(told, encoding="utf-8")
        names = [f"{name}{end}" for end in (BITSTREAM[family], _PLACED[family], RECORD)]
        deliver(job.place, out, names)
    return [out / file for file in names]


def _existing(placed: Path) -> Path:
    if not placed.is_file():
        raise UsageError(f"'{placed}' does not exist.", "Give the folder of a whole build.")
    return placed


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
