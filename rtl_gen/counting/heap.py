"""Which dot goes into which adder: segments of carry chains, level by level."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from .shape import Shape, Step

__all__ = ["Dot", "Heap", "Kind", "Level", "Operation", "Segment", "heap"]


class Kind(Enum):
    """What an operation does; c is the carry that comes to it."""

    FEED = "feed"
    """a becomes the carry."""
    FULL = "full"
    """a + b + c = dot + 2 carry."""
    HALF = "half"
    """a + c = dot + 2 carry."""
    FIVE = "five"
    """a + b + c + d + carry = dot + 2 dot + 4 carry."""


@dataclass(frozen=True)
class Dot:
    """A bit that counts 2**weight.

    Parameters
    ----------
    weight : int
        Exponent.
    wires : tuple of int
        One input, or two whose difference it is, for a dot that comes from outside; none for one
        that an operation makes.
    inverted : bool
        Whether the dot is the complement of that.
    """

    weight: int
    wires: tuple[int, ...] = ()
    inverted: bool = False


@dataclass(frozen=True)
class Operation:
    """One adder; dots are numbers in `Heap.dots`.

    Parameters
    ----------
    kind : Kind
    weight : int
        Of the carry that comes in, or that it feeds.
    takes, gives : tuple of int
        Dots.
    """

    kind: Kind
    weight: int
    takes: tuple[int, ...]
    gives: tuple[int, ...] = ()


@dataclass(frozen=True)
class Segment:
    """Operations on one carry, from its feed to its end.

    Parameters
    ----------
    operations : tuple of Operation
        A feed comes first.
    end : int
        Dot that the carry becomes.
    """

    operations: tuple[Operation, ...]
    end: int


@dataclass(frozen=True)
class Level:
    """Segments that work at the same time."""

    segments: tuple[Segment, ...]


@dataclass
class Heap:
    """A count as dots and levels of segments.

    Attributes
    ----------
    dots : list of Dot
        Those from outside come first.
    levels : list of Level
    result : list of int or None
        Dot of each weight at the end; None is 0.
    """

    dots: list[Dot]
    levels: list[Level] = field(default_factory=list)
    result: list[int | None] = field(default_factory=list)

    def add(self, weight: int) -> int:
        """Make a dot."""
        self.dots.append(Dot(weight))
        return len(self.dots) - 1


def heap(dots: Sequence[Dot], shape: Shape) -> Heap:
    """Give each operation of a shape its dots.

    Those that have waited longest go first. Of the dots from outside, complements go where their
    polarity does not matter: a five takes two at most.

    Raises
    ------
    ValueError
        If there are too many complements for the fives.
    """
    made = Heap(list(dots))
    ready: list[deque[int]] = [deque() for _ in range(len(shape.levels) + 64)]
    pairs: deque[int] = deque()
    order = sorted(range(len(dots)), key=lambda number: not dots[number].inverted)
    for number in order:
        dot = dots[number]
        (pairs if len(dot.wires) == 2 else ready[dot.weight]).append(number)
    for steps in shape.levels:
        made.levels.append(_Filler(made, ready, pairs).level(steps))
    ready[0] += pairs  # one alone, of a single pair
    while ready and not ready[-1]:
        ready.pop()
    assert all(len(row) <= 1 for row in ready)
    made.result = [row[0] if row else None for row in ready]
    return made


class _Filler:
    """One level in the making: what it makes is there for the next one."""

    def __init__(self, made: Heap, ready: list[deque[int]], pairs: deque[int]) -> None:
        self._made = made
        self._ready = ready
        self._pairs = pairs
        self._new: list[int] = []

    def level(self, steps: Sequence[Step]) -> Level:
        open_at: list[list[list[Operation]]] = [[] for _ in range(len(steps) + 4)]
        segments = []
        for weight, step in enumerate(steps):
            carries = open_at[weight]
            # Long ones end first, so that the others do not become too long.
            carries.sort(key=len)
            carries += [[self._feed(weight)] for _ in range(step.feeds)]
            fives = [self._five(weight) for _ in range(step.fives)]
            fulls = [self._adder(Kind.FULL, weight) for _ in range(step.fulls)]
            halves = [self._adder(Kind.HALF, weight) for _ in range(step.halves)]
            for operation in (*fives, *fulls, *halves):
                operations = carries.pop(0)
                operations.append(operation)
                open_at[weight + (2 if operation.kind is Kind.FIVE else 1)].append(operations)
            segments += [Segment(tuple(one), self._make(weight)) for one in carries]
            assert len(carries) == step.ends
        assert not any(open_at[len(steps) :])
        for number in self._new:
            self._ready[self._made.dots[number].weight].append(number)
        return Level(tuple(segments))

    def _make(self, weight: int) -> int:
        self._new.append(self._made.add(weight))
        return self._new[-1]

    def _operand(self, weight: int) -> int:
        """Take a pair where there is one: nothing else has use for it."""
        if weight == 0 and self._pairs:
            return self._pairs.popleft()
        return self._ready[weight].popleft()

    def _feed(self, weight: int) -> Operation:
        return Operation(Kind.FEED, weight, (self._operand(weight),))

    def _adder(self, kind: Kind, weight: int) -> Operation:
        count = 2 if kind is Kind.FULL else 1
        takes = tuple(self._operand(weight) for _ in range(count))
        return Operation(kind, weight, takes, (self._make(weight),))

    def _five(self, weight: int) -> Operation:
        """Take two of the complements at most; the cells' last two inputs are plain ones."""
        ready = self._ready[weight]
        first = [ready.popleft() for _ in range(2)]
        plain = [number for number in ready if not self._made.dots[number].inverted][:2]
        if len(plain) < 2:
            raise ValueError("Complements must be few enough for the adders, not so many")
        for number in plain:
            ready.remove(number)
        gives = (self._make(weight), self._make(weight + 1))
        return Operation(Kind.FIVE, weight, (*first, *plain), gives)
