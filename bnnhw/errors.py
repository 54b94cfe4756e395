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

_LONGEST = 2000


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
        self.what = _plain(what)
        self.todo = _plain(todo)
        super().__init__(f"{self.what}\n{self.todo}")


def _plain(text: str) -> str:
    # Here, once for all: what a file says must reach no terminal as control sequences, nor fill it.
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}…"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


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
