"""A folder of images, one folder for each class, read in a bounded way."""

import io
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ToolMissing, UsageError
from ..files import read_capped
from ..names import printable

__all__ = ["FolderImages", "read_folder"]

SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP", ".pgm": "PPM"}
_FILE_CAP = 16 << 20
_PIXELS_CAP = 1 << 25
_TOTAL_CAP = 1 << 28
_FILES_CAP = 200_000
_CLASSES_CAP = 1000
_SIDE_CAP = 1024


@dataclass(frozen=True, eq=False)
class FolderImages:
    """What a folder holds, as grey pixels.

    Parameters
    ----------
    x : array of uint8, shape (n, 1, height, width)
    y : array of int64, shape (n,)
    classes : tuple of str
        Names of the folders, in alphabetical order: label k is the k-th.
    x_test, y_test : the same of a folder `test` beside `train`, or None
    """

    x: np.ndarray
    y: np.ndarray
    classes: tuple[str, ...]
    x_test: Any = None
    y_test: Any = None


def read_folder(path: Path, *, side: int | None = None) -> FolderImages:
    """Read PNG, JPEG, BMP and PGM images; colours become grey.

    Each file is decoded by the format that its suffix names and by no other, and only if its
    header names a size within bounds. Links that lead out of the folder are refused.

    Parameters
    ----------
    path : Path
        Holds a folder for each class; or folders `train` and `test` that do.
    side : int or None
        Height and width to scale every image to; None: they all have one size.

    Raises
    ------
    UsageError
        If there is no class, a file cannot be read, sizes differ, or there is too much.
    ToolMissing
        If Pillow is not installed.
    """
    if side is not None and not 1 <= side <= _SIDE_CAP:
        raise UsageError(f"The side must be 1 to {_SIDE_CAP} pixels, not {side!r}.", "Change it.")
    reader = _Reader(path.resolve(), side)
    inner = sorted(entry.name for entry in _entries(path))
    if inner != ["test", "train"]:
        classes = _classes(path)
        return FolderImages(*reader.read(path, classes), classes)
    classes = _classes(path / "train")
    strange = set(_classes(path / "test", least=1)) - set(classes)
    if strange:
        raise UsageError(
            f"'{path / 'test'}' has the class '{printable(min(strange))}', which 'train' has not.",
            "Give both the same folders.",
        )
    train = reader.read(path / "train", classes)
    return FolderImages(*train, classes, *reader.read(path / "test", classes))


def _entries(path: Path) -> list[Path]:
    try:
        with os.scandir(path) as found:
            names = [entry.name for _, entry in zip(range(_FILES_CAP + 1), found, strict=False)]
    except OSError as error:
        raise UsageError(
            f"'{path}' cannot be read: {error.strerror}.", "Check the path and its permissions."
        ) from error
    if len(names) > _FILES_CAP:
        raise UsageError(
            f"'{path}' holds more than {_FILES_CAP} files.", "Give a part of them, or an .npz."
        )
    return [path / name for name in sorted(names) if not name.startswith(".")]


def _classes(path: Path, least: int = 2) -> tuple[str, ...]:
    found = tuple(entry.name for entry in _entries(path) if entry.is_dir())
    if not least <= len(found) <= _CLASSES_CAP:
        raise UsageError(
            f"'{path}' has {len(found)} folders.",
            f"Put the images of each class into a folder of its own; 2 to {_CLASSES_CAP} classes.",
        )
    return found


class _Reader:
    """Reads classes until there is too much of them."""

    def __init__(self, root: Path, side: int | None) -> None:
        self._root = root
        self._side = side
        self._left = _TOTAL_CAP
        self._size: tuple[int, int] | None = None
        self._first: Path | None = None

    def read(self, path: Path, classes: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Give all images below `path`, class by class."""
        images, labels = [], []
        for label, name in enumerate(classes):
            for file in self._files(path / name):
                images.append(self._image(file))
                labels.append(label)
        if not images:
            raise UsageError(
                f"'{path}' holds no image.", f"Images end in {', '.join(sorted(SUFFIXES))}."
            )
        return np.stack(images)[:, None], np.array(labels, np.int64)

    def _files(self, folder: Path) -> Iterator[Path]:
        if not folder.exists():
            return
        for file in _entries(folder):
            if file.suffix.lower() in SUFFIXES:
                if not file.resolve().is_relative_to(self._root):
                    raise UsageError(
                        f"'{printable(str(file))}' leads out of the folder.", "Copy the file there."
                    )
                yield file

    def _image(self, file: Path) -> np.ndarray:
        pixels = _decoded(file, self._side)
        shape = (pixels.shape[0], pixels.shape[1])
        if self._size is None:
            self._size, self._first = shape, file
        if shape != self._size:
            raise UsageError(
                f"'{printable(str(file))}' has {shape[0]} x {shape[1]} pixels, "
                f"'{printable(str(self._first))}' {self._size[0]} x {self._size[1]}.",
                "Say to which height and width they are to be scaled, such as --side 32.",
            )
        if max(shape) > _SIDE_CAP:
            raise UsageError(
                f"'{printable(str(file))}' has {shape[0]} x {shape[1]} pixels; {_SIDE_CAP} a side "
                "are the limit.",
                "Say to which height and width they are to be scaled, such as --side 32.",
            )
        self._left -= pixels.size
        if self._left < 0:
            raise UsageError(
                f"'{self._root}' holds more than {_TOTAL_CAP:,} pixels.",
                "Give fewer images, or scale them: --side 32.",
            )
        return pixels


def _decoded(file: Path, side: int | None) -> np.ndarray:
    """Decode one image to grey, in the format that its suffix names."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ToolMissing(
            "Reading images needs Pillow, which is not installed.",
            'Install it: pip install "bnnhw[train]", or save the images as an .npz.',
        ) from error
    data = read_capped(file, _FILE_CAP)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # The header alone is read here; a size that it claims costs nothing yet.
            with Image.open(io.BytesIO(data), formats=[SUFFIXES[file.suffix.lower()]]) as image:
                if image.width * image.height > _PIXELS_CAP:
                    raise ValueError(f"it claims {image.width} x {image.height} pixels")
                if image.mode[0] in "IF":
                    # Pillow cuts these off at 255 where others scale them.
                    raise ValueError(f"it has pixels of the kind {image.mode}, not of 8 bits")
                grey = image.convert("L")
                if side is not None:
                    grey = grey.resize((side, side), Image.Resampling.BOX)
                return np.asarray(grey, np.uint8).copy()
    except Exception as error:
        # Decoders raise whatever they like at damaged files.
        raise UsageError(
            f"'{printable(str(file))}' is no readable image: {printable(str(error))}.",
            "Mend or remove the file.",
        ) from error
