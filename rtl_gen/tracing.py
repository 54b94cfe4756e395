"""Names of signals on every Python: Amaranth reads them off bytecode, and misses some of 3.13's."""

import dis
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from types import CodeType
from typing import Any

from amaranth import tracer

__all__ = ["named_signals", "stored_name"]

_PASSED = (
    "LOAD_GLOBAL", "LOAD_NAME", "LOAD_ATTR", "LOAD_FAST", "LOAD_FAST_BORROW", "LOAD_DEREF",
    "LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW", "BUILD_LIST", "COPY",
)  # fmt: skip
_STORES = ("STORE_NAME", "STORE_ATTR", "STORE_FAST", "STORE_DEREF")
# Python 3.13 joins the store of a local variable with the next store or load.
_JOINED = ("STORE_FAST_STORE_FAST", "STORE_FAST_LOAD_FAST")
_RAISE = object()


@contextmanager
def named_signals() -> Iterator[None]:
    """Let signals that are made meanwhile have the names of their variables, as on Python 3.12.

    Amaranth (0.5.10, its issue 1653 and before) does not know the instructions that 3.13 joins, so
    that ``bank = Signal()`` had no name there, and the Verilog was another one.
    """
    before: Any = tracer.get_var_name

    def get_var_name(depth: int = 2, default: Any = _RAISE) -> Any:
        try:
            return before(depth + 1)  # This function is one caller more.
        except tracer.NameNotFound:
            frame = sys._getframe(depth)
            name = stored_name(_instructions(frame.f_code), frame.f_lasti)
            if name is None and default is _RAISE:
                raise
            return default if name is None else name

    tracer.get_var_name = get_var_name
    try:
        yield
    finally:
        tracer.get_var_name = before


def stored_name(instructions: Sequence[dis.Instruction], at: int) -> str | None:
    """Tell which variable takes what a call gives.

    Parameters
    ----------
    instructions : sequence of Instruction
        Of the caller.
    at : int
        Offset of the call, or of one of its caches.

    Returns
    -------
    str or None
        None if it is no call, or goes to no variable.
    """
    begun = [number for number, one in enumerate(instructions) if one.offset <= at]
    if not begun or not instructions[begun[-1]].opname.startswith("CALL"):
        return None
    for one in instructions[begun[-1] + 1 :]:
        if one.opname in _JOINED:
            return str(one.argval[0])
        if one.opname in _STORES:
            return str(one.argval)
        if one.opname not in _PASSED and one.opname != "EXTENDED_ARG":
            return None
    return None


@lru_cache(maxsize=256)
def _instructions(code: CodeType) -> tuple[dis.Instruction, ...]:
    return tuple(dis.get_instructions(code))
