"""List what bnnhw rests on, with licences, and show that nothing of it asks the network.

    python -m scripts.supply [--page]

Writes docs/dependencies.md from pyproject.toml, requirements.lock and the packages that are
installed; then a fresh process imports every module and generates Verilog while every socket, in it
and in the programs that it starts, is forbidden. `--page` writes the page alone.
"""

import argparse
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .environments import LOCK
from .offline import run_offline
from .signing import ROOT, Item, record

__all__ = ["PAGE", "Package", "licence", "main", "packages", "page", "reasons"]

PAGE = ROOT / "docs" / "dependencies.md"
_PROJECT = ROOT / "pyproject.toml"
_ELSEWHERE = "not installed where this was written"

_PHRASES = {
    "GNU GENERAL PUBLIC LICENSE Version 2": "GPL-2.0",
    "GNU GENERAL PUBLIC LICENSE Version 3": "GPL-3.0",
    "Redistribution and use in source and binary forms": "BSD",
    "Permission is hereby granted, free of charge": "MIT",
}

_INTRO = """# Dependencies

Written by `python -m scripts.supply` from pyproject.toml, [requirements.lock](../requirements.lock)
and what the installed packages say of themselves; nothing here is copied by hand. The light core
(`pip install bnnhw`) has the packages whose extra is *core*. {bound}

- The lock pins every file by SHA-256: `BNNHW_LOCKED=1 scripts/test` installs exactly these, with
  `pip install --require-hashes`, and `python -m scripts.lock` writes it anew.
- Known vulnerabilities: `pipx run pip-audit --require-hashes --disable-pip -r requirements.lock`
  holds the lock against the advisories of PyPI, or of OSV (`-s osv`). It asks the network for every
  package, so it is to be run by hand before a release, and no test does it.
- Nothing opens a socket when it is imported or while Verilog is generated: a test forbids them all.
  `bnnhw serve`, `--port socket://` and simulated boards open those that they are told to.

"""


@dataclass(frozen=True)
class Package:
    """One package of the lock.

    Parameters
    ----------
    name, version : str
    licence : str
        As the package says it.
    extras : tuple of str
        Which of our extras ask for it, ``core`` without one; none where other packages do.
    why : str
        What it is for, or the packages that need it.
    """

    name: str
    version: str
    licence: str
    extras: tuple[str, ...]
    why: str


def reasons(text: str) -> dict[str, str]:
    """Read from pyproject.toml what each requirement is for: the comment behind or above it."""
    found: dict[str, str] = {}
    above: list[str] = []
    for line in text.splitlines():
        match = re.match(r'\s*"([A-Za-z0-9._-]+)[^"]*",?\s*(?:#\s*(.*))?$', line)
        if match:
            found.setdefault(canonicalize_name(match[1]), match[2] or " ".join(above))
        comment = re.match(r"\s*#\s*(.*)$", line)
        # What stands above several lines is said of all of them.
        above = [*above, comment[1]] if comment else above if match else []
    return found


def licence(package: Distribution) -> str:
    """Say under which licence a package is: in the words of its metadata, or by its text."""
    told = package.metadata
    if expression := told["License-Expression"]:
        return str(expression)
    text = str(told["License"] or "").strip()
    if text and len(text) <= 40 and "\n" not in text:
        return text
    kinds = [str(kind) for kind in told.get_all("Classifier") or []]
    if named := [kind.rpartition(" :: ")[2] for kind in kinds if kind.startswith("License")]:
        return ", ".join(named)
    plain = " ".join(" ".join([text, *_texts(package)]).split())
    return next((name for phrase, name in _PHRASES.items() if phrase in plain), "unknown")


def _texts(package: Distribution) -> list[str]:
    """Read the licence files that a package brings."""
    files = [file for file in package.files or [] if file.name.startswith(("LICENSE", "LICENCE"))]
    return [file.read_text() for file in files if ".dist-info" in str(file)]


def _locked() -> dict[str, str]:
    lines = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", LOCK.read_text(), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in lines}


