"""Pooling along one axis: when windows begin and end, and the partial results of open ones."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data
from amaranth.lib.memory import Memory

__all__ = ["Axis", "OpenWindows", "Phase", "phase_of"]

SHIFTED = 4
"""Most words that are kept in a shift register instead of a memory: a block RAM would be idle."""


@dataclass(frozen=True)
class Axis:
    """Pooling along one axis: which windows are open at which step."""

    size: int
    kernel: int
    stride: int
    before: int
    after: int

    @property
    def count(self) -> int:
        """Windows."""
        return (self.size + self.before + self.after - self.kernel) // self.stride + 1

    @property
    def first_end(self) -> int:
        """Step at which the first window is complete."""
        return self.kernel - 1 - self.before

    @property
    def last_end(self) -> int:
        """Step at which the last window is complete."""
        return self.first_end + (self.count - 1) * self.stride

    @property
    def steps(self) -> int:
        """Steps along the axis: the size, and the padding behind it that the last window needs."""
        return max(self.size, self.last_end + 1)

    @property
    def age(self) -> int:
        """Windows that have begun after the one that is complete."""
        return (self.kernel - 1) // self.stride

    @property
    def kept(self) -> int:
        """Windows that stay open from one step to the next."""
        return -(-(self.kernel - 1) // self.stride)


@dataclass(frozen=True)
class Phase:
    """What an axis does in a step, as one-bit values or registers."""

    first: Value
    """The axis begins: every open window starts anew."""
    start: Value
    """A window begins."""
    end: Value
    """A window is complete."""

    def later(self, m: Module, move: Value) -> "Phase":
        """Register it when `move` is set."""
        bits = Signal(3, name="phase")
        with m.If(move):
            m.d.sync += bits.eq(Cat(self.first, self.start, self.end))
        return Phase(*bits)


def phase_of(m: Module, name: str, axis: Axis, at: Signal, *, step: Value, wrap: Value) -> Phase:
    """Tell where windows begin and end; `step` goes to the next position, with `wrap` to 0."""
    turn = Signal(range(axis.stride), name=f"turn_{name}", init=axis.before % axis.stride)
    with m.If(step):
        m.d.sync += turn.eq(turn + 1)
        with m.If(turn == axis.stride - 1):
            m.d.sync += turn.eq(0)
        with m.If(wrap):
            m.d.sync += turn.eq(turn.init)
    end: Value = turn == (axis.kernel - 1) % axis.stride
    if axis.first_end >= axis.stride:
        end = end & (at >= axis.first_end)
    if axis.last_end + axis.stride < axis.steps:
        end = end & (at <= axis.last_end)
    return Phase(at == 0, turn == 0, end)


class OpenWindows:
    """Partial results of the windows that are open along one axis, for `words` streams in turn.

    Parameters
    ----------
    m : Module
        Where they are made.
    name : str
        Of the signals.
    axis : Axis
        Along which is pooled.
    words : int
        Words of a step along the axis.
    lanes, bits : int
        Of a result.
    """

    def __init__(
        self, m: Module, name: str, axis: Axis, *, words: int, lanes: int, bits: int
    ) -> None:
        self._m = m
        self._name = name
        self._axis = axis
        self._words = words
        slots = data.ArrayLayout(data.ArrayLayout(unsigned(bits), lanes), max(1, axis.kept))
        self._held: Any = Signal(slots, name=f"{name}_held", reset_less=True)
        self._new: Any = Signal(slots, name=f"{name}_new")

    def pool(
        self, join: Callable[[Value, Value], Value], word: Any, phase: Phase, *, step: Value
    ) -> list[Value]:
        """Join `word` to all open windows, and with `step` go to the next word.

        Returns
        -------
        list of Value
            Lanes of the oldest window, which is complete where `phase.end` is set.
        """
        axis = self._axis
        lanes = []
        for lane, fresh in enumerate(word):
            joined = [join(self._held[slot][lane], fresh) for slot in range(axis.kept)]
            # A new window moves the others one slot on. Where the oldest ends just then, there is
            # no slot behind it.
            moved = [fresh, *joined]
            stay = [*joined, *joined[-1:]] if joined else moved
            values = [
                Mux(phase.first, fresh, Mux(phase.start, after, before))
                for after, before in zip(moved, stay, strict=True)
            ]
            for slot in range(axis.kept):
                self._m.d.comb += self._new[slot][lane].eq(values[slot])
            lanes.append(values[axis.age])
        if axis.kept and self._words <= SHIFTED:
            self._shift(step)
        elif axis.kept:
            self._store(step)
        return lanes

    def _shift(self, step: Value) -> None:
        newest: Value = self._new.as_value()
        for place in range(self._words - 1):
            kept = Signal(len(newest), name=f"{self._name}_{place}", reset_less=True)
            with self._m.If(step):
                self._m.d.sync += kept.eq(newest)
            newest = kept
        with self._m.If(step):
            self._m.d.sync += self._held.as_value().eq(newest)

    def _store(self, step: Value) -> None:
        m = self._m
        # A word is read while the one in front of it is written, so the two never meet.
        memory: Memory[Any, Any] = Memory(
            shape=len(self._new.as_value()),
            depth=self._words,
            init=[],
            attrs={"no_rw_check": "1"},
        )
        m.submodules[f"{self._name}_memory"] = memory
        write, read = memory.write_port(), memory.read_port()
        at = Signal(range(self._words), name=f"{self._name}_at")
        after = Signal.like(at, name=f"{self._name}_after")
        m.d.comb += [
            after.eq(Mux(at == self._words - 1, 0, at + 1)),
            write.addr.eq(at),
            write.data.eq(self._new.as_value()),
            write.en.eq(step),
            read.addr.eq(after),
            read.en.eq(step),
            self._held.as_value().eq(read.data),
        ]
        with m.If(step):
            m.d.sync += at.eq(after)
