"""Find a program or a Python package and tell its version."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

__all__ = ["find_program", "python_package", "search_path", "version_key", "version_of"]

_NUMBERS = re.compile(r"\d+\.\d+(?:\.\d+)*")


def search_path() -> str:
    """`PATH` with the folders of this Python's own console scripts in front.

    So the command line works when its virtual environment is not activated.
    """
    own = [str(Path(sys.executable).parent), sysconfig.get_path("scripts")]
    if sys.prefix == sys.base_prefix:
        own.append(sysconfig.get_path("scripts", sysconfig.get_preferred_scheme("user")))
    rest = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(dict.fromkeys([*own, *rest]))


def find_program(name: str) -> Path | None:
    """Where a program is, or None."""
    found = shutil.which(name, path=search_path())
    return Path(found) if found else None


def python_package(name: str) -> str | None:
    """Version of an installed Python distribution, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def version_of(program: Path, *flags: str) -> str | None:
    """Version that a program prints, as digits and dots; None if it prints none.

    Parameters
    ----------
    program : Path
        The program; it must start quickly.
    flags : str
        What makes it print its version; `--version` if nothing is given.
    """
    try:
        done = subprocess.run(
            [program, *(flags or ("--version",))],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _NUMBERS.search(done.stdout) or _NUMBERS.search(done.stderr)
    return match.group() if match else None


def version_key(version: str | None) -> tuple[int, ...]:
    """Version as numbers that compare; unknown is older than everything."""
    match = _NUMBERS.search(version or "")
    return tuple(int(part) for part in match.group().split(".")) if match else ()
