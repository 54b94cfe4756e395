"""The same designs give the same bytes, in a slice; and what differs or is missing is told."""

from pathlib import Path
from typing import Any

import pytest

from scripts import environments, reproduce
from scripts.environments import Missing


def test_two_hash_seeds() -> None:
    """Identity, manifest and Verilog of two designs; scripts/signoff has ten seeds and more."""
    assert reproduce.main(["--quick"]) == 0


def fake(differs: str = "") -> Any:
    def made(python: Path, seed: str, *words: str) -> dict[str, Any]:
        text = "other" if f"{python} {seed}" == differs else "same"
        return {"python": "3", "designs": {"net": {"verilog": text, ".bin": "b"}}}

    return made


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Collect what would be recorded; every Python is there."""
    items: list[Any] = []
    monkeypatch.setattr(reproduce, "record", lambda item, *_: items.append(item))
    monkeypatch.setattr(reproduce, "interpreter", lambda version: Path(version))
    monkeypatch.setattr(reproduce, "environment", lambda folder, python, words: python)
    monkeypatch.setattr(reproduce, "_made", fake())
    return items


def test_everything_is_compared(recorded: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    assert reproduce.main([]) == 0
    (item,) = recorded
    assert item.met and "10 hash seeds and Python 3, 3, 3: 2 files of 1 designs" in item.measured
    monkeypatch.setattr(reproduce, "_made", fake("3.13 0"))
    assert reproduce.main([]) == 1
    told = ["net: verilog of Python 3.13 is not that of seed 0"]
    assert recorded[1].details["differences"] == told and not recorded[1].met


def test_a_python_that_is_missing_is_no_success(
    recorded: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interpreter(version: str) -> Path:
        if version == "3.12":
            raise Missing("Python 3.12 is not here")
        return Path(version)

    monkeypatch.setattr(reproduce, "interpreter", interpreter)
    assert reproduce.main([]) == 1
    assert recorded[0].short == "Python 3.12: Python 3.12 is not here" and not recorded[0].met


def test_files_that_only_one_run_has_differ() -> None:
    runs: Any = {"a": {"designs": {"net": {"x": "1"}}}, "b": {"designs": {"net": {}, "more": {}}}}
    assert reproduce.differences(runs) == ["net: x of b is not that of a"]
    runs["b"]["designs"]["more"] = {"y": "2"}
    assert len(reproduce.differences(runs)) == 2


def test_interpreters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    monkeypatch.setenv("BNNHW_PYTHONS", sys.executable)
    assert environments.interpreter(own) == Path(sys.executable)
    with pytest.raises(Missing, match=r"^Python 3\.99 is not here "):
        environments.interpreter("3.99")
    # A shim that runs nothing is none.
    shim = tmp_path / "versions" / "3.99.0" / "bin" / "python"
    shim.parent.mkdir(parents=True)
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    with pytest.raises(Missing):
        environments.interpreter("3.99")


def test_environments_are_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []
    folder, python = tmp_path / "env", Path("python9")

    def run(words: list[str]) -> None:
        folder.mkdir(exist_ok=True)
        ran.append(words)

    monkeypatch.setattr(environments, "run", run)
    for words, count in ((["numpy"], 2), (["numpy"], 2), (["numpy==2"], 4)):
        assert environments.environment(folder, python, words) == folder / "bin" / "python"
        assert len(ran) == count
    assert ran[0] == ["python9", "-m", "venv", str(folder)] and ran[3][-1] == "numpy==2"
