"""One list of expected words for every simulator: compare as they come, and show that all came."""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["Scoreboard"]


class Scoreboard:
    """Compare the words of one stream with the expected ones, in order.

    It knows no simulator: words are plain dicts of ints and tuples (`sim.streams.decode` makes
    them from bits), or ints. Frames and words are counted from 0 by the expected `last`.

    Parameters
    ----------
    stream : str
        Name for messages.
    expected : iterable of words, optional
        More can be added with `expect`.
    """

    def __init__(self, stream: str, expected: Iterable[Any] = ()) -> None:
        self._stream = stream
        self._expected = deque(expected)
        self._frame = 0
        self._word = 0
        self._checked = 0

    @property
    def checked(self) -> int:
        """Words compared so far."""
        return self._checked

    @property
    def remaining(self) -> int:
        """Words still to come."""
        return len(self._expected)

    def expect(self, words: Iterable[Any]) -> None:
        """Add words to those expected."""
        self._expected.extend(words)

    def check(self, word: Any) -> None:
        """Compare the next word.

        Raises
        ------
        AssertionError
            If it differs, naming stream, frame, word and lane, or if no word is expected.
        """
        if not self._expected:
            raise AssertionError(f"{self._place()}: nothing expected, got {word!r}")
        expected = self._expected.popleft()
        difference = _difference(expected, word)
        if difference:
            raise AssertionError(f"{self._place()}{difference}")
        self._checked += 1
        self._word += 1
        if isinstance(expected, Mapping) and expected.get("last"):
            self._frame += 1
            self._word = 0

    def drained(self) -> None:
        """Show that every expected word has come, and that there was one at all.

        Raises
        ------
        AssertionError
            If words are missing or nothing was ever compared.
        """
        if self._expected:
            raise AssertionError(
                f"{self._place()}: never came, nor did the {len(self._expected) - 1} after it"
            )
        if not self._checked:
            raise AssertionError(f"{self._stream}: no word was ever compared")

    def _place(self) -> str:
        return f"{self._stream}: frame {self._frame}, word {self._word}"


def _difference(expected: Any, word: Any) -> str:
    """Say where two words differ first, or nothing."""
    if not isinstance(expected, Mapping) or not isinstance(word, Mapping):
        return "" if expected == word else f": expected {expected!r}, got {word!r}"
    if expected.keys() != word.keys():
        return f": expected fields {sorted(expected)}, got {sorted(word)}"
    for name, want in expected.items():
        got = word[name]
        if isinstance(want, int) or isinstance(got, int):
            if want != got:
                return f", {name}: expected {want!r}, got {got!r}"
            continue
        if len(want) != len(got):
            return f", {name}: expected {len(want)} lanes, got {len(got)}"
        for lane, (one, other) in enumerate(zip(want, got, strict=True)):
            if one != other:
                return f", lane {lane} of {name}: expected {one!r}, got {other!r}"
    return ""
