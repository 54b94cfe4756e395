"""The child process that handles inputs, within limits that the system enforces.

It reads orders as lines of JSON on its standard input and says on its standard output, before each
input, which one it begins, and after it, what became of it. `watch` is the other end.
"""

import importlib
import json
import os
import resource
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from .frame import Entry, judge, rng_of

__all__ = ["MEMORY", "main"]

MEMORY = 2 << 30
"""Bytes of address space of the process, with everything that it has loaded."""


class _Worker:
    """Entries of a module, made when they are asked for; `tell` takes a line for the watcher."""

    def __init__(self, module: str, careful: bool, scratch: Path, told: int) -> None:
        self._kinds: dict[str, type[Entry]] = {
            kind.name: kind for kind in importlib.import_module(module).ENTRIES
        }
        self._careful, self._scratch, self._told = careful, scratch, told
        self._made: dict[str, Entry] = {}

    def tell(self, *words: object) -> None:
        os.write(self._told, ("\t".join(map(str, words)) + "\n").encode())

    def entry(self, name: str) -> Entry:
        if name not in self._made:
            folder = self._scratch / name
            folder.mkdir()
            self._made[name] = self._kinds[name](folder, careful=self._careful)
        return self._made[name]

    def run(self, order: dict[str, Any]) -> None:
        entry = self.entry(order["entry"])
        if "file" in order:
            self._one(entry, 0, Path(order["file"]).read_bytes())
        else:
            for number in range(order["start"], order["start"] + order["count"]):
                data = entry.make(rng_of(entry.name, order["seed"], number))
                self._one(entry, number, data)
        self.tell("done")

    def _one(self, entry: Entry, number: int, data: bytes) -> None:
        self.tell("begin", number, entry.patience)
        before = time.perf_counter()
        outcome, detail = judge(entry, data)
        spent = time.perf_counter() - before
        self.tell("end", number, outcome, f"{spent:.6f}", json.dumps(detail))


def main() -> None:
    """Handle what is ordered until the input ends."""
    # What a library prints must not be taken for our answers.
    told = os.dup(1)
    os.dup2(2, 1)
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(prefix="bnnhw-fuzz-") as scratch:
        worker = _Worker(sys.argv[1], sys.argv[2] == "careful", Path(scratch), told)
        worker.tell("ready")
        for line in sys.stdin:
            worker.run(json.loads(line))


if __name__ == "__main__":
    main()
