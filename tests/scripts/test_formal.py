"""The record of the formal proofs: what is counted, and what is no success."""

from types import SimpleNamespace
from typing import Any

import pytest

from scripts import formal
from sim.formal import Mode, Result, Verdict


def rows(**changes: Any) -> dict[str, dict[str, Any]]:
    answers = {"proved": 1, "refuted": 2, "reached": 1}
    row = {"tests": {"passed": 3}, "answers": answers, "seconds": 1.0, **changes}
    return dict.fromkeys(formal.FILES, row)


def test_counts() -> None:
    assert len(formal.FILES) >= 8
    item = formal.item_of(0, rows(), 7.0)
    assert item.met
    told = f"{len(formal.FILES)} proofs for all time, {2 * len(formal.FILES)} broken twins refuted"
    assert item.measured.startswith(told)


@pytest.mark.parametrize(
    ("status", "changes"),
    [
        (1, {}),
        (0, {"tests": {"passed": 2, "failed": 1}}),
        (0, {"tests": {"passed": 2, "skipped": 1}}),
        (0, {"answers": {"refuted": 1}}),
        (0, {"answers": {"proved": 1}}),
    ],
)
def test_no_success(status: int, changes: dict[str, Any]) -> None:
    assert not formal.item_of(status, rows(**changes), 7.0).met
    absent = rows()
    absent.popitem()
    assert not formal.item_of(0, absent, 7.0).met


def test_listens() -> None:
    watch = formal.Watch()
    answers = iter([Verdict.PROVED, Verdict.REFUTED, Verdict.PROVED])

    def prove(*_: Any, **__: Any) -> Result:
        return Result(verdict=next(answers), mode=Mode.PDR, depth=0)

    heard = watch.listening(prove)
    for name, count in (("a.py::one", 2), ("b.py::one", 1)):
        watch.pytest_runtest_logstart(name)
        for _ in range(count):
            heard()
        for when, outcome in (("setup", "passed"), ("call", "passed"), ("teardown", "failed")):
            report: Any = SimpleNamespace(when=when, outcome=outcome, duration=0.5)
            watch.pytest_runtest_logreport(report)
    assert watch.rows()["a.py"] == {
        "tests": {"passed": 1, "failed": 1}, "answers": {"proved": 1, "refuted": 1}, "seconds": 1.5
    }  # fmt: skip
    assert watch.rows()["b.py"]["answers"] == {"proved": 1}
