"""Names of signals, on this Python and from the instructions of later ones."""

from types import SimpleNamespace
from typing import Any

import pytest
from amaranth import tracer
from amaranth.hdl import Signal

from rtl_gen.tracing import named_signals, stored_name


def listing(*operations: tuple[str, Any]) -> Any:
    """Instructions as Python's disassembler gives them, two bytes each."""
    return [
        SimpleNamespace(opname=name, argval=value, offset=2 * number)
        for number, (name, value) in enumerate(operations)
    ]


@pytest.mark.parametrize(
    ("behind", "name"),
    [
        ([("STORE_FAST", "bank")], "bank"),
        # 3.13: ``bank = Signal()``, then ``bank`` read; ``a = b = Signal()``; 3.14's loads.
        ([("STORE_FAST_LOAD_FAST", ("bank", "bank"))], "bank"),
        ([("COPY", 1), ("STORE_FAST_STORE_FAST", ("a", "b"))], "a"),
        ([("LOAD_FAST", "self"), ("STORE_ATTR", "level")], "level"),
        ([("LOAD_FAST_BORROW", "self"), ("STORE_ATTR", "level")], "level"),
        ([("LOAD_FAST_LOAD_FAST", ("x", "self")), ("STORE_ATTR", "level")], "level"),
        ([("EXTENDED_ARG", 1), ("STORE_FAST", "bank")], "bank"),
        ([("LIST_APPEND", 2)], None),
        ([("LOAD_GLOBAL", "Signal"), ("CALL", 0), ("STORE_FAST", "other")], None),
        ([], None),
    ],
)
def test_stored_name(behind: list[tuple[str, Any]], name: str | None) -> None:
    assert stored_name(listing(("LOAD_GLOBAL", "Signal"), ("CALL", 0), *behind), 2) == name
    # Caches of the call lie behind it, and are not listed.
    assert stored_name(listing(("CALL_KW", 0), *behind), 1) == name
    assert stored_name(listing(("BINARY_OP", 0), *behind), 1) is None


def test_signals_have_the_names_of_their_variables() -> None:
    before = tracer.get_var_name
    with named_signals():
        bank = Signal()
        turn = Signal(3)
        again = bank + turn
        several = [Signal() for _ in range(2)]
        holder = SimpleNamespace()
        holder.level = Signal()
    assert tracer.get_var_name is before and len(again) == 4
    found = [one.name for one in (bank, turn, holder.level, *several)]
    assert found == ["bank", "turn", "level", "$signal", "$signal"]


def test_what_has_no_name_is_refused_as_before() -> None:
    def asks() -> str:
        return str(tracer.get_var_name())

    with named_signals():
        wanted = asks()
        assert wanted == "wanted"
        with pytest.raises(tracer.NameNotFound):
            asks().lower()
