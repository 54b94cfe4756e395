"""What must hold for blocks that compute: each frame that leaves is a function of the one taken."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Array, Mux, Signal, Value

from .frames import Counts, Frames, Place, progress
from .scene import Properties, Scene

__all__ = ["Formula", "Law", "Results", "Words", "compute", "reorder"]

Words = Sequence[Sequence[Value]]
"""Elements of each word of a frame."""

Formula = Callable[[Words], Sequence[Sequence[Any]]]
"""Gives the words that leave, from those that came; None where a lane may hold anything."""


@dataclass(frozen=True, kw_only=True)
class Law:
    """What a block with ports `i` and `o` makes of a frame.

    Parameters
    ----------
    words_in : int
        Words of a frame that comes in.
    needs : sequence of int
        For each word that leaves, how many words of its frame must be in.
    formula : Formula
        Elements are the lanes of a payload; where `last` is passed on, it is the element behind
        them, and so it is in what leaves.
    flight, silent, deaf : int
        As in `Counts` and `progress`.
    passes_last : bool
        Whether `last` is data, and not made by the block.
    outputs : callable or None
        Gives the elements of the payload that leaves; its lanes if None.
    """

    words_in: int
    needs: Sequence[int]
    formula: Formula
    flight: int
    silent: int
    deaf: int
    passes_last: bool = False
    outputs: Callable[[Any], list[Value]] | None = None


class Results(Counts):
    """Check that a block turns every frame of `i` into the frame of `o` that a formula tells.

    One frame is followed: which one, nobody knows, so it stands for all. Its words are noted when
    the input takes them, and when a word of its result leaves, that must be what the formula makes
    of them; until it leaves it stays the same by contract. So no word is lost, doubled, or takes
    part in another frame. Besides what `Counts` checks:

    - *result*: each element of a word that leaves is right.

    Parameters
    ----------
    scene, put, o, words_in, needs, flight, last, name
        As in `Counts`.
    elements_in, elements_out : sequence of Value
        Elements of their payloads.
    formula : Formula
        Of elements like these.
    """

    def __init__(
        self,
        scene: Scene,
        *,
        put: Value,
        o: Any,
        elements_in: Sequence[Value],
        elements_out: Sequence[Value],
        words_in: int,
        needs: Sequence[int],
        formula: Formula,
        flight: int,
        last: Value | None,
        name: str = "",
    ) -> None:
        super().__init__(
            scene,
            put=put,
            o=o,
            words_in=words_in,
            needs=needs,
            flight=flight,
            last=last,
            name=name,
        )
        known, words = self._follow(elements_in, words_in)
        rows = formula(words)
        for index, element in enumerate(elements_out):
            expected = [row[index] for row in rows]
            told = Array(int(value is not None) for value in expected)[self.word_out]
            right = Array(0 if value is None else value for value in expected)[self.word_out]
            self._check(f"result {index}", element == right, when=self.got & known & told)

    def _follow(self, elements: Sequence[Value], count: int) -> tuple[Value, Words]:
        """Note the words of one frame; say whether its result is what leaves, and what they are."""
        scene, m = self._scene, self._scene.m
        chosen = scene.any_clock(1, "chosen")
        noted, enters = Signal(), Signal()
        ahead = Signal.like(self.lead)
        begins = self.put & (self.word_in == 0) & chosen & ~noted
        known = noted | begins
        before = Mux(begins, self.lead, ahead)
        done = known & (before == 0) & self.end_out
        taken = self.put & (begins | enters)
        m.d.sync += [
            noted.eq(known & ~done),
            ahead.eq(before - (self.end_out & (before != 0))),
            enters.eq((begins | enters) & ~self.end_in & ~done),
        ]
        words: list[list[Value]] = []
        for word in range(count):
            here = taken & (self.word_in == word)
            now: list[Value] = []
            for lane, element in enumerate(elements):
                kept = Signal(len(element), name=f"kept{word}_{lane}", reset_less=True)
                # What is known at this clock, also if it is the one in which the word is taken.
                with m.If(here):
                    m.d.sync += kept.eq(element)
                now.append(Mux(here, element, kept))
            words.append(now)
        return known & (before == 0), words


def compute(law: Law) -> Properties:
    """Require of a block that it keeps the law, frame by frame."""

    def properties(scene: Scene) -> None:
        i, o = scene.dut.i, scene.dut.o
        scene.source(i, "i")
        scene.sink(o, "o")
        lanes = list(o.payload.data) if law.outputs is None else law.outputs(o.payload)
        frames = Results(
            scene,
            put=i.valid & i.ready,
            o=o,
            elements_in=[*i.payload.data, *([i.payload.last] if law.passes_last else [])],
            elements_out=[*lanes, *([o.payload.last] if law.passes_last else [])],
            words_in=law.words_in,
            needs=law.needs,
            formula=law.formula,
            flight=law.flight,
            last=None if law.passes_last else o.payload.last,
        )
        progress(scene, frames, silent=law.silent, deaf=law.deaf)

    return properties


def reorder(
    *,
    words_in: int,
    table: Sequence[Sequence[Place | None]],
    flight: int,
    silent: int,
    deaf: int,
    last: bool = True,
) -> Properties:
    """Require of a block with ports `i` and `o` that a table tells what is where.

    Parameters
    ----------
    words_in, table, flight, silent, deaf
        As in `Frames` and `progress`.
    last : bool
        Whether the block makes `last`.
    """

    def properties(scene: Scene) -> None:
        i, o = scene.dut.i, scene.dut.o
        scene.source(i, "i")
        scene.sink(o, "o")
        frames = Frames(
            scene,
            put=i.valid & i.ready,
            o=o,
            elements_in=list(i.payload.data),
            elements_out=list(o.payload.data),
            words_in=words_in,
            table=table,
            flight=flight,
            last=o.payload.last if last else None,
        )
        progress(scene, frames, silent=silent, deaf=deaf)

    return properties
