"""Hostile input: a sample of every kind, what was found before, and defects that must be seen."""

import json
from pathlib import Path

import pytest

from bnnhw.errors import UsageError
from scripts import fuzz
from scripts.fuzzing.entries import ENTRIES
from scripts.fuzzing.frame import BAD, CORPUS, OUTCOMES, ROOT, Entry, judge, rng_of
from scripts.fuzzing.report import Record, page
from scripts.fuzzing.watch import Finding, Watched, minimised, reviewed

PLANTED = "tests.fuzz.planted"
FOUND = sorted((ROOT / "tests" / "fuzz" / "regressions").glob("*/*"))
ORDER = [entry.name for entry in ENTRIES]


def test_sample() -> None:
    """Some of everything, from a seed that the long runs do not use."""
    count, bad = 0, []
    with Watched() as worker:
        for entry in ENTRIES:
            for found in worker.run(entry.name, "sample", 0, entry.sample):
                count += 1
                if found.outcome in BAD:
                    data = entry(Path()).make(rng_of(entry.name, "sample", found.number))
                    again = reviewed(found, entry.name, data)
                    bad += [(entry.name, again)] if again.outcome in BAD else []
    assert bad == []
    assert count >= 500


def test_what_was_found_before_is_refused() -> None:
    wrong = []
    with Watched(careful=True) as worker:
        for path in FOUND:
            name, data = path.parent.name, path.read_bytes()
            found = reviewed(worker.replay(name, data), name, data)
            wrong += [(path.name, found)] if found.outcome in BAD else []
    assert wrong == []
    assert len(FOUND) > 10
    assert {path.parent.name for path in FOUND} <= set(ORDER)


@pytest.mark.parametrize(
    ("word", "outcome", "detail"),
    [
        (b"CRASH", "crash", "IndexError at planted.py:"),
        (b"SEGFAULT", "crash", "the process ended: SIGSEGV"),
        (b"HANG", "hang", "over 1 s"),
        (b"MEMORY", "memory", "MemoryError at planted.py:"),
        (b"HIDDEN", "memory", "UsageError at planted.py:"),
        (b"WRONG", "wrong", "a name was taken for safe"),
        (b"HELP", "wrong", "UsageError does not say what to do"),
        (b"LEAVE", "crash", "SystemExit at planted.py:"),
        (b"bad file", "refused", "UsageError"),
        (b"good", "accepted", ""),
    ],
)
def test_planted_defects_are_seen(word: bytes, outcome: str, detail: str) -> None:
    with Watched(PLANTED, limit=1) as worker:
        found = worker.replay("planted", b"before " + word + b" after")
        assert (found.outcome, found.detail[: len(detail)]) == (outcome, detail)
        # Whatever became of the process, the next input is handled.
        assert worker.replay("planted", b"good").outcome == "accepted"


def test_a_run_goes_on_behind_bad_inputs() -> None:
    with Watched(PLANTED, limit=0.5) as worker:
        found = list(worker.run("planted", "8", 0, 20))
        assert [one.number for one in found] == list(range(20))
        assert {one.outcome for one in found} == set(OUTCOMES)
        ended = [one for one in found if one.outcome == "hang" or "process ended" in one.detail]
        assert worker.starts == 1 + len(ended) - (found[-1] in ended)
        again = list(worker.run("planted", "8", 10, 10))
    assert [one.outcome for one in again] == [one.outcome for one in found[10:]]


def test_a_mutator_that_fails_is_no_finding() -> None:
    with Watched(PLANTED) as worker, pytest.raises(RuntimeError, match="ended before input 0"):
        list(worker.run("heavy", "1", 0, 1))


def test_bad_inputs_are_judged_again_and_made_small() -> None:
    data = b"x" * 40 + b"CRASH" + b"y" * 40
    crash = Finding(3, "crash", "", 0.0)
    again = reviewed(crash, "planted", data, PLANTED)
    assert (again.number, again.outcome) == (3, "crash")
    assert minimised(data, again, "planted", PLANTED) == b"CRASH"
    # A machine that was busy for a while is no hang, nor is the end of another input's memory.
    for outcome, detail in (("hang", ""), ("memory", ""), ("crash", "the process ended: SIGABRT")):
        found = reviewed(Finding(3, outcome, detail, 5.0), "planted", b"good", PLANTED)
        assert found.outcome == "accepted"
    assert reviewed(crash, "planted", b"good", PLANTED) == crash


