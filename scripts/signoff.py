"""Run every item of the sign-off, and write the table at the head of docs/verification.md.

    scripts/signoff [--only NAME ...] [--list] [--page]

Items run one after the other, each as a program of its own that records what it found in
docs/signoff; one that fails holds up no other. The exit code is 1 if any that ran was not met.
`--page` runs nothing and writes the table of what is recorded.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from .signing import FOLDER, ROOT, read
from .signoff_page import PAGE, with_table

__all__ = ["STEPS", "Step", "main"]


@dataclass(frozen=True)
class Step:
    """How an item is run.

    Parameters
    ----------
    name : str
        Of the item.
    module : str
        Program in `scripts`, run with ``python -m``.
    words : tuple of str
        What it is told.
    """

    name: str
    module: str
    words: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """What a user types, from the root of the checkout."""
        return " ".join(("python -m", f"scripts.{self.module}", *self.words))

    def run(self) -> bool:
        """Run it, and tell whether it ended well and recorded that the item is met."""
        before = recorded_at(self.name)
        program = [sys.executable, "-m", f"scripts.{self.module}", *self.words]
        done = subprocess.run(program, cwd=ROOT, check=False)
        # What an earlier run left is no answer of this one.
        new = recorded_at(self.name) != before
        return not done.returncode and new and bool(read()[self.name]["met"])


def recorded_at(name: str) -> int:
    """Give the time at which an item was last written down, 0 if it never was."""
    path = FOLDER / f"{name}.json"
    return path.stat().st_mtime_ns if path.is_file() else 0


STEPS = (
    Step("coverage-functional", "coverage", ("functional",)),
    Step("coverage-rtl", "coverage", ("rtl",)),
    Step("coverage-python", "coverage", ("python",)),
    Step("mutants-rtl", "mutants", ("rtl",)),
    Step("mutants-python", "mutants", ("python",)),
    Step("protocol-abuse", "abuse"),
    Step("formal", "formal"),
    Step("fifo-depths", "depths"),
    Step("netlist-synthesised", "readback", ("synthesised",)),
    Step("netlist-routed", "readback", ("routed",)),
    Step("bitstream-ice40", "readback", ("ice40",)),
    Step("bitstream-flips", "readback", ("flips",)),
    Step("bitstream-ecp5", "readback", ("ecp5",)),
    Step("simulators-agree", "coverage", ("simulators",)),
    Step("soak", "soak"),
    Step("images", "soak", ("--images",)),
    Step("fuzz", "fuzz", ("--sign",)),
    Step("reproducible", "reproduce"),
    Step("versions", "version_matrix"),
    Step("supply", "supply"),
)
"""All items, in the order in which they stand on the page and are run."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for and write the page."""
    known = [step.name for step in STEPS]
    parser = argparse.ArgumentParser(prog="scripts/signoff", description=(__doc__ or "")[:83])
    parser.add_argument("--only", nargs="+", metavar="NAME", help=f"of {', '.join(known)}")
    parser.add_argument("--list", action="store_true", help="say what there is, run nothing")
    parser.add_argument("--page", action="store_true", help="write the table, run nothing")
    args = parser.parse_args(arguments)
    wanted = args.only or known
    if unknown := [name for name in wanted if name not in known]:
        parser.error(f"NAME must be one of {', '.join(known)}, not {unknown[0]!r}")
    if args.list:
        print("\n".join(f"{step.name:20} {step.command}" for step in STEPS))
        return 0
    steps = [step for step in STEPS if step.name in wanted and not args.page]
    failed = _run(steps)
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), known, read()), encoding="utf-8")
    return 1 if failed else 0


def _run(steps: Sequence[Step]) -> list[str]:
    """Run items, and name those that were not met."""
    failed: list[str] = []
    for number, step in enumerate(steps, 1):
        before = time.monotonic()
        _say(f"[{number}/{len(steps)}] {step.name}: {step.command}")
        met = step.run()
        failed += [] if met else [step.name]
        _say(f"{step.name}: {'met' if met else 'NOT MET'}, {time.monotonic() - before:.0f} s")
    if steps:
        _say(
            f"{len(steps) - len(failed)} of {len(steps)} met"
            + "".join(f", not {n}" for n in failed)
        )
    return failed


def _say(line: str) -> None:
    print("--", line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
