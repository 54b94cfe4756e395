"""HDF5 files of Keras: weights by path and the model's configuration, read by a child process."""

import importlib.util
import io
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from ..errors import ToolMissing, UsageError
from ..names import printable

__all__ = ["H5File", "read_h5"]

_SECONDS = 60
_TODO = "Save the model again with model.save('name.h5') or model.save('name.keras')."


@dataclass(frozen=True, eq=False)
class H5File:
    """What an HDF5 file says.

    Parameters
    ----------
    config : bytes or None
        The attribute ``model_config``.
    roots : frozenset of str
        Which of ``model_weights`` and ``layers`` there are.
    arrays : dict of str to array
        Datasets by path.
    names : dict of str to str
        The attribute ``name`` of groups, by path.
    """

    config: bytes | None
    roots: frozenset[str]
    arrays: dict[str, npt.NDArray[Any]]
    names: dict[str, str]

    def below(self, folder: str) -> dict[str, npt.NDArray[Any]]:
        """Give the datasets whose paths start with `folder`, by the rest of the path."""
        start = folder + "/"
        return {path[len(start) :]: a for path, a in self.arrays.items() if path.startswith(start)}


def read_h5(path: Path, data: bytes) -> H5File:
    """Read the bytes of an HDF5 file.

    Parameters
    ----------
    path : Path
        For messages.
    data : bytes

    Raises
    ------
    UsageError
        If they are no HDF5 file, or hold what Keras does not write.
    ToolMissing
        If the `h5py` package is not installed.
    """
    if importlib.util.find_spec("h5py") is None:
        raise ToolMissing(
            "Reading .h5 and .keras files needs the Python package 'h5py'.",
            'pip install "bnnhw[keras]"',
        )

    def fail(what: str) -> NoReturn:
        raise UsageError(f"'{printable(str(path))}': {printable(what)}.", _TODO)

    worker = Path(__file__).with_name("keras_worker.py")
    try:
        # -P: the folder of the worker is no place to import from.
        done = subprocess.run(
            [sys.executable, "-P", str(worker)],
            input=data,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        fail(f"reading it took more than {_SECONDS} seconds")
    if done.returncode == 2:
        fail(done.stderr.decode(errors="replace"))
    if done.returncode:
        fail("it is a damaged HDF5 file: the library that reads it gave up")
    with np.load(io.BytesIO(done.stdout), allow_pickle=False) as archive:
        names = bytes(archive["names"]).decode().split("\n")
        found = {name: archive[str(number)] for number, name in enumerate(names)}
    return H5File(
        bytes(found["config"]) if "config" in found else None,
        frozenset(bytes(found["roots"]).decode().split()),
        {key[1:]: array for key, array in found.items() if key.startswith("/")},
        {
            key[1:]: bytes(text).decode(errors="replace")
            for key, text in found.items()
            if key.startswith("@")
        },
    )
