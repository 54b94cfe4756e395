"""Files of a command: all of them appear, or none."""

import errno
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from bnnhw.errors import UsageError

__all__ = ["check_output", "publish"]

_TODO = "Choose a folder that can be made and written: -o DIR."


def check_output(names: Iterable[str], folder: Path, *, keep: Iterable[Path] = ()) -> None:
    """Refuse an output folder before any work is done for it.

    Parameters
    ----------
    names : iterable of str
        Of the files that will be written.
    folder : Path
        Where they will be; it need not exist.
    keep : iterable of Path
        Files that must not be replaced, such as those that are read.

    Raises
    ------
    UsageError
        If the folder is a file or not writable, or a file of these names is a folder or to be kept.
    """
    try:
        home = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if not home.is_dir():
            raise UsageError(f"'{home}' is a file, not a folder.", _TODO)
        if not os.access(home, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        kept = [path.resolve() for path in keep]
        for path in (folder / name for name in names):
            if path.is_dir():
                raise UsageError(f"'{path}' is a folder, but a file is to be written there.", _TODO)
            if path.resolve() in kept:
                raise UsageError(
                    f"'{path}' is read by this command and would be overwritten.",
                    "Choose another folder (-o DIR) or another name (--name NAME).",
                )
    except OSError as error:
        raise _unwritable(folder, error) from error


def publish(files: Mapping[str, str | bytes], folder: Path) -> list[Path]:
    """Write files into `folder`, which is made if need be.

    Parameters
    ----------
    files : mapping of str to str or bytes
        Content by plain file name.
    folder : Path

    Returns
    -------
    list of Path
        In the order of `files`.

    Raises
    ------
    UsageError
        If the folder cannot be made or written; nothing is left behind then.
    """
    check_output(files, folder)
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".bnnhw-") as scratch:
            for name, content in files.items():
                data = content.encode() if isinstance(content, str) else content
                (Path(scratch) / name).write_bytes(data)
            return [(Path(scratch) / name).replace(folder / name) for name in files]
    except OSError as error:
        for path in made:
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()
        raise _unwritable(folder, error) from error


def _unwritable(folder: Path, error: OSError) -> UsageError:
    return UsageError(f"'{folder}' cannot be written: {error.strerror}.", _TODO)
