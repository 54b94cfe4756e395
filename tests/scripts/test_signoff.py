"""The sign-off: which items there are, how they are run, and the table of what they recorded."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from scripts import signing, signoff, signoff_page
from scripts.signoff import STEPS, Step

NAMES = [step.name for step in STEPS]


def item(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": name, "claim": "it works", "command": "true", "required": "7", "measured": "8 | 9",
        "met": True, "seconds": 61.2, "date": "2026-01-02", "revision": "abc", "short": "",
        **changes,
    }  # fmt: skip


def test_stored_page_is_what_the_store_says() -> None:
    """If this fails, run scripts/signoff --page."""
    page = signoff_page.PAGE.read_text(encoding="utf-8")
    assert signoff_page.with_table(page, NAMES, signing.read()) == page


def test_what_is_recorded_can_be_run_again() -> None:
    recorded = signing.read()
    assert set(recorded) <= set(NAMES)
    for step in STEPS:
        if step.name in recorded:
            assert importlib.util.find_spec(f"scripts.{step.module}"), step.module
            assert recorded[step.name]["command"] == step.command


def test_every_program_is_there() -> None:
    assert len(set(NAMES)) == len(NAMES)
    for step in STEPS:
        assert importlib.util.find_spec(f"scripts.{step.module}"), step.module


def test_table() -> None:
    recorded = {
        "a": item("a"),
        "b": item("b", met=False, measured="6", seconds=7300),
        "c": item("c", short="Of boards none."),
    }
    text = signoff_page.table(["c", "a", "b", "d"], recorded)
    assert text.startswith("**2 of 4 items are met.** Not met: 1; not run yet: 1.\n")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert rows[3] == (
        r"| a | it works | 7 | 8 \| 9 | yes | 2026-01-02, at abc, 1 min 1 s | `true` |"
    )
    assert "| 6 | **no** | 2026-01-02, at abc, 2 h 1 min |" in rows[4]
    assert text.endswith(
        "- **c**: Of boards none.\n- **b**: 6, where 7 is required.\n- **d**: not run yet.\n"
    )
    assert signoff_page.table(["a"], recorded).endswith("Nothing of what is required.\n")


def test_a_page_without_a_place_for_the_table_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^The page must have the lines "):
        signoff_page.with_table("# Page\n", [], {})


PROGRAM = """
import json, sys
from pathlib import Path
name, met, status = sys.argv[1:]
folder = Path("docs/signoff")
if met != "nothing":
    folder.mkdir(parents=True, exist_ok=True)
    found = {item} | {{"name": name, "met": met == "yes"}}
    (folder / f"{{name}}.json").write_text(json.dumps(found))
sys.exit(int(status))
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a checkout with one program that records what it is told to."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "fake.py").write_text(PROGRAM.format(item=item("")))
    page = tmp_path / "docs" / "verification.md"
    page.parent.mkdir()
    page.write_text(f"# Head\n\n{signoff_page.BEGIN}\nold\n{signoff_page.END}\n\nTail\n")
    monkeypatch.setattr(signoff, "ROOT", tmp_path)
    monkeypatch.setattr(signoff, "FOLDER", tmp_path / "docs" / "signoff")
    monkeypatch.setattr(signoff, "PAGE", page)
    monkeypatch.setattr(signoff, "read", lambda: signing.read(tmp_path / "docs" / "signoff"))
    return tmp_path


def test_goes_on_after_what_fails(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = (
        Step("good", "fake", ("good", "yes", "0")),
        Step("bad", "fake", ("bad", "no", "1")),
        Step("liar", "fake", ("liar", "no", "0")),
        Step("silent", "fake", ("silent", "nothing", "0")),
        Step("crash", "fake", ("crash", "yes", "1")),
        Step("absent", "nowhere"),
        Step("last", "fake", ("last", "yes", "0")),
    )
    monkeypatch.setattr(signoff, "STEPS", steps)
    assert signoff.main([]) == 1
    told = capsys.readouterr().err
    assert told.endswith("-- 2 of 7 met, not bad, not liar, not silent, not crash, not absent\n")
    assert "-- [7/7] last: python -m scripts.fake last yes 0\n" in told
    text = (checkout / "docs" / "verification.md").read_text()
    assert text.startswith("# Head\n") and text.endswith("\n\nTail\n") and "old" not in text
    assert "**3 of 7 items are met.**" in text
    assert signoff.main(["--only", "good"]) == 0


def test_an_old_record_is_no_run(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = checkout / "docs" / "signoff" / "silent.json"
    old.parent.mkdir()
    old.write_text(json.dumps(item("silent")))
    step = Step("silent", "fake", ("silent", "nothing", "0"))
    monkeypatch.setattr(signoff, "STEPS", (step,))
    assert signoff.main([]) == 1
    assert signoff.main(["--page"]) == 0


def test_options(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert signoff.main(["--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(STEPS)
    assert signoff.main(["--page"]) == 0
    assert "**0 of" in (checkout / "docs" / "verification.md").read_text()
    with pytest.raises(SystemExit):
        signoff.main(["--only", "soap"])
    assert "NAME must be one of coverage-functional, " in capsys.readouterr().err
