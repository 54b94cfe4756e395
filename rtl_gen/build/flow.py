"""From a core to a bitstream: synthesis, place and route, packing, report."""

import json
import shutil
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from amaranth import Elaboratable

from bnnhw.errors import BnnhwError, UsageError
from bnnhw.target import Board

from ..tools import Toolchain, ToolFailed, environment, run_tool, toolchain, warm_up
from . import nextpnr
from .platform import BuildSteps, prepare
from .report import BuildReport, Usage, check, does_not_fit

__all__ = ["build_bitstream"]

_STEPS = ("synthesis", "place and route", "pack")
# What is kept, by suffix: bitstream, placed design as text, constraints, logs, raw timing report.
_KEPT = (".bin", ".bit", ".asc", ".config", ".pcf", ".lpf", ".rpt", ".tim", ".nextpnr.json")
_BITSTREAM = {"ice40": ".bin", "ecp5": ".bit"}
_CROWDED = ("Unable to find legal placement", "no Bels remaining", "Unable to place cell")


def build_bitstream(
    core: Elaboratable,
    board: Board,
    out_dir: str | Path,
    *,
    name: str,
    seed: int = 1,
    cycles_per_image: int | None = None,
    progress: Callable[[str], None] | None = None,
    wide_luts: bool = False,
    router2: bool = False,
    limit: float = 3600,
) -> BuildReport:
    """Build a core for a board.

    Everything happens in a scratch folder; only a build that fits and meets its clock is moved to
    `out_dir`. That then holds ``NAME.bin`` (iCE40) or ``NAME.bit`` (ECP5), the logs, and
    ``NAME.report.json``. The same arguments and tools give the same bytes.

    Parameters
    ----------
    core : Component
        Anything with 1-bit members ``rx`` (in) and ``tx`` (out); see `BoardTop`.
    board : Board
    out_dir : str or Path
        Made if need be.
    name : str
        Name of the design and of its files.
    seed : int
        Start of the placer's random numbers.
    cycles_per_image : int or None
        Copied into the report, which derives fps from it.
    progress : callable or None
        Receives ``"synthesis"``, ``"place and route"`` and ``"pack"`` as each begins, and a
        sentence before any longer wait.
    wide_luts, router2 : bool
        See `prepare`.
    limit : float
        Seconds that each tool may take.

    Raises
    ------
    DoesNotFit
        If the device is too small.
    TimingFailed
        If the clock is not reached.
    ToolMissing
        If the tools are not installed.
    ToolFailed
        If one fails for another reason.
    UsageError
        If the name, the clock or the output folder cannot be used.
    """
    tell = progress or (lambda step: None)
    steps = prepare(core, board, name=name, seed=seed, wide_luts=wide_luts, router2=router2)
    tools = toolchain(board.family)
    target = Path(out_dir)
    with _scratch(target, name) as scratch:
        if tools.kind == "yowasp":
            warm_up(tell)
        place = Path(scratch)
        _run(steps, tools, board, name, place, tell, limit)
        report = _report(board, name, seed, cycles_per_image, tools, place)
        check(report, board)
        (place / f"{name}.report.json").write_text(report.to_json(), encoding="utf-8")
        _move(place, target, name)
    return report


def _scratch(target: Path, name: str) -> "tempfile.TemporaryDirectory[str]":
    """Make a folder on the file system of the output, in the nearest folder that exists."""
    home = next(folder for folder in (target, *target.absolute().parents) if folder.exists())
    if not home.is_dir():
        raise UsageError(f"'{home}' is a file, not a folder.", "Choose another output folder.")
    try:
        return tempfile.TemporaryDirectory(prefix=f".{name}.", dir=home)
    except OSError as error:
        raise UsageError(
            f"'{home}' cannot be written: {error.strerror}.", "Choose a folder of your own."
        ) from error


def _run(
    steps: BuildSteps,
    tools: Toolchain,
    board: Board,
    name: str,
    place: Path,
    tell: Callable[[str], None],
    limit: float,
) -> None:
    for file, text in steps.files.items():
        (place / file).write_bytes(text.encode() if isinstance(text, str) else text)
    env = environment(board.family)
    for step, (tool, *words) in zip(_STEPS, steps.commands, strict=True):
        tell(step)
        try:
            run_tool([tools.programs[tool], *words], cwd=place, env=env, limit=limit)
        except ToolFailed as failed:
            if step != _STEPS[1]:
                raise
            raise _explained(failed, board, name, place) from failed


def _explained(failed: ToolFailed, board: Board, name: str, place: Path) -> BnnhwError:
    """Tell a design that is too big from everything else that place and route can fail of."""
    log = _text(place / f"{name}.tim") + failed.output
    found = nextpnr.usage(board.family, nextpnr.log_totals(log), log)
    over = {kind: entry for kind, entry in found.items() if entry.used > entry.available}
    if over or any(sign in log for sign in _CROWDED):
        return does_not_fit(name, board, over)
    if failed.status is None and board.family == "ice40":
        failed.todo = "Use the other router (router2), allow more time, or try another seed."
    return failed


def _report(
    board: Board,
    name: str,
    seed: int,
    cycles_per_image: int | None,
    tools: Toolchain,
    place: Path,
) -> BuildReport:
    raw = json.loads(_text(place / f"{name}.nextpnr.json"))
    totals = {
        cell: (int(entry["used"]), int(entry["available"]))
        for cell, entry in raw["utilization"].items()
    }
    versions = {tool: known for tool, known in tools.versions.items() if known}
    usage: dict[str, Usage] = nextpnr.usage(board.family, totals, _text(place / f"{name}.tim"))
    return BuildReport(
        name=name,
        board=board.name,
        device=board.device,
        sync_hz=board.clock.sync_hz,
        seed=seed,
        usage=usage,
        clocks=nextpnr.clock_timings(raw),
        slowest=nextpnr.slowest_path(raw),
        tools={**versions, "amaranth": version("amaranth")},
        bitstream=name + _BITSTREAM[board.family],
        cycles_per_image=cycles_per_image,
    )


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _move(place: Path, target: Path, name: str) -> None:
    kept = [f"{name}{suffix}" for suffix in (*_KEPT, ".report.json")]
    try:
        target.mkdir(parents=True, exist_ok=True)
        # The report comes last: who sees it finds everything that it speaks of.
        for file in kept:
            if (place / file).is_file():
                shutil.move(place / file, target / file)
    except OSError as error:
        raise UsageError(
            f"'{target}' cannot be written: {error.strerror}.", "Choose a folder of your own."
        ) from error
