"""Items of the sign-off, written down and read again."""

import json
from pathlib import Path

import pytest

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
