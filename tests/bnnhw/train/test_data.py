"""Labelled images from .npz files, and how they are parted."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnhw.errors import ToolMissing, UsageError
from bnnhw.train.data import Dataset, Split, digits, load_data, parted

RNG = np.random.default_rng(5)
X = RNG.integers(0, 256, (50, 6, 4)).astype(np.uint8)
Y = np.repeat(np.arange(5), 10)


def load(path: Path, share: float = 0.2, seed: int = 1, **arrays: Any) -> Dataset:
    file = path / "set.npz"
    np.savez(file, **arrays)
    return load_data(str(file), seed=seed, validation_share=share)


def rows_of(split: Split) -> list[int]:
    """Find each image of a split in X again."""
    return [int(np.flatnonzero((X[:, None] == image).all((1, 2, 3)))[0]) for image in split.x]


def test_npz_is_parted_by_class(tmp_path: Path) -> None:
    data = load(tmp_path, x=X, y=Y)
    assert data.name == "set"
    assert data.classes == ("0", "1", "2", "3", "4")
    assert data.shape == (1, 6, 4)
    splits = (data.train, data.valid, data.test)
    # Of ten of each class two test; of the eight that are left 1.6, rounded, validate.
    assert [np.bincount(split.y).tolist() for split in splits] == [[6] * 5, [2] * 5, [2] * 5]
    found = [rows_of(split) for split in splits]
    assert sorted(sum(found, [])) == list(range(50))
    for rows, split in zip(found, splits, strict=True):
        assert split.y.tolist() == Y[rows].tolist()
    assert data.words == "20 % of every class test, drawn with seed 1; 20 % of the rest validate"


def test_the_seed_decides_who_tests(tmp_path: Path) -> None:
    first, same, other = (load(tmp_path, seed=seed, x=X, y=Y) for seed in (1, 1, 2))
    assert first.digest == same.digest != other.digest
    assert rows_of(first.test) != rows_of(other.test)


def test_own_test_images(tmp_path: Path) -> None:
    data = load(tmp_path, share=0, x=X, y=Y, x_test=X[:7], y_test=Y[:7])
    assert (len(data.train), len(data.valid), len(data.test)) == (50, 0, 7)
    assert data.words == "test images of their own"
    assert data.test.x.shape == (7, 1, 6, 4)


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [((50, 24), (1, 1, 24)), ((50, 6, 4), (1, 6, 4)), ((50, 3, 4, 2), (3, 4, 2))],
)
def test_shapes(tmp_path: Path, shape: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    data = load(tmp_path, x=X.reshape(shape), y=Y)
    assert data.shape == wanted


def test_digest_covers_everything() -> None:
    def of(**changed: Any) -> str:
        split = Split(X[:, None], Y)
        splits = {"train": split, "valid": split, "test": split} | changed
        return Dataset("x", classes=("0",), words="", **splits).digest

    other = Split(np.where(np.arange(50)[:, None, None, None] == 49, 0, X[:, None]), Y)
    found = [of(), *(of(**{part: other}) for part in ("train", "valid", "test"))]
    found.append(of(train=Split(X[:, None], Y[::-1])))
    assert len(set(found)) == 5


def test_at_least_one_of_each_class_trains() -> None:
    labels = np.array([0, 1, 1, 2, 2, 2, 2])
    rest, off = parted(labels, 0.9, 3)
    assert sorted([*rest, *off]) == list(range(7))
    assert np.bincount(labels[rest]).tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("arrays", "what"),
    [
        ({"x": X}, "has no 'x' with 'y' but: x."),
        ({"images": X, "y": Y}, "has no 'x' with 'y' but: images, y."),
        ({"x": X / 255, "y": Y}, "has 'x' of type float64 and shape \\(50, 6, 4\\)"),
        ({"x": X[0, 0], "y": Y}, "has 'x' of type uint8 and shape \\(4,\\)"),
        ({"x": X[:0], "y": Y[:0]}, "has 'x' of type uint8 and shape \\(0, 6, 4\\)"),
        ({"x": X, "y": Y / 2}, "has 'y' of type float64"),
        ({"x": X, "y": Y[1:]}, "and shape \\(49,\\) for 50 images"),
        ({"x": X, "y": Y - 1}, "has labels from -1 to 3"),
        ({"x": X, "y": Y + 2000}, "has labels from 2000 to 2004"),
        ({"x": X, "y": 0 * Y}, "images are of 1 classes"),
        ({"x": X, "y": Y, "x_test": X}, "has no 'x_test' with 'y_test'"),
        ({"x": X, "y": Y, "x_test": X[:, 1:], "y_test": Y}, "and, to test, \\(1, 5, 4\\)"),
        ({"x": X[:, :, :, None], "y": Y}, ""),
        ({"x": np.zeros((2, 1, 1030, 8), np.uint8), "y": [0, 1]}, "1030 x 8 pixels; 1024 a side"),
        ({"x": X[::10], "y": Y[::10]}, "5 images are too few to part some off"),
        ({"x": np.zeros((50, 32, 1, 1), np.uint8), "y": Y}, "images of 32 channels"),
    ],
)
def test_npz_wrong(tmp_path: Path, arrays: dict[str, Any], what: str) -> None:
    if not what:
        # One channel last is a picture of one column: odd, but what it says.
        assert load(tmp_path, **arrays).shape == (6, 4, 1)
        return
    with pytest.raises(UsageError, match=what):
        load(tmp_path, **arrays)


def test_source_wrong(tmp_path: Path) -> None:
    for source in ("digits", "nothing.png", str(tmp_path / "no"), "a\x1b[2J"):
        with pytest.raises(UsageError, match="is no folder of images, no .npz file") as caught:
            load_data(source, seed=1, validation_share=0.1)
        assert "\x1b" not in str(caught.value)
    with pytest.raises(UsageError, match="does not exist"):
        load_data(str(tmp_path / "no.npz"), seed=1, validation_share=0.1)


def test_pickles_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "bad.npz", x=X, y=np.array([{}] * 50, object))
    with pytest.raises(UsageError, match="no readable .npz file"):
        load_data(str(tmp_path / "bad.npz"), seed=1, validation_share=0.1)


def test_digits_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sklearn", "sklearn.datasets"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(ToolMissing, match="come with scikit-learn, which is not installed"):
        digits(seed=1, validation_share=0.1)
