"""Words of one lane count into words of another."""

import math
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .streams import port

__all__ = ["WidthConverter"]


class _Converter(wiring.Component):
    """What the four structures have in common: one geometry and two ports."""

    def __init__(self, *, elements: int, bits: int, lanes_in: int, lanes_out: int) -> None:
        given = {"elements": elements, "bits": bits, "lanes_in": lanes_in, "lanes_out": lanes_out}
        for name, value in given.items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"WidthConverter {name} must be a positive integer, not {value!r}")
        self._given = given
        super().__init__({"i": In(port(lanes_in, bits)), "o": Out(port(lanes_out, bits))})

    @property
    def elements(self) -> int:
        """Elements in a frame."""
        return self._given["elements"]

    @property
    def bits(self) -> int:
        """Width of an element."""
        return self._given["bits"]

    @property
    def lanes_in(self) -> int:
        """Elements in a word of `i`."""
        return self._given["lanes_in"]

    @property
    def lanes_out(self) -> int:
        """Elements in a word of `o`."""
        return self._given["lanes_out"]

    @property
    def words_in(self) -> int:
        """Words of `i` in a frame."""
        return -(-self.elements // self.lanes_in)

    @property
    def words_out(self) -> int:
        """Words of `o` in a frame."""
        return -(-self.elements // self.lanes_out)


class WidthConverter(_Converter):
    """Turn frames in words of `lanes_in` elements into frames in words of `lanes_out`.

    The smallest structure that serves is built:

    - equal lanes: wires and, if need be, a mask on the tail; `i.ready` follows `o.ready`;
    - `lanes_out` a multiple of `lanes_in`: one output word, filled slot by slot;
    - `lanes_in` a multiple of `lanes_out`: one input word, shifted out;
    - any other pair: a shift register in units of their greatest common divisor, into which an
      input word is placed at one of at most ``lanes_out / gcd`` offsets.

    Latency 0 for equal lanes and ``min(ceil(lanes_out / lanes_in), words_in)`` otherwise; it does
    not depend on what went before. ``max(words_in, words_out)`` cycles per frame in all four cases,
    with no bubble between frames. While `o` stalls, the registers fill up and then `i` waits.

    Lanes past the end of a frame in its last input word may hold anything; in the last output word
    they are zero. `o.last` comes from a counter of its own; `i.last` is not read.

    Parameters
    ----------
    elements : int
        Elements in a frame.
    bits : int
        Width of an element.
    lanes_in, lanes_out : int
        Elements in a word of `i` and of `o`.

    Members
    -------
    i : stream of word(lanes_in, bits), in
        Frames of `elements`.
    o : stream of word(lanes_out, bits), out
        The same frames.

    Raises
    ------
    ValueError
        If a parameter is not a positive integer.
    """

    @property
    def latency(self) -> int:
        """Clock edges from the first word in to the first word out, when nothing stalls."""
        if self.lanes_in == self.lanes_out:
            return 0
        return min(-(-self.lanes_out // self.lanes_in), self.words_in)

    @property
    def cycles(self) -> int:
        """Clock cycles per frame, when nothing stalls."""
        return max(self.words_in, self.words_out)

    def elaborate(self, platform: Any) -> Module:
        """Build the structure that these lane counts need."""
        m = Module()
        kind: type[_Converter] = _Gearbox
        if self.lanes_in == self.lanes_out:
            kind = _Wires
        elif self.lanes_out % self.lanes_in == 0:
            kind = _Collector
        elif self.lanes_in % self.lanes_out == 0:
            kind = _Shifter
        m.submodules.structure = structure = kind(**self._given)
        wiring.connect(m, wiring.flipped(self.i), structure.i)
        wiring.connect(m, structure.o, wiring.flipped(self.o))
        return m


def _place(m: Module, name: str, words: int, group: int, step: Value) -> tuple[Signal, Value]:
    """Count the words of a frame, `group` by `group`.

    Returns
    -------
    slot : Signal
        Position within the group.
    final : Value
        This is the last word of the frame.
    """
    slot = Signal(range(min(group, words)), name=f"{name}_slot")
    turn = Signal(range(-(-words // group)), name=f"{name}_turn")
    final = (slot == (words - 1) % group) & (turn == (words - 1) // group)
    with m.If(step):
        m.d.sync += slot.eq(slot + 1)
        with m.If(final):
            m.d.sync += [slot.eq(0), turn.eq(0)]
        with m.Elif(slot == group - 1):
            m.d.sync += [slot.eq(0), turn.eq(turn + 1)]
    return slot, final


def _trimmed(lanes: Any, start: int, stop: int, when: Value) -> Value:
    """Zero the lanes from `start` to `stop` when told to."""
    return Cat(
        Mux(when, 0, lane) if start <= index < stop else lane for index, lane in enumerate(lanes)
    )


class _Wires(_Converter):
    """Equal lanes: only `last` and the tail are made anew."""

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        lanes, words = self.lanes_in, self.words_in
        _, final = _place(m, "word", words, words, self.o.valid & self.o.ready)
        tail = self.elements - (words - 1) * lanes
        m.d.comb += [
            self.o.payload.data.eq(_trimmed(self.i.payload.data, tail, lanes, final)),
            self.o.payload.last.eq(final),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready),
        ]
        return m


class _Collector(_Converter):
    """`lanes_out` a multiple of `lanes_in`: each input word has its slot in the output register."""

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        group = self.lanes_out // self.lanes_in
        slot, final = _place(m, "word", self.words_in, group, self.i.valid & self.i.ready)
        tail = self.elements - (self.words_in - 1) * self.lanes_in
        word = _trimmed(self.i.payload.data, tail, self.lanes_in, final)
        slots = Value.cast(self.o.payload.data)
        # Slots that the last group leaves empty are cleared when a group begins.
        filled = (self.words_in - 1) % group + 1
        with m.If(~self.o.valid | self.o.ready):
            m.d.comb += self.i.ready.eq(1)
            m.d.sync += self.o.valid.eq(self.i.valid & (final | (slot == group - 1)))
            with m.If(self.i.valid):
                m.d.sync += self.o.payload.last.eq(final)
                for index in range(min(group, self.words_in)):
                    part = slots.word_select(index, len(word))
                    with m.If(slot == index):
                        m.d.sync += part.eq(word)
                    if index >= filled:
                        with m.Elif(slot == 0):
                            m.d.sync += part.eq(0)
        return m


class _Shifter(_Converter):
    """`lanes_in` a multiple of `lanes_out`: hold an input word and shift it out."""

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        group = self.lanes_in // self.lanes_out
        slot, final = _place(m, "word", self.words_out, group, self.o.valid & self.o.ready)
        tail = self.elements - (self.words_out - 1) * self.lanes_out
        hold = Signal.like(self.i.payload.data)
        lanes = [hold[lane] for lane in range(self.lanes_out)]
        m.d.comb += [
            self.o.payload.data.eq(_trimmed(lanes, tail, self.lanes_out, final)),
            self.o.payload.last.eq(final),
        ]
        with m.If(~self.o.valid | (self.o.ready & (final | (slot == group - 1)))):
            m.d.comb += self.i.ready.eq(1)
            m.d.sync += [self.o.valid.eq(self.i.valid), hold.eq(self.i.payload.data)]
        with m.Elif(self.o.ready):
            m.d.sync += hold.eq(Value.cast(hold) >> self.lanes_out * self.bits)
        return m


class _Gearbox(_Converter):
    """Any two lane counts: a shift register of units, whose fill is known from the phase.

    A frame starts at a word border of the output, and its last input word is padded to one. So the
    n-th input word of a frame always lands at unit ``n * a mod b`` above the whole output words
    that still wait, with a and b units in an input and an output word. An input word is accepted
    when no whole word will be left waiting. The exception is the start of a frame whose
    predecessor ended with two words at once: it may land above the second one, or there would be a
    bubble.
    """

    def __init__(self, *, elements: int, bits: int, lanes_in: int, lanes_out: int) -> None:
        super().__init__(elements=elements, bits=bits, lanes_in=lanes_in, lanes_out=lanes_out)
        self._gcd = math.gcd(lanes_in, lanes_out)
        self._unit = self._gcd * bits
        self._a = lanes_in // self._gcd
        self._b = lanes_out // self._gcd
        self._offsets = [n * self._a % self._b for n in range(min(self._b, self.words_in))]
        # Whole output words that an input word completes: by phase, and at the end of a frame.
        self._whole = [(offset + self._a) // self._b for offset in self._offsets]
        tail = elements - (self.words_in - 1) * lanes_in
        self._end_offset = self._offsets[(self.words_in - 1) % self._b]
        self._end_whole = -(-(self._end_offset + -(-tail // self._gcd)) // self._b)
        self._above = self._a < self._b and self._end_whole == 2
        self._most = max(self._end_whole, *self._whole)
        # An end fills whole output words, any other input word all its units.
        inner = self._offsets if self.words_in > self._b else self._offsets[: self.words_in - 1]
        self._units = max([self._most * self._b, *(offset + self._a for offset in inner)])

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        waiting = Signal(range(self._most + 1))
        buffer = Signal(self._units * self._unit)
        took = self.o.valid & self.o.ready
        accept = self.i.valid & self.i.ready
        phase, i_final = _place(m, "i", self.words_in, self._b, accept)
        _, o_final = _place(m, "o", self.words_out, self.words_out, took)
        none_left = (waiting == 0) | ((waiting == 1) & self.o.ready)
        one_left = (waiting == 2) & self.o.ready
        m.d.comb += [
            self.o.valid.eq(waiting != 0),
            self.o.payload.data.eq(buffer[: self._b * self._unit]),
            self.o.payload.last.eq(o_final),
            self.i.ready.eq(none_left | one_left if self._above else none_left),
        ]
        kept = Signal.like(buffer)
        m.d.comb += kept.eq(Mux(took, buffer >> self._b * self._unit, buffer))
        m.d.sync += [buffer.eq(kept), waiting.eq(waiting - took)]
        landed, whole = self._land(m, phase, i_final, ~none_left)
        with m.If(accept):
            # Above what is kept the buffer is zero, because every input word is zero past its end.
            m.d.sync += buffer.eq(kept | landed)
            m.d.sync += waiting.eq(waiting - took + Mux(i_final, self._end_whole, whole))
        return m

    def _land(self, m: Module, phase: Signal, final: Value, above: Value) -> tuple[Value, Signal]:
        """Shift the input word to its place, and tell how many output words it completes.

        A fine shift within one input word comes first; then every unit of the buffer can come from
        two places only, however many offsets there are.
        """
        fine = Signal(range(max(offset % self._a for offset in self._offsets) + 1))
        coarse = Signal(range(max(offset // self._a for offset in self._offsets) + 1))
        whole = Signal(range(self._most + 1))
        with m.Switch(phase):
            for index, offset in enumerate(self._offsets):
                # The last phase is the default: a phase that counts to one has no bits to match.
                last = index == len(self._offsets) - 1
                with m.Default() if last else m.Case(index):
                    m.d.comb += [
                        fine.eq(offset % self._a),
                        coarse.eq(offset // self._a),
                        whole.eq(self._whole[index]),
                    ]
        tail = self.elements - (self.words_in - 1) * self.lanes_in
        word = _trimmed(self.i.payload.data, tail, self.lanes_in, final)
        moved = word
        for stage in range(len(fine)):
            moved = Mux(fine[stage], Cat(Const(0, self._unit << stage), moved), moved)
        landed: Value = Const(0, self._units * self._unit)
        for step in sorted({offset // self._a for offset in self._offsets}):
            here = (coarse == step) & ~above if self._above else coarse == step
            landed = landed | Mux(here, Cat(Const(0, step * self._a * self._unit), moved), 0)
        if self._above:
            landed = landed | Mux(above, Cat(Const(0, self._b * self._unit), word), 0)
        return landed[: self._units * self._unit], whole
