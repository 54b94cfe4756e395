"""Frames in, frames out: what must come out where, told by tables and counters of our own."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Array, Cat, Const, Mux, Signal, Value

from .scene import Scene

__all__ = ["ELSEWHERE", "Counts", "Frames", "Place", "progress"]

Place = tuple[int, int]
"""Word and lane of an element within its frame."""

ELSEWHERE: Place = (-1, 0)
"""In a table: a lane that shows something else, which other checks look at."""


class Counts:
    """Check how many words go in and come out, and which of them end a frame.

    Counters of both sides, which know nothing of the block, say where a stream is.

    - *cause*: no word leaves before the last word that it needs was taken;
    - *flight*: the block never holds the ends of more than `flight` frames;
    - *last*: it marks the last word of a frame, and only that one.

    Parameters
    ----------
    scene : Scene
        Where the checks are added; both ports are driven by its caller.
    put : Value
        A word goes in.
    o : stream
        Where the words come out.
    words_in : int
        Words of a frame of `i`.
    needs : sequence of int
        For each word of a frame of `o`, how many words of the frame of `i` must be in, 1 or more.
    flight : int
        Frames that the input may have finished and the output not.
    last : Value or None
        The `last` of `o`; None if it is not made by the block.
    name : str
        In front of the names of the checks, where a scene has several of these.
    """

    def __init__(
        self,
        scene: Scene,
        *,
        put: Value,
        o: Any,
        words_in: int,
        needs: Sequence[int],
        flight: int,
        last: Value | None,
        name: str = "",
    ) -> None:
        self._scene = scene
        self._name = name
        m = scene.m
        self.put = put
        """A word goes in."""
        self.got = o.valid & o.ready
        """A word comes out."""
        self.word_in = Signal(range(words_in), name="word_in")
        """Word of its frame that the input is at."""
        self.word_out = Signal(range(len(needs)), name="word_out")
        """Word of its frame that the output is at."""
        # A block that does not need a frame's last words may be done with it before they come.
        self.lead = Signal(range(-1 if max(needs) < words_in else 0, flight + 2), name="lead")
        """Frames that the input has finished and the output not."""
        self.end_in = self.put & (self.word_in == words_in - 1)
        """The last word of a frame goes in."""
        self.end_out = self.got & (self.word_out == len(needs) - 1)
        """The last word of a frame comes out."""
        m.d.sync += self.lead.eq(self.lead + self.end_in - self.end_out)
        for place, moves, end in (
            (self.word_in, self.put, self.end_in),
            (self.word_out, self.got, self.end_out),
        ):
            with m.If(moves):
                m.d.sync += place.eq(Mux(end, 0, place + 1))

        # A block without registers passes a word on in the clock in which it takes it.
        self._check("flight", self.lead + self.end_in - self.end_out <= flight)
        with_this = self.word_in + self.put
        needed = Array(needs)[self.word_out]
        self._check(
            "cause", (self.lead > 0) | ((self.lead == 0) & (needed <= with_this)), when=self.got
        )
        if last is not None:
            self._check("last", last == (self.word_out == len(needs) - 1), when=o.valid)
        first = Signal()
        with m.If(self.end_out):
            m.d.sync += first.eq(1)
        scene.reach(f"{name}second frame", first & self.end_out)

    def _check(self, name: str, what: Value, *, when: Value | int = 1) -> None:
        self._scene.check(self._name + name, what, when=when)


class Frames(Counts):
    """Check that a block turns every frame of `i` into the frame of `o` that a table tells.

    One element of one frame is followed: which one, nobody knows, so it stands for all. It is
    noted when the input takes it, and wherever the table says that the output shows it, its value
    must be there. Besides what `Counts` checks, where a word needs the elements that it shows:

    - *order*: the element followed is at all its places in the right frame, so nothing is lost,
      doubled or in the wrong place;
    - *blank*: what has no source is 0, or `blank`.

    Parameters
    ----------
    scene : Scene
        Where the checks are added; both ports are driven by its caller.
    name : str
        In front of the names of the checks, where a scene has several of these.
    put : Value
        A word goes in.
    o : stream
        Where the words come out.
    elements_in, elements_out : sequence of Value
        Lanes of their payloads.
    words_in : int
        Words of a frame of `i`.
    table : sequence of sequence of (word, lane) or None
        For each word of a frame of `o`, and each of its lanes, which element of `i` it shows.
    flight : int
        Frames that the input may have finished and the output not.
    last : Value or None
        The `last` of `o`; None if it is not made by the block.
    blank : int
        What a lane without a source holds.
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
        table: Sequence[Sequence[Place | None]],
        flight: int,
        last: Value | None,
        blank: int = 0,
        name: str = "",
    ) -> None:
        super().__init__(
            scene,
            put=put,
            o=o,
            words_in=words_in,
            needs=[_latest(row) for row in table],
            flight=flight,
            last=last,
            name=name,
        )
        self._table = table
        self._lanes_in = len(elements_in)
        self._blank(o, elements_out, blank)
        self._follow(o, elements_in, elements_out)

    def _blank(self, o: Any, lanes: Sequence[Value], blank: int) -> None:
        """Require the lanes without a source to be blank, where there are any."""
        for lane, value in enumerate(lanes):
            empty = [row[lane] is None for row in self._table]
            if any(empty):
                here = Array(Const(flag, 1) for flag in empty)[self.word_out]
                self._check(f"blank {lane}", value == blank, when=o.valid & here)

    def _follow(self, o: Any, lanes_in: Sequence[Value], lanes_out: Sequence[Value]) -> None:
        """Note one element, and require it at each of its places."""
        scene, m = self._scene, self._scene.m
        word = scene.any_one(self.word_in.shape(), "word")
        lane = scene.any_one(range(self._lanes_in), "lane")
        chosen = scene.any_clock(1, "chosen")
        noted = Signal()
        ahead = Signal.like(self.lead)
        value = Signal(max(len(element) for element in lanes_in))
        # What is known at this clock, also if it is the one in which the element is taken.
        begins = self.put & (self.word_in == word) & (self.lead >= 0) & chosen & ~noted
        known = noted | begins
        before = Mux(begins, self.lead, ahead)
        shown = Mux(begins, Array(lanes_in)[lane], value)
        done = known & (before == 0) & self.end_out
        m.d.sync += [
            noted.eq(known & ~done),
            ahead.eq(before - (self.end_out & (before != 0))),
            value.eq(shown),
        ]
        for index, element in enumerate(lanes_out):
            places = [
                (self.word_out == position) & (word == source[0]) & (lane == source[1])
                for position, source in enumerate(row[index] for row in self._table)
                if source is not None and source is not ELSEWHERE
            ]
            if places:
                when = o.valid & known & (before == 0) & Cat(places).any()
                self._check(f"order {index}", element == shown, when=when)


def _latest(row: Sequence[Place | None]) -> int:
    """Words of the input that must be in before a word of the output leaves.

    Even one without a source needs the beginning of its frame.
    """
    return max(1 if source is None else source[0] + 1 for source in row)


def progress(scene: Scene, frames: Counts, *, silent: int, deaf: int) -> None:
    """Check that a block with ports `i` and `o` that is served on both sides never waits for long.

    - *silent*: with `o` ready, and `i` valid or the end of a frame inside, `o` becomes valid within
      `silent` clocks;
    - *deaf*: with `o` ready and `i` valid, a word is taken within `deaf` clocks.
    """
    i, o = scene.dut.i, scene.dut.o
    served = o.ready & (i.valid | (frames.lead > 0))
    scene.check_waits("silent", served & ~o.valid, silent)
    scene.check_waits("deaf", o.ready & i.valid & ~i.ready, deaf)
