"""Who answers the page's images: a board behind the driver, or the golden model alone."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import driver
from ..errors import BnnhwError, DeviceError
from ..graph import Graph
from .layers import look_inside

__all__ = ["Target", "told"]

_PATIENCE = 5.0
_RUNS = 16
"""Images of a benchmark on the chip: enough to count clocks, and quick on a simulated board."""


@dataclass
class _Counts:
    """What has happened since the page was opened."""

    images: int = 0
    differences: int = 0
    failures: int = 0
    connections: int = 0


class Target:
    """A design that answers, one image at a time, and what it does when the board goes away.

    A board that failed is not asked again until `connect`.

    Parameters
    ----------
    graph : Graph
        What the board computes; the golden model answers from it.
    title : str
        What to call the board, or the golden model, on the page.
    url : str or None
        What `bnnhw.driver.open` takes; None where the golden model answers alone.
    manifest : dict
        Of the build that the board must run.
    timeout : float
        Seconds of silence after which a request is sent again.
    writable : bool
        The board's weights are loaded after it is opened.
    simulated : bool
        There is no board of copper behind the address.
    """

    def __init__(
        self,
        graph: Graph,
        *,
        title: str,
        url: str | None = None,
        manifest: Mapping[str, Any],
        timeout: float = 2.0,
        writable: bool = False,
        simulated: bool = False,
    ) -> None:
        self._graph = graph
        self._title = title
        self._url = url
        self._manifest = manifest
        self._timeout = timeout
        self._writable = writable
        self._kind = "model" if url is None else "simulated" if simulated else "board"
        # In the middle of a sentence.
        self._by = "the " + title[4:] if title.startswith("The ") else title
        self._lock = threading.Lock()
        self._device: driver.Device | None = None
        # What keeps the board from answering; None where it is connected.
        self._error = None if url is None else self._absent()
        self._measured: dict[str, float] | None = None
        self._counts = _Counts()

    @property
    def title(self) -> str:
        """What to call it."""
        return self._title

    def connect(self) -> None:
        """Reach the board, afresh if it was reached already.

        Raises
        ------
        UsageError
            If the address is malformed.
        DeviceError
            If nothing answers, or not the right design.
        """
        if self._url is None:
            return
        with self._turn(), self._watch():
            self._release()
            self._error = self._absent()
            device = driver.open(self._url, manifest=self._manifest, timeout=self._timeout)
            try:
                if self._writable:
                    device.load_weights(self._graph)
                self._measured = _measure(device)
            except BaseException:
                device.close()
                raise
            self._device, self._error = device, None
            self._counts.connections += 1

    def close(self) -> None:
        """Give the line back."""
        with self._turn():
            self._release()

    def state(self) -> dict[str, Any]:
        """Say who answers and how it fares, as JSON values; a board is asked.

        A board that is busy with an image is not asked: then only what is known here is told.
        """
        board: dict[str, Any] | None = None
        if self._url is not None and self._lock.acquire(timeout=0):
            try:
                board = self._ask()
            finally:
                self._lock.release()
        error = self._error
        return {
            "title": self._title,
            "kind": self._kind,
            "connected": error is None,
            "error": None if error is None else told(error),
            "board": board,
            "measured": self._measured,
            "counts": vars(self._counts).copy(),
        }

    def answer(self, image: npt.NDArray[Any], *, golden: bool = False) -> dict[str, Any]:
        """Answer one image, as JSON values, with what the golden model says of each layer.

        Parameters
        ----------
        image : array of ints, shape (1, size)
        golden : bool
            Do not trouble the board.

        Raises
        ------
        UsageError
            If the image does not suit the network.
        DeviceError
            If the board does not answer.
        """
        # The golden model first: it refuses images that no board must see.
        result, layers = look_inside(self._graph, image)
        logits, top = result.logits, result.top
        kind = None if result.classes is None else int(result.classes[0])
        document: dict[str, Any] = {"by": "the golden model", "milliseconds": None, "agrees": None}
        if self._url is not None and not golden:
            before = time.perf_counter()
            answers = self._predict(image)
            spent = 1000 * (time.perf_counter() - before)
            kind = int(answers.classes[0])
            agrees = self._agrees(result, answers)
            logits, top = answers.logits, answers.top
            document = {"by": self._by, "milliseconds": round(spent, 3), "agrees": agrees}
        return document | {
            "class": kind,
            "logits": logits[0].tolist(),
            "top": None if top is None else top[0].tolist(),
            "layers": layers,
        }

    def _agrees(self, result: Any, answers: driver.Answers) -> bool:
        """Hold an answer against the golden model's."""
        wanted = result.logits
        if answers.top is not None:
            wanted = np.take_along_axis(wanted, result.top, 1)
        same = np.array_equal(wanted, answers.logits)
        same &= result.classes is None or bool((result.classes == answers.classes).all())
        self._counts.differences += not same
        return same

    def _predict(self, image: npt.NDArray[Any]) -> driver.Answers:
        with self._turn(), self._watch():
            if self._device is None:
                raise self._error or self._absent()
            answers = self._device.predict(image)
            self._counts.images += 1
            return answers

    def _ask(self) -> dict[str, Any] | None:
        if self._device is None:
            return None
        try:
            with self._watch():
                hello = self._device.hello()
        except DeviceError:
            return None
        return {
            "clock_hz": hello.clock_hz,
            "credits": hello.credits,
            "bad_frames": hello.bad_frames,
            "line_errors": hello.line_errors,
            "queued": hello.queued,
        }

    def _absent(self) -> DeviceError:
        return DeviceError(f"{self._title} is not connected.", "Plug it in and connect.")

    def _release(self) -> None:
        if self._device is not None:
            self._device.close()
            self._device = None

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Have the board for oneself."""
        if not self._lock.acquire(timeout=_PATIENCE + self._timeout):
            raise DeviceError(
                f"{self._title} is still busy with another image.", "Wait a moment and try again."
            )
        try:
            yield
        finally:
            self._lock.release()

    @contextmanager
    def _watch(self) -> Iterator[None]:
        """Remember how the board failed, and leave it alone from then on."""
        try:
            yield
        except DeviceError as error:
            self._counts.failures += self._device is not None
            self._error = error
            self._release()
            raise


def _measure(device: driver.Device) -> dict[str, float] | None:
    """Let the board count its own clocks, where the build can."""
    if not device.info.benchmark:
        return None
    found = device.benchmark(images=_RUNS)
    return {"cycles": found.cycles_per_image, "latency": found.clocks_first}


def told(error: BnnhwError) -> dict[str, Any]:
    """Give an error as JSON values."""
    return {
        "kind": type(error).__name__,
        "what": error.what,
        "todo": error.todo,
        "exit_code": error.exit_code,
    }
