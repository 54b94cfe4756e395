"""Faults in source: tests see them, tests that look at nothing do not."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.mutation.python import MODULES, Subject, judge
from scripts.mutation.results import Fate
from scripts.signing import ROOT

ROUNDINGS = next(subject for subject in MODULES if subject.module == "load/roundings")


def test_tests_see_nearly_every_fault() -> None:
    """As it is called: a few mutants of one module, of which none may be left open."""
    words = ["-m", "scripts.mutants", "python", "--only", "roundings", "--count", "7"]
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    killed = re.search(r"(\d+) killed", done.stdout)
    assert killed is not None and int(killed[1]) >= 6


def blind(folder: Path, text: str) -> Subject:
    test = folder / "test_blind.py"
    test.write_text(text)
    return replace(ROUNDINGS, tests=(str(test),))


def test_tests_that_look_at_nothing_kill_nothing(tmp_path: Path) -> None:
    text = "from bnnhw.load import roundings\n\ndef test_blind():\n    assert roundings\n"
    judged = judge(blind(tmp_path, text), count=3, seed=1)
    assert [one.fate for one in judged.verdicts] == [Fate.OPEN] * 3


@pytest.mark.parametrize(
    "text", ["def test_it():\n    assert 0\n", "import nothing_of_this_name\n"]
)
def test_tests_that_fail_without_a_fault_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(AssertionError, match=r"^load/roundings: the tests fail without a fault: "):
        judge(blind(tmp_path, text), count=1, seed=1)


def test_all_files_are_there() -> None:
    for subject in MODULES:
        assert subject.file.is_file()
        assert all((ROOT / "tests" / "bnnhw" / name).is_file() for name in subject.tests)
    assert len({subject.module for subject in MODULES}) == len(MODULES)
    assert "PYTEST_CURRENT_TEST" in os.environ
