"""Run nextpnr, and read what it writes: its JSON report and its log."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..tools import Finished, ToolFailed, run_tool
from .report import ClockTiming, SlowestPath, Usage

__all__ = [
    "Unrouted",
    "clock_timings",
    "log_totals",
    "place",
    "rounds",
    "slowest_path",
    "tries",
    "usage",
]

_CELLS = {
    "ice40": {
        "lut4": "ICESTORM_LC",
        "ebr": "ICESTORM_RAM",
        "spram": "ICESTORM_SPRAM",
        "dsp": "ICESTORM_DSP",
    },
    "ecp5": {
        "lut4": "TRELLIS_COMB",
        "ff": "TRELLIS_FF",
        "ebr": "DP16KD",
        "dsp": "MULT18X18D",
    },
}
_TOTAL = re.compile(r"^Info:\s+(\w+):\s*(\d+)\s*/\s*(\d+)\s+\d+%", re.MULTILINE)
_ROUND = re.compile(r"^Info:\s+iter=(\d+) ", re.MULTILINE)
# Of router2; designs that it can route took up to 200.
_MOST_ROUNDS = 500
_TRY = re.compile(r"^Info:\s+(\d+) \|", re.MULTILINE)
# Of router1; a design of 5,000 cells takes 20,000 for all its wires.
_MOST_TRIES = 1_000_000
_CELL_WITH_FF = re.compile(r"^Info:\s+(\d+) LCs used as (?:LUT4 and DFF|DFF only)", re.MULTILINE)


class Unrouted(ToolFailed):
    """A placement for which nextpnr finds no way for all wires; another seed gives another one."""

    def __init__(self, output: str) -> None:
        super().__init__(
            "The router goes in circles: it finds no way for all wires of this placement.",
            "Try another seed (--seed), or a smaller folding.",
            output=output,
            status=None,
        )


def log_totals(log: str) -> dict[str, tuple[int, int]]:
    """Read cells used and available from the log; nothing if it did not come that far."""
    return {name: (int(used), int(there)) for name, used, there in _TOTAL.findall(log)}


def place(
    argv: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str], limit: float, log: Path
) -> Finished:
    """Place and route; on iCE40 with the usual router where the other one goes in circles.

    How many rounds it may take decides, not the time, so that a build gives the same bytes on every
    machine.

    Parameters
    ----------
    argv : sequence of str or Path
        nextpnr and its arguments; it writes `log`.
    cwd, env, limit
        As `run_tool` has them.
    log : Path

    Raises
    ------
    Unrouted
        If every router goes in circles.
    ToolMissing, ToolFailed
        As `run_tool` does.
    """

    def circles() -> bool:
        text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
        return rounds(text) > _MOST_ROUNDS or tries(text) > _MOST_TRIES

    routers = ["router2", "router1"] if "ice40" in Path(argv[0]).name else ["router2"]
    failed = ""
    for router in routers if "router2" in argv else [""]:
        words = [router if word == "router2" else word for word in argv]
        # What an earlier run wrote must not be taken for what this one does.
        log.unlink(missing_ok=True)
        try:
            done = run_tool(words, cwd=cwd, env=env, limit=limit, stuck=circles)
        except ToolFailed as error:
            if not circles():
                raise
            failed = error.output
        else:
            if not circles():
                return done
            failed = done.output
    raise Unrouted(failed)


def tries(log: str) -> int:
    """Tell how many wires router1 has led, the same one each time anew; 0 before it starts."""
    return max((int(found) for found in _TRY.findall(log)), default=0)


def rounds(log: str) -> int:
    """Tell how often router2 has gone through the nets that share a wire; 0 before it starts."""
    return max((int(found) for found in _ROUND.findall(log)), default=0)


def usage(family: str, totals: Mapping[str, tuple[int, int]], log: str) -> dict[str, Usage]:
    """Say what a design uses, in the terms of `bnnhw.target.Budget`.

    Parameters
    ----------
    family : str
        ``"ice40"`` or ``"ecp5"``.
    totals : Mapping
        Cells used and available, by nextpnr's own names.
    log : str
        nextpnr's log: on iCE40 it alone tells how many logic cells use their flip-flop.
    """
    names = _CELLS[family]
    found = {kind: Usage(*totals.get(names.get(kind, ""), (0, 0))) for kind in Usage.KINDS}
    if family == "ice40":
        flipflops = sum(int(number) for number in _CELL_WITH_FF.findall(log))
        found["ff"] = Usage(flipflops, found["lut4"].available)
    return found


def clock_timings(report: Mapping[str, Any]) -> tuple[ClockTiming, ...]:
    """Say what each clock reached, sorted by name."""
    return tuple(
        ClockTiming(name, float(entry["achieved"]), float(entry["constraint"]))
        for name, entry in sorted(report["fmax"].items())
    )


def slowest_path(report: Mapping[str, Any]) -> SlowestPath | None:
    """Find the path from register to register that takes most of its clock's time, if any."""
    paths = [
        (_wanted(report, path["from"]) * sum(hop["delay"] for hop in path["path"]), path["path"])
        for path in report["critical_paths"]
        if path["path"] and path["from"] == path["to"] and path["from"] != "<async>"
    ]
    if not paths:
        return None
    _, hops = max(paths, key=lambda path: path[0])
    wires = sum(float(hop["delay"]) for hop in hops if hop["type"] == "routing")
    return SlowestPath(
        start=hops[0]["from"]["cell"],
        end=hops[-1]["to"]["cell"],
        logic_ns=sum(float(hop["delay"]) for hop in hops) - wires,
        wires_ns=wires,
        levels=sum(hop["type"] == "logic" for hop in hops),
    )


def _wanted(report: Mapping[str, Any], edge: str) -> float:
    """Give the frequency in MHz that the clock of `edge`, such as ``posedge clk``, is to have."""
    clock = report.get("fmax", {}).get(edge.partition(" ")[2])
    return float(clock["constraint"]) if clock else 1.0
