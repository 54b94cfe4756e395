"""Counts of fates, and reasons of survivors."""

from pathlib import Path

import pytest

from scripts.mutation.results import Fate, Judged, Verdict, score, survivors
from scripts.mutation.state import State, digest
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


def test_reasons_explain_what_is_open_and_no_more(tmp_path: Path) -> None:
    file = tmp_path / "reasons.toml"
    file.write_text(
        "".join(ENTRY.replace("inv a", f"m{k}").replace("fork", "queue") for k in (0, 5))
    )
    reasons = Reasons("rtl", file)
    fates = [one.fate for one in reasons.applied(judged()).verdicts]
    assert fates == [one.fate for one in judged().verdicts[:5]] + [Fate.EXPLAINED]
    assert reasons.idle() == ["queue m0"]


def test_state_is_shared_and_goes_with_what_it_depends_on(tmp_path: Path) -> None:
    one, other = State("rtl", tmp_path / "new"), State("rtl", tmp_path / "new")
    one.put(judged(), "a")
    other.put(Judged("fork", 3), "b")
    assert one.get("queue", "a") == other.get("queue", "a") == judged()
    assert one.get("fork", "b") == Judged("fork", 3)
    assert one.get("queue", "b") is None and one.get("none", "a") is None
    assert State("python", tmp_path / "new").get("queue", "a") is None


def test_digest_tells_where_a_text_ends() -> None:
    assert len({digest("ab", "c"), digest("a", "bc"), digest("abc"), digest("c", "ab")}) == 4
