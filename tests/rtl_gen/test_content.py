"""Content is found in a checkout, and no second copy of it is made."""

import subprocess
import sys
from pathlib import Path

import pytest

from rtl_gen import content

ROOT = Path(__file__).resolve().parents[2]


def test_folder() -> None:
    assert content.folder("sim") == ROOT / "sim"
    assert content.folder("boards") == ROOT / "boards"


@pytest.mark.parametrize("name", ["", "tests", "../sim", "sim/x"])
def test_folder_wrong(name: str) -> None:
    with pytest.raises(ValueError, match="^Content must be one of boards, sim, not "):
        content.folder(name)


@pytest.mark.parametrize("name", ["", ".sim", "os.path", "bnnhw"])
def test_module_wrong(name: str) -> None:
    with pytest.raises(ValueError, match="^Content must be one of boards, sim, not "):
        content.module(name)


def test_module_missing_wrong() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_board"):
        content.module("boards.no_such_board")


def test_module_is_the_one_that_tests_import() -> None:
    import sim

    assert content.module("sim") is sim


def test_module_from_elsewhere(tmp_path: Path) -> None:
    program = (
        "import importlib.util, sys\n"
        "from rtl_gen import content\n"
        "first, again = content.module('boards.icebreaker'), content.module('boards.icebreaker')\n"
        "assert first is again\n"
        "assert first.__name__ == 'rtl_gen._content.boards.icebreaker', first\n"
        "assert not [name for name in sys.modules if name.partition('.')[0] in ('sim', 'boards')]\n"
        "assert importlib.util.find_spec('boards') is None\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_stranger_of_the_same_name_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "boards").mkdir()
    (tmp_path / "boards" / "__init__.py").write_text("raise RuntimeError('a stranger')\n")
    program = "from rtl_gen import content; print(content.module('boards').__name__)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "rtl_gen._content.boards"