class Talks(Entry):
    def __init__(self, what: str, todo: str) -> None:
        super().__init__(Path())
        self._words = what, todo

    def handle(self, data: bytes) -> None:
        raise UsageError(*self._words)


def test_messages_are_plain_and_short() -> None:
    error = UsageError("a\x1b[2J\u202eb\ud800\nc" + "d" * 9000, "\x07do")
    assert error.what.startswith("a\\x1b[2J\\u202eb\\ud800\ncddd")
    assert len(error.what) < 2100
    assert error.todo == "\\x07do"
    assert str(error) == f"{error.what}\n{error.todo}"
    assert judge(Talks("what", "todo"), b"") == ("refused", "UsageError")
    assert judge(Talks("what", " "), b"")[0] == "wrong"


@pytest.mark.parametrize("entry", ENTRIES, ids=ORDER)
def test_inputs_follow_from_their_numbers(entry: type[Entry], tmp_path: Path) -> None:
    first, second = entry(tmp_path), entry(tmp_path)
    made = [first.make(rng_of(entry.name, "1", number)) for number in range(6)]
    assert made[5] == second.make(rng_of(entry.name, "1", 5))
    assert len(set(made)) > 3
    assert entry.title
    assert entry.sample < entry.inputs


def test_a_record_goes_on_and_says_what_it_holds(tmp_path: Path) -> None:
    file = tmp_path / "fuzz.json"
    record, kind = Record(file), ENTRIES[0]
    found = [Finding(0, "refused", "UsageError", 0.5), Finding(1, "accepted", "", 1.5)]
    record.add(kind, "7", 0, found)
    record.add(kind, "7", 2, [Finding(2, "crash", "IndexError", 0.1)])
    record.save()
    record = Record(file)
    assert record.done(kind.name, "7") == 3
    assert record.done(kind.name, "8") == record.done("other", "7") == 0
    kept = record.entries[kind.name]
    assert kept["outcomes"] == {"refused": 1, "accepted": 1, "crash": 1}
    assert kept["refusals"] == {"UsageError": 1}
    assert (kept["slowest"], kept["slowest_number"]) == (1.5, 1)
    line = f"| {kind.title} | 3 | 1 | 1 | 1 | 0 | 0 | 0 | 1.50 s | 2 | {kept['date']} |"
    assert line in page(record.entries, ORDER)
    record.add(kind, "8", 0, found[:1])
    assert record.done(kind.name, "8") == 1


def test_stored_page_is_that_of_the_stored_counts() -> None:
    """If this fails, run scripts/fuzz --page."""
    docs = ROOT / "docs"
    stored = json.loads((docs / "fuzz.json").read_text())
    assert page(stored, ORDER) == (docs / "fuzz.md").read_text()


def test_recorded_runs_found_nothing_bad_and_are_as_many_as_is_said() -> None:
    stored = json.loads((ROOT / "docs" / "fuzz.json").read_text())
    assert set(stored) == set(ORDER)
    assert [name for name in ORDER if any(stored[name]["outcomes"].get(bad) for bad in BAD)] == []
    counts = {name: sum(stored[name]["outcomes"].values()) for name in ORDER}
    assert sum(counts.values()) >= 200_000
    assert sum(counts[entry.name] for entry in ENTRIES if entry.model) >= 20_000


def test_corpus_is_small() -> None:
    files = [path for path in CORPUS.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in (*files, *FOUND)) < 300_000


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--inputs", "7", "--docs", str(tmp_path), "--findings", str(tmp_path / "found")]
    assert fuzz.main(["names", *words]) == 0
    assert "names: 7 of 7, 0 bad" in capsys.readouterr().out
    assert fuzz.main(["names", *words]) == 0
    assert capsys.readouterr().out == ""
    assert sum(json.loads((tmp_path / "fuzz.json").read_text())["names"]["outcomes"].values()) == 7
    assert "| names | 7 |" in (tmp_path / "fuzz.md").read_text()
    with pytest.raises(SystemExit):
        fuzz.main(["nothing"])
    assert "ENTRY must be one of onnx, " in capsys.readouterr().err
