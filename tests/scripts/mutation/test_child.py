"""Whatever a child does, its parent hears how it ended."""

import os
import signal
import time

import pytest

from scripts.mutation import child
from scripts.mutation.child import Ending


def forever() -> str:
    while True:
        time.sleep(1)


def busy() -> str:
    while True:
        pass


def raises() -> str:
    raise ValueError("three of them")


def killed() -> str:
    os.kill(os.getpid(), signal.SIGKILL)
    return "never"


def leaves() -> str:
    os._exit(3)


def hungry() -> str:
    return str(len(bytearray(2 << 30)))


def test_what_is_returned_and_raised_comes_back() -> None:
    here: list[int] = []
    assert child.run(lambda: f"{os.getppid()}", seconds=9) == Ending("done", f"{os.getpid()}")
    assert child.run(lambda: here.append(1) or "", seconds=9) == Ending("done", "")  # type: ignore[func-returns-value]
    assert here == []
    assert child.run(raises, seconds=9) == Ending("raised", "ValueError: three of them")


@pytest.mark.parametrize("action", [forever, busy])
def test_what_takes_too_long_is_stopped(action) -> None:
    assert child.run(action, seconds=0.3) == Ending("stopped")


@pytest.mark.parametrize("action", [killed, leaves])
def test_death_is_told(action) -> None:
    assert child.run(action, seconds=9).how == "died"


def test_memory_has_an_end() -> None:
    assert child.run(hungry, seconds=9, memory=1 << 30) == Ending("raised", "MemoryError: ")
