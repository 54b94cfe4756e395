"""Run something that may do anything, in a process of its own, and say how it ended."""

import gc
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Ending", "run"]


@dataclass(frozen=True)
class Ending:
    """How it ended.

    Parameters
    ----------
    how : {"done", "raised", "stopped", "died"}
        Whether it returned, raised, took too long, or ended its process.
    what : str
        What it returned, the exception that it raised, or a signal's number.
    """

    how: str
    what: str = ""


def run(action: Callable[[], str], *, seconds: float, memory: int = 4 << 30) -> Ending:
    """Call `action` in a forked process, which sees all that is imported already.

    Parameters
    ----------
    action : callable
        Returns a string.
    seconds : float
        How long it may take by the clock; three times that, so a busy machine changes no ending,
        and `seconds` of the processor's time.
    memory : int
        Bytes of address space it may add to what is there.
    """
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _inside(action, writer, seconds, memory)
    os.close(writer)
    answer, stopped = _listen(reader, time.monotonic() + 3 * seconds)
    os.close(reader)
    if stopped:
        # It leads a group of its own, so what it started ends with it.
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if answer:
        return Ending(*json.loads(answer))
    if stopped or os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
        return Ending("stopped")
    return Ending("died", str(status))


def _listen(reader: int, end: float) -> tuple[bytes, bool]:
    """Read until the other side closes, or until `end`; say whether that came first."""
    heard = b""
    while True:
        ready, _, _ = select.select([reader], [], [], max(0.0, end - time.monotonic()))
        if not ready:
            return b"", True
        piece = os.read(reader, 1 << 16)
        if not piece:
            return heard, False
        heard += piece


def _inside(action: Callable[[], str], writer: int, seconds: float, memory: int) -> None:
    """Be the child: whatever happens, nothing of the parent's runs on in it."""
    try:
        os.setpgid(0, 0)
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        gc.freeze()
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + memory, used + memory))
        limit = int(seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 2))
        try:
            told = ["done", action()]
        except BaseException as error:
            told = ["raised", f"{type(error).__name__}: {error}"[:300]]
        os.write(writer, json.dumps(told).encode())
    finally:
        os._exit(0)
