"""A board that answers: images to it, answers and counts back."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DeviceError, UsageError
from ..graph import Graph
from ..link.advice import on_trouble
from ..link.errors import WeightsMissing, WrongDesign
from ..link.exchange import Exchange, Tally, unloaded
from ..link.line import RETRIES, Line
from ..link.payload import Packing
from ..link.protocol import Hello
from ..link.transport import Transport
from ..link.upload import send_upload
from ..link.weights import upload_blocks, upload_crc
from .answers import Answer, Answers, Benchmark, Check, Counters
from .bench import run_benchmark
from .checks import run_checks

__all__ = ["Device"]

# Payloads made ahead of the oldest answer that is missing: so far does a loss let others go on.
_AHEAD = 64


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
        self._tally = Tally()
        self._name = name
        self._packing = packing
        self._manifest = manifest or {}
        told = self._manifest.get("link")
        kind = told.get("kind") if isinstance(told, Mapping) else None
        self._line = Line(transport, name=name, timeout=timeout, kind=kind)
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
        packing = self._known()
        payloads = packing.pack(images)
        self._check_weights()
        return self._answers(list(self._exchange().run(payloads, ahead=_AHEAD)))

    def predict_iter(
        self, images: Iterable[npt.ArrayLike], *, inflight: int = 8
    ) -> Iterator[Answer]:
        """Send images one by one as they come, and yield each one's answer in their order.

        Parameters
        ----------
        images : iterable of arrays of integers, shape (*input shape) or (size,)
            It is asked for at most `inflight` images ahead of the answers.
        inflight : int
            Images under way at once; never more than the board has buffers.

        Raises
        ------
        UsageError, DeviceError
            As `predict`, when the first answer is asked for or later.
        """
        if isinstance(inflight, bool) or not isinstance(inflight, int) or inflight < 1:
            raise UsageError(
                f"inflight must be a positive integer, not {inflight!r}.", "Leave it out for 8."
            )
        return self._predict_iter(images, inflight)

    def _predict_iter(self, images: Iterable[npt.ArrayLike], inflight: int) -> Iterator[Answer]:
        packing = self._known()
        self._check_weights()
        payloads = (packing.pack(np.asarray(image)[None])[0] for image in images)
        for reply in self._exchange(inflight).run(payloads, ahead=inflight):
            found = self._answers([reply])
            top = None if found.top is None else found.top[0]
            yield Answer(found.logits[0], int(found.classes[0]), top)

    def counters(self) -> Counters:
        """Ask the board for its counts of errors, and add ours.

        Raises
        ------
        DeviceError
            If it does not answer.
        """
        board, tally = self.hello(), self._tally
        return Counters(
            board.bad_frames,
            board.line_errors,
            board.queued,
            self._line.damaged,
            tally.answered,
            tally.repeated,
            tally.timeouts,
        )

    def benchmark(self, image: npt.ArrayLike | None = None, *, images: int = 0) -> Benchmark:
        """Let the board run one image many times inside, and count the clocks: no line between.

        Parameters
        ----------
        image : array of integers, shape (*input shape) or (size,), optional
            All zeros where it is left out; how long a design works never depends on it.
        images : int
            Runs, 2 to 65535; about a second's worth where 0.

        Raises
        ------
        UsageError
            If the build has no benchmark, or a parameter is out of range.
        DeviceError
            As `predict`; and if the answer is not that of an ordinary run.
        """
        packing = self._known()
        if image is None:
            image = np.zeros(packing.node.image_shape, np.uint8)
        payload = packing.pack(np.asarray(image)[None])[0]
        self._check_weights()
        (wanted,) = self._exchange().run([payload])
        planned = self._manifest.get("cycles_per_image")
        return run_benchmark(
            self._line, self._info, payload, wanted, images=images, planned=planned
        )

    def self_test(self, model: Graph | Path | str | None = None) -> tuple[Check, ...]:
        """Try the line and the design, and say what was found.

        Parameters
        ----------
        model : Graph or path, optional
            The network of the design: the golden model then says what answers must be.

        Raises
        ------
        DeviceError
            If the board stops answering. What answers, but wrongly, is a check that did not pass.
        """
        graph = None if model is None else _graph(model)
        return run_checks(self, self._line, self._packing, graph)

    def _known(self) -> Packing:
        if self._packing is None:
            raise UsageError(
                "Without the design's manifest the board's input is unknown.",
                "Open the device with manifest=json.load(...) of the design's manifest.json.",
            )
        return self._packing

    def _exchange(self, most: int = 64) -> Exchange:
        return Exchange(
            self._line,
            answer_bytes=self._known().answer_bytes,
            credits=min(most, self._info.credits),
            tally=self._tally,
        )

    def _answers(self, replies: list[bytes]) -> Answers:
        packing = self._known()
        logits, classes = packing.unpack(replies)
        if packing.top is None:
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
        from ..plan.writable import image_for

        graph = _graph(model)
        image = image_for(self._manifest, graph)
        crc = upload_crc(image)
        if self._line.weights().crc != crc:
            blocks = upload_blocks(image)
            if not any(send_upload(self._line, blocks, crc) for _ in range(RETRIES)):
                raise DeviceError(
                    f"The weights arrived damaged at '{self._name}', {RETRIES} times.",
                    on_trouble(self._name, "and load them again"),
                )
        self._weights = crc
        return crc

    def _check_weights(self) -> None:
        """Make sure that answers come from the weights that are expected."""
        if self._info.weights is None:
            return
        crc = self._line.weights().crc
        if crc is None:
            raise unloaded(self._name)
        if crc != self._weights:
            raise WeightsMissing(
                f"The board at '{self._name}' holds other weights than those of the manifest: "
                f"their CRC-32 is {crc:08x}.",
                "Load yours with load_weights(model); what is there already is not sent again.",
            )

    def _check_design(self) -> None:
        packing = self._packing
        if packing is None:
            return
        if packing.identity != self._info.identity:
            raise WrongDesign(
                f"The board at '{self._name}' runs the design {self._info.identity.hex()[:16]}…, "
                f"the manifest describes {packing.identity.hex()[:16]}….",
                "Flash the manifest's design, or give the manifest of the design on the board.",
            )
        board = (self._info.frame_bytes, self._info.answer_bytes, self._info.classes)
        if board != (packing.frame_bytes, packing.answer_bytes, packing.classes):
            raise self._line.strange(f"frames, answers and classes of {board}")


def _graph(model: Graph | Path | str) -> Graph:
    from ..load import load_model

    return model if isinstance(model, Graph) else load_model(Path(model))
