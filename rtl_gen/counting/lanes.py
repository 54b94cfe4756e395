"""From bits and pairs of bits to a heap of dots, and its wires at each stage of registers."""

from collections.abc import Sequence
from functools import lru_cache

from amaranth.hdl import Cat, Module, Signal, Value

from bnnhw.fold.pipeline import adder_levels

from .heap import Dot, Heap, heap
from .shape import shape

__all__ = ["Wires", "bits_heap", "pairs_heap"]


@lru_cache(maxsize=256)
def bits_heap(width: int, inverted: int, fives: bool) -> Heap:
    """Make the heap that counts bits.

    Parameters
    ----------
    width : int
        Bits; the inputs of the heap.
    inverted : int
        Mask of the bits that count when they are 0.
    fives : bool
        As in `shape`.
    """
    dots = [Dot(0, (lane,), bool(inverted >> lane & 1)) for lane in range(width)]
    levels = adder_levels(width)
    found = shape(0, (width,), levels, fives)
    assert found is not None
    try:
        return heap(dots, found)
    except ValueError:
        # Too many complements for fives.
        return bits_heap(width, inverted, False)


@lru_cache(maxsize=256)
def pairs_heap(width: int, fives: bool) -> Heap:
    """Make the heap that counts pairs that differ: inputs k and width + k.

    Parameters
    ----------
    width : int
        Pairs.
    fives : bool
        As in `shape`.
    """
    found = shape(width, (), adder_levels(width), fives) if width > 1 else shape(0, (1,), 0, False)
    assert found is not None
    return heap([Dot(0, (lane, width + lane)) for lane in range(width)], found)


class Wires:
    """Values of a heap's wires, delayed to the stage where they are read.

    Parameters
    ----------
    m : Module
        Where registers go, when `registers` is called.
    step : Value
        When they move on.
    every : int
        Levels between them; 0 is no register at all.
    """

    def __init__(self, m: Module, step: Value, every: int) -> None:
        self._m = m
        self._step = step
        self._every = every
        self._values: dict[tuple[int, int], Value] = {}
        self._born: dict[int, int] = {}
        self._moves: list[tuple[Signal, Value]] = []

    def stage(self, level: int) -> int:
        """Count the registers in front of a level."""
        return level // self._every if self._every else 0

    def set(self, wire: int, value: Value, level: int) -> None:
        """Say what a wire is, and at which level that comes to be."""
        self._born[wire] = self.stage(level)
        self._values[wire, self._born[wire]] = value

    def get(self, wire: int, level: int) -> Value:
        """Give a wire as it is read at a level."""
        return self._at(wire, self.stage(level))

    def _at(self, wire: int, stage: int) -> Value:
        if (wire, stage) not in self._values:
            assert stage > self._born[wire]
            held = Signal(name=f"w{wire}_{stage}", reset_less=True)
            self._moves.append((held, self._at(wire, stage - 1)))
            self._values[wire, stage] = held
        return self._values[wire, stage]

    def registers(self) -> None:
        """Build the registers of all that was read."""
        if self._moves:
            with self._m.If(self._step):
                self._m.d.sync += _all([held for held, _ in self._moves]).eq(
                    _all([value for _, value in self._moves])
                )


def _all(values: Sequence[Value]) -> Value:
    return Cat(*values)
