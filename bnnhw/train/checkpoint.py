"""Checkpoints: one .npz of numbers and text, written whole or not at all, read without pickles."""

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UsageError
from ..files import FILE_CAP, read_npz, write_atomic

__all__ = ["FILE", "MOST_WEIGHTS", "Checkpoint"]

FILE = "checkpoint.npz"
_FORMAT = "bnnhw-training"
_VERSION = 1
# Weights are in it five times: as they are, their mean, two moments of Adam, and the best mean.
MOST_WEIGHTS = (FILE_CAP - (4 << 20)) // (5 * 4)
"""Largest number of weights whose checkpoint can be read again."""


@dataclass(frozen=True)
class Checkpoint:
    """Where a training stands.

    Parameters
    ----------
    notes : dict
        Settings, digest of the images, history and best epoch, as JSON values.
    state : dict of arrays
        Of the training (`loop.Training.state`).
    guide : dict of arrays
        Of the float network; empty without one.
    best : dict of arrays
        Of the network that was best in validation; empty before there is one.
    """

    notes: dict[str, Any]
    state: dict[str, Any]
    guide: dict[str, Any] = field(default_factory=dict)
    best: dict[str, Any] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write it to a folder, in place of the last one.

        Raises
        ------
        UsageError
            If it cannot be written.
        """
        head = {"format": _FORMAT, "version": _VERSION, "notes": self.notes}
        arrays = {"head": np.array(json.dumps(head))}
        for part in ("state", "guide", "best"):
            arrays |= {f"{part}/{key}": value for key, value in getattr(self, part).items()}
        buffer = io.BytesIO()
        # Not compressed: an untouched moment of Adam is all zeros, which a bounded reader takes
        # for an archive that wants to burst.
        np.savez(buffer, allow_pickle=False, **arrays)
        write_atomic(folder / FILE, buffer.getvalue())

    def seen(self) -> tuple[list[dict[str, Any]], int | None]:
        """Give the history, a row an epoch, and the best epoch.

        Raises
        ------
        ValueError
            If they are not what a training writes.
        """
        rows = self.notes.get("history")
        if not isinstance(rows, list):
            raise ValueError("its history is no list")
        for epoch, row in enumerate(rows, 1):
            if not isinstance(row, dict) or row.get("epoch") != epoch:
                raise ValueError(f"row {epoch} of its history is not of epoch {epoch}")
            for key in ("loss", "train", "validation"):
                left_out = key == "validation" and row.get(key) is None
                if not left_out and type(row.get(key)) not in (int, float):
                    raise ValueError(f"{key} of epoch {epoch} is no number")
        best = self.notes.get("best")
        if best is not None and (type(best) is not int or not 1 <= best <= len(rows)):
            raise ValueError(f"its best epoch is {best!r} of {len(rows)}")
        if best is not None and rows[best - 1]["validation"] is None:
            raise ValueError(f"its best epoch, {best}, was not validated")
        keys = ("epoch", "loss", "train", "validation")
        return [{key: row.get(key) for key in keys} for row in rows], best

    @classmethod
    def load(cls, folder: Path) -> "Checkpoint":
        """Read what `save` wrote.

        Raises
        ------
        UsageError
            If there is none, or it is damaged or of another version.
        """
        path = folder / FILE
        if not path.exists():
            raise UsageError(
                f"'{folder}' has no {FILE} to go on from.", "Leave --resume out to begin anew."
            )
        arrays = read_npz(path)
        todo = "Train anew, in another folder."
        try:
            head = json.loads(str(arrays.pop("head")))
            if (head["format"], head["version"]) != (_FORMAT, _VERSION):
                raise ValueError(f"it is {head['format']!r} version {head['version']!r}")
            if not isinstance(head["notes"], dict):
                raise ValueError("its notes are no mapping")
            parts: dict[str, dict[str, Any]] = {"state": {}, "guide": {}, "best": {}}
            for key, value in arrays.items():
                part, _, name = key.partition("/")
                parts[part][name] = value
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise UsageError(
                f"'{path}' is no checkpoint of bnnhw: {type(error).__name__}: {error}.", todo
            ) from error
        return cls(head["notes"], **parts)
