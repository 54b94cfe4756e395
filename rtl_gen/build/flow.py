"""From a core to a bitstream: synthesis, place and route, packing, report."""

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from amaranth import Elaboratable

from bnnhw.errors import BnnhwError, UsageError
from bnnhw.target import Board

from ..tools import Toolchain, ToolFailed, environment, run_tool, toolchain, warm_up
from . import nextpnr
from .exported import board_verilog
from .platform import BuildSteps, prepare
from .record import RECORD, record
from .report import BuildReport, check, check_size, does_not_fit

__all__ = ["BITSTREAM", "Job", "build_bitstream", "deliver", "scratch_folder", "try_seeds"]

_STEPS = ("synthesis", "place and route", "pack")
# What is kept, by suffix: bitstream, placed design as text, constraints, logs, raw timing report.
_KEPT = (".bin", ".bit", ".asc", ".config", ".pcf", ".lpf", ".rpt", ".tim", ".nextpnr.json",
         RECORD)  # fmt: skip
BITSTREAM = {"ice40": ".bin", "ecp5": ".bit"}
"""Suffix of the bitstream."""
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
    router2: bool = True,
    note: Mapping[str, Any] | None = None,
    verilog: bool = False,
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
    out_dir : str or Path
        Made if need be.
    board, name, seed, wide_luts, router2
        See `prepare`.
    cycles_per_image : int or None
        Copied into the report, which derives fps from it.
    progress : callable or None
        Receives the name of each step as it begins, and a sentence before any longer wait.
    note : dict or None
        JSON values that ``NAME.rams.json`` keeps for `patch_bitstream`.
    verilog : bool
        Write what is synthesised as Verilog too: see `board_verilog`.
    limit : float
        Seconds that each tool may take.

    Raises
    ------
    DoesNotFit, TimingFailed, ToolMissing, ToolFailed
        If the device is too small, the clock is not reached, or a tool is missing or fails.
    UsageError
        If the name, the board, the clock or the output folder cannot be used.
    """
    tell = progress or (lambda step: None)
    options: dict[str, Any] = {"seed": seed, "wide_luts": wide_luts, "router2": router2}
    steps = prepare(core, board, name=name, **options)
    with scratch_folder(target := Path(out_dir), name) as scratch:
        job = Job(board, name, toolchain(board.family), Path(scratch))
        job.begin(steps, tell)
        job.run(steps, tell, limit)
        report = job.report(seed, cycles_per_image)
        check(report, board)
        job.keep_contents(options, note or {})
        texts = board_verilog(steps, board, name) if verilog else {}
        job.finish({**texts, f"{name}.report.json": report.to_json()}, target)
    return report


def try_seeds(
    core: Elaboratable,
    board: Board,
    *,
    name: str,
    seeds: Sequence[int],
    cycles_per_image: int | None = None,
    progress: Callable[[str], None] | None = None,
    limit: float = 3600,
) -> tuple[BuildReport, ...]:
    """Synthesise a core once, place and route it with each of several seeds, and keep no file.

    A seed that does not reach the clock is reported as well as one that does. One that cannot be
    routed has no report; if that are all, `nextpnr.Unrouted` is raised.

    Parameters
    ----------
    core, board, name, cycles_per_image, progress, limit
        As in `build_bitstream`.
    seeds : sequence of int
        At least one.

    Raises
    ------
    DoesNotFit, ToolMissing, ToolFailed, UsageError
        As in `build_bitstream`.
    ValueError
        If there is no seed.
    """
    if not seeds:
        raise ValueError("Seeds must be at least one, not none")
    tell = progress or (lambda step: None)
    steps = prepare(core, board, name=name, seed=seeds[0])
    reports: list[BuildReport] = []
    failed: nextpnr.Unrouted | None = None
    with tempfile.TemporaryDirectory(prefix=f"{name}.") as scratch:
        job = Job(board, name, toolchain(board.family), Path(scratch))
        job.begin(steps, tell)
        tell(_STEPS[0])
        job.step(_STEPS[0], steps, limit)
        for seed in seeds:
            tell(f"{_STEPS[1]}, seed {seed}")
            try:
                job.step(_STEPS[1], steps.with_seed(seed), limit)
            except nextpnr.Unrouted as error:
                tell(f"seed {seed}: {error.what}")
                failed = error
                continue
            reports.append(job.report(seed, cycles_per_image))
    if failed and not reports:
        raise failed
    for report in reports:
        check_size(report, board)
    return tuple(reports)


@dataclass(frozen=True)
class Job:
    """One build in its scratch folder.

    Parameters
    ----------
    board : Board
    name : str
        Of the design and of its files.
    tools : Toolchain
    place : Path
        The folder.
    """

    board: Board
    name: str
    tools: Toolchain
    place: Path

    def begin(self, steps: BuildSteps, tell: Callable[[str], None]) -> None:
        """Write the files that the tools read."""
        if self.tools.kind == "yowasp":
            warm_up(tell)
        for file, text in steps.files.items():
            (self.place / file).write_bytes(text.encode() if isinstance(text, str) else text)

    def run(self, steps: BuildSteps, tell: Callable[[str], None], limit: float) -> None:
        """Run the tools one after the other."""
        for step in _STEPS:
            tell(step)
            self.step(step, steps, limit)

    def step(self, step: str, steps: BuildSteps, limit: float) -> None:
        """Run one tool."""
        tool, *words = steps.commands[_STEPS.index(step)]
        argv: list[str | Path] = [self.tools.programs[tool], *words]
        try:
            env = environment(self.board.family)
            if step == _STEPS[1]:
                log = self.place / f"{self.name}.tim"
                nextpnr.place(argv, cwd=self.place, env=env, limit=limit, log=log)
            else:
                run_tool(argv, cwd=self.place, env=env, limit=limit)
        except nextpnr.Unrouted:
            raise
        except ToolFailed as failed:
            better = self._explained(failed) if step == _STEPS[1] else self._named(failed)
            if better is None:
                raise
            raise better from failed

    def report(self, seed: int, cycles_per_image: int | None) -> BuildReport:
        """Read what the tools have written."""
        raw = json.loads(_text(self.place / f"{self.name}.nextpnr.json"))
        totals = {
            cell: (int(entry["used"]), int(entry["available"]))
            for cell, entry in raw["utilization"].items()
        }
        log = _text(self.place / f"{self.name}.tim")
        versions = {tool: known for tool, known in self.tools.versions.items() if known}
        return BuildReport(
            name=self.name,
            board=self.board.name,
            device=self.board.device,
            sync_hz=self.board.clock.sync_hz,
            seed=seed,
            usage=nextpnr.usage(self.board.family, totals, log),
            clocks=nextpnr.clock_timings(raw),
            slowest=nextpnr.slowest_path(raw),
            tools={**versions, "amaranth": version("amaranth")},
            bitstream=self.name + BITSTREAM[self.board.family],
            cycles_per_image=cycles_per_image,
        )

    def keep_contents(self, options: Mapping[str, Any], note: Mapping[str, Any]) -> None:
        """Write down what lies in which block RAM, for a later patch."""
        netlist = _text(self.place / f"{self.name}.json")
        if not netlist:
            return  # Without it there is nothing to hold a patch against, and so there is none.
        told = record(netlist, board=self.board.name, options=options, note=note)
        (self.place / f"{self.name}{RECORD}").write_text(told, encoding="utf-8")

    def finish(self, texts: Mapping[str, str], target: Path) -> None:
        """Move what is kept to the folder of the output, and what else there is to say."""
        for file, text in texts.items():
            (self.place / file).write_text(text, encoding="utf-8")
        # The report comes last: who sees it finds everything that it speaks of.
        deliver(self.place, target, [*(f"{self.name}{suffix}" for suffix in _KEPT), *texts])

    def _named(self, failed: ToolFailed) -> ToolFailed | None:
        """Quote the error from the log, where Yosys writes nothing else."""
        log = _text(self.place / f"{self.name}.rpt")
        errors = [line for line in log.splitlines() if line.startswith("ERROR: ")]
        if failed.output.strip() or not errors:
            return None
        todo = "Search Yosys's issues for this error, or change the folding."
        what = f"Yosys failed: {errors[-1].removeprefix('ERROR: ')}"
        return ToolFailed(what, todo, output=log, status=failed.status)

    def _explained(self, failed: ToolFailed) -> BnnhwError | None:
        """Tell a design that is too big from all else that place and route can fail of."""
        log = _text(self.place / f"{self.name}.tim") + failed.output
        found = nextpnr.usage(self.board.family, nextpnr.log_totals(log), log)
        over = {kind: entry for kind, entry in found.items() if entry.used > entry.available}
        if over or any(sign in log for sign in _CROWDED):
            return does_not_fit(self.name, self.board, over)
        if failed.status is None:
            todo = "Try another seed or a smaller folding, or allow more time."
            return ToolFailed(failed.what, todo, output=failed.output, status=None)
        return None


def scratch_folder(target: Path, name: str) -> "tempfile.TemporaryDirectory[str]":
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


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def deliver(place: Path, target: Path, names: Sequence[str]) -> None:
    """Move those of the files that are there to the folder of the output, in this order.

    Raises
    ------
    UsageError
        If that cannot be written.
    """
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name in names:
            if (place / name).is_file():
                shutil.move(place / name, target / name)
    except OSError as error:
        raise UsageError(
            f"'{target}' cannot be written: {error.strerror}.", "Choose a folder of your own."
        ) from error
