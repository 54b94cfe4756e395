"""One exception per exit code; each says what is wrong, why, and what to do about it."""

__all__ = [
    "BnnhwError",
    "CheckFailed",
    "DeviceError",
    "DoesNotFit",
    "TimingFailed",
    "ToolMissing",
    "UsageError",
]


class BnnhwError(Exception):
    """An error that a user can act on.

    Parameters
    ----------
    what : str
        What is wrong and where, with the offending value.
    todo : str
        What to do about it: the last line that the user reads.
    """

    exit_code = 1

    def __init__(self, what: str, todo: str) -> None:
        super().__init__(f"{what}\n{todo}")
        self.what = what
        self.todo = todo


class CheckFailed(BnnhwError):
    """A comparison found mismatches."""

    exit_code = 1


class UsageError(BnnhwError):
    """A bad option, file, model, name or image."""

    exit_code = 2


class ToolMissing(BnnhwError):
    """A needed tool or Python package is not installed."""

    exit_code = 3


class DoesNotFit(BnnhwError):
    """The design needs more of something than the device has."""

    exit_code = 4


class TimingFailed(BnnhwError):
    """Place and route did not reach the clock."""

    exit_code = 5


class DeviceError(BnnhwError):
    """A board, a serial port or a programmer did not do its part."""

    exit_code = 6
