"""What runs found: kept in docs/fuzz.json while they go on, and docs/fuzz.md made of it."""

import datetime
import fcntl
import json
import os
import platform
from collections import Counter
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bnnhw import __version__
from bnnhw.files import write_atomic

from ..signing import Item
from .frame import BAD, OUTCOMES, Entry
from .watch import LIMIT, Finding
from .worker import MEMORY

__all__ = ["REQUIRED", "Record", "page", "signed", "write_page"]

REQUIRED = 200_000

_INTRO = """# Hostile input

Written by `scripts/fuzz`; nothing here is copied by hand. Counts are in [fuzz.json](fuzz.json).

Everything that enters is changed and handled as the program would: a model file is loaded and,
where it is accepted, printed, computed by both paths of the golden model (which must agree) and,
one in eight, planned. Inputs follow from entry, seed and number, so a run that was stopped goes on
where it was, and gives the same inputs everywhere. They are handled in a child process with
{memory} GB of address space, and {limit:g} seconds each.

- *accepted*, or *refused* by one of the errors of `bnnhw.errors`, whose message is printable and
  ends in what to do;
- *crash*: any other exception, or the end of the process; *hang*: over {limit:g} seconds; *memory*:
  an allocation failed, whatever became of it; *wrong*: what was accepted breaks a promise (an
  unsafe name, two paths of the golden model that differ, an answer to a stranger).

A bad input is judged again in a fresh process, made as small as it goes, and kept in
`tests/fuzz/regressions` once it is mended; the quick suite runs these and a sample of each entry.
What inputs are made of is in `scripts/fuzzing`, the seeds that they come from are in
`tests/fuzz/corpus`.

Seconds are by the clock. Where more processes want to run than there are cores, an input that took
too long is judged again with as much more time; "slowest" can then be above the limit.

"""


