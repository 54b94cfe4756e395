"""Which requests are under way, lost or answered: bookkeeping without a line."""

import heapq

__all__ = ["Window"]


class Window:
    """Keeps up to `credits` requests under way, each for `attempts` time-outs.

    A board answers in order, so an answer shows that what was sent before it and has no answer was
    lost. Requests are numbered from 0 in the order in which they were added.

    Parameters
    ----------
    credits : int
        Requests that may be under way at once.
    attempts : int
        How often a request may go without an answer.
    """

    def __init__(self, credits: int, attempts: int) -> None:
        self._credits = credits
        self._attempts = attempts
        self._added = 0
        # What has no answer yet, with its failures, and answers that were not handed out.
        self._failures: dict[int, int] = {}
        self._replies: dict[int, bytes] = {}
        self._given = 0
        self._waiting: list[int] = []
        # Sequence to index, oldest first; older sequences may still be answered late.
        self._flight: dict[int, int] = {}
        self._late: dict[int, int] = {}
        self._hold = False
        self.losses = 0
        """Requests that were sent and must be sent again."""

    def __len__(self) -> int:
        """Count the requests that were added and whose answer was not handed out."""
        return self._added - self._given

    @property
    def done(self) -> bool:
        """Everything that was added is answered."""
        return not self._failures

    def add(self) -> int:
        """Take one more request; return its number."""
        index = self._added
        self._added += 1
        self._failures[index] = 0
        heapq.heappush(self._waiting, index)
        return index

    def ready(self) -> list[tuple[int, bytes]]:
        """Hand out the answers that are next in the order of the requests."""
        found = []
        while self._given in self._replies:
            found.append((self._given, self._replies.pop(self._given)))
            self._given += 1
        return found

    def sendable(self) -> list[int]:
        """Choose the requests to send now."""
        if self._hold:
            return []
        room = self._credits - len(self._flight)
        chosen: list[int] = []
        while self._waiting and len(chosen) < room:
            index = heapq.heappop(self._waiting)
            if index in self._failures:
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
        if index not in self._failures:
            return False
        self._replies[index] = reply
        del self._failures[index]
        return True

    def refused(self, sequence: int) -> None:
        """Note that the board had no room; nothing goes out until it answers or times out."""
        if sequence in self._flight:
            self._hold = True
            self._lost(sequence)

    def spoiled(self, sequence: int) -> bool:
        """Note that a request arrived damaged; tell whether that was once too often."""
        if sequence not in self._flight:
            return False
        index = self._flight[sequence]
        self._lost(sequence)
        return self._fails(index)

    def expire(self) -> int | None:
        """Send everything under way again; return a request that failed for good, if one did."""
        self._hold = False
        blamed = [index for index in self._flight.values() if index in self._failures]
        for sequence in list(self._flight):
            self._lost(sequence)
        # Where the board refused everything, nothing is under way, and still it must end.
        for index in blamed or [index for index in self._waiting if index in self._failures][:1]:
            if self._fails(index):
                return index
        return None

    def _fails(self, index: int) -> bool:
        if index not in self._failures:
            return False
        self._failures[index] += 1
        return self._failures[index] >= self._attempts

    def _lost(self, sequence: int) -> None:
        index = self._flight.pop(sequence)
        if index in self._failures:
            self.losses += 1
            self._late[sequence] = index
            heapq.heappush(self._waiting, index)
