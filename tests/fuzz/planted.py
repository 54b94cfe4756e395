"""Entries with a defect each: what the watcher must see."""

import ctypes
import random
import time
from pathlib import Path

from bnnhw.errors import UsageError
from scripts.fuzzing.frame import Entry, Wrong


class Planted(Entry):
    """Breaks on inputs that hold a certain word, and only there."""

    name = "planted"

    def make(self, rng: random.Random) -> bytes:
        return rng.choice([b"good", b"bad file", *_DEFECTS]) + rng.randbytes(3)

    def handle(self, data: bytes) -> None:
        for word, defect in _DEFECTS.items():
            if word in data:
                defect()
        if b"bad file" in data:
            raise UsageError("This is no file.", "Give another.")


def crash() -> None:
    raise IndexError("list index out of range")


def segfault() -> None:
    ctypes.string_at(0)


def hang() -> None:
    time.sleep(60)


def memory() -> None:
    bytearray(3 << 30)


def hidden_memory() -> None:
    try:
        bytearray(3 << 30)
    except MemoryError as error:
        raise UsageError("This file is too large.", "Give another.") from error


def unsafe() -> None:
    raise Wrong("a name was taken for safe")


def no_help() -> None:
    raise UsageError("This is no file.", "")


def leave() -> None:
    raise SystemExit(0)


_DEFECTS = {
    b"CRASH": crash,
    b"SEGFAULT": segfault,
    b"HANG": hang,
    b"MEMORY": memory,
    b"HIDDEN": hidden_memory,
    b"WRONG": unsafe,
    b"HELP": no_help,
    b"LEAVE": leave,
}


class Heavy(Entry):
    """A mutator that fails: no finding, but a mistake of ours."""

    name = "heavy"

    def __init__(self, folder: Path, *, careful: bool = False) -> None:
        super().__init__(folder, careful=careful)

    def make(self, rng: random.Random) -> bytes:
        raise KeyError("no seed")


ENTRIES = (Planted, Heavy)
