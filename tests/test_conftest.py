"""The watch for forgotten components really fails a test."""

import shutil
import subprocess
import sys
from pathlib import Path

SAMPLE = """
from amaranth import Module
from amaranth.back import rtlil
from amaranth.lib import wiring
from amaranth.lib.wiring import Out


class Child(wiring.Component):
    o: Out(1)

    def elaborate(self, platform):
        return Module()


class Parent(wiring.Component):
    o: Out(1)

    def __init__(self, keep):
        super().__init__()
        self.keep = keep

    def elaborate(self, platform):
        m = Module()
        child = Child()
        m.d.comb += self.o.eq(child.o)
        if self.keep:
            m.submodules.child = child
        return m


def test_keeps():
    rtlil.convert(Parent(True))


def test_forgets():
    rtlil.convert(Parent(False))
"""


def test_forgotten_component_fails_its_test(tmp_path: Path) -> None:
    here = Path(__file__).parent
    shutil.copy(here / "conftest.py", tmp_path)
    shutil.copy(here.parent / "pyproject.toml", tmp_path)
    (tmp_path / "test_sample.py").write_text(SAMPLE)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_sample.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1, done.stdout
    assert "ERROR test_sample.py::test_forgets" in done.stdout
    assert "created but never used" in done.stdout
    assert "test_keeps" not in done.stdout
