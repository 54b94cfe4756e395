"""Watches a worker: takes what it says, and ends it where an input takes too long."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from .frame import BAD, ROOT

__all__ = ["LIMIT", "Finding", "Watched", "minimised", "reviewed", "save"]

LIMIT = 5.0
"""Seconds that an input may take."""
_START = 60.0
_ENTRIES = "scripts.fuzzing.entries"
# One thread: BLAS would reserve memory for each.
_ENVIRONMENT = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Finding:
    """What became of one input.

    Parameters
    ----------
    number : int
    outcome : str
    detail : str
    seconds : float
    """

    number: int
    outcome: str
    detail: str
    seconds: float


class Watched:
    """A worker that is started when it is needed, and again when it ended; use it in `with`.

    Parameters
    ----------
    module : str
        Its `ENTRIES` are known to the worker.
    limit : float
        Seconds that an input may take.
    careful : bool
        As `Entry` has it.
    """

    def __init__(
        self, module: str = _ENTRIES, *, limit: float = LIMIT, careful: bool = False
    ) -> None:
        self._module, self._limit, self._careful = module, limit, careful
        self._child: subprocess.Popen[bytes] | None = None
        self._rest = b""
        self.starts = 0
        """How often a worker was started."""

    def __enter__(self) -> "Watched":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the worker."""
        if self._child is not None:
            child, self._child = self._child, None
            assert child.stdin and child.stdout
            child.stdin.close()
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            child.stdout.close()

    def run(self, entry: str, seed: str, start: int, count: int) -> Iterator[Finding]:
        """Handle inputs `start` … `start + count - 1` of an entry, in order."""
        number, end = start, start + count
        while number < end:
            order = {"entry": entry, "seed": seed, "start": number, "count": end - number}
            for finding in self._ordered(order, number):
                number = finding.number + 1
                yield finding

    def replay(self, entry: str, data: bytes) -> Finding:
        """Handle one input that is at hand."""
        with tempfile.NamedTemporaryFile(prefix="bnnhw-fuzz-", suffix=".input") as file:
            file.write(data)
            file.flush()
            (finding,) = self._ordered({"entry": entry, "file": file.name}, 0)
        return finding

    def _ordered(self, order: dict[str, Any], first: int) -> Iterator[Finding]:
        """Give an order and take what comes; ends early, with the bad input, if the worker does."""
        if self._child is None:
            self._start()
        assert self._child and self._child.stdin
        self._child.stdin.write(json.dumps(order).encode() + b"\n")
        self._child.stdin.flush()
        number, begun, limit = first, False, self._limit
        while True:
            # Making an input, and what an entry does when it is first asked, has its own limit.
            words = self._line(limit if begun else _START)
            match words:
                case ["begin", told, patience]:
                    number, begun, limit = int(told), True, self._limit * int(patience)
                case ["end", told, outcome, seconds, detail]:
                    begun = False
                    yield Finding(int(told), outcome, json.loads(detail), float(seconds))
                case ["done"]:
                    return
                case ["late"] if begun:
                    self._kill()
                    yield Finding(number, "hang", f"over {limit:g} s", limit)
                    return
                case _ if begun:
                    yield self._died(number)
                    return
                case _:
                    self._kill()
                    raise RuntimeError(f"The worker ended before input {number} of {order}")

    def _died(self, number: int) -> Finding:
        assert self._child
        status = self._child.wait()
        self._kill()
        how = signal.Signals(-status).name if status < 0 else f"status {status}"
        # The system ends a process by this signal when its memory is gone.
        outcome = "memory" if how == "SIGKILL" else "crash"
        return Finding(number, outcome, f"the process ended: {how}", 0.0)

    def _start(self) -> None:
        self.starts += 1
        self._rest = b""
        words = ["-m", "scripts.fuzzing.worker", self._module]
        self._child = subprocess.Popen(
            [sys.executable, *words, "careful" if self._careful else "quick"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if not os.environ.get("BNNHW_FUZZ_DEBUG") else None,
            cwd=ROOT,
            env={**os.environ, **_ENVIRONMENT},
        )
        if self._line(_START) != ["ready"]:
            self._kill()
            raise RuntimeError(f"A worker for {self._module} does not start")

    def _line(self, limit: float) -> list[str]:
        assert self._child and self._child.stdout
        until = time.monotonic() + limit
        while b"\n" not in self._rest:
            left = until - time.monotonic()
            ready, _, _ = select.select([self._child.stdout], [], [], max(0.0, left))
            if not ready:
                return ["late"]
            data = os.read(self._child.stdout.fileno(), 1 << 16)
            if not data:
                return ["ended"]
            self._rest += data
        line, self._rest = self._rest.split(b"\n", 1)
        return line.decode().split("\t")

    def _kill(self) -> None:
        if self._child is not None:
            self._child.kill()
            self.close()


def reviewed(found: Finding, entry: str, data: bytes, module: str = _ENTRIES) -> Finding:
    """Judge a bad input again in a fresh and careful process, which alone counts for limits.

    A hang must repeat, with more time where more processes want to run than there are cores; so
    must an end of the process or of memory, which may lie with what was taken into the worker. A
    wrong answer counts as it is.
    """
    if found.outcome not in BAD:
        return found
    for _ in range(2 if found.outcome == "hang" else 1):
        load = os.getloadavg()[0] / (os.cpu_count() or 1)
        busy = 1.0 if load <= 1 else 3 * load
        with Watched(module, careful=True, limit=LIMIT * busy) as fresh:
            again = fresh.replay(entry, data)
        if again.outcome not in BAD:
            ended = found.detail.startswith("the process ended")
            if not ended and found.outcome not in ("hang", "memory"):
                return found
            break
    return Finding(found.number, again.outcome, again.detail, again.seconds)


def minimised(
    data: bytes, found: Finding, entry: str, module: str = _ENTRIES, *, tries: int = 300
) -> bytes:
    """Take pieces out of a bad input as long as the same kind of thing becomes of it."""

    def same(candidate: bytes, worker: Watched) -> bool:
        again = worker.replay(entry, candidate)
        return (again.outcome, _kind(again.detail)) == (found.outcome, _kind(found.detail))

    with Watched(module, careful=True) as worker:
        if not same(data, worker):
            return data
        size = max(1, len(data) // 2)
        while size and tries > 0:
            at = 0
            while at < len(data) and tries > 0:
                tries -= 1
                candidate = data[:at] + data[at + size :]
                if same(candidate, worker):
                    data = candidate
                else:
                    at += size
            size //= 2
    return data


def _kind(detail: str) -> str:
    return detail.split(":", 2)[0]


def save(folder: Path, entry: str, data: bytes, name: str, suffix: str) -> Path:
    """Keep an input."""
    (folder / entry).mkdir(parents=True, exist_ok=True)
    path = folder / entry / f"{name}{suffix}"
    path.write_bytes(data)
    return path
