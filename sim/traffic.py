"""What a recording run does in each clock, the same in every simulator; it knows none of them.

`harness.cpp` does the same in C++, dice included, so that one seed gives the same run everywhere.
"""

from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Broken", "Dice", "Edge", "Traffic"]

_MASK = (1 << 64) - 1
# Odd and with many bits: from a small state the first throws would all be 0.
_FACTORS = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9)

Edge = tuple[bool, bool, int]
"""`valid`, `ready` and the word of an edge in one clock; the word matters where `valid` is set."""


class Broken(Exception):
    """The hardware broke a rule; the message says where and when."""


class Dice:
    """A repeatable sequence of stalls.

    Parameters
    ----------
    state : int
        Not 0.
    """

    def __init__(self, state: int) -> None:
        self._state = state & _MASK

    def below(self, percent: int) -> bool:
        """Throw once: true in `percent` of a hundred throws."""
        state = self._state
        state ^= state << 13 & _MASK
        state ^= state >> 7
        state ^= state << 17 & _MASK
        self._state = state
        return bool(percent) and (state >> 33) % 100 < percent


class Traffic:
    """Decide what to offer and to accept, and write down what moved.

    For each clock: `drive`, let the hardware settle, `look`, until `done`; then `rest` clocks more
    of the same, because what comes after the last answer is surplus and has to be seen.

    Parameters
    ----------
    words : sequence of int
        Input words of all frames.
    frames : int
        How many frames they make.
    edges : mapping of str to int
        Words of a frame on each, by name; the last one carries the answers.
    stall_in, stall_out : int
        Percentage of clocks in which the source or the sink waits.
    seed : int
        Of the stalls.
    idle : int
        Clocks without any movement after which the run has failed.
    """

    REST = 64

    def __init__(
        self,
        words: Sequence[int],
        frames: int,
        edges: Mapping[str, int],
        *,
        stall_in: int,
        stall_out: int,
        seed: int,
        idle: int,
    ) -> None:
        self._input = words
        self._frames = frames
        self._per_frame = len(words) // frames
        self._names = tuple(edges)
        self._wanted = [count * frames for count in edges.values()]
        self._stalls = (stall_in, stall_out)
        self._dice = tuple(Dice((seed * 2 + 1) * factor) for factor in _FACTORS)
        self._limit = idle
        self._idle = 0
        self._sent = 0
        self._offering = False
        self._held: list[int | None] = [None] * len(self._names)
        self.words: dict[str, list[int]] = {name: [] for name in self._names}
        self.ends: list[int] = []
        self.clocks = 0
        self.rest = self.REST

    @property
    def done(self) -> bool:
        """Whether every frame was answered and every edge has seen all of its words.

        The end of an image may come after its answer: pixels that no window sees.
        """
        return (
            len(self.ends) == self._frames
            and self._sent == len(self._input)
            and all(
                len(self.words[name]) >= wanted
                for name, wanted in zip(self._names, self._wanted, strict=True)
            )
        )

    def drive(self) -> tuple[int | None, bool, bool]:
        """Say what to do in this clock: the word to offer or None, its `last`, and `ready`."""
        if self.done:
            return None, False, True
        if not self._offering and self._sent < len(self._input):
            self._offering = not self._dice[0].below(self._stalls[0])
        accept = not self._dice[1].below(self._stalls[1])
        if not self._offering:
            return None, False, accept
        last = self._sent % self._per_frame == self._per_frame - 1
        return self._input[self._sent], last, accept

    def look(self, taken: bool, ends: bool, edges: Iterable[Edge]) -> None:
        """Account for this clock.

        Parameters
        ----------
        taken : bool
            The input's `ready`.
        ends : bool
            The answer's `last`.
        edges : iterable of Edge

        Raises
        ------
        Broken
            If an offer was taken back or changed, or nothing has moved for too long.
        """
        after = self.done
        if self._offering and taken and not after:
            self._offering = False
            self._sent += 1
        self._idle += 1
        final = len(self._names) - 1
        for index, (valid, ready, word) in enumerate(edges):
            held = self._held[index]
            if held is not None and not (valid and held == word):
                raise Broken(
                    f"edge '{self._names[index]}' took back an offer at clock {self.clocks}"
                )
            self._held[index] = word if valid and not ready else None
            if not (valid and ready):
                continue
            self._idle = 0
            seen = self.words[self._names[index]]
            seen.append(word)
            if len(seen) > self._wanted[index] + self.REST:
                raise Broken(
                    f"edge '{self._names[index]}' sends without end: {len(seen)} words instead of "
                    f"{self._wanted[index]}"
                )
            if index == final and ends and not after:
                self.ends.append(self.clocks)
        if after:
            self.rest -= 1
            return
        if self._idle > self._limit:
            raise Broken(
                f"nothing moved for {self._idle} clocks; "
                f"{len(self.ends)} of {self._frames} frames were answered"
            )
        self.clocks += 1
