"""Files from outside, read in a bounded way, and files of ours, written whole or not at all."""

import hashlib
import io
import math
import os
import tempfile
import tokenize
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from .errors import UsageError
from .names import printable

__all__ = ["FILE_CAP", "read_capped", "read_npz", "write_atomic"]

FILE_CAP = 64 << 20
_NPZ_CAP = 256 << 20
_RATIO_CAP = 200
_MEMBERS_CAP = 10_000


def read_capped(path: Path, cap: int = FILE_CAP) -> bytes:
    """Read a regular file of at most `cap` bytes.

    Raises
    ------
    UsageError
        If it is absent, not a regular file, not readable, or larger.
    """
    try:
        if not path.is_file():
            what = (
                "is a folder"
                if path.is_dir()
                else "does not exist"
                if not path.exists()
                else "is no regular file"
            )
            raise UsageError(f"'{path}' {what}.", "Check the path.")
        size = path.stat().st_size
        if size > cap:
            raise UsageError(
                f"'{path}' has {size} bytes; {cap} are the limit.", "Give a smaller file."
            )
        with path.open("rb") as stream:
            return stream.read(cap + 1)[:cap]
    except OSError as error:
        raise UsageError(
            f"'{path}' cannot be read: {error.strerror}.", "Check the path and its permissions."
        ) from error


def read_npz(path: Path, sha256: str | None = None) -> dict[str, Any]:
    """Read every array of an .npz file, without pickles and within caps.

    The caps are checked before anything is unpacked.

    Parameters
    ----------
    path : Path
    sha256 : str or None
        Digest that the file must have.

    Raises
    ------
    UsageError
        If the file is absent, damaged, too large once unpacked, or holds Python objects.
    """
    data = read_capped(path)
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise UsageError(
            f"'{path}' is not the file that belongs here: its SHA-256 differs.",
            "Restore the original file.",
        )
    todo = "Give an .npz file written by numpy.savez with plain numeric arrays."
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            total = sum(member.file_size for member in members)
            if (
                len(members) > _MEMBERS_CAP
                or total > _NPZ_CAP
                or total > _RATIO_CAP * max(len(data), 4096)
            ):
                raise UsageError(
                    f"'{path}' would unpack to {total} bytes in {len(members)} members.", todo
                )
            for member in members:
                _check_header(archive, member)
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (
        OSError,
        ValueError,
        KeyError,
        EOFError,
        zipfile.BadZipFile,
        NotImplementedError,
        SyntaxError,
        UserWarning,
        tokenize.TokenError,
    ) as error:
        raise UsageError(
            f"'{path}' is no readable .npz file: {printable(str(error))}.", todo
        ) from error
    except (MemoryError, OverflowError, RuntimeError, TypeError, zlib.error) as error:
        raise UsageError(
            f"'{path}' is a damaged .npz file: {printable(str(error))}.", todo
        ) from error


def _check_header(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    # NumPy allocates what the header claims before it reads; a lie must not cost memory.
    # It warns of headers in the style of Python 2 only after a guess; those are refused.
    with archive.open(member) as stream, warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        version = np.lib.format.read_magic(stream)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, _, dtype = read(stream)
    if dtype.hasobject or math.prod(shape) * max(1, dtype.itemsize) > member.file_size:
        raise ValueError(f"array '{member.filename}' does not hold what its header says")


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that a reader sees the old file or the new one, never half of it.

    Raises
    ------
    UsageError
        If the folder is absent or not writable.
    """
    try:
        handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
            Path(scratch).chmod(0o644)
            Path(scratch).replace(path)
        except BaseException:
            Path(scratch).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(
            f"'{path}' cannot be written: {error.strerror}.",
            "Choose a folder that exists and is yours.",
        ) from error
