"""Which requests are under way, lost or answered: bookkeeping without a line."""

import heapq

__all__ = ["Window"]


class Window:
    """Keeps up to `credits` of `count` requests under way, each for `attempts` time-outs.

    A board answers in order, so an answer shows that what was sent before it and has no answer was
    lost.

    Parameters
    ----------
    count : int
        Number of requests.
    credits : int
        Requests that may be under way at once.
    attempts : int
        How often a request may go without an answer.
    """

    def __init__(self, count: int, credits: int, attempts: int) -> None:
        self._credits = credits
        self._attempts = attempts
        self._replies: list[bytes | None] = [None] * count
        self._failures = [0] * count
        self._waiting = list(range(count))
        # Sequence to index, oldest first; older sequences may still be answered late.
        self._flight: dict[int, int] = {}
        self._late: dict[int, int] = {}
        self._open = count
        self._hold = False

    @property
    def done(self) -> bool:
        """Everything is answered."""
        return not self._open

    @property
    def answers(self) -> list[bytes]:
        """The answers, in the order of the requests."""
        return [reply for reply in self._replies if reply is not None]

    def sendable(self) -> list[int]:
        """Choose the requests to send now."""
        if self._hold:
            return []
        room = self._credits - len(self._flight)
        chosen: list[int] = []
        while self._waiting and len(chosen) < room:
            index = heapq.heappop(self._waiting)
            if self._replies[index] is None:
                chosen.append(index)
        return chosen

    def sent(self, index: int, sequence: int) -> None:
        """Note that request `index` went out under `sequence`."""
        self._late.pop(sequence, None)
        self._flight[sequence] = index

    def awaits(self, sequence: int) -> bool:
        """Tell whether `sequence` is under way."""
        return sequence in self._flight

    def answered(self, sequence: int, reply: bytes) -> bool:
        """Take an answer; False if it was not asked for or is known already."""
        if sequence in self._flight:
            while (first := next(iter(self._flight))) != sequence:
                self._lost(first)
            index = self._flight.pop(sequence)
        elif sequence in self._late:
            index = self._late.pop(sequence)
        else:
            return False
        self._hold = False
        if self._replies[index] is not None:
            return False
        self._replies[index] = reply
        self._open -= 1
        return True

    def refused(self, sequence: int) -> None:
        """Note that the board had no room; nothing goes out until it answers or times out."""
        if sequence in self._flight:
            self._hold = True
            self._lost(sequence)

    def expire(self) -> int | None:
        """Send everything under way again; return a request that failed for good, if one did."""
        self._hold = False
        blamed = [index for index in self._flight.values() if self._replies[index] is None]
        for sequence in list(self._flight):
            self._lost(sequence)
        # Where the board refused everything, nothing is under way, and still it must end.
        for index in blamed or list(self._waiting)[:1]:
            self._failures[index] += 1
            if self._failures[index] >= self._attempts:
                return index
        return None

    def _lost(self, sequence: int) -> None:
        index = self._flight.pop(sequence)
        if self._replies[index] is None:
            self._late[sequence] = index
            heapq.heappush(self._waiting, index)
