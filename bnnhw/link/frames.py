"""Frames as bytes: COBS, header and CRC, and a decoder that lives through any garbage."""

from dataclasses import dataclass

from cobs import cobs
from crc import Calculator

from .protocol import CRC_BYTES, CRC_CONFIGURATION, HEADER_BYTES, VERSION

__all__ = ["Decoder", "Frame", "encode"]

_CALCULATOR = Calculator(CRC_CONFIGURATION, optimized=True)


@dataclass(frozen=True)
class Frame:
    """One frame without its wrapping.

    Parameters
    ----------
    kind : int
        Type of the frame, see `Kind`; a number that is no `Kind` is kept.
    sequence : int
        Number that ties a reply to its request.
    payload : bytes
    version : int
        Protocol version.
    """

    kind: int
    sequence: int
    payload: bytes = b""
    version: int = VERSION


def encode(frame: Frame) -> bytes:
    """Bytes of `frame` on the line, with the 0x00 that ends it.

    Raises
    ------
    ValueError
        If version, type or sequence is no byte.
    """
    body = bytes([frame.version, frame.kind, frame.sequence]) + frame.payload
    checksum = _CALCULATOR.checksum(body).to_bytes(CRC_BYTES, "big")
    return bytes(cobs.encode(body + checksum)) + b"\0"


class Decoder:
    """Finds the good frames in a stream of bytes, however it is cut.

    A frame that is too long, no COBS, too short or has a wrong CRC is dropped and counted; the next
    0x00 starts afresh. Empty frames are skipped. Memory stays below `limit` bytes.

    Parameters
    ----------
    limit : int
        Longest encoded frame that is kept.

    Attributes
    ----------
    bad : int
        Frames dropped so far.
    """

    def __init__(self, *, limit: int = 1 << 17) -> None:
        if limit < 1:
            raise ValueError(f"limit must be positive, not {limit!r}")
        self.bad = 0
        self._limit = limit
        self._pending = bytearray()
        self._overlong = False

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next bytes of the line and return the frames that they complete."""
        *complete, rest = data.split(b"\0")
        frames = []
        for piece in complete:
            self._append(piece)
            frame = self._finish()
            if frame is not None:
                frames.append(frame)
        self._append(rest)
        return frames

    def _append(self, piece: bytes) -> None:
        if len(self._pending) + len(piece) > self._limit:
            self._overlong = True
            self._pending.clear()
        elif not self._overlong:
            self._pending += piece

    def _finish(self) -> Frame | None:
        encoded, overlong = bytes(self._pending), self._overlong
        self._pending.clear()
        self._overlong = False
        if not encoded and not overlong:
            return None
        frame = None if overlong else _unwrap(encoded)
        if frame is None:
            self.bad += 1
        return frame


def _unwrap(encoded: bytes) -> Frame | None:
    try:
        raw = cobs.decode(encoded)
    except cobs.DecodeError:
        return None
    if len(raw) < HEADER_BYTES + CRC_BYTES:
        return None
    body, checksum = raw[:-CRC_BYTES], raw[-CRC_BYTES:]
    if _CALCULATOR.checksum(body) != int.from_bytes(checksum, "big"):
        return None
    version, kind, sequence = body[:HEADER_BYTES]
    return Frame(kind, sequence, body[HEADER_BYTES:], version)
