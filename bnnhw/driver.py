"""Images to a board and answers back: the part of bnnhw that runs where the board is plugged in."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import DeviceError, UsageError
from .graph import Graph
from .link.frames import Frame
from .link.line import NOISE_CAP, RETRIES, Line
from .link.payload import Packing
from .link.protocol import ERROR_TEXT, ErrorCode, Hello, Kind
from .link.transport import Transport, connect
from .link.upload import send_upload
from .link.weights import upload_blocks, upload_crc
from .link.window import Window

__all__ = ["Answers", "Device", "open"]


@dataclass(frozen=True, eq=False)
class Answers:
    """What a board said of some images.

    Parameters
    ----------
    logits : array of int64, shape (images, classes), or (images, k)
        Values, not codes; of a design that sends k classes, those of the classes in `top`.
    classes : array of int64, shape (images,)
        Index of the class that won.
    top : array of int64, shape (images, k), or None
        The k best classes, best first, of a design that sends k classes.
    """

    logits: npt.NDArray[np.int64]
    classes: npt.NDArray[np.int64]
    top: npt.NDArray[np.int64] | None = None


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
        return Device(transport, name=url, packing=packing, timeout=timeout, manifest=manifest)
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
    manifest : dict, optional
        The design's manifest, for what concerns weights.

    Raises
    ------
    DeviceError
        If nothing answers, or not the right design.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        name: str,
        packing: Packing | None,
        timeout: float,
        manifest: Mapping[str, Any] | None = None,
    ) -> None:
        self._transport = transport
        self._line = Line(transport, name=name, timeout=timeout)
        self._name = name
        self._packing = packing
        self._manifest = manifest or {}
        # CRC-32 of the weights that answers are to come from; None where there are none yet.
        self._weights = (self._manifest.get("weights") or {}).get("crc32")
        self._info = self._line.settle()
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
        return self._line.hello()

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
            If the board stops answering or refuses a request, or does not hold the weights that
            are expected: those of the manifest, or those that were loaded since.
        """
        if self._packing is None:
            raise UsageError(
                "Without the design's manifest the board's input is unknown.",
                "Open the device with manifest=json.load(...) of the design's manifest.json.",
            )
        payloads = self._packing.pack(images)
        self._check_weights()
        replies = self._exchange(payloads)
        logits, classes = self._packing.unpack(replies)
        if self._packing.top is None:
            return Answers(logits, classes)
        return Answers(logits, classes[:, 0], classes)

    def load_weights(self, model: Graph | Path | str) -> int:
        """Give the board other weights, in the memories that the design has for them.

        Weights that the board holds already are not sent.

        Parameters
        ----------
        model : Graph, or path of a file that `bnnhw.load.load_model` reads
            A network of the design's structure: the same but for weights, and thresholds of the
            same number.

        Returns
        -------
        int
            The CRC-32 of the weights, which the board now reports.

        Raises
        ------
        UsageError
            If the model does not suit the design, the design has no writable weights, or the
            device was opened without a manifest.
        DeviceError
            If the board stops answering, or the weights did not arrive whole.
        """
        from .load import load_model
        from .plan.writable import image_for

        graph = model if isinstance(model, Graph) else load_model(Path(model))
        image = image_for(self._manifest, graph)
        crc = upload_crc(image)
        if self._line.weights().crc != crc:
            blocks = upload_blocks(image)
            if not any(send_upload(self._line, blocks, crc) for _ in range(RETRIES)):
                raise DeviceError(
                    f"The weights arrived damaged at '{self._name}', {RETRIES} times.",
                    "Check the cable, or use a lower baud rate, and load them again.",
                )
        self._weights = crc
        return crc

    def _check_weights(self) -> None:
        """Make sure that answers come from the weights that are expected."""
        if self._info.weights is None:
            return
        crc = self._line.weights().crc
        if crc is None:
            raise self._unloaded()
        if crc != self._weights:
            raise DeviceError(
                f"The board at '{self._name}' holds other weights than those of the manifest: "
                f"their CRC-32 is {crc:08x}.",
                "Load yours with load_weights(model); what is there already is not sent again.",
            )

    def _unloaded(self) -> DeviceError:
        return DeviceError(
            f"The weights of the board at '{self._name}' are not loaded.",
            "Load some with load_weights(model).",
        )

    def _exchange(self, payloads: list[bytes]) -> list[bytes]:
        window = Window(len(payloads), self._info.credits, RETRIES)
        heard = 0
        while not window.done:
            for index in window.sendable():
                window.sent(index, self._line.send(Kind.INFER, payloads[index]))
            count, frames = self._line.listen()
            heard += count
            progress = False
            for frame in frames:
                progress |= self._take(frame, window)
            if progress:
                heard = 0
            elif not count or heard > NOISE_CAP:
                heard = 0
                self._retry(window)
        return window.answers

    def _take(self, frame: Frame, window: Window) -> bool:
        assert self._packing is not None
        if frame.kind == Kind.RESULT:
            if len(frame.payload) != self._packing.answer_bytes:
                raise self._line.strange(f"an answer of {len(frame.payload)} bytes")
            return window.answered(frame.sequence, frame.payload)
        if frame.kind == Kind.ERROR and len(frame.payload) == 1:
            code = frame.payload[0]
            if code == ErrorCode.BUSY:
                window.refused(frame.sequence)
            elif code == ErrorCode.UNLOADED:
                raise self._unloaded()
            elif window.awaits(frame.sequence):
                raise self._line.strange(f"'{ERROR_TEXT.get(code, f'error {code}')}'")
        return False

    def _retry(self, window: Window) -> None:
        index = window.expire()
        if index is not None:
            raise DeviceError(
                f"The board at '{self._name}' stopped answering at image {index}; "
                f"{RETRIES} attempts failed.",
                "Check the cable, reset the board and try again; "
                "give a slow simulation a longer time-out.",
            )
        self._line.flush()

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
            raise self._line.strange(f"frames, answers and classes of {board}")