def _asked() -> dict[str, set[str]]:
    """Give the extras that ask for each package."""
    table = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]
    found: dict[str, set[str]] = {}
    for extra, wanted in {"core": table["dependencies"], **table["optional-dependencies"]}.items():
        for requirement in wanted:
            found.setdefault(canonicalize_name(Requirement(requirement).name), set()).add(extra)
    return found


def _needed(names: Sequence[str]) -> dict[str, set[str]]:
    """Give the packages that need each package."""
    found: dict[str, set[tuple[bool, str]]] = {}
    for name in names:
        try:
            wanted = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        for requirement in map(Requirement, wanted):
            extra = "extra ==" in str(requirement.marker or "")
            found.setdefault(canonicalize_name(requirement.name), set()).add((extra, name))
    # What somebody needs in any case is not there for another one's extra.
    return {
        name: {needs for extra, needs in by if extra == min(extra for extra, _ in by)}
        for name, by in found.items()
    }


def packages() -> list[Package]:
    """List every package of the lock."""
    locked = _locked()
    asked, needed, why = _asked(), _needed(list(locked)), reasons(_PROJECT.read_text())
    found = []
    for name, version in sorted(locked.items()):
        try:
            terms = licence(distribution(name))
        except PackageNotFoundError:
            terms = _ELSEWHERE
        extras = tuple(sorted(asked.get(name, ())))
        through = ", ".join(sorted(needed.get(name, set()) & set(locked)))
        reason = why.get(name, "") if extras else f"for {through}" if through else ""
        found.append(Package(name, version, terms, extras, reason))
    return found


def page(rows: Sequence[Package]) -> str:
    """Lay out the page."""
    heads = "| package | locked version | licence | {} | {} |\n|---|---|---|---|---|\n"
    asked = [row for row in rows if row.extras]
    others = [row for row in rows if not row.extras]
    bound = [f"{row.name} ({row.licence})" for row in rows if "GPL" in row.licence]
    told = f"Under the GNU licences are {', '.join(bound)}." if bound else ""
    text = _INTRO.format(bound=told) + "## Asked for\n\n" + heads.format("extra", "why")
    text += "".join(_row(row, ", ".join(row.extras), row.why) for row in asked)
    text += "\n## What these need\n\n" + heads.format("", "why")
    return text + "".join(_row(row, "", row.why or "on other systems") for row in others)


def _row(row: Package, extra: str, why: str) -> str:
    cells = [row.name, row.version, row.licence, extra, why.rstrip(".").replace("|", "\\|")]
    return "| " + " | ".join(cells) + " |\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page and forbid sockets; the exit code is 1 if something asks for one."""
    description = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="scripts.supply", description=description)
    parser.add_argument("--page", action="store_true", help="write the page alone")
    args = parser.parse_args(arguments)
    begun = time.monotonic()
    rows = packages()
    PAGE.write_text(page(rows), encoding="utf-8")
    if args.page:
        return 0
    unknown = [row.name for row in rows if row.licence == "unknown"]
    elsewhere = [row.name for row in rows if row.licence == _ELSEWHERE]
    try:
        outcome, trouble = run_offline(), ""
    except (RuntimeError, subprocess.SubprocessError) as error:
        outcome, trouble = None, str(error)[-600:]
    calls = outcome.calls if outcome else []
    hashes = LOCK.read_text().count("--hash=sha256:")
    item = Item(
        "supply",
        "Dependencies are pinned by hash and their licences listed; nothing asks the network when "
        "it is imported or generates.",
        "python -m scripts.supply",
        "every package with hashes and licence, no socket",
        f"{len(rows)} packages, {hashes} hashes; {len(unknown)} licences unknown; "
        f"{outcome.modules if outcome else 0} modules imported, Verilog of a network and an array "
        f"generated, {len(calls)} sockets asked for",
        not unknown and outcome is not None and not calls,
        round(time.monotonic() - begun, 1),
        {"unknown": unknown, "sockets": calls, "trouble": trouble,
         "absent": outcome.absent if outcome else []},
        f"Not installed here, so their licences are not read: {', '.join(elsewhere)}. pip-audit "
        f"asks the network for every package and was not run. {trouble}".strip(),
    )  # fmt: skip
    record(item)
    print(item.measured)
    return 0 if item.met else 1


if __name__ == "__main__":
    sys.exit(main())
