"""Virtual environments apart from the checkout's own: other interpreters, other versions."""

import os
import shutil
import subprocess
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from .signing import ROOT

__all__ = ["LOCK", "Missing", "environment", "interpreter", "lowest", "requirements_of", "run"]

LOCK = ROOT / "requirements.lock"
_LIMIT = 3600
_OWN = "bnnhw["


class Missing(Exception):
    """Something that is needed is not on this machine; the message says where it was looked for."""


def requirements_of(extra: str, project: Path = ROOT / "pyproject.toml") -> list[str]:
    """List what an extra needs, with what its own extras and the light core need."""
    table = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    found = [*table["dependencies"], *_extra(table["optional-dependencies"], extra)]
    return sorted(set(found))


def _extra(extras: dict[str, list[str]], extra: str) -> Iterator[str]:
    for requirement in extras[extra]:
        if requirement.startswith(_OWN):
            for other in requirement.removeprefix(_OWN).rstrip("]").split(","):
                yield from _extra(extras, other)
        else:
            yield requirement


def lowest(requirement: str) -> str:
    """Pin a requirement ``NAME>=VERSION,<OTHER`` to the version that it begins with.

    Raises
    ------
    ValueError
        If it has no lower bound.
    """
    bounds, semicolon, marker = requirement.partition(";")
    name, least, rest = bounds.partition(">=")
    if not least:
        raise ValueError(f"Requirement must have a lower bound, not {requirement!r}")
    version = rest.partition(",")[0].strip()
    return f"{name.strip()}=={version}{semicolon}{marker}"


def interpreter(version: str) -> Path:
    """Find a Python, such as ``"3.12"``, that runs and can make virtual environments.

    `BNNHW_PYTHONS` may name more of them, as a path with colons; else PATH and pyenv are asked.

    Raises
    ------
    Missing
        If there is none.
    """
    places = [Path(word) for word in os.environ.get("BNNHW_PYTHONS", "").split(":") if word]
    found = shutil.which(f"python{version}")
    places += [Path(found)] if found else []
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    places += sorted(root.glob(f"versions/{version}.*/bin/python"))
    for place in places:
        # pyenv's shims are there for every version and run only the chosen ones.
        probe = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
        try:
            words = [str(place), "-c", probe]
            done = subprocess.run(words, capture_output=True, text=True, timeout=60)
        except OSError:
            continue
        if done.stdout.strip() == version:
            return place
    raise Missing(
        f"Python {version} is not here (looked for python{version} on PATH, in {root}/versions and "
        "in BNNHW_PYTHONS); install it, or name its path in BNNHW_PYTHONS"
    )


def environment(folder: Path, python: Path, words: Sequence[str]) -> Path:
    """Make an environment, or find it complete from an earlier run; give its Python.

    Parameters
    ----------
    folder : Path
        Where it is put.
    python : Path
        Which interpreter.
    words : sequence of str
        What pip is to install: requirements, or options.

    Raises
    ------
    RuntimeError
        If it cannot be made; with the end of what pip said.
    """
    own, stamp = folder / "bin" / "python", folder / "complete"
    wanted = "\n".join([str(python), *words])
    if stamp.is_file() and stamp.read_text() == wanted:
        return own
    shutil.rmtree(folder, ignore_errors=True)
    run([str(python), "-m", "venv", str(folder)])
    run([str(own), "-m", "pip", "install", "--disable-pip-version-check", "-q", *words])
    stamp.write_text(wanted)
    return own


def run(words: Sequence[str], **environment: str) -> str:
    """Run a program in the checkout, with the checkout's modules; give its output.

    Raises
    ------
    RuntimeError
        If it fails; with the end of what it said.
    """
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        words, cwd=ROOT, env=variables | environment, capture_output=True, text=True,
        timeout=_LIMIT, check=False,
    )  # fmt: skip
    if done.returncode:
        said = (done.stdout + done.stderr)[-2000:]
        raise RuntimeError(f"{' '.join(words[:6])} ended with {done.returncode}: {said}")
    return done.stdout
