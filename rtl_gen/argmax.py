"""The class that wins, found while the logits pass."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Module, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .choice import chosen
from .streams import port, result

__all__ = ["Argmax"]


class Argmax(wiring.Component):
    """Add to each logit the index of the largest so far; with `last` that is the predicted class.

    Class k scores ``(multipliers[k] * code + offsets[k]) >> shift``; of equal the first wins. One
    word per clock, `classes` cycles per frame, no bubble between frames. Latency 1 where classes
    differ in offsets alone: all multipliers are one positive number and nothing is shifted.
    Otherwise 3: product, sum and comparison have a register each. While `o` stalls, `i` waits.
    `o.last` comes from a counter of its own; `i.last` is not read.

    Parameters
    ----------
    classes : int
        Words in a frame.
    bits : int
        Width of a logit's code.
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
    o : stream of result(bits, index_bits), out
        The same code, and the class with the largest score of this frame so far.

    Raises
    ------
    ValueError
        If `classes` or `bits` is not a positive integer, `offsets` or `multipliers` are not
        `classes` integers, or `shift` is not an integer of at least 0.
    """

    def __init__(
        self,
        *,
        classes: int,
        bits: int,
        offsets: Sequence[int],
        multipliers: Sequence[int] | None = None,
        shift: int = 0,
    ) -> None:
        kind = type(self).__name__
        for name, value in (("classes", classes), ("bits", bits)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{kind} {name} must be a positive integer, not {value!r}")
        multipliers = (1,) * classes if multipliers is None else multipliers
        for name, row in (("offsets", offsets), ("multipliers", multipliers)):
            if len(row) != classes or not all(isinstance(number, int) for number in row):
                raise ValueError(f"{kind} {name} must be {classes} integers, not {row!r}")
        if not isinstance(shift, int) or shift < 0:
            raise ValueError(f"{kind} shift must be an integer of at least 0, not {shift!r}")
        self._classes = classes
        self._bits = bits
        self._offsets = tuple(offsets)
        self._shift = shift
        self._alike = not shift and min(multipliers) > 0 and len(set(multipliers)) == 1
        # Without offsets a common factor changes no order.
        self._plain = self._alike and len(set(offsets)) == 1
        self._multipliers = (1,) * classes if self._plain else tuple(multipliers)
        answer = stream.Signature(result(bits, self.index_bits))
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
    def offsets(self) -> tuple[int, ...]:
        """What is added to the product of each class."""
        return self._offsets

    @property
    def multipliers(self) -> tuple[int, ...]:
        """What the code of each class is multiplied with; 1 where one factor changes no order."""
        return self._multipliers

    @property
    def shift(self) -> int:
        """Bits of a score that are dropped."""
        return self._shift

    @property
    def latency(self) -> int:
        """Clocks from a word taken to the word offered."""
        return 1 if self._alike else 3

    @property
    def index_bits(self) -> int:
        """Width of a class index."""
        return max(1, (self._classes - 1).bit_length())

    def elaborate(self, platform: Any) -> Module:
        """Build the class counter, the score and the comparison with the best so far."""
        m = Module()
        step = Signal()
        m.d.comb += step.eq(~self.o.valid | self.o.ready)
        scored, score = self._score(m, self._counted(m, step), step)
        best = Signal(unsigned(self._score_bits()), reset_less=True)
        with m.If(step):
            m.d.sync += self.o.valid.eq(scored.there)
            with m.If(scored.there):
                m.d.sync += [
                    self.o.payload.data.eq(scored.code),
                    self.o.payload.last.eq(scored.index == self._classes - 1),
                ]
                with m.If((scored.index == 0) | (score > best)):
                    m.d.sync += [best.eq(score), self.o.payload.index.eq(scored.index)]
        return m

    def _counted(self, m: Module, step: Value) -> Any:
        """Take a word with each `step`; give its class and its code."""
        m.d.comb += self.i.ready.eq(step)
        count = Signal(range(self._classes))
        with m.If(self.i.valid & step):
            m.d.sync += count.eq(count + 1)
            with m.If(count == self._classes - 1):
                m.d.sync += count.eq(0)
        tag = data.StructLayout({"there": 1, "index": self.index_bits, "code": self._bits})
        taken = Signal(tag)
        m.d.comb += [
            taken.there.eq(self.i.valid),
            taken.index.eq(count),
            taken.code.eq(self.i.payload.data[0]),
        ]
        return taken

    def _score(self, m: Module, taken: Any, step: Value) -> tuple[Any, Value]:
        """Give the score of a code, and what goes with it: at once, or after two registers."""
        factor = chosen(self._multipliers, taken.index)
        offset = chosen(self._moved(), taken.index)
        score = Signal(unsigned(self._score_bits()), reset_less=True)
        if self._alike:
            m.d.comb += score.eq(taken.code * self._multipliers[0] + offset)
            return taken, score
        multiplied, added = Signal.like(taken), Signal.like(taken)
        product = Signal((taken.code * factor).shape(), reset_less=True)
        kept = Signal(offset.shape(), reset_less=True)
        with m.If(step):
            m.d.sync += [
                multiplied.eq(taken),
                product.eq(taken.code * factor),
                kept.eq(offset),
                added.eq(multiplied),
                score.eq((product + kept) >> self._shift),
            ]
        return added, score

    # The winner does not change when all scores move together. They move so far that none is
    # negative, and by whole steps of what the shift leaves.

    def _moved(self) -> tuple[int, ...]:
        top = (1 << self._bits) - 1
        lows = [
            min(0, factor * top) + offset
            for factor, offset in zip(self._multipliers, self._offsets, strict=True)
        ]
        least = min(lows) >> self._shift << self._shift
        return tuple(offset - least for offset in self._offsets)

    def _score_bits(self) -> int:
        top = (1 << self._bits) - 1
        highs = [
            max(0, factor * top) + offset
            for factor, offset in zip(self._multipliers, self._moved(), strict=True)
        ]
        return max(1, (max(highs) >> self._shift).bit_length())
