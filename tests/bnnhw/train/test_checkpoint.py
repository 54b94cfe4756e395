"""Checkpoints: what is saved comes back, and nothing else is taken for one."""

import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnhw.errors import UsageError
from bnnhw.train.checkpoint import FILE, MOST_WEIGHTS, Checkpoint

RNG = np.random.default_rng(2)


def sample() -> Checkpoint:
    state = {
        "net/weights.0": RNG.normal(size=(3, 4)).astype(np.float32),
        "adam/0/step": np.array(7.0, np.float32),
        "generator": RNG.integers(0, 256, 5056).astype(np.uint8),
        "schedule": np.array(json.dumps({"_last_lr": [0.1 + 0.2]})),
        "zeros": np.zeros(100_000, np.float32),
    }
    notes = {"history": [{"epoch": 1, "loss": 0.1}], "best": None}
    return Checkpoint(notes, state, {"0.weight": np.ones(3, np.float32)}, {})


def test_round_trip(tmp_path: Path) -> None:
    told = sample()
    told.save(tmp_path)
    found = Checkpoint.load(tmp_path)
    assert found.notes == told.notes and found.best == {}
    for part in ("state", "guide"):
        one, other = getattr(told, part), getattr(found, part)
        assert set(one) == set(other)
        for key, value in one.items():
            assert other[key].dtype == value.dtype
            np.testing.assert_array_equal(other[key], value)
    assert json.loads(str(found.state["schedule"])) == {"_last_lr": [0.1 + 0.2]}


def test_the_last_one_replaces_and_is_alone(tmp_path: Path) -> None:
    for epoch in (1, 2):
        Checkpoint({"epoch": epoch}, {}).save(tmp_path)
    assert Checkpoint.load(tmp_path).notes == {"epoch": 2}
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_no_pickle_is_in_it_or_read(tmp_path: Path) -> None:
    sample().save(tmp_path)
    for member in zipfile.ZipFile(tmp_path / FILE).namelist():
        assert member.endswith(".npy")
    with np.load(tmp_path / FILE, allow_pickle=False) as file:
        assert all(file[name] is not None for name in file.files)
    bad = io.BytesIO()
    np.savez(bad, head=np.array([{"format": "bnnhw-training"}], object))
    (tmp_path / FILE).write_bytes(bad.getvalue())
    with pytest.raises(UsageError, match="no readable .npz file"):
        Checkpoint.load(tmp_path)
    (tmp_path / FILE).write_bytes(pickle.dumps({"head": 1}))
    with pytest.raises(UsageError, match="no readable .npz file"):
        Checkpoint.load(tmp_path)


def test_the_largest_can_be_read_again(tmp_path: Path) -> None:
    # Five times the most weights, in one array, as they would be in a network, and Adam's.
    state = {"all": np.zeros(5 * MOST_WEIGHTS, np.float32)}
    Checkpoint({}, state).save(tmp_path)
    assert len(Checkpoint.load(tmp_path).state["all"]) == 5 * MOST_WEIGHTS


def row(epoch: Any = 1, **changed: Any) -> dict[str, Any]:
    return {"epoch": epoch, "loss": 0.5, "train": 0.75, "validation": 0.5} | changed


def test_what_was_seen() -> None:
    rows = [row(1, validation=None), row(2, more="left out")]
    found, best = Checkpoint({"history": rows, "best": 2}, {}).seen()
    assert found == [row(1, validation=None), row(2)] and best == 2
    assert Checkpoint({"history": []}, {}).seen() == ([], None)


@pytest.mark.parametrize(
    ("notes", "words"),
    [
        ({}, "its history is no list"),
        ({"history": {"0": row()}}, "its history is no list"),
        ({"history": [7]}, "row 1 of its history is not of epoch 1"),
        ({"history": [row(1), row(1)]}, "row 2 of its history is not of epoch 2"),
        ({"history": [row(loss="0.5")]}, "loss of epoch 1 is no number"),
        ({"history": [row(train=True)]}, "train of epoch 1 is no number"),
        ({"history": [row(validation=[1])]}, "validation of epoch 1 is no number"),
        ({"history": [row()], "best": 2}, "its best epoch is 2 of 1"),
        ({"history": [row()], "best": 0}, "its best epoch is 0 of 1"),
        ({"history": [row()], "best": "1"}, "its best epoch is '1' of 1"),
        ({"history": [row()], "best": True}, "its best epoch is True of 1"),
        ({"history": [row(validation=None)], "best": 1}, "epoch, 1, was not validated"),
    ],
)
def test_no_other_history_is_taken(notes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Checkpoint(notes, {}).seen()


def head(**changed: Any) -> dict[str, Any]:
    return {"format": "bnnhw-training", "version": 1, "notes": {}} | changed


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"head": np.array("no json")},
        {"head": np.array(json.dumps([]))},
        {"head": np.array(json.dumps(head(format="bnnhw-graph")))},
        {"head": np.array(json.dumps(head(version=2)))},
        {"head": np.array(json.dumps(head(notes=[])))},
        {"head": np.array(json.dumps(head())), "odd/key": np.zeros(1)},
        {"head": np.array("[" * 100_000)},
    ],
)
def test_checkpoint_wrong(tmp_path: Path, arrays: dict[str, Any]) -> None:
    np.savez(tmp_path / FILE, **arrays)
    with pytest.raises(UsageError, match="is no checkpoint of bnnhw") as caught:
        Checkpoint.load(tmp_path)
    assert caught.value.todo == "Train anew, in another folder."


def test_cut_anywhere(tmp_path: Path) -> None:
    sample().save(tmp_path)
    whole = (tmp_path / FILE).read_bytes()
    for size in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        (tmp_path / FILE).write_bytes(whole[:size])
        with pytest.raises(UsageError):
            Checkpoint.load(tmp_path)


def test_none_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no checkpoint.npz to go on from"):
        Checkpoint.load(tmp_path)
    with pytest.raises(UsageError, match="cannot be written"):
        sample().save(tmp_path / "nowhere")