class Record:
    """Counts of each entry in one file.

    Parameters
    ----------
    file : Path
        Need not exist yet.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.entries = self._read()
        self._own: set[str] = set()

    def _read(self) -> dict[str, dict[str, Any]]:
        if not self._file.exists():
            return {}
        entries: dict[str, dict[str, Any]] = json.loads(self._file.read_text(encoding="utf-8"))
        return entries

    def done(self, entry: str, seed: str) -> int:
        """Say how many inputs of a seed were handled by this version of the program."""
        found = self.entries.get(entry, {})
        same = (found.get("seed"), found.get("versions")) == (seed, _versions())
        return sum(found["outcomes"].values()) if same else 0

    def add(self, entry: type[Entry], seed: str, start: int, found: Iterable[Finding]) -> None:
        """Add what became of inputs from `start` on; with another seed or version, start afresh."""
        self._own.add(entry.name)
        if not start:
            self.entries.pop(entry.name, None)
        kept = self.entries.setdefault(
            entry.name,
            {"seed": seed, "versions": _versions(), "outcomes": {}, "refusals": {}, "seconds": 0.0,
             "slowest": 0.0, "model": entry.model, "title": entry.title},
        )  # fmt: skip
        outcomes, refusals = Counter(kept["outcomes"]), Counter(kept["refusals"])
        for one in found:
            outcomes[one.outcome] += 1
            if one.outcome == "refused":
                refusals[one.detail] += 1
            kept["seconds"] = round(kept["seconds"] + one.seconds, 3)
            if one.seconds > kept["slowest"]:
                kept["slowest"], kept["slowest_number"] = round(one.seconds, 3), one.number
        kept["outcomes"], kept["refusals"] = dict(outcomes), dict(refusals)
        kept["date"] = datetime.datetime.now(datetime.UTC).date().isoformat()

    def save(self) -> None:
        """Write the file, with what other runs have put there of other entries."""
        own = {name: kept for name, kept in self.entries.items() if name in self._own}
        folder = os.open(self._file.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            self.entries = self._read() | own
            text = json.dumps(self.entries, indent=1, sort_keys=True)
            write_atomic(self._file, text.encode() + b"\n")
        finally:
            os.close(folder)


def _versions() -> dict[str, str]:
    packages = {name: version(name) for name in ("numpy", "onnx", "h5py")}
    return {"bnnhw": __version__, "python": platform.python_version(), **packages}


def page(entries: dict[str, dict[str, Any]], order: Iterable[str]) -> str:
    """Give the page."""
    rows = [entries[name] for name in order if name in entries]
    lines = [
        "| input | inputs | " + " | ".join(OUTCOMES) + " | slowest | seconds | date |",
        "| :-- |" + " --: |" * (len(OUTCOMES) + 4),
    ]
    lines += [_row(row["title"], row, row["date"]) for row in rows]
    lines += [_row(f"**{title}**", _sum(kept), "") for title, kept in (
        ("model files", [row for row in rows if row["model"]]), ("all", rows)
    )]  # fmt: skip
    made = [
        f"Seed `{seed}`; " + ", ".join(f"{name} {number}" for name, number in versions) + "."
        for seed, versions in sorted(_made_by(rows))
    ]
    intro = _INTRO.format(memory=MEMORY >> 30, limit=LIMIT)
    return intro + "\n".join(lines) + "\n\n" + "\n".join(made) + "\n"


def signed(entries: dict[str, dict[str, Any]], order: Iterable[str]) -> Item:
    """Give what the sign-off keeps of all entries."""
    wanted = list(order)
    there = [entries[name] for name in wanted if name in entries]
    total = _sum(there)
    counts = total["outcomes"]
    inputs, bad = sum(counts.values()), sum(counts[name] for name in BAD)
    missing = [name for name in wanted if name not in entries]
    dates = sorted({row["date"] for row in there})
    short = [f"Not run: {', '.join(missing)}."] if missing else []
    if len(_made_by(there)) > 1 or len(dates) > 1:
        short.append("Kinds of input were run at several times, each by the program of its day.")
    return Item(
        "fuzz",
        "Hostile input of every kind is accepted or refused by a typed error: no crash, no hang, "
        "no lack of memory, no broken promise.",
        "python -m scripts.fuzz --sign",
        f"{REQUIRED:,} inputs, 0 bad",
        f"{inputs:,} inputs of {len(there)} kinds: {counts['accepted']:,} accepted, "
        f"{counts['refused']:,} refused, {bad} bad; {' to '.join(dates[:1] + dates[1:][-1:])}",
        inputs >= REQUIRED and not bad and not missing,
        round(total["seconds"], 1),
        {"outcomes": dict(counts), "kinds": wanted},
        " ".join(short),
    )


def _made_by(rows: list[dict[str, Any]]) -> set[tuple[str, tuple[tuple[str, str], ...]]]:
    return {(row["seed"], tuple(sorted(row["versions"].items()))) for row in rows}


def _sum(rows: list[dict[str, Any]]) -> dict[str, Any]:
    outcomes: Counter[str] = Counter()
    for row in rows:
        outcomes.update(row["outcomes"])
    seconds = sum(row["seconds"] for row in rows)
    return {
        "outcomes": outcomes,
        "seconds": seconds,
        "slowest": max((row["slowest"] for row in rows), default=0.0),
    }


def _row(title: str, row: dict[str, Any], date: str) -> str:
    counts = row["outcomes"]
    cells = [f"{counts.get(name, 0):,}" for name in OUTCOMES]
    times = [f"{row['slowest']:.2f} s", f"{row['seconds']:,.0f}"]
    return "| " + " | ".join([title, f"{sum(counts.values()):,}", *cells, *times, date]) + " |"


def write_page(record: Record, order: Iterable[str], docs: Path) -> None:
    """Write fuzz.md into a folder."""
    (docs / "fuzz.md").write_text(page(record.entries, order), encoding="utf-8")
