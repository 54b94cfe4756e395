"""The classes that score best, found while the logits pass."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .choice import chosen
from .streams import port

__all__ = ["TopK"]


class TopK(wiring.Component):
    """Send the `k` best of each frame's classes, best first, with their scores.

    Class c scores ``(multipliers[c] * code + offsets[c]) >> shift``; of equal ones the first is
    better. One word per clock comes in, ``cycles = classes`` per frame without a bubble: the best
    so far are kept in order in a chain of `k` registers, and leave from another while the next
    frame comes in. The first word leaves `stages` clocks after the frame's last word was taken: 1
    where multipliers are all 1 and nothing is shifted, otherwise 3, because product, sum and
    comparison have a register each. While `o` stalls, `i` is taken until the next frame's result is
    ready; then it waits, and `i.ready` follows `o.ready`. `i.last` is not read: words are counted.

    Parameters
    ----------
    classes : int
        Words in a frame.
    bits : int
        Width of a logit's code.
    k : int
        Classes that are sent, at most `classes`.
    offsets : sequence of int
        One per class; may be negative.
    multipliers : sequence of int or None
        One per class; may be negative. None: all 1.
    shift : int
        Bits of a score that are dropped, rounding down.

    Members
    -------
    i : stream of word(1, bits), in
        The code of one logit a word, class 0 first.
    o : stream of {"data": score_shape, "index": index_bits, "last": 1}, out
        Score and class, `k` words a frame.

    Raises
    ------
    ValueError
        If `classes` or `bits` is not a positive integer, `k` is not from 1 to `classes`, `offsets`
        or `multipliers` are not `classes` integers, or `shift` is not an integer of at least 0.
    """

    def __init__(
        self,
        *,
        classes: int,
        bits: int,
        k: int,
        offsets: Sequence[int],
        multipliers: Sequence[int] | None = None,
        shift: int = 0,
    ) -> None:
        for name, value in (("classes", classes), ("bits", bits)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"TopK {name} must be a positive integer, not {value!r}")
        if not isinstance(k, int) or not 1 <= k <= classes:
            raise ValueError(f"TopK k must be an integer from 1 to {classes}, not {k!r}")
        multipliers = (1,) * classes if multipliers is None else multipliers
        for name, row in (("offsets", offsets), ("multipliers", multipliers)):
            if len(row) != classes or not all(isinstance(number, int) for number in row):
                raise ValueError(f"TopK {name} must be {classes} integers, not {row!r}")
        if not isinstance(shift, int) or shift < 0:
            raise ValueError(f"TopK shift must be an integer of at least 0, not {shift!r}")
        self._classes = classes
        self._bits = bits
        self._k = k
        self._offsets = tuple(offsets)
        self._multipliers = tuple(multipliers)
        self._shift = shift
        ranked = {"data": self.score_shape, "index": self.index_bits, "last": 1}
        answer = stream.Signature(data.StructLayout(ranked))
        super().__init__({"i": In(port(1, bits)), "o": Out(answer)})

    @property
    def classes(self) -> int:
        """Words in a frame."""
        return self._classes

    @property
    def bits(self) -> int:
        """Width of a logit's code."""
        return self._bits

    @property
    def k(self) -> int:
        """Classes that are sent."""
        return self._k

    @property
    def offsets(self) -> tuple[int, ...]:
        """What is added to the product of each class."""
        return self._offsets

    @property
    def multipliers(self) -> tuple[int, ...]:
        """What the code of each class is multiplied with."""
        return self._multipliers

    @property
    def shift(self) -> int:
        """Bits of a score that are dropped."""
        return self._shift

    @property
    def cycles(self) -> int:
        """Clock cycles per frame, when nothing stalls."""
        return self._classes

    @property
    def stages(self) -> int:
        """Clocks from a frame's last word taken to its first word offered."""
        return 1 if set(self._multipliers) == {1} and not self._shift else 3

    @property
    def latency(self) -> int:
        """Clock edges from the first word in to the first word out, when nothing stalls."""
        return self._classes - 1 + self.stages

    @property
    def index_bits(self) -> int:
        """Width of a class index."""
        return max(1, (self._classes - 1).bit_length())

    @property
    def score_shape(self) -> Shape:
        """Shape that holds every score; signed where one can be negative."""
        top = (1 << self._bits) - 1
        ends = [
            (factor * code + offset) >> self._shift
            for factor, offset in zip(self._multipliers, self._offsets, strict=True)
            for code in (0, top)
        ]
        return Shape.cast(range(min(0, *ends), max(1, *ends) + 1))

    def elaborate(self, platform: Any) -> Module:
        """Build the class counter, the score, the chain of the best, and the way out."""
        m = Module()
        step, final = Signal(), Signal()
        left = Signal(range(self._k + 1))
        count = Signal(range(self._classes))
        # Only the end of a frame needs the way out to be free.
        free = (left == 0) | ((left == 1) & self.o.ready)
        m.d.comb += [step.eq(~final | free), self.i.ready.eq(step), self.o.valid.eq(left != 0)]
        with m.If(self.i.valid & step):
            m.d.sync += count.eq(Mux(count == self._classes - 1, 0, count + 1))

        there, index, score = self._score(m, step, count)
        m.d.comb += final.eq(there & (index == self._classes - 1))
        better = self._rank(m, index, score, there & step)

        size = len(better[0])
        shown = [Signal(size, name=f"shown{j}", reset_less=True) for j in range(self._k)]
        m.d.comb += [
            Cat(self.o.payload.data, self.o.payload.index).eq(shown[0]),
            self.o.payload.last.eq(left == 1),
        ]
        with m.If(final & free):
            m.d.sync += left.eq(self._k)
            m.d.sync += [entry.eq(new) for entry, new in zip(shown, better, strict=True)]
        with m.Elif(self.o.valid & self.o.ready):
            m.d.sync += left.eq(left - 1)
            m.d.sync += [entry.eq(new) for entry, new in zip(shown, shown[1:], strict=False)]
        return m

    def _score(self, m: Module, step: Value, count: Signal) -> tuple[Value, Value, Value]:
        """Give whether there is a word, its class and its score: at once or after two registers."""
        code = self.i.payload.data[0]
        factor, offset = chosen(self._multipliers, count), chosen(self._offsets, count)
        score = Signal(self.score_shape, reset_less=True)
        if self.stages == 1:
            m.d.comb += score.eq(code + offset)
            return self.i.valid, count, score
        multiplied, added = Signal(), Signal()
        indices = [Signal.like(count, name=f"index{j}", reset_less=True) for j in range(2)]
        product = Signal((code * factor).shape(), reset_less=True)
        kept = Signal(offset.shape(), reset_less=True)
        with m.If(step):
            m.d.sync += [
                multiplied.eq(self.i.valid),
                indices[0].eq(count),
                product.eq(code * factor),
                kept.eq(offset),
                added.eq(multiplied),
                indices[1].eq(indices[0]),
                score.eq((product + kept) >> self._shift),
            ]
        return added, indices[1], score

    def _rank(self, m: Module, index: Value, score: Value, take: Value) -> list[Signal]:
        """Keep the best so far in order; give what they are with this word among them.

        An entry is its score and, above that, its class. Before word n there are n of them.
        """
        width = len(score) + self.index_bits
        ranked = [Signal(width, name=f"ranked{j}", reset_less=True) for j in range(self._k)]
        better = [Signal(width, name=f"better{j}") for j in range(self._k)]
        after: Value = Const(0, 1)
        above: Value = Const(0, width)
        for j, (old, new) in enumerate(zip(ranked, better, strict=True)):
            held = old[: len(score)]
            beaten = (index <= j) | (score > (held.as_signed() if score.shape().signed else held))
            entry = Cat(score, index)
            m.d.comb += new.eq(Mux(after, above, Mux(beaten, entry, old)))
            with m.If(take):
                m.d.sync += old.eq(new)
            after, above = beaten, old
        return better
