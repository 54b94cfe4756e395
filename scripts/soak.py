"""Simulate random networks, and every sample image through every sample network.

    scripts/soak [--networks N] [--seconds S] [--jobs N] [--fresh] [--number K]
    scripts/soak --images [NAME ...] [--models DIR] [--fresh]

A random network has random nodes, branches, folding, images and stalls on both sides; each word on
each of its edges is held against the golden model. Seed and number say which it is, so a run that
was stopped, or that had only S seconds, goes on where it was: docs/signoff/soak.json counts on.
What was wrong is judged again first, and taken back, not forgotten, where it is mended.
`--number` simulates one of them again, and records nothing.
"""

import argparse
import gc
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from . import soak_images
from .signing import ROOT, Item, ended, read, record
from .soak_networks import Outcome, judge

__all__ = ["REQUIRED", "Soak", "main"]

REQUIRED = 10_000
SEED = "1"
_PART = 25
_MILLION = 1_000_000
_PACKAGES = ("amaranth", "numpy")


class Soak:
    """Counts of a soak, from where an earlier run left it.

    Parameters
    ----------
    stored : mapping or None
        Details of the recorded item; None begins anew.
    """

    def __init__(self, stored: dict[str, Any] | None = None) -> None:
        fresh = {
            "seed": SEED, "next": 0, "networks": 0, "compiled": 0, "refused": 0, "clocks": 0,
            "values": 0, "seconds": 0.0, "faults": {}, "mended": [], "runs": [],
        }  # fmt: skip
        self.counts: dict[str, Any] = fresh | (stored or {})

    def add(self, found: Sequence[Outcome], seconds: float) -> None:
        """Add what became of the next networks."""
        counts = self.counts
        for one in found:
            counts["refused"] += one.refused and not one.fault
            counts["networks"] += not one.refused
            counts["compiled"] += one.compiled
            counts["clocks"] += one.clocks
            counts["values"] += one.values
            if one.fault:
                counts["faults"][str(one.number)] = one.fault[:500]
        counts["next"] += len(found)
        counts["seconds"] = round(counts["seconds"] + seconds, 1)
        counts["runs"][-1]["to"] = counts["next"]

    def again(self, found: Sequence[Outcome]) -> None:
        """Take back the faults that are mended, and keep what they were."""
        for one in found:
            if not one.fault:
                told = self.counts["faults"].pop(str(one.number))
                self.counts["mended"].append({"number": one.number, "fault": told})
                self.counts["clocks"] += one.clocks
                self.counts["values"] += one.values

    def begin(self, revision: str) -> None:
        """Note that another run begins, or the last one goes on with the same program."""
        runs, start = self.counts["runs"], self.counts["next"]
        if not runs or runs[-1]["revision"] != revision:
            runs.append({"revision": revision, "from": start, "to": start})

    def item(self) -> Item:
        """Give what is written down."""
        counts = self.counts
        bad, done = len(counts["faults"]), counts["networks"]
        runs, mended = len(counts["runs"]), len(counts["mended"])
        measured = (
            f"{done:,} networks, {counts['compiled']:,} of them in Verilator, {counts['clocks']:,} "
            f"clocks, {counts['values']:,} values compared, {bad} mismatches; at {runs} revisions"
        )
        if mended:
            measured += f"; {mended} faults were found, mended, and their networks judged again"
        missing = f"{done:,} of {REQUIRED:,} networks were reached: `scripts/soak` goes on."
        return Item(
            "soak",
            "Random networks, folded and stalled at random, give the golden model's word on every "
            "edge.",
            "python -m scripts.soak",
            f"{REQUIRED:,} networks, 0 mismatches",
            measured,
            done >= REQUIRED and not bad,
            counts["seconds"],
            counts,
            missing if done < REQUIRED else "",
        )


def _outcomes(soak: Soak, jobs: int, end: float, wanted: int) -> Iterator[list[Outcome]]:
    """Judge part after part until the time is over or enough networks are done."""
    seed, at = soak.counts["seed"], soak.counts["next"]
    # Simulators are full of circles; what a child leaves behind goes with it.
    with ProcessPoolExecutor(jobs, max_tasks_per_child=20) as pool:
        while time.monotonic() < end and soak.counts["networks"] < wanted:
            parts = [range(at + k * _PART, at + (k + 1) * _PART) for k in range(jobs)]
            yield from pool.map(_part, [seed] * jobs, parts)
            at = parts[-1].stop


def _part(seed: str, numbers: range) -> list[Outcome]:
    gc.disable()
    found = [judge(seed, number) for number in numbers]
    gc.collect()
    return found


def _run(soak: Soak, jobs: int, seconds: float, wanted: int) -> None:
    begun = before = time.monotonic()
    lines = soak.counts["clocks"] // _MILLION
    _say(f"seed {soak.counts['seed']}, from number {soak.counts['next']}, {jobs} at once")
    for found in _outcomes(soak, jobs, begun + seconds, wanted):
        now = time.monotonic()
        soak.add(found, now - before)
        before = now
        record(soak.item(), *_PACKAGES)
        for one in found:
            if one.fault:
                _say(f"number {one.number}: {one.fault}")
        counts = soak.counts
        if counts["clocks"] // _MILLION > lines or counts["next"] % (20 * _PART) == 0:
            lines = counts["clocks"] // _MILLION
            _say(
                f"{counts['networks']:,} networks, {counts['clocks']:,} clocks, "
                f"{len(counts['faults'])} mismatches, {now - begun:.0f} s"
            )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _revision() -> str:
    words = ["git", "rev-parse", "--short=10", "HEAD"]
    found = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    return f"{found.stdout.strip() or 'unknown'}, Python {platform.python_version()}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak, and record; the exit code is 1 if anything is wrong."""
    parser = argparse.ArgumentParser(prog="scripts/soak", description=(__doc__ or "")[:73])
    parser.add_argument("--networks", type=int, default=REQUIRED, help="in all, with earlier runs")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="of this run, at most")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--number", type=int, help="simulate this one alone")
    parser.add_argument("--fresh", action="store_true", help="forget earlier runs")
    parser.add_argument("--images", nargs="*", metavar="NAME", help="sample images instead")
    parser.add_argument("--models", type=Path, default=ROOT.parent / "shared" / "models")
    args = parser.parse_args(arguments)
    if args.images is not None:
        return soak_images.run(args.models, args.images, fresh=args.fresh)
    if args.number is not None:
        outcome = judge(SEED, args.number)
        print(outcome)
        return 1 if outcome.fault else 0
    kept = {} if args.fresh else read().get("soak", {})
    soak = Soak(kept.get("details"))
    soak.again([judge(soak.counts["seed"], int(number)) for number in soak.counts["faults"]])
    soak.begin(_revision())
    # Nobody asks for these networks again: their programs are not kept.
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        _run(soak, args.jobs, args.seconds, args.networks)
    item = soak.item()
    record(item, *_PACKAGES)
    _say(item.measured)
    return 0 if item.met else 1


if __name__ == "__main__":
    sys.exit(ended(main))
