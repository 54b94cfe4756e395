"""The numbers of protocol 1, for hardware and host; `docs/protocol.md` has the words."""

import struct
from dataclasses import dataclass
from enum import IntEnum

from crc import Configuration

__all__ = [
    "BENCH_BYTES",
    "BLOCK_BYTES",
    "CHUNK_BITS",
    "CLOCKS_BYTES",
    "CRC_BYTES",
    "CRC_CONFIGURATION",
    "ERROR_TEXT",
    "HEADER_BYTES",
    "HELLO_BYTES",
    "MAGIC",
    "MAX_CREDITS",
    "STATUS_BYTES",
    "VERSION",
    "WEIGHTS_BYTES",
    "ErrorCode",
    "Hello",
    "Kind",
    "WeightState",
]

VERSION = 1
MAGIC = b"BNNH"
HEADER_BYTES = 3
CRC_BYTES = 2
STATUS_BYTES = 4
MAX_CREDITS = 64
"""A sequence number has 8 bits: with so few requests under way no two can be confused."""
CHUNK_BITS = 16
"""Weights are loaded in pieces of this width, that of a RAM of iCE40."""

BLOCK_BYTES = 128
"""Bytes of the upload in one WEIGHTS frame."""
WEIGHTS_BYTES = 2 + BLOCK_BYTES
"""Payload of a WEIGHTS frame: number of the block, and the block."""

BENCH_BYTES = 2
"""Payload of a BENCH frame: how often the next image is run."""
CLOCKS_BYTES = 4
"""Behind the answer of such an image: the clocks that all runs took."""

CRC_CONFIGURATION = Configuration(width=16, polynomial=0x1021, init_value=0xFFFF)
"""CRC-16/IBM-3740, or CCITT-FALSE: its register is 0 after a frame and its big-endian CRC."""

_HELLO = struct.Struct("<4sBBHIHHI32sHBB")
_WEIGHTS = struct.Struct("<HBxI")
HELLO_BYTES = _HELLO.size


class Kind(IntEnum):
    """What a frame is; bit 7 is set in what the board sends."""

    HELLO = 0x01
    INFER = 0x02
    WEIGHTS = 0x03
    BENCH = 0x04
    ERROR = 0x80
    HELLO_REPLY = 0x81
    RESULT = 0x82


class ErrorCode(IntEnum):
    """Why the board refused a frame that arrived undamaged."""

    VERSION = 1
    KIND = 2
    LENGTH = 3
    BUSY = 4
    UNLOADED = 5


ERROR_TEXT: dict[int, str] = {
    ErrorCode.VERSION: "it does not speak this protocol version",
    ErrorCode.KIND: "it does not know this type of frame",
    ErrorCode.LENGTH: "the frame has the wrong length",
    ErrorCode.BUSY: "all its request buffers are taken",
    ErrorCode.UNLOADED: "its weights are not loaded",
}


@dataclass(frozen=True)
class WeightState:
    """What a board with writable weights says of them.

    Parameters
    ----------
    next_block : int
        Number of the block of an upload that it waits for: 0 if none has begun or the last one was
        bad, the number of blocks once it has all.
    crc : int or None
        CRC-32 of the weights that it has; None while they are not loaded.
    """

    next_block: int = 0
    crc: int | None = None


@dataclass(frozen=True)
class Hello:
    """What a board says of itself.

    Parameters
    ----------
    identity : bytes
        SHA-256 of the build, 32 bytes.
    frame_bytes, answer_bytes, classes : int
        Bytes of one input frame and of one answer, and number of classes.
    clock_hz : int
        Frequency of the accelerator's clock.
    credits : int
        Requests that may be under way at once.
    version : int
        Protocol version.
    bad_frames : int
        Frames that the board dropped, modulo 65536.
    line_errors : int
        Bytes that the board's UART dropped, modulo 256.
    queued : int
        Requests that the board took and has not answered yet.
    weights : WeightState or None
        None where all weights are part of the build.
    benchmark : bool
        It can run an image many times and count the clocks.
    """

    identity: bytes
    frame_bytes: int
    answer_bytes: int
    classes: int
    clock_hz: int
    credits: int
    version: int = VERSION
    bad_frames: int = 0
    line_errors: int = 0
    queued: int = 0
    weights: WeightState | None = None
    benchmark: bool = False

    @property
    def status_bytes(self) -> int:
        """Bytes at the end of the HELLO_REPLY that change while the board runs."""
        return STATUS_BYTES + (_WEIGHTS.size if self.weights else 0)

    def pack(self) -> bytes:
        """Payload of the HELLO_REPLY frame.

        Raises
        ------
        ValueError
            If a number does not fit its field.
        """
        if len(self.identity) != 32:
            raise ValueError(f"identity must be 32 bytes long, not {len(self.identity)!r}")
        try:
            packed = _HELLO.pack(
                MAGIC,
                self.version,
                self.credits,
                self.answer_bytes,
                self.frame_bytes,
                self.classes,
                self.benchmark,
                self.clock_hz,
                self.identity,
                self.bad_frames,
                self.line_errors,
                self.queued,
            )
            if self.weights is not None:
                state = self.weights
                loaded = state.crc is not None
                packed += _WEIGHTS.pack(state.next_block, loaded, state.crc or 0)
        except struct.error as error:
            raise ValueError(
                f"A field of {self!r} does not fit the HELLO_REPLY: {error}"
            ) from error
        return packed

    @classmethod
    def unpack(cls, payload: bytes) -> "Hello":
        """Read the payload of a HELLO_REPLY frame.

        Raises
        ------
        ValueError
            If it is not one.
        """
        long = HELLO_BYTES + _WEIGHTS.size
        if len(payload) not in (HELLO_BYTES, long):
            raise ValueError(
                f"A HELLO_REPLY must be {HELLO_BYTES} or {long} bytes long, not {len(payload)!r}"
            )
        (magic, version, credits, answer, frame, classes, features, clock, identity, *status) = (
            _HELLO.unpack(payload[:HELLO_BYTES])
        )
        bad_frames, line_errors, queued = status
        if magic != MAGIC:
            raise ValueError(f"A HELLO_REPLY must start with {MAGIC!r}, not {magic!r}")
        weights = None
        if len(payload) == long:
            next_block, loaded, crc = _WEIGHTS.unpack(payload[HELLO_BYTES:])
            weights = WeightState(next_block, crc if loaded else None)
        return cls(
            identity, frame, answer, classes, clock, credits, version,
            bad_frames, line_errors, queued, weights, bool(features & 1),
        )  # fmt: skip
