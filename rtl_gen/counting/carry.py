"""Set the halves of ECP5's CCU2C carry cell to the operations of a heap."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import permutations, product

from .heap import Heap, Kind, Segment

__all__ = [
    "END",
    "ONE",
    "Chain",
    "Half",
    "blocks",
    "chains",
    "evaluate",
    "half_output",
    "halves",
    "wires_of",
]

ONE = -1
"""In the place of an input: constant 1."""

_PINS = 4
_Function = Callable[..., int]


@dataclass(frozen=True)
class Half:
    """Half of a CCU2C: P = LUT4(A, B, C, D), G = LUT2(A, B), S = P ^ CIN, COUT = P ? CIN : G.

    Parameters
    ----------
    init : int
        Table of the LUT4, whose first four entries are that of the LUT2.
    pins : tuple of int
        What A, B, C, D are connected to, or `ONE`. A wire is a number of an input, or a number of
        inputs plus the number of a dot, as `wires_of` has it.
    level : int
        Level of the heap that it reads at.
    gives : int or None
        Dot that S is.
    """

    init: int
    pins: tuple[int, ...]
    level: int
    gives: int | None = None


@dataclass(frozen=True)
class Chain:
    """Halves on one carry; the first takes no carry, the last gives none."""

    halves: tuple[Half, ...]


END = 0x0000
"""P = 0: S is the carry that comes in."""


def half_output(init: int, pins: Sequence[int], carry: int) -> tuple[int, int]:
    """Compute S and COUT as Yosys's model of the cell does.

    Parameters
    ----------
    init : int
        Table.
    pins : sequence of int
        Values of A, B, C, D.
    carry : int
        CIN.
    """
    a, b, c, d = pins
    propagate = init >> (a + 2 * b + 4 * c + 8 * d) & 1
    generate = init >> (a + 2 * b) & 1
    return propagate ^ carry, carry if propagate else generate


def chains(heap: Heap, *, every: int, most: int) -> list[Chain]:
    """Join segments to chains of at most `most` halves, if no segment is longer.

    A feed lets the carry of the segment in front of it out, so that only the last segment of a
    chain needs a half for its end. But then the dot that the carry becomes is a function of the
    feed's inputs, if only in the eyes of timing analysis: so in a chain are only segments that are
    equally far behind registers. Behind its end a chain may go on with others, which saves the
    second half of a cell.

    Parameters
    ----------
    heap : Heap
    every : int
        Levels between registers; 0 is no register at all.
    most : int
        Halves.
    """
    depth = every or len(heap.levels)
    rows: list[list[Half]] = []
    for phase in range(depth):
        pieces = [
            (segment, list(halves(heap, segment, level)))
            for level in range(phase, len(heap.levels), depth)
            for segment in heap.levels[level].segments
        ]
        rows += [_joined(row) for row in _packed(pieces, most)]
    odd = [row for row in rows if len(row) % 2]
    even = [row for row in rows if len(row) % 2 == 0]
    # Where each level counts, a long carry costs more than the half of a cell.
    room = most if every == 1 else 2 * most
    joined: list[list[Half]] = []
    for row in odd:
        if joined and len(joined[-1]) % 2 and len(joined[-1]) + len(row) <= room:
            joined[-1] = joined[-1] + row
        else:
            joined.append(row)
    return [Chain(tuple(row)) for row in (*even, *joined)]


_Piece = tuple[Segment, list[Half]]


def _packed(pieces: list[_Piece], most: int) -> list[list[_Piece]]:
    """Fill rows, each with room for its end, the longest pieces first."""
    rows: list[list[_Piece]] = []
    lengths: list[int] = []
    for piece in sorted(pieces, key=lambda piece: -len(piece[1])):
        length = len(piece[1])
        fits = [row for row, own in enumerate(lengths) if own + length <= most]
        if fits:
            best = max(fits, key=lambda row: lengths[row])
            rows[best].append(piece)
            lengths[best] += length
        else:
            rows.append([piece])
            lengths.append(length + 1)
    return rows


def _joined(row: Sequence[_Piece]) -> list[Half]:
    joined: list[Half] = []
    before: int | None = None
    for segment, own in row:
        joined += [replace(own[0], gives=before), *own[1:]]
        before = segment.end
    return [*joined, replace(joined[-1], init=END, gives=before)]


def halves(heap: Heap, segment: Segment, level: int) -> Iterator[Half]:
    """Set a half, or two for a five, to each operation of a segment, without its end."""
    first = wires_of(heap)
    for operation in segment.operations:
        operands = [heap.dots[number] for number in operation.takes]
        wires = [
            dot.wires or (first + number,)
            for dot, number in zip(operands, operation.takes, strict=True)
        ]
        kinds = tuple((len(own), dot.inverted) for own, dot in zip(wires, operands, strict=True))
        flat = [wire for own in wires for wire in own]
        settings = _settings(operation.kind, kinds)
        gives = operation.gives or (None,)
        for (init, pins), given in zip(settings, gives, strict=True):
            connected = tuple(ONE if pin == ONE else flat[pin] for pin in pins)
            yield Half(init, connected, level, given)


@cache
def _settings(
    kind: Kind, kinds: tuple[tuple[int, bool], ...]
) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """Find tables and pins for an operation on operands of so many wires, or complements."""

    def values(wires: Sequence[int]) -> list[int]:
        found, at = [], 0
        for count, inverted in kinds:
            found.append(sum(wires[at : at + count]) % 2 ^ inverted)
            at += count
        return found

    functions: dict[Kind, list[tuple[_Function, _Function]]] = {
        Kind.FEED: [(lambda x: 0, lambda x: x)],
        Kind.FULL: [(lambda x, y: x ^ y, lambda x, y: x)],
        Kind.HALF: [(lambda x: x, lambda x: 0)],
        Kind.FIVE: [
            (lambda a, b, c, d: a ^ b ^ c ^ d, lambda a, b, c, d: a ^ b),
            (lambda a, b, c, d: a & b ^ c & d, lambda a, b, c, d: a & b),
        ],
    }
    count = sum(wires for wires, _ in kinds)
    return tuple(
        _fitted(
            count,
            lambda *wires, p=p: p(*values(wires)),
            lambda *wires, g=g: g(*values(wires)),
        )
        for p, g in functions[kind]
    )


def _fitted(count: int, p: _Function, g: _Function) -> tuple[int, tuple[int, ...]]:
    """Connect wires to pins so that P and G fit into one table.

    A pin too many is connected to a wire again, which makes entries of the table unreachable for P;
    to constant 1 only where that does not help.
    """
    for spares in ([ONE], [ONE, *range(count)]):
        for order in permutations(range(count)):
            for spare in product(spares, repeat=_PINS - count):
                pins = (*order, *spare)
                init = _table(count, pins, p, g)
                if init is not None:
                    return init, pins
    raise ValueError("A function must fit into half a CCU2C, not this one")


def _table(count: int, pins: tuple[int, ...], p: _Function, g: _Function) -> int | None:
    entries: dict[int, int] = {}
    for wires in product((0, 1), repeat=count):
        a, b, c, d = (1 if pin == ONE else wires[pin] for pin in pins)
        wanted = [(a + 2 * b + 4 * c + 8 * d, p(*wires))]
        if not p(*wires):
            wanted.append((a + 2 * b, g(*wires)))
        for entry, value in wanted:
            if entries.setdefault(entry, value) != value:
                return None
    return sum(value << entry for entry, value in entries.items())


def wires_of(heap: Heap) -> int:
    """Count the inputs of a heap: wires of a higher number are dots."""
    return sum(len(dot.wires) for dot in heap.dots)


def evaluate(heap: Heap, joined: Sequence[Chain], inputs: Sequence[int]) -> int:
    """Count by the tables of the halves.

    Parameters
    ----------
    heap : Heap
    joined : sequence of Chain
    inputs : sequence of int
        Value of each input.

    Raises
    ------
    ValueError
        If a chain waits for itself, or its first half lets a carry in.
    """
    first = wires_of(heap)
    values = {ONE: 1, **dict(enumerate(inputs))}
    left = [piece for chain in joined for piece in _pieces(chain)]
    while left:
        waiting = [piece for piece in left if not _worked_off(piece, values, first)]
        if len(waiting) == len(left):
            raise ValueError("A chain must not wait for what comes behind it")
        left = waiting

    def value(number: int) -> int:
        dot = heap.dots[number]
        outside = sum(values[wire] for wire in dot.wires) % 2 ^ dot.inverted
        return outside if dot.wires else values[first + number]

    return sum(
        value(number) << weight for weight, number in enumerate(heap.result) if number is not None
    )


def _pieces(chain: Chain) -> list[tuple[list[Half], int | None]]:
    """Split a chain where no carry passes, each part with the dot that its carry becomes."""
    pieces: list[tuple[list[Half], int | None]] = []
    for place, half in enumerate(chain.halves):
        if blocks(half.init, half.pins):
            if pieces:
                pieces[-1] = (pieces[-1][0], half.gives)
            elif half.gives is not None:
                raise ValueError("The first half of a chain must not give the carry that it has")
            pieces.append(([half], None))
        elif place == 0:
            raise ValueError("The first half of a chain must not let a carry in")
        else:
            pieces[-1][0].append(half)
    return pieces


def _worked_off(piece: tuple[list[Half], int | None], values: dict[int, int], first: int) -> bool:
    """Compute the dots of a part of a chain, if its inputs are there."""
    row, end = piece
    if any(pin not in values for half in row for pin in half.pins):
        return False
    carry = 0
    for place, half in enumerate(row):
        out, carry = half_output(half.init, [values[pin] for pin in half.pins], carry)
        if place and half.gives is not None:
            values[first + half.gives] = out
    if end is not None:
        values[first + end] = carry
    return True


@cache
def blocks(init: int, pins: tuple[int, ...]) -> bool:
    """Tell whether P is 0 whatever comes in, so that S is the carry, and no carry passes."""
    wires = sorted({pin for pin in pins if pin != ONE})
    for values in product((0, 1), repeat=len(wires)):
        found = {ONE: 1, **dict(zip(wires, values, strict=True))}
        if half_output(init, [found[pin] for pin in pins], 0)[0]:
            return False
    return True
