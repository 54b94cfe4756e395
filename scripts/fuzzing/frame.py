"""What an entry is, what can become of an input, and the one place that judges it.

An input is known by the name of its entry, a seed and a number: `Entry.make` gives the same bytes
for them on every machine, so that nothing but numbers has to be kept.
"""

import contextlib
import random
import resource
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bnnhw.errors import BnnhwError

__all__ = ["BAD", "CORPUS", "OUTCOMES", "ROOT", "Entry", "Wrong", "judge", "rng_of", "unlimited"]

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "tests" / "fuzz" / "corpus"
OUTCOMES = ("accepted", "refused", "crash", "hang", "memory", "wrong")
BAD = OUTCOMES[2:]
"""What no input may lead to; "wrong" is an answer that breaks a promise, such as an unsafe name."""

_MESSAGE_CAP = 4000
_PLACES = 3


class Wrong(Exception):
    """What was accepted breaks a promise; the text says which."""


class Entry:
    """One way into the program. Derived classes say `name`, `title`, `make` and `handle`.

    Parameters
    ----------
    folder : Path
        For files of the entry's own.
    careful : bool
        Nothing is taken out of its usual process to save time; an input is judged again so.
    """

    name = ""
    title = ""
    model = False
    """Whether an input is a model file."""
    suffix = ".bin"
    patience = 1
    """So many times the usual limit of time is given, where a tool of ours works as well."""
    inputs = 1000
    """How many of them make a full run, and how many a sample for the quick suite."""
    sample = 30

    def __init__(self, folder: Path, *, careful: bool = False) -> None:
        self.folder = folder
        self.careful = careful

    def make(self, rng: random.Random) -> bytes:
        """Give an input."""
        raise NotImplementedError

    def handle(self, data: bytes) -> bool | None:
        """Do with an input what the program does.

        Returns
        -------
        bool or None
            False if it was refused, where that is no exception.

        Raises
        ------
        BnnhwError
            If it was refused.
        Wrong
            If what was accepted breaks a promise.
        """
        raise NotImplementedError

    def put(self, data: bytes, name: str = "input") -> Path:
        """Write a file of the entry's kind."""
        path = self.folder / f"{name}{self.suffix}"
        path.write_bytes(data)
        return path


@contextlib.contextmanager
def unlimited() -> Iterator[None]:
    """Lift the limit on memory for a child whose input is ours: Yosys reserves a lot."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def rng_of(entry: str, seed: str, number: int) -> random.Random:
    """Give the random numbers of one input."""
    return random.Random(f"{entry} {seed} {number}")


def judge(entry: Entry, data: bytes) -> tuple[str, str]:
    """Handle an input and say what became of it.

    Returns
    -------
    outcome : str
        One of `OUTCOMES`, but not "hang", which whoever watches sees.
    detail : str
        Class of a refusal; what and where, of anything bad.
    """
    try:
        accepted = entry.handle(data)
    except BnnhwError as error:
        if _ran_out(error):
            return "memory", _where(error)
        complaint = _complaint(error)
        return ("wrong", complaint) if complaint else ("refused", type(error).__name__)
    except Wrong as wrong:
        return "wrong", str(wrong)[:_MESSAGE_CAP]
    except MemoryError as error:
        return "memory", _where(error)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return "crash", _where(error)
    return ("refused", "Refused") if accepted is False else ("accepted", "")


def _ran_out(error: BaseException | None) -> bool:
    """Tell whether memory ended on the way to an error, though it was turned into another."""
    seen = 0
    while error is not None and seen < 20:
        if isinstance(error, MemoryError):
            return True
        error, seen = error.__cause__ or error.__context__, seen + 1
    return False


def _complaint(error: BnnhwError) -> str:
    """Say what is wrong with a message; empty if nothing."""
    if not error.todo.strip():
        return f"{type(error).__name__} does not say what to do: {ascii(error.what)}"
    for text in (error.what, error.todo):
        if not all(sign.isprintable() or sign == "\n" for sign in text):
            return f"a message has control characters: {ascii(text)[:200]}"
        if len(text) > _MESSAGE_CAP:
            return f"a message has {len(text)} characters: {ascii(text)[:200]}"
    return ""


def _where(error: BaseException) -> str:
    frames: list[Any] = traceback.extract_tb(error.__traceback__)
    places = [
        f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames[-_PLACES:]
    ]
    return f"{type(error).__name__} at {' < '.join(reversed(places))}: {ascii(str(error))[:200]}"
