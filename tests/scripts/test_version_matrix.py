"""The matrix of versions: what is installed where, and what is no success."""

from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from scripts import version_matrix
from scripts.environments import Missing
from scripts.signing import ROOT
from scripts.version_matrix import BOUND, ROWS, SLICE


def test_what_is_installed() -> None:
    oldest, *newest = ROWS
    pinned = {}
    for word in oldest.words():
        one = Requirement(word)
        if one.name in BOUND:
            pinned[one.name] = str(one.specifier)
    assert set(pinned) == set(BOUND)
    assert all(specifier.startswith("==") for specifier in pinned.values())
    assert all(word.startswith("amaranth[builtin-yosys]") for word in oldest.words()
               if word.startswith("amaranth["))  # fmt: skip
    for row in newest:
        assert not any(Requirement(word).specifier.prereleases for word in row.words())
        assert not [w for w in row.words() if Requirement(w).name in BOUND and "==" in w]
    assert {row.python for row in ROWS} == {"3.11", "3.12", "3.13"}


def test_the_slice_is_there() -> None:
    assert all((ROOT / path).exists() for path in SLICE)


REPORT = '<testsuites><testsuite tests="{}" failures="{}" errors="0" skipped="{}"/></testsuites>'


@pytest.mark.parametrize(
    ("outcome", "passed"),
    [((9, 0, 0), True), ((9, 1, 0), False), ((9, 0, 1), False), ((0, 0, 0), False)],
)
def test_outcomes(
    outcome: tuple[int, int, int], passed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items: list[Any] = []

    def run(words: list[str]) -> str:
        for word in words:
            if word.startswith("--junitxml="):
                Path(word.partition("=")[2]).write_text(REPORT.format(*outcome))
        if "pytest" in words and outcome[1]:
            raise RuntimeError("pytest ended with 1: a test failed")
        return '{"numpy": "2.0"}'

    monkeypatch.setattr(version_matrix, "run", run)
    monkeypatch.setattr(version_matrix, "read", dict)
    monkeypatch.setattr(version_matrix, "record", lambda item, *_: items.append(item))
    monkeypatch.setattr(version_matrix, "interpreter", lambda version: Path(version))
    monkeypatch.setattr(version_matrix, "environment", lambda folder, python, words: python)
    assert version_matrix.main(["--folder", str(tmp_path / "kept")]) == (0 if passed else 1)
    (item,) = items
    assert item.met == passed and bool(item.short) != passed
    assert ("oldest-3.11 (numpy 2.0): 9 tests passed" in item.measured) == passed


def test_rows_that_did_not_run_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    items: list[Any] = []
    good = {"why": "", "tests": 9, "failures": 0, "errors": 0, "skipped": 0, "seconds": 1.0}
    kept = {row.name: good for row in ROWS[1:]}
    monkeypatch.setattr(version_matrix, "record", lambda item, *_: items.append(item))
    monkeypatch.setattr(version_matrix, "_measured", lambda row, folder: good)
    for stored, met in (({}, False), ({"versions": {"details": {"rows": kept}}}, True)):
        monkeypatch.setattr(version_matrix, "read", lambda stored=stored: stored)
        assert version_matrix.main(["--only", ROWS[0].name]) == 0
        assert items[-1].met == met
    assert items[0].short == "Not run: newest-3.12, newest-3.13."
    assert list(items[1].details["rows"]) == [row.name for row in ROWS]


def test_an_interpreter_that_is_missing_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    items: list[Any] = []

    def interpreter(version: str) -> Path:
        raise Missing(f"Python {version} is not here")

    monkeypatch.setattr(version_matrix, "interpreter", interpreter)
    monkeypatch.setattr(version_matrix, "read", dict)
    monkeypatch.setattr(version_matrix, "record", lambda item, *_: items.append(item))
    assert version_matrix.main([]) == 1
    assert not items[0].met and "oldest-3.11: Python 3.11 is not here" in items[0].short
    assert "newest-3.13 (not made): **failed**" in items[0].measured
