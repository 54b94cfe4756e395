"""Labelled images for training: the digits, an .npz file or a folder, and how they are parted."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ToolMissing, UsageError
from ..files import read_npz
from ..names import printable
from .folder import read_folder

__all__ = ["DIGITS", "TEST_SHARE", "Dataset", "Split", "digits", "load_data", "parted"]

DIGITS = ("digits-mlp", "digits-cnn")
TEST_SHARE = 0.2
_DIGITS_TEST = 360
_SIDE_CAP = 1024
_CLASSES_CAP = 1000
_TODO = "Save uint8 images and whole labels: numpy.savez('images.npz', x=pixels, y=labels)."


@dataclass(frozen=True, eq=False)
class Split:
    """Images as uint8 [N, channels, height, width] and their labels."""

    x: np.ndarray
    y: np.ndarray

    def __add__(self, other: "Split") -> "Split":
        """Both together."""
        return Split(np.concatenate([self.x, other.x]), np.concatenate([self.y, other.y]))

    def __len__(self) -> int:
        return len(self.y)

    def at(self, rows: np.ndarray) -> "Split":
        """Give some of the images."""
        return Split(self.x[rows], self.y[rows])


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images to train with, to choose with, and to look at once at the end.

    Parameters
    ----------
    name : str
        What to call it; not yet made safe.
    train, valid, test : Split
        `valid` may be empty.
    classes : tuple of str
        What label k means.
    words : str
        How the images were parted.
    """

    name: str
    train: Split
    valid: Split
    test: Split
    classes: tuple[str, ...]
    words: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of every image."""
        channels, height, width = self.train.x.shape[1:]
        return channels, height, width

    @property
    def digest(self) -> str:
        """SHA-256 of all images and labels, in their order."""
        found = hashlib.sha256()
        for split in (self.train, self.valid, self.test):
            for array in (split.x, split.y):
                found.update(f"{array.dtype}{array.shape}".encode())
                found.update(np.ascontiguousarray(array).tobytes())
        return found.hexdigest()


def load_data(
    source: str, *, seed: int, validation_share: float, side: int | None = None
) -> Dataset:
    """Read images from where a user says they are.

    Parameters
    ----------
    source : str
        "digits-mlp" or "digits-cnn": scikit-learn's scans of digits; the path of an .npz file
        with `x`, `y` and perhaps `x_test`, `y_test`; or that of a folder with a folder for each
        class, perhaps below `train` and `test`.
    seed : int
        Decides what is parted off.
    validation_share : float
        Of the images that are not for testing.
    side : int or None
        Height and width to which the images of a folder are scaled.

    Raises
    ------
    UsageError
        If there is nothing of the kind, or something is wrong with it.
    ToolMissing
        If scikit-learn is needed for the digits, or Pillow for a folder, and is not installed.
    """
    if source in DIGITS:
        return digits(seed=seed, validation_share=validation_share)
    path = Path(source)
    if path.is_dir():
        found = read_folder(path, side=side)
        train = Split(found.x, found.y)
        test = None if found.x_test is None else Split(found.x_test, found.y_test)
        return _dataset(path.resolve().name, train, test, found.classes, seed, validation_share)
    if path.suffix != ".npz":
        raise UsageError(
            f"'{printable(source)}' is no folder of images, no .npz file and no "
            f"{' or '.join(DIGITS)}.",
            "Give one of them.",
        )
    arrays = read_npz(path)
    train = _split(arrays, "x", "y", path)
    test = _split(arrays, "x_test", "y_test", path) if "x_test" in arrays else None
    if test is not None and test.x.shape[1:] != train.x.shape[1:]:
        raise UsageError(
            f"'{path}' has images of shape {train.x.shape[1:]} and, to test, "
            f"{test.x.shape[1:]}.", _TODO
        )  # fmt: skip
    count = 1 + max(int(split.y.max()) for split in (train, test) if split is not None)
    names = tuple(map(str, range(count)))
    return _dataset(path.stem, train, test, names, seed, validation_share)


def digits(*, seed: int, validation_share: float) -> Dataset:
    """Give scikit-learn's scans of digits, 8 x 8, with the test images of the bundled networks.

    For other seeds than theirs, 2026, the test images are others too.

    Raises
    ------
    ToolMissing
        If scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ImportError as error:
        raise ToolMissing(
            "The scans of digits come with scikit-learn, which is not installed.",
            'Install it: pip install "bnnhw[train]".',
        ) from error
    told = load_digits()
    scans = told.images.astype(np.int64)  # 0...16
    whole = Split(((scans * 255 + 8) // 16).astype(np.uint8)[:, None], told.target.astype(np.uint8))
    rest, test = train_test_split(
        np.arange(len(whole)), test_size=_DIGITS_TEST, stratify=whole.y, random_state=seed
    )
    train, valid = rest, rest[:0]
    if validation_share:
        train, valid = train_test_split(
            rest, test_size=validation_share, stratify=whole.y[rest], random_state=seed
        )
    words = f"{_DIGITS_TEST} test images, train_test_split(stratify=labels, random_state={seed})"
    if validation_share:
        words += f"; {100 * validation_share:g} % of the rest validate"
    return Dataset(
        "digits",
        whole.at(train),
        whole.at(valid),
        whole.at(test),
        tuple(map(str, range(10))),
        words,
    )


def parted(labels: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Part rows off, of every class the same share, rounded; at least one stays of each.

    Returns
    -------
    (rest, off) : arrays of int
        Rows in their order.
    """
    rng = np.random.default_rng(seed)
    off: list[np.ndarray] = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        count = min(round(share * len(rows)), len(rows) - 1)
        off.append(rng.permutation(rows)[:count])
    chosen = np.sort(np.concatenate(off))
    return np.setdiff1d(np.arange(len(labels)), chosen), chosen


def _dataset(
    name: str,
    train: Split,
    test: Split | None,
    classes: tuple[str, ...],
    seed: int,
    validation_share: float,
) -> Dataset:
    words = "test images of their own"
    if test is None:
        rest, off = parted(train.y, TEST_SHARE, seed)
        train, test = train.at(rest), train.at(off)
        words = f"{100 * TEST_SHARE:g} % of every class test, drawn with seed {seed}"
    valid = train.at(np.arange(0))
    if validation_share:
        rest, off = parted(train.y, validation_share, seed + 1)
        train, valid = train.at(rest), train.at(off)
        words += f"; {100 * validation_share:g} % of the rest validate"
    _check(train, valid, test, classes, validation_share)
    return Dataset(name, train, valid, test, classes, words)


def _check(
    train: Split, valid: Split, test: Split, classes: tuple[str, ...], validation_share: float
) -> None:
    height, width = train.x.shape[2:]
    if len(np.unique(train.y)) < 2 or len(classes) > _CLASSES_CAP:
        raise UsageError(
            f"The images are of {len(np.unique(train.y))} classes, the labels go up to "
            f"{len(classes) - 1}.",
            f"Give images of 2 to {_CLASSES_CAP} classes, numbered from 0 on.",
        )
    if max(height, width) > _SIDE_CAP and height > 1:
        raise UsageError(
            f"The images have {height} x {width} pixels; {_SIDE_CAP} a side are the limit.",
            "Make them smaller.",
        )
    if not len(test) or (validation_share and not len(valid)):
        raise UsageError(
            f"{len(train)} images are too few to part some off.",
            "Give more images, or x_test and y_test, and --validation-share 0.",
        )


def _split(arrays: dict[str, Any], key: str, label: str, path: Path) -> Split:
    if key not in arrays or label not in arrays:
        shown = ", ".join(printable(name) for name in list(arrays)[:8])
        raise UsageError(f"'{path}' has no '{key}' with '{label}' but: {shown}.", _TODO)
    x, y = arrays[key], arrays[label]
    if x.dtype != np.uint8 or x.ndim not in (2, 3, 4) or not x.size:
        raise UsageError(
            f"'{path}' has '{key}' of type {x.dtype} and shape {x.shape}; images are uint8 of "
            "shape (n, size), (n, height, width) or (n, channels, height, width).",
            _TODO,
        )
    if y.dtype.kind not in "iu" or y.shape != x.shape[:1]:
        raise UsageError(
            f"'{path}' has '{label}' of type {y.dtype} and shape {y.shape} for {len(x)} images.",
            _TODO,
        )
    if int(y.min()) < 0 or int(y.max()) >= _CLASSES_CAP:
        raise UsageError(
            f"'{path}' has labels from {y.min()} to {y.max()}.",
            f"Number the classes from 0 on, up to {_CLASSES_CAP - 1}.",
        )
    if x.ndim == 4 and x.shape[1] > 16:
        raise UsageError(
            f"'{path}' has images of {x.shape[1]} channels.", "Put channels in front: (n, 3, h, w)."
        )
    shape = {2: (1, 1, x.shape[-1]), 3: (1, *x.shape[1:])}.get(x.ndim, x.shape[1:])
    return Split(x.reshape(len(x), *shape), y.astype(np.int64))
