"""Items of the sign-off, written down and read again."""

import json
from pathlib import Path

import pytest

from bnnhw.errors import DoesNotFit, UsageError
from scripts import signing


def test_what_is_recorded_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "FOLDER", tmp_path / "signoff")
    item = signing.Item("noise", "No noise", "true", "0", "0 of 7", True, 1.5, {"lots": [3, 4]})
    path = signing.record(item, "numpy")
    assert path.name == "noise.json"
    found = signing.read(tmp_path / "signoff")["noise"]
    assert found == json.loads(path.read_text())
    assert (found["measured"], found["met"], found["details"]) == ("0 of 7", True, {"lots": [3, 4]})
    assert set(found["versions"]) == {"bnnhw", "numpy"} and found["revision"]


def test_what_is_missing_is_told_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def missing() -> int:
        raise UsageError("There are no networks.", "Fetch them.")

    def large() -> int:
        raise DoesNotFit("Too large.", "Take less.")

    assert signing.ended(lambda: 7) == 7
    assert signing.ended(missing) == 2 != signing.ended(large)
    assert (
        capsys.readouterr().err == "There are no networks.\nFetch them.\nToo large.\nTake less.\n"
    )
