"""Run the tests of a module against its mutants."""

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import pytest

from ..signing import ROOT
from . import child
from .results import Fate, Judged, Verdict
from .source import SourceMutant, mutants_of
from .state import digest

__all__ = ["MODULES", "Subject", "depends", "judge"]

_PATIENCE = 4
"""A mutant has this many times the time of the tests without a fault, and some seconds."""


@dataclass(frozen=True)
class Subject:
    """A module, and the files of tests that are about it.

    Parameters
    ----------
    module : str
        Path below `bnnhw`, without suffix.
    tests : tuple of str
        Paths below `tests/bnnhw`, the quick ones first.
    """

    module: str
    tests: tuple[str, ...]

    @property
    def file(self) -> Path:
        """Source of the module."""
        return ROOT / "bnnhw" / f"{self.module}.py"

    @property
    def name(self) -> str:
        """Name under which the module is imported."""
        return "bnnhw." + self.module.replace("/", ".")


_GOLDEN = ("golden/test_windows.py", "golden/test_golden.py", "golden/test_kernels.py")
_CANONICAL = ("load/test_canonical.py", "load/test_canonical_conv.py")

MODULES = (
    *(
        Subject(f"golden/{name}", _GOLDEN)
        for name in (
            "plain", "plain_windows", "packed", "packed_joins", "packed_kernels", "packed_numpy",
            "packed_numba", "packed_sums", "packed_windows", "runner",
        )
    ),
    Subject("bits", ("test_bits.py",)),
    Subject("plan/pack", ("plan/test_pack.py",)),
    *(
        Subject(f"load/{name}", (f"load/test_{name}.py",))
        for name in ("exact", "pieces", "roundings", "decide", "scores")
    ),
    *(Subject(f"load/{name}", _CANONICAL) for name in ("canonical", "canonical_layers")),
)  # fmt: skip
"""Golden model, packing, and what makes thresholds of norms and signs."""


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a module from a tree, wherever its file is."""

    def __init__(self, name: str, path: str, tree: ast.Module) -> None:
        super().__init__(name, path)
        self._tree = tree

    def get_code(self, fullname: str) -> CodeType:
        """Compile the tree; no cache of bytecode is read or written."""
        return compile(self._tree, self.path, "exec")


class _Finder(importlib.abc.MetaPathFinder):
    """Finds one module before all others do."""

    def __init__(self, subject: Subject, tree: ast.Module) -> None:
        self._subject, self._tree = subject, tree

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Answer for that one."""
        if fullname != self._subject.name:
            return None
        file = str(self._subject.file)
        loader = _Loader(fullname, file, self._tree)
        return importlib.util.spec_from_file_location(fullname, file, loader=loader)


class _First:
    """Notes the first test that fails."""

    def __init__(self) -> None:
        self.test = ""

    def pytest_runtest_logreport(self, report: Any) -> None:
        """See how a test went."""
        if report.failed and not self.test:
            self.test = str(report.nodeid)


def depends(subject: Subject, *, count: int, seed: int) -> str:
    """Name what the verdicts depend on: the source, its tests, and the draw."""
    tests = [(ROOT / "tests" / "bnnhw" / name).read_text("utf-8") for name in subject.tests]
    return digest(subject.file.read_text(encoding="utf-8"), *tests, f"{count} {seed}")


def judge(subject: Subject, *, count: int, seed: int, tests: tuple[str, ...] = ()) -> Judged:
    """Make mutants of a module and run its tests on each, in a process of its own.

    Parameters
    ----------
    subject : Subject
    count, seed : int
        See `mutants_of`.
    tests : tuple of str
        Names of tests, as `pytest -k` takes them joined by "or"; without, all that are not slow.

    Raises
    ------
    AssertionError
        If the tests fail without a fault: they would prove nothing.
    """
    start = time.monotonic()
    text = subject.file.read_text(encoding="utf-8")
    whole = child.run(_suite(subject, ast.parse(text), tests), seconds=300)
    if (whole.how, whole.what) != ("done", ""):
        raise AssertionError(f"{subject.module}: the tests fail without a fault: {whole}")
    seconds = _PATIENCE * (time.monotonic() - start) + 10
    judged = Judged(subject.module, len(text.splitlines()))
    for mutant in mutants_of(text, count=count, seed=seed):
        judged.verdicts.append(_verdict(subject, mutant, seconds, tests))
    judged.seconds = time.monotonic() - start
    return judged


def _verdict(
    subject: Subject, mutant: SourceMutant, seconds: float, tests: tuple[str, ...]
) -> Verdict:
    ending = child.run(_suite(subject, mutant.tree, tests), seconds=seconds)
    how = {"stopped": "never ended", "died": "ended the process"}.get(ending.how, ending.what)
    where = f"bnnhw/{subject.module}.py:{mutant.line}"
    fate = Fate.KILLED if how else Fate.OPEN
    return Verdict(mutant.key, where, fate, how, mutant.operator)


def _suite(subject: Subject, tree: ast.Module, tests: tuple[str, ...]) -> Callable[[], str]:
    """Give what a child is to do: import everything of ours anew, and run the tests."""

    def suite() -> str:
        for name in [name for name in sys.modules if name.partition(".")[0] == "bnnhw"]:
            del sys.modules[name]
        sys.meta_path.insert(0, _Finder(subject, tree))
        with tempfile.TemporaryDirectory() as scratch:
            # No mutant may find what another one left behind.
            os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = scratch
            first = _First()
            words = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
            words += ["-m", "not slow", "--hypothesis-seed=0", f"--basetemp={scratch}/tmp"]
            words += ["-k", " or ".join(tests)] if tests else []
            files = [str(ROOT / "tests" / "bnnhw" / name) for name in subject.tests]
            code = pytest.main([*words, "--rootdir", str(ROOT), *files], plugins=[first])
        if code in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED):
            raise AssertionError(f"pytest could not run: {code}")
        return "" if code == 0 else first.test or "while it was imported"

    return suite
