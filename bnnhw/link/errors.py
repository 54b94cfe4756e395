"""What can go wrong on a line, as types; each is a `DeviceError`."""

from ..errors import DeviceError

__all__ = ["BoardSilent", "ConnectionLost", "WeightsMissing", "WrongDesign"]


class ConnectionLost(DeviceError):
    """The line itself broke: unplugged, closed by the other side, or taking no bytes."""


class BoardSilent(DeviceError):
    """The line is there, but what was asked got no answer, however often."""


class WrongDesign(DeviceError):
    """What answers is not the design of the manifest, or speaks another protocol."""


class WeightsMissing(DeviceError):
    """The board holds no weights, or others than those that are expected."""
