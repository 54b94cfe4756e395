"""Counts of fates, and reasons of survivors."""

from pathlib import Path

import pytest

from scripts.mutation.results import Fate, Judged, Verdict, score, survivors
from scripts.mutation.survivors import FILE, Reasons


def judged() -> Judged:
    fates = [Fate.KILLED, Fate.KILLED, Fate.KILLED, Fate.EQUAL, Fate.EXPLAINED, Fate.OPEN]
    verdicts = [
        Verdict(f"m{number}", "a.py:1", fate, "why", "hang") for number, fate in enumerate(fates)
    ]
    return Judged("queue", 28, 3.0, verdicts)


def test_share_is_of_those_that_differ() -> None:
    fates, share = score([judged(), judged()])
    assert share == 0.6
    assert {fate: fates[fate] for fate in Fate} == {
        Fate.KILLED: 6, Fate.EQUAL: 2, Fate.EXPLAINED: 2, Fate.OPEN: 2,
    }  # fmt: skip
    assert score([])[1] == 0


def test_record() -> None:
    assert judged().row() == {
        "kind": "queue", "size": 28, "killed": 3, "equal": 1, "explained": 1, "open": 1,
        "killed by sort": {"hang": 3},
    }  # fmt: skip
    assert [one["key"] for one in survivors([judged()])] == ["m3", "m4", "m5"]
    assert str(judged()).splitlines() == [
        "queue (28): 3 killed, 1 equal, 1 explained, 1 open; 3 s",
        "    m5 | a.py:1 | why",
    ]


ENTRY = '[[rtl]]\nkind = "fork"\nkey = "inv a"\nwhy = "because"\n'


def test_reasons(tmp_path: Path) -> None:
    file = tmp_path / "reasons.toml"
    file.write_text(ENTRY + ENTRY.replace("inv a", "inv b"))
    reasons = Reasons("rtl", file)
    assert reasons.why("fork", "inv a") == "because"
    assert reasons.why("queue", "inv a") == ""
    assert reasons.idle() == ["fork inv b"]
    assert Reasons("python", file).idle() == []


@pytest.mark.parametrize("text", [ENTRY + ENTRY, ENTRY.replace("because", " ")])
def test_reasons_wrong(tmp_path: Path, text: str) -> None:
    file = tmp_path / "reasons.toml"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"^Survivor must have one reason, not \{"):
        Reasons("rtl", file)


def test_the_list_can_be_read() -> None:
    for part in ("rtl", "python"):
        assert isinstance(Reasons(part, FILE).idle(), list)
