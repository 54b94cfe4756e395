"""The record of the formal proofs: what is counted, and what is no success."""

from types import SimpleNamespace
from typing import Any

import pytest

from scripts import formal
from sim.formal import Mode, Result, Verdict


def rows(**changes: Any) -> dict[str, dict[str, Any]]:
    answers = {"proved": 1, "refuted": 2, "reached": 1}
    row = {"tests": {"passed": 3}, "answers": answers, "seconds": 1.0, "quick": False, **changes}
    return dict.fromkeys(formal.FILES, row)


def test_counts() -> None:
    assert len(formal.FILES) >= 8
    item = formal.item_of(rows())
    assert item.met and "slow" not in item.short
    told = f"{len(formal.FILES)} proofs for all time, {2 * len(formal.FILES)} broken twins refuted"
    assert item.measured.startswith(told)
    assert formal.item_of(rows(quick=True)).short.startswith("Without the slow proofs of tests/")


@pytest.mark.parametrize(
    "changes",
    [
        {"tests": {"passed": 2, "failed": 1}},
        {"tests": {"passed": 2, "skipped": 1}},
        {"answers": {"refuted": 1}},
        {"answers": {"proved": 1}},
    ],
)
def test_no_success(changes: dict[str, Any]) -> None:
    assert not formal.item_of(rows(**changes)).met
    absent = rows()
    absent.popitem()
    item = formal.item_of(absent)
    assert not item.met and item.short.startswith(f"Not run: {formal.FILES[-1]}.")


def test_files_that_did_not_run_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    items: list[Any] = []
    stored = {"formal": {"details": {"files": rows()}}}
    monkeypatch.setattr(formal, "record", lambda item, *_: items.append(item))
    monkeypatch.setattr(formal, "read", lambda: stored)
    for status, outcome, code in ((0, "passed", 0), (1, "failed", 1), (2, "passed", 1), (2, "", 1)):
        watch = formal.Watch()
        if outcome:
            watch.pytest_runtest_logstart(f"{formal.FILES[0]}::test")
            report: Any = SimpleNamespace(when="call", outcome=outcome, duration=2.0)
            watch.pytest_runtest_logreport(report)
        answer = (status, watch)
        monkeypatch.setattr(formal, "run", lambda file, quick, answer=answer: answer)
        assert formal.main(["--only", formal.FILES[0]]) == code
        assert items[-1].met == (code == 0)
        assert len(items[-1].details["files"]) == len(formal.FILES)


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
