"""What commands print: tables for people, JSON for scripts, progress on standard error."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from bnnhw.errors import CheckFailed

__all__ = ["Reported", "emit_json", "pairs", "progress", "say", "table"]

_WIDE = 160

Tell = Callable[[str, int, int], None]


class Reported(CheckFailed):
    """A failed check whose JSON document, which says so, is on standard output already."""


def emit_json(value: Any) -> None:
    """Print one JSON document on standard output."""
    print(json.dumps(value, indent=1, ensure_ascii=False, default=str))


def _console() -> Console:
    # Made when needed: standard output may have been replaced since the import. A file or pipe
    # has no width to keep to.
    return Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False)


def say(text: str) -> None:
    """Print a line on standard output."""
    _console().print(escape(text))


def pairs(title: str, rows: Iterable[tuple[str, object]]) -> None:
    """Print labels and values."""
    table(title, (), [(label, value) for label, value in rows])


def table(title: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; numbers are set to the right."""
    rows = [tuple(row) for row in rows]
    width = len(rows[0]) if rows else len(heads)
    shown = Table(show_header=bool(heads))
    for column in range(width):
        numbers = bool(heads) and all(isinstance(row[column], (int, float)) for row in rows)
        shown.add_column(
            heads[column] if heads else "", justify="right" if numbers else "left", overflow="fold"
        )
    for row in rows:
        shown.add_row(
            *(escape(f"{cell:,}" if isinstance(cell, int) else _plain(str(cell))) for cell in row)
        )
    console = _console()
    # Not as the table's own title, which would be folded to the table's width.
    console.print(f"[bold]{escape(title)}[/bold]")
    console.print(shown)


def _plain(text: str) -> str:
    # What a file says of itself must not reach the terminal as control sequences.
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


@contextmanager
def progress(quiet: bool = False) -> Iterator[Tell]:
    """Show what is going on, on standard error: a bar on a terminal, else one line for each step.

    Yields
    ------
    callable
        Takes what is going on, how much is done, and how much there is (0: not known).
    """
    if quiet:
        yield lambda what, done, total: None
    elif not sys.stderr.isatty():
        yield _Lines()
    else:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn())
        console = Console(stderr=True)
        with Progress(
            *columns, MofNCompleteColumn(), TimeElapsedColumn(), console=console, transient=True
        ) as bar:
            yield _Bars(bar)


class _Lines:
    def __init__(self) -> None:
        self._last = ""

    def __call__(self, what: str, done: int, total: int) -> None:
        if what != self._last:
            print(f"… {what}", file=sys.stderr, flush=True)
            self._last = what


class _Bars:
    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task: Any = None
        self._last = ""

    def __call__(self, what: str, done: int, total: int) -> None:
        if what != self._last:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(escape(what), total=total or None)
            self._last = what
        self._bar.update(self._task, completed=done, total=total or None)
