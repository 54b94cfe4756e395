"""The host's end of the link: frames, transports and the numbers of the protocol."""

from .errors import BoardSilent, ConnectionLost, WeightsMissing, WrongDesign
from .frames import Decoder, Frame, encode
from .protocol import ErrorCode, Hello, Kind, WeightState
from .transport import Transport, connect

__all__ = [
    "BoardSilent",
    "ConnectionLost",
    "Decoder",
    "ErrorCode",
    "Frame",
    "Hello",
    "Kind",
    "Transport",
    "WeightState",
    "WeightsMissing",
    "WrongDesign",
    "connect",
    "encode",
]
