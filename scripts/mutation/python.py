"""Run the tests of a module against its mutants."""

import ast
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
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


_WHOLE, _MOVES, _KERNELS = (f"golden/test_{name}.py" for name in ("golden", "windows", "kernels"))
_CANONICAL = ("load/test_canonical.py", "load/test_canonical_conv.py")

MODULES = (
    *(
        Subject(f"golden/{name}", (_MOVES, _WHOLE))
        for name in (
            "plain", "plain_windows", "packed_joins", "packed_windows",
        )
    ),
    Subject("golden/packed_sums", (_MOVES, _WHOLE, _KERNELS)),
    Subject("golden/packed", (_MOVES, _WHOLE, "golden/test_many_levels.py")),
    Subject("golden/runner", ("golden/test_runner.py", _WHOLE)),
    *(
        Subject(f"golden/{name}", (_KERNELS,))
        for name in ("packed_numpy", "packed_numba")
    ),
    Subject("golden/packed_kernels", ("golden/test_chosen_kernel.py", _KERNELS)),
    Subject("bits", ("test_bits.py",)),
    Subject("plan/pack", ("plan/test_pack.py",)),
    *(
        Subject(f"load/{name}", (f"load/test_{name}.py",))
        for name in ("exact", "pieces", "roundings", "scores")
    ),
    Subject("load/decide", ("load/test_decide.py", "load/test_top_k.py")),
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


class _Watch:
    """Notices the first test that fails, and how long each takes; runs the quick ones first."""

    def __init__(self, known: Mapping[str, float]) -> None:
        self.failed = ""
        self.seconds: dict[str, float] = {}
        self._known = known

    def pytest_configure(self) -> None:
        """Let hypothesis stop at the first example that fails: nobody reads a smaller one."""
        # Imported here: pytest wants to be the first to import its plugins.
        from hypothesis import Phase, settings

        settings.register_profile("mutants", phases=(Phase.explicit, Phase.generate))
        settings.load_profile("mutants")

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Put tests in order; those of which nothing is known stay in front."""
        items.sort(key=lambda item: self._known.get(item.nodeid, 0.0))

    def pytest_runtest_logreport(self, report: Any) -> None:
        """See how a test went."""
        name = str(report.nodeid)
        self.seconds[name] = self.seconds.get(name, 0.0) + report.duration
        if report.failed and not self.failed:
            self.failed = name


def depends(subject: Subject, *, count: int, seed: int) -> str:
    """Name what the verdicts depend on: the source, its tests, and the draw."""
    tests = [(ROOT / "tests" / "bnnhw" / name).read_text("utf-8") for name in subject.tests]
    text = subject.file.read_text(encoding="utf-8")
    drawn = [mutant.key for mutant in mutants_of(text, count=count, seed=seed)]
    return digest(text, *tests, f"{count} {seed}", *drawn)


def _import_the_others() -> None:
    """Import what tests import and is not ours, once for all children."""
    for name in ("numpy", "numba", "onnx"):
        if importlib.util.find_spec(name) is not None:
            importlib.import_module(name)


def judge(subject: Subject, *, count: int, seed: int) -> Judged:
    """Make mutants of a module and run its tests on each, in a process of its own.

    Parameters
    ----------
    subject : Subject
    count, seed : int
        See `mutants_of`.

    Raises
    ------
    AssertionError
        If the tests fail without a fault: they would prove nothing.
    """
    _import_the_others()
    start = time.monotonic()
    text = subject.file.read_text(encoding="utf-8")
    whole = child.run(_suite(subject, ast.parse(text), {}), seconds=300)
    failed, known = json.loads(whole.what) if whole.how == "done" else (str(whole), {})
    if failed:
        raise AssertionError(f"{subject.module}: the tests fail without a fault: {failed}")
    seconds = _PATIENCE * (time.monotonic() - start) + 10
    judged = Judged(subject.module, len(text.splitlines()))
    for mutant in mutants_of(text, count=count, seed=seed):
        judged.verdicts.append(_verdict(subject, mutant, seconds, known))
    judged.seconds = time.monotonic() - start
    return judged


def _verdict(
    subject: Subject, mutant: SourceMutant, seconds: float, known: Mapping[str, float]
) -> Verdict:
    ending = child.run(_suite(subject, mutant.tree, known), seconds=seconds)
    how = {"stopped": "never ended", "died": "ended the process"}.get(ending.how, ending.what)
    how = json.loads(how)[0] if ending.how == "done" else how
    where = f"bnnhw/{subject.module}.py:{mutant.line}"
    fate = Fate.KILLED if how else Fate.OPEN
    return Verdict(mutant.key, where, fate, how, mutant.operator)


def _suite(subject: Subject, tree: ast.Module, known: Mapping[str, float]) -> Callable[[], str]:
    """Give what a child is to do: import everything of ours anew, and run the tests.

    What it returns is the first test that failed, and the seconds that each one took, as JSON.
    """

    def suite() -> str:
        for name in [name for name in sys.modules if name.partition(".")[0] == "bnnhw"]:
            del sys.modules[name]
        sys.meta_path.insert(0, _Finder(subject, tree))
        with tempfile.TemporaryDirectory() as scratch:
            # No mutant may find what another one left behind.
            os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = scratch
            watch = _Watch(known)
            words = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
            words += ["-m", "not slow", "--hypothesis-seed=0", f"--basetemp={scratch}/tmp"]
            files = [str(ROOT / "tests" / "bnnhw" / name) for name in subject.tests]
            code = pytest.main([*words, "--rootdir", str(ROOT), *files], plugins=[watch])
        if code in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED):
            raise AssertionError(f"pytest could not run: {code}")
        failed = "" if code == 0 else watch.failed or "while it was imported"
        return json.dumps([failed, watch.seconds])

    return suite
