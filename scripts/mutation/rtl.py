"""Run the benches of each kind of block against its mutants."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from amaranth.back import rtlil

from ..signing import ROOT
from . import child
from .kind import Kind, Timing, mirror
from .make import Mutant, make
from .netlist import Netlist
from .plant import capture, planted, ports_of
from .results import Fate, Judged, Verdict
from .state import digest
from .twins import Answer, alike

__all__ = ["depends", "judge"]

_SECONDS = 60.0


def judge(kind: Kind, *, count: int, seed: int, solve: bool = True) -> Judged:
    """Make mutants of a kind and run its benches on each, in a process of its own.

    What survives is given to a solver, which may prove that it differs in nothing.

    Parameters
    ----------
    kind : Kind
    count, seed : int
        See `make`.
    solve : bool
        Whether to ask the solver.

    Raises
    ------
    AssertionError
        If the netlist without a fault fails, or has another timing: it would prove nothing.
    """
    start = time.monotonic()
    timing = kind.check()
    component, platform = _component(kind)
    base, mutants = make(component, platform=platform, count=count, seed=seed)
    whole = child.run(_bench(kind, base, timing, component), seconds=4 * _SECONDS)
    if (whole.how, whole.what) != ("done", ""):
        raise AssertionError(f"{kind.name}: the netlist without a fault fails: {whole}")
    judged = Judged(kind.name, base.cells)
    for mutant in mutants:
        verdict = _verdict(kind, mutant, timing, component)
        if verdict.fate is Fate.OPEN and solve:
            answer = alike(component, base, mutant.netlist)
            fate = Fate.EQUAL if answer is Answer.EQUAL else Fate.OPEN
            verdict = replace(verdict, fate=fate, how=f"solver: {answer.value}")
        judged.verdicts.append(verdict)
    judged.seconds = time.monotonic() - start
    return judged


def depends(kind: Kind, *, count: int, seed: int) -> str:
    """Name what the verdicts depend on: the hardware, the file of its tests, and the draw."""
    component, platform = _component(kind)
    text = str(rtlil.convert(component, name="top", platform=platform, emit_src=False))
    tests = (ROOT / "tests" / kind.tests).read_text(encoding="utf-8")
    return digest(text, tests, f"{count} {seed}")


def _component(kind: Kind) -> tuple[Any, object]:
    """Give the component that the benches elaborate, and for which platform."""
    if kind.make is not None:
        return kind.make(mirror(kind.tests)), None
    found = capture(kind.component, kind.check)
    return found.component, found.platform


def _bench(
    kind: Kind, netlist: Netlist, timing: list[Timing], component: object
) -> Callable[[], str]:
    """Say nothing if all is well, and what is wrong if it is only the timing."""

    def bench() -> str:
        # What the netlist itself has wrong must not look as if a bench had seen a fault.
        try:
            netlist.build(ports_of(component))
        except Exception as error:
            return f"unusable: {error}"
        with planted(kind.component, netlist) as seen:
            now = kind.check()
        if not seen:
            return "unusable: no bench has it"
        return "" if now == timing else f"timing: {now} instead of {timing}"

    return bench


def _verdict(kind: Kind, mutant: Mutant, timing: list[Timing], component: object) -> Verdict:
    ending = child.run(_bench(kind, mutant.netlist, timing, component), seconds=_SECONDS)
    how = ending.what if ending.how in ("done", "raised") else ending.how
    if how.startswith("unusable") or ending.how == "died":
        raise AssertionError(f"{kind.name}: {mutant.key}: {how} {ending.what}")
    fate = Fate.KILLED if how else Fate.OPEN
    return Verdict(mutant.key, mutant.where, fate, how, _cause(how) if how else "")


def _cause(how: str) -> str:
    if how == "stopped":
        return "never ended"
    if how.startswith("timing"):
        return "latency or rate"
    if how.startswith("TimeoutError"):
        return "hang"
    if "withdrawn" in how or "payload changed" in how:
        return "stream contract"
    return "value, order or count"
