"""The resolved blocks where branches part and meet, and those that move channels."""

from dataclasses import dataclass
from typing import ClassVar

from .blocks import Block

__all__ = ["AddPlan", "ConcatPlan", "ForkPlan", "PermutePlan", "QueuePlan", "SlicePlan"]


@dataclass(frozen=True, kw_only=True)
class ForkPlan(Block):
    """Gives every word to several readers.

    Parameters
    ----------
    copies : int
        Readers; they take their places in the order in which the plan's blocks name it.
    """

    recorded: ClassVar[bool] = False

    copies: int


@dataclass(frozen=True, kw_only=True)
class QueuePlan(Block):
    """Holds the words of a branch that waits for another one.

    Parameters
    ----------
    depth : int
        Words.
    """

    depth: int

    @property
    def latency(self) -> int:
        """Clocks from a word that comes into the empty queue to its offer."""
        return 1 if self.depth <= 2 else 2


@dataclass(frozen=True, kw_only=True)
class AddPlan(Block):
    """Adds words of several branches: the code that leaves is the sum of ``factor * code``.

    Parameters
    ----------
    bits : tuple of int
        Width of an element of each input.
    factors : tuple of int
        Of each input.
    """

    LATENCY: ClassVar[int] = 1

    bits: tuple[int, ...]
    factors: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ConcatPlan(Block):
    """Sends the words of a pixel of one branch after those of another: ``factor * code + offset``.

    Parameters
    ----------
    bits : tuple of int
        Width of an element of each input.
    words : tuple of int
        Words of a pixel of each input.
    factors, offsets : tuple of int
        Of each input.
    pixels : int
        Pixels of a frame.
    """

    LATENCY: ClassVar[int] = 1

    bits: tuple[int, ...]
    words: tuple[int, ...]
    factors: tuple[int, ...]
    offsets: tuple[int, ...]
    pixels: int


@dataclass(frozen=True, kw_only=True)
class SlicePlan(Block):
    """Lets some words of every pixel pass.

    Parameters
    ----------
    folds : int
        Words of a pixel that enter.
    start, stop : int
        Words that pass, the last not included.
    pixels : int
        Pixels of a frame.
    """

    LATENCY: ClassVar[int] = 0

    folds: int
    start: int
    stop: int
    pixels: int


@dataclass(frozen=True, kw_only=True)
class PermutePlan(Block):
    """Moves the channels of every pixel: channel c is what was channel ``order[c]``.

    Parameters
    ----------
    order : tuple of int
    """

    order: tuple[int, ...]

    @property
    def latency(self) -> int:
        """Clocks from the word that is needed to the word that leaves; 0 where these are wires."""
        wires = self.lanes_in == len(self.order) or list(self.order) == sorted(self.order)
        return 0 if wires else 2
