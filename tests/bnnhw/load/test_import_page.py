"""`docs/import.md` names tests that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_every_test_that_is_named_exists() -> None:
    text = (ROOT / "docs/import.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)(?:\[\w+\])?(?:…)?`", text))
    assert len(named) > 30
    sources = "\n".join(
        path.read_text(encoding="utf-8")
        for path in sorted((ROOT / "tests/bnnhw").rglob("test_*.py"))
    )
    known = set(re.findall(r"(?m)^def (test_\w+)\(", sources))
    known |= {path.stem for path in (ROOT / "tests/bnnhw").rglob("test_*.py")}
    assert [name for name in sorted(named) if not any(k.startswith(name) for k in known)] == []


def test_every_recorded_module_that_is_named_exists() -> None:
    text = (ROOT / "docs/import.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(?:test_\w+)?\[(\w+)\]`", text))
    files = {path.stem for path in (ROOT / "tests/data/torch").glob("*.npz")}
    assert len(named) >= 7
    assert named <= files
