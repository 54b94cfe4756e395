"""Feed hostile input to everything that reads some, and record what became of it.

    scripts/fuzz [ENTRY ...] [--inputs N] [--seed TEXT] [--fresh] [--page] [--sign] [--findings DIR]

Each ENTRY is a kind of input; without one all are run, each with as many inputs as it says itself.
A run that was stopped goes on where it was; `--fresh` begins again. Counts go to docs/fuzz.json,
from which docs/fuzz.md is written; `--page` does that alone. `--sign` records the counts for the
sign-off, too. Bad inputs are made smaller and put into DIR, one for each place where something
breaks.
"""

import argparse
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from .fuzzing.entries import ENTRIES
from .fuzzing.frame import BAD, ROOT, Entry, rng_of
from .fuzzing.report import Record, signed, write_page
from .fuzzing.watch import Finding, Watched, minimised, reviewed, save
from .signing import record as sign

__all__ = ["main"]

_PART = 100
_ORDER = [entry.name for entry in ENTRIES]


class _Run:
    """One entry, part by part."""

    def __init__(self, entry: type[Entry], seed: str, record: Record, findings: Path) -> None:
        self._entry, self._seed = entry, seed
        self._record, self._findings = record, findings
        self._known: set[str] = set()

    def until(self, end: int) -> int:
        """Handle inputs up to `end`; return how many of them were bad."""
        start, bad, before = self._record.done(self._entry.name, self._seed), 0, time.monotonic()
        with Watched() as worker:
            while start < end:
                count = min(_PART, end - start)
                found = [
                    self._judged(one)
                    for one in worker.run(self._entry.name, self._seed, start, count)
                ]
                self._record.add(self._entry, self._seed, start, found)
                self._record.save()
                bad += sum(one.outcome in BAD for one in found)
                start += count
                spent = time.monotonic() - before
                print(f"{self._entry.name}: {start} of {end}, {bad} bad, {spent:.0f} s", flush=True)
        return bad

    def _judged(self, found: Finding) -> Finding:
        if found.outcome not in BAD:
            return found
        entry = self._entry
        scratch = self._findings / "scratch"
        scratch.mkdir(parents=True, exist_ok=True)
        data = entry(scratch).make(rng_of(entry.name, self._seed, found.number))
        again = reviewed(found, entry.name, data)
        place = re.sub(r"[^A-Za-z0-9_.]+", "-", again.detail.split(":", 2)[0] + again.detail[-30:])
        kind = f"{again.outcome} {again.detail[:60]}"
        if again.outcome in BAD and kind not in self._known:
            self._known.add(kind)
            print(f"{entry.name} {found.number}: {again.outcome}: {again.detail}", flush=True)
            if again.outcome != "hang":
                data = minimised(data, again, entry.name)
            save(self._findings, entry.name, data, f"{found.number}-{place[:60]}", entry.suffix)
        return again


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; the exit code is 1 if anything bad was found."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=(__doc__ or "")[:80])
    parser.add_argument("entries", nargs="*", metavar="ENTRY", help=f"of {', '.join(_ORDER)}")
    parser.add_argument("--inputs", type=int, help="of each entry, instead of its own number")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--fresh", action="store_true", help="begin again")
    parser.add_argument("--page", action="store_true", help="write the page, run nothing")
    parser.add_argument("--sign", action="store_true", help="record for the sign-off")
    parser.add_argument("--findings", type=Path, default=ROOT / "fuzz-findings")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="where the record goes")
    args = parser.parse_args(arguments)
    unknown = [name for name in args.entries if name not in _ORDER]
    if unknown:
        parser.error(f"ENTRY must be one of {', '.join(_ORDER)}, not {unknown[0]!r}")
    record, bad = Record(args.docs / "fuzz.json"), 0
    for entry in () if args.page else ENTRIES:
        if args.entries and entry.name not in args.entries:
            continue
        if args.fresh:
            record.entries.pop(entry.name, None)
        run = _Run(entry, args.seed, record, args.findings)
        bad += run.until(args.inputs or entry.inputs)
    write_page(record, _ORDER, args.docs)
    if args.sign:
        item = signed(record.entries, _ORDER)
        sign(item, "numpy", "onnx", "h5py")
        bad += not item.met
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
