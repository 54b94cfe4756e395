"""What a device tells: answers, counters, and what checks and benchmarks found."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Answer", "Answers", "Benchmark", "Check", "Counters"]


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


@dataclass(frozen=True, eq=False)
class Answer:
    """What a board said of one image.

    Parameters
    ----------
    logits : array of int64, shape (classes,), or (k,)
        Values, not codes; of a design that sends k classes, those of the classes in `top`.
    index : int
        The class that won.
    top : array of int64, shape (k,), or None
        The k best classes, best first, of a design that sends k classes.
    """

    logits: npt.NDArray[np.int64]
    index: int
    top: npt.NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Counters:
    """What went wrong on the line, as both ends count it.

    Parameters
    ----------
    board_bad_frames : int
        Frames that the board dropped, modulo 65536.
    board_line_errors : int
        Bytes that the board's UART dropped, modulo 256.
    board_queued : int
        Requests that the board took and has not answered.
    damaged : int
        Frames from the board that were dropped here since the device was opened.
    answered, repeated, timeouts : int
        Answers taken, requests sent again, and times that nothing came until the time-out, since
        the device was opened.
    """

    board_bad_frames: int
    board_line_errors: int
    board_queued: int
    damaged: int
    answered: int
    repeated: int
    timeouts: int


@dataclass(frozen=True)
class Benchmark:
    """What the accelerator did on its own, counted by the board.

    Parameters
    ----------
    images : int
        Times that the image was run without a pause.
    clocks : int
        Clocks from the first byte of the first run to the last byte of the last answer.
    clocks_first : int
        The same of a single run: the latency of an image.
    clock_hz : int
        Of the accelerator, as the board says.
    """

    images: int
    clocks: int
    clocks_first: int
    clock_hz: int

    @property
    def cycles_per_image(self) -> float:
        """Clocks from one answer to the next."""
        return (self.clocks - self.clocks_first) / (self.images - 1)

    @property
    def fps(self) -> float:
        """Images a second, without the line."""
        return self.clock_hz / self.cycles_per_image


@dataclass(frozen=True)
class Check:
    """One step of a self-test.

    Parameters
    ----------
    name : str
    passed : bool or None
        None if it was not made.
    detail : str
        What was found.
    """

    name: str
    passed: bool | None
    detail: str
