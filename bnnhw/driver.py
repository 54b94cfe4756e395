"""Images to a board and answers back: the part of bnnhw that runs where the board is plugged in."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import DeviceError, UsageError
from .link.frames import Decoder, Frame, encode
from .link.payload import Packing
from .link.protocol import ERROR_TEXT, VERSION, ErrorCode, Hello, Kind
from .link.transport import Transport, connect
from .link.window import Window

__all__ = ["Answers", "Device", "open"]

_RETRIES = 4
# So many bytes without one good reply among them are noise.
_NOISE_CAP = 1 << 18


@dataclass(frozen=True, eq=False)
class Answers:
    """What a board said of some images.

    Parameters
    ----------
    logits : array of int64, shape (images, classes)
        Values, not codes.
    classes : array of int64, shape (images,)
        Index of the class that won.
    """

    logits: npt.NDArray[np.int64]
    classes: npt.NDArray[np.int64]


def open(url: str, *, manifest: Mapping[str, Any] | None = None, timeout: float = 2.0) -> "Device":
    """Reach the board at `url` and make sure that it runs the right design.

    Parameters
    ----------
    url : str
        ``serial:///dev/ttyUSB1``, ``serial:///dev/ttyUSB1?baud=115200`` or ``socket://host:port``.
    manifest : dict, optional
        The design's manifest. Without it the device can be asked who it is, but takes no images.
    timeout : float
        Seconds of silence after which a request is sent again; give more for a slow simulation.

    Raises
    ------
    UsageError
        If the URL or the manifest is malformed.
    DeviceError
        If nothing answers, or something else than the manifest's design does.
    """
    packing = None if manifest is None else Packing.from_manifest(manifest)
    transport = connect(url, timeout=timeout)
    try:
        return Device(transport, name=url, packing=packing, timeout=timeout)
    except BaseException:
        transport.close()
        raise


class Device:
    """A board that answered HELLO; use it in a `with` statement.

    Parameters
    ----------
    transport : Transport
        The line; the device closes it.
    name : str
        What to call it in messages.
    packing : Packing or None
        How images and answers become bytes.
    timeout : float
        Seconds of silence after which a request is sent again.

    Raises
    ------
    DeviceError
        If nothing answers, or not the right design.
    """

    def __init__(
        self, transport: Transport, *, name: str, packing: Packing | None, timeout: float
    ) -> None:
        self._transport = transport
        self._name = name
        self._packing = packing
        self._timeout = timeout
        self._decoder = Decoder()
        self._sequence = 0
        # Ends whatever a program that was stopped in mid-frame has left behind.
        transport.write(b"\0")
        self._info = self._settle()
        self._check_design()

    def __enter__(self) -> "Device":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the line back."""
        self._transport.close()

    @property
    def info(self) -> Hello:
        """What the board said of itself when it was opened."""
        return self._info

    def hello(self) -> Hello:
        """Ask the board again; its counters of errors are in the answer.

        Raises
        ------
        DeviceError
            If it does not answer.
        """
        for _ in range(_RETRIES):
            request = self._send(Kind.HELLO)
            heard = 0
            while heard < _NOISE_CAP:
                data = self._transport.read(self._timeout)
                if not data:
                    break
                heard += len(data)
                for frame in self._decoder.feed(data):
                    self._check_version(frame)
                    if (frame.kind, frame.sequence) == (Kind.HELLO_REPLY, request):
                        return self._unpack_hello(frame)
            self._transport.write(b"\0")
        noise = f" (but {self._decoder.bad} damaged frames came)" if self._decoder.bad else ""
        raise DeviceError(
            f"No board answers at '{self._name}'{noise}.",
            "Check that the design is flashed, that this is the port of its UART, and that the "
            "baud rate is right; "
            "give a slow simulation a longer time-out.",
        )

    def predict(self, images: npt.ArrayLike) -> Answers:
        """Send images and collect the answers, with as many under way as the board has buffers.

        Parameters
        ----------
        images : array of integers, shape (n, *input shape) or (n, size)
            Pixels 0 to 255 where the manifest has a table for them, codes otherwise.

        Raises
        ------
        UsageError
            If the images do not suit the design, or the device was opened without a manifest.
        DeviceError
            If the board stops answering or refuses a request.
        """
        if self._packing is None:
            raise UsageError(
                "Without the design's manifest the board's input is unknown.",
                "Open the device with manifest=json.load(...) of the design's manifest.json.",
            )
        payloads = self._packing.pack(images)
        replies = self._exchange(payloads)
        logits, classes = self._packing.unpack(replies)
        return Answers(logits, classes)

    def _exchange(self, payloads: list[bytes]) -> list[bytes]:
        window = Window(len(payloads), self._info.credits, _RETRIES)
        heard = 0
        while not window.done:
            for index in window.sendable():
                window.sent(index, self._send(Kind.INFER, payloads[index]))
            data = self._transport.read(self._timeout)
            heard += len(data)
            progress = False
            for frame in self._decoder.feed(data):
                progress |= self._take(frame, window)
            if progress:
                heard = 0
            elif not data or heard > _NOISE_CAP:
                heard = 0
                self._retry(window)
        return window.answers

    def _take(self, frame: Frame, window: Window) -> bool:
        assert self._packing is not None
        if frame.kind == Kind.RESULT:
            if len(frame.payload) != self._packing.answer_bytes:
                raise self._strange(f"an answer of {len(frame.payload)} bytes")
            return window.answered(frame.sequence, frame.payload)
        if frame.kind == Kind.ERROR and len(frame.payload) == 1:
            code = frame.payload[0]
            if code == ErrorCode.BUSY:
                window.refused(frame.sequence)
            elif window.awaits(frame.sequence):
                raise self._strange(f"'{ERROR_TEXT.get(code, f'error {code}')}'")
        return False

    def _retry(self, window: Window) -> None:
        index = window.expire()
        if index is not None:
            raise DeviceError(
                f"The board at '{self._name}' stopped answering at image {index}; "
                f"{_RETRIES} attempts failed.",
                "Check the cable, reset the board and try again; "
                "give a slow simulation a longer time-out.",
            )
        self._transport.write(b"\0")

    def _send(self, kind: Kind, payload: bytes = b"") -> int:
        self._sequence = (self._sequence + 1) % 256
        self._transport.write(encode(Frame(kind, self._sequence, payload)))
        return self._sequence

    def _settle(self) -> Hello:
        """Wait for the answers to an earlier program, so that none is taken for ours."""
        for _ in range(_RETRIES):
            info = self.hello()
            if not info.queued:
                return info
            self._drain()
        raise DeviceError(
            f"The board at '{self._name}' is stuck: {info.queued} requests "
            "of another program stay unanswered.",
            "Reset the board and try again.",
        )

    def _drain(self) -> None:
        heard = 0
        while heard < _NOISE_CAP:
            data = self._transport.read(self._timeout)
            if not data:
                return
            heard += len(data)
            self._decoder.feed(data)

    def _check_version(self, frame: Frame) -> None:
        refused = frame.kind == Kind.ERROR and frame.payload[:1] == bytes([ErrorCode.VERSION])
        if frame.version != VERSION or refused:
            raise DeviceError(
                f"The board at '{self._name}' speaks protocol version {frame.version}, "
                f"this program version {VERSION}.",
                "Generate and flash the design again with this version of bnnhw, "
                "or install the version that made it.",
            )

    def _unpack_hello(self, frame: Frame) -> Hello:
        try:
            hello = Hello.unpack(frame.payload)
        except ValueError as error:
            raise self._strange(f"a malformed HELLO_REPLY ({error})") from error
        if not 1 <= hello.credits <= 64:
            raise self._strange(f"{hello.credits} credits")
        return hello

    def _check_design(self) -> None:
        packing = self._packing
        if packing is None:
            return
        if packing.identity != self._info.identity:
            raise DeviceError(
                f"The board at '{self._name}' runs the design {self._info.identity.hex()[:16]}…, "
                f"the manifest describes {packing.identity.hex()[:16]}….",
                "Flash the manifest's design, or give the manifest of the design on the board.",
            )
        board = (self._info.frame_bytes, self._info.answer_bytes, self._info.classes)
        if board != (packing.frame_bytes, packing.answer_bytes, packing.classes):
            raise self._strange(f"frames, answers and classes of {board}")

    def _strange(self, what: str) -> DeviceError:
        return DeviceError(
            f"The board at '{self._name}' sent {what}, which does not fit its design.",
            "Flash the design of this manifest again, made with this version of bnnhw.",
        )
