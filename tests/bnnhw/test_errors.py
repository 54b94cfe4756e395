"""Errors: one class for each exit code, and both halves of what the user reads."""

import pytest

from bnnhw import errors
from bnnhw.errors import BnnhwError

CODES = {
    "CheckFailed": 1,
    "UsageError": 2,
    "ToolMissing": 3,
    "DoesNotFit": 4,
    "TimingFailed": 5,
    "DeviceError": 6,
}


@pytest.mark.parametrize(("name", "code"), CODES.items())
def test_exit_codes(name: str, code: int) -> None:
    error = getattr(errors, name)("What is wrong.", "What to do.")
    assert isinstance(error, BnnhwError)
    assert error.exit_code == code
    assert (error.what, error.todo) == ("What is wrong.", "What to do.")
    assert str(error) == "What is wrong.\nWhat to do."


def test_nothing_is_left_out() -> None:
    assert set(errors.__all__) == {*CODES, "BnnhwError"}
