"""Files of a command: all of them appear, or none."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from bnnhw.errors import UsageError

__all__ = ["publish"]


def publish(files: Mapping[str, str | bytes], folder: Path) -> list[Path]:
    """Write files into `folder`, which is made if need be.

    Parameters
    ----------
    files : mapping of str to str or bytes
        Content by plain file name.

    Returns
    -------
    list of Path
        In the order of `files`.

    Raises
    ------
    UsageError
        If the folder cannot be made or written; nothing is left behind then.
    """
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
        raise UsageError(
            f"'{folder}' cannot be written: {error.strerror}.",
            "Choose a folder that can be made and written: -o DIR.",
        ) from error
