"""Coverage of the generated Verilog: lines, branches and toggles, over designs with every block."""

import random
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any

from sim.abuse_campaigns import broken_frames, gaps, held, resets, run, stalls, uploads
from sim.abuse_designs import Abused, AbusedNetwork, array_kinds
from sim.abuse_networks import NETWORKS
from sim.abuse_player import compile_abused, play_compiled
from sim.coverage_cases import directed
from sim.coverage_rtl import KINDS, Point, Waiver, kinds_of, merged, points, rate, read

from .signing import Item, record

__all__ = ["measure", "waivers"]

WAIVERS = Path(__file__).with_name("rtl_waivers.toml")
# Of `sim.coverage_cases`, for what those networks lack: whole windows, searched thresholds, taps of
# three values.
DIRECTED = (50, 61)
REQUIRED = 95.0


def waivers() -> list[Waiver]:
    """Read the list of what need not be reached, with reasons."""
    given = tomllib.loads(WAIVERS.read_text(encoding="utf-8"))
    return [Waiver(one["points"], one["reason"]) for one in given["waiver"]]


def _designs() -> dict[str, tuple[Abused, dict[str, str]]]:
    """Give designs, and the kinds of their blocks."""
    found: dict[str, tuple[Abused, dict[str, str]]] = {}
    plans = {name: make() for name, make in NETWORKS.items()}
    for sample in directed():
        if sample.seed in DIRECTED:
            plans[f"directed {sample.seed}"] = sample.plan("generic")
    for name, plan in plans.items():
        found[name] = (AbusedNetwork(plan), kinds_of(plan))
    kinds = {"bare": "array", "batched": "batch", "stored": "mvtu"}
    for kind, array in array_kinds().items():
        found[f"array {kind}"] = (array, {"": kinds[kind]})
    return found


def _measured(name: str, abused: Abused, blocks: dict[str, str]) -> dict[Point, int]:
    """Play campaigns whose answers are all checked, and read what they reached."""
    design = abused.design
    program = compile_abused(design, quick=True, covered=True)
    dice = random.Random(1)
    clocks = [dice.randrange(2000) for _ in range(40)]
    cases = stalls(abused, dice) + broken_frames(abused, dice, count=100) + gaps(abused, dice)
    cases += resets(abused, dice, clocks, stalled=True) + uploads(abused, dice, count=20)
    cases += held(abused, dice)
    with tempfile.TemporaryDirectory() as scratch:
        written = Path(scratch) / "coverage.dat"
        arguments = [str(written)]
        run(abused, cases, lambda a: play_compiled(design, program, a, arguments=arguments)[0])
        return points(read(written), design.emitted[0], blocks, name)


def _percent(counts: dict[str, tuple[int, int]]) -> dict[str, float]:
    return {kind: 100 * reached / max(1, of) for kind, (reached, of) in counts.items()}


def measure() -> bool:
    """Measure, print and record; tell whether it is enough."""
    start = time.monotonic()
    parts = []
    for name, (abused, blocks) in _designs().items():
        parts.append(_measured(name, abused, blocks))
        print(f"{name}: {rate(parts[-1])[0]}", flush=True)
    found = merged(parts)
    plain, _ = rate(found)
    rules = waivers()
    counts, missed = rate(found, rules)
    for point in sorted(missed, key=str):
        print(f"  not reached: {point}")
    stale = [rule.points for rule in rules if not rule.used]
    for pattern in stale:
        print(f"  waives nothing: {pattern}")
    percent = _percent(counts)
    met = min(percent.values()) >= REQUIRED and not stale
    details: dict[str, Any] = {
        "designs": len(parts),
        "points": {kind: list(plain[kind]) for kind in KINDS},
        "points_with_waivers": {kind: list(counts[kind]) for kind in KINDS},
        "waivers": [vars(rule) for rule in rules],
        "missed": sorted(map(str, missed)),
    }
    shown = ", ".join(f"{kind} {percent[kind]:.1f} %" for kind in KINDS)
    without = ", ".join(f"{kind} {value:.1f} %" for kind, value in _percent(plain).items())
    item = Item(
        name="coverage-rtl",
        claim="Benches whose answers are checked reach the lines, branches and toggles of every "
        "block of a network and of the arrays.",
        command="python -m scripts.coverage rtl",
        required=f"lines, branches and toggles {REQUIRED:.0f} % each, waivers with reasons",
        measured=f"{shown}; without the {len(rules)} waivers {without}; {len(parts)} designs",
        met=met,
        seconds=round(time.monotonic() - start, 3),
        details=details,
    )
    record(item, "amaranth")
    print(item.measured)
    return met
