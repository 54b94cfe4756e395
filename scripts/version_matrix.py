"""Run a slice of the tests with the oldest and the newest versions that pyproject.toml allows.

    python -m scripts.version_matrix [--only ROW ...] [--folder DIR]

Each row is a Python and an environment of its own, in DIR if it is to be kept. In the oldest,
amaranth, cocotb and NumPy are those that their lower bounds name; all else is what pip finds
newest. Rows that are not run keep what an earlier run found. The suite itself runs with what is
newest on the Python of the checkout's environment.
"""

import argparse
import datetime
import json
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .environments import Missing, environment, interpreter, lowest, requirements_of, run
from .signing import Item, read, record

__all__ = ["BOUND", "ROWS", "SLICE", "Row", "main"]

BOUND = ("amaranth", "cocotb", "numpy")
"""What is taken at its lower bound."""

SLICE = (
    "tests/bnnhw/golden",
    "tests/bnnhw/plan",
    "tests/bnnhw/test_bits.py",
    "tests/rtl_gen/test_queue.py",
    "tests/rtl_gen/test_argmax.py",
    "tests/rtl_gen/test_verilog.py",
    "tests/rtl_gen/test_tracing.py",
    "tests/sim/test_interpreted.py",
    "tests/sim/test_cocotb.py",
    "tests/sim/test_random_networks.py",
)
"""Every layer that these packages carry: numbers, hardware, Verilog, both kinds of benches."""

_VERSIONS = """
import json
from importlib.metadata import version
print(json.dumps({name: version(name) for name in %r}))
"""


@dataclass(frozen=True)
class Row:
    """One environment.

    Parameters
    ----------
    name : str
    python : str
    oldest : bool
        The packages of `BOUND` are the oldest that are allowed.
    """

    name: str
    python: str
    oldest: bool

    def words(self) -> list[str]:
        """Give what pip is to install."""
        wanted = []
        for requirement in requirements_of("test"):
            bound = any(requirement.startswith((f"{name}>", f"{name}[")) for name in BOUND)
            wanted.append(lowest(requirement) if bound and self.oldest else requirement)
        return wanted


ROWS = (
    Row("oldest-3.11", "3.11", True),
    Row("newest-3.12", "3.12", False),
    Row("newest-3.13", "3.13", False),
)


def _tests(report: Path) -> dict[str, int]:
    """Count the outcomes in a report of pytest."""
    found = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for suite in ElementTree.parse(report).getroot().iter("testsuite"):
        for key in found:
            found[key] += int(suite.get(key, 0))
    return found


def _measured(row: Row, folder: Path) -> dict[str, Any]:
    """Make the environment of a row and run the tests in it."""
    before = time.monotonic()
    today = datetime.date.today().isoformat()
    found: dict[str, Any] = {"python": row.python, "date": today, "why": ""}
    try:
        own = environment(folder / row.name, interpreter(row.python), row.words())
        found["versions"] = json.loads(run([str(own), "-c", _VERSIONS % (BOUND,)]))
        report = folder / f"{row.name}.xml"
        try:
            words = ["-q", "-n0", "-m", "not slow", "-p", "no:cacheprovider"]
            run([str(own), "-m", "pytest", *words, f"--junitxml={report}", *SLICE])
        except RuntimeError as error:
            found["why"] = str(error)[-800:]
        found |= _tests(report) if report.is_file() else {}
    except (Missing, RuntimeError) as error:
        found["why"] = str(error)[-800:]
    return found | {"seconds": round(time.monotonic() - before, 1)}


def _passed(found: Mapping[str, Any]) -> bool:
    bad = sum(found.get(key, 1) for key in ("failures", "errors", "skipped"))
    return not found["why"] and not bad and found.get("tests", 0) > 0


def item_of(rows: Mapping[str, Mapping[str, Any]]) -> Item:
    """Give what is written down."""
    told = []
    for name, found in rows.items():
        versions = ", ".join(f"{key} {value}" for key, value in found.get("versions", {}).items())
        outcome = f"{found.get('tests', 0)} tests passed" if _passed(found) else "**failed**"
        told.append(f"{name} ({versions or 'not made'}): {outcome}")
    missing = [row.name for row in ROWS if row.name not in rows]
    failed = [f"Not run: {', '.join(missing)}."] if missing else []
    failed += [f"{name}: {one['why'] or one}" for name, one in rows.items() if not _passed(one)]
    return Item(
        "versions",
        "The oldest and the newest allowed versions of amaranth, cocotb and NumPy work.",
        "python -m scripts.version_matrix",
        "a slice of the tests passes in each, none skipped",
        "; ".join(told),
        not failed,
        round(sum(found["seconds"] for found in rows.values()), 1),
        {"rows": dict(rows), "slice": list(SLICE)},
        " ".join(failed)[:600],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the rows; the exit code is 1 if a test failed, or an environment cannot be had."""
    known = [row.name for row in ROWS]
    description = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="scripts.version_matrix", description=description)
    parser.add_argument("--only", nargs="+", metavar="ROW", help=f"of {', '.join(known)}")
    parser.add_argument("--folder", type=Path, help="keep the environments here")
    args = parser.parse_args(arguments)
    if unknown := [name for name in args.only or () if name not in known]:
        parser.error(f"ROW must be one of {', '.join(known)}, not {unknown[0]!r}")
    found: dict[str, Any] = read().get("versions", {}).get("details", {}).get("rows", {})
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for row in ROWS:
            if row.name in (args.only or known):
                found[row.name] = _measured(row, folder)
                print(f"{row.name}: {found[row.name]}", file=sys.stderr, flush=True)
    rows = {name: found[name] for name in known if name in found}
    record(item_of(rows))
    return 0 if all(_passed(rows[name]) for name in args.only or known) else 1


if __name__ == "__main__":
    sys.exit(main())
