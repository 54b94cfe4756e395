"""Measure arrays, networks and the golden model on this machine, and write docs/performance.md.

    scripts/bench [NAME ...] [--quick] [--seeds N] [--models DIR] [--page]

Each NAME is a module of `scripts/benches`; without one all of them run. What was measured replaces
the rows of these modules in docs/performance.json and leaves those of the others alone; the page
and its plots are then written anew from all of them. `--page` measures nothing.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .benches.frame import ROOT, Settings, Store, find, load, write_page

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what was asked for and write the page."""
    known = find()
    parser = argparse.ArgumentParser(prog="scripts/bench", description=(__doc__ or "")[:80])
    # Not `choices`: with these, argparse refuses an empty list.
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}")
    parser.add_argument("--quick", action="store_true", help="few points, to try things out")
    parser.add_argument("--seeds", type=int, default=5, help="of place and route")
    parser.add_argument("--models", type=Path, default=ROOT.parent / "shared" / "models")
    parser.add_argument("--page", action="store_true", help="write page and plots, measure nothing")
    args = parser.parse_args(arguments)
    unknown = [name for name in args.names if name not in known]
    if unknown:
        parser.error(f"NAME must be one of {', '.join(known)}, not {unknown[0]!r}")
    if args.seeds < 1:
        parser.error(f"--seeds must be at least 1, not {args.seeds!r}")
    settings = Settings(seeds=args.seeds, quick=args.quick, models=args.models)
    store = Store(ROOT / "docs" / "performance.json")
    for name in () if args.page else args.names or known:
        settings.say(f"-- {name}")
        store.put(name, load(name).measure(settings), settings)
    write_page(store, ROOT / "docs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
