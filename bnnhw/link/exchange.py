"""Requests to a board and their answers, in order, over a line that may lose or damage any."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .advice import on_trouble
from .errors import BoardSilent, WeightsMissing
from .frames import Frame
from .line import NOISE_CAP, RETRIES, Line
from .protocol import ERROR_TEXT, ErrorCode, Kind
from .window import Window

__all__ = ["Exchange", "Tally", "unloaded"]


@dataclass
class Tally:
    """What became of requests since a device was opened.

    Parameters
    ----------
    answered : int
        Answers that were taken.
    repeated : int
        Requests that were lost, refused or damaged, and sent again.
    timeouts : int
        Times that nothing came until the time-out.
    """

    answered: int = 0
    repeated: int = 0
    timeouts: int = 0


def unloaded(name: str) -> WeightsMissing:
    """Make the error for a board without weights."""
    return WeightsMissing(
        f"The weights of the board at '{name}' are not loaded.",
        "Load some with load_weights(model).",
    )


class Exchange:
    """Sends requests and gives their answers in the order of the requests.

    A damaged frame passes its CRC once in 65536 times, and a shorter one than was sent more often:
    once in 256 a CRC ends in a zero byte, and a frame that loses that zero keeps a right CRC. Every
    type of frame has one length, so none of these is taken for an answer; and what the board or we
    find too short is first taken for damage, and only then for a board of another design.

    Parameters
    ----------
    line : Line
    answer_bytes : int
        Length of an answer.
    credits : int
        Requests that may be under way at once.
    tally : Tally
        Counts go there.
    """

    def __init__(self, line: Line, *, answer_bytes: int, credits: int, tally: Tally) -> None:
        self._line = line
        self._answer_bytes = answer_bytes
        self._window = Window(credits, RETRIES)
        self._credits = credits
        self._tally = tally
        self._misfits = 0

    def run(self, payloads: Iterable[bytes], *, ahead: int | None = None) -> Iterator[bytes]:
        """Send `payloads` and yield an answer for each.

        At most `ahead` payloads (as many as may be under way, where None) are taken from the
        iterable before the answer to the first of them is handed out.

        Raises
        ------
        BoardSilent
            If a request gets no answer in `RETRIES` attempts.
        ConnectionLost
            If the line breaks.
        WeightsMissing
            If the board has no weights.
        WrongDesign
            If the board refuses a request, or answers what no board of the design does.
        """
        source, window, held = iter(payloads), self._window, dict[int, bytes]()
        depth = self._credits if ahead is None else ahead
        more, heard = True, 0
        while True:
            while more and len(window) < depth:
                payload = next(source, None)
                more = payload is not None
                if payload is not None:
                    held[window.add()] = payload
            if window.done and not more:
                return
            for index in window.sendable():
                window.sent(index, self._line.send(Kind.INFER, held[index]))
            count, frames = self._line.listen()
            heard += count
            progress = False
            for frame in frames:
                progress |= self._take(frame)
            if progress:
                heard = self._misfits = 0
            elif not count or heard > NOISE_CAP:
                heard = 0
                self._retry(silent=not count)
            self._tally.repeated += window.losses
            window.losses = 0
            for index, reply in window.ready():
                del held[index]
                self._tally.answered += 1
                yield reply

    def _take(self, frame: Frame) -> bool:
        window = self._window
        if frame.kind == Kind.RESULT:
            if len(frame.payload) == self._answer_bytes:
                return window.answered(frame.sequence, frame.payload)
            self._misfits += 1
            if window.spoiled(frame.sequence) or self._misfits > 4 * RETRIES:
                raise self._line.strange(f"an answer of {len(frame.payload)} bytes")
        if frame.kind == Kind.ERROR and len(frame.payload) == 1:
            code = frame.payload[0]
            if code == ErrorCode.BUSY:
                window.refused(frame.sequence)
            elif code == ErrorCode.UNLOADED:
                raise unloaded(self._line.name)
            elif window.spoiled(frame.sequence):
                raise self._line.strange(f"'{ERROR_TEXT.get(code, f'error {code}')}'")
        return False

    def _retry(self, *, silent: bool) -> None:
        self._tally.timeouts += silent
        index = self._window.expire()
        if index is not None:
            raise BoardSilent(
                f"The board at '{self._line.name}' stopped answering at image {index}; "
                f"{RETRIES} attempts failed.",
                on_trouble(self._line.name, "reset the board and try again"),
            )
        self._line.flush()
