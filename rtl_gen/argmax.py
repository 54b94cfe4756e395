"""The class that wins, found while the logits pass."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Array, Const, Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .streams import port, result

__all__ = ["Argmax"]


class Argmax(wiring.Component):
    """Add to each logit the index of the largest so far; with `last` that is the predicted class.

    Class k scores `scale * code + offsets[k]`; of equal the first wins. Latency 1, one word per
    clock, `classes` cycles per frame, no bubble between frames. While `o` stalls, `i` waits.
    `o.last` comes from a counter of its own; `i.last` is not read.

    Parameters
    ----------
    classes : int
        Words in a frame.
    bits : int
        Width of a logit's code.
    offsets : sequence of int
        One per class; may be negative.
    scale : int
        Distance of two neighbouring logits on the scale of the offsets, at least 1.

    Members
    -------
    i : stream of word(1, bits), in
        The code of one logit a word, class 0 first.
    o : stream of result(bits, index_bits), out
        The same code, and the class with the largest score of this frame so far.

    Raises
    ------
    ValueError
        If `classes`, `bits` or `scale` is not a positive integer, or `offsets` are not `classes`
        integers.
    """

    def __init__(self, *, classes: int, bits: int, offsets: Sequence[int], scale: int = 1) -> None:
        for name, value in (("classes", classes), ("bits", bits), ("scale", scale)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"Argmax {name} must be a positive integer, not {value!r}")
        if len(offsets) != classes or not all(isinstance(offset, int) for offset in offsets):
            raise ValueError(f"Argmax offsets must be {classes} integers, not {offsets!r}")
        self._classes = classes
        self._bits = bits
        self._offsets = tuple(offsets)
        # Without offsets a scale changes no order.
        self._scale = scale if len(set(offsets)) > 1 else 1
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
        """What is added to the code of each class before comparing."""
        return self._offsets

    @property
    def scale(self) -> int:
        """What a code is multiplied with before the offset is added; 1 where offsets are equal."""
        return self._scale

    @property
    def index_bits(self) -> int:
        """Width of a class index."""
        return max(1, (self._classes - 1).bit_length())

    def elaborate(self, platform: Any) -> Module:
        """Build the class counter, the score and the comparison with the best so far."""
        m = Module()
        count = Signal(range(self._classes))
        score = Signal(self._score_bits())
        best = Signal.like(score)
        better = Signal()
        code = self.i.payload.data[0]
        m.d.comb += [
            score.eq(code * self._scale + self._offset(count)),
            better.eq((count == 0) | (score > best)),
        ]
        with m.If(~self.o.valid | self.o.ready):
            m.d.comb += self.i.ready.eq(1)
            m.d.sync += self.o.valid.eq(self.i.valid)
            with m.If(self.i.valid):
                final = count == self._classes - 1
                m.d.sync += [
                    self.o.payload.data.eq(code),
                    self.o.payload.last.eq(final),
                    count.eq(count + 1),
                ]
                with m.If(final):
                    m.d.sync += count.eq(0)
                with m.If(better):
                    m.d.sync += [best.eq(score), self.o.payload.index.eq(count)]
        return m

    # The winner does not change when all offsets move together, so the least becomes 0 and scores
    # are unsigned.

    def _score_bits(self) -> int:
        largest = ((1 << self._bits) - 1) * self._scale
        return (largest + max(self._offsets) - min(self._offsets)).bit_length()

    def _offset(self, count: Signal) -> Value:
        moved = [offset - min(self._offsets) for offset in self._offsets]
        if not any(moved):
            return Const(0, 1)
        return Array(Const(offset, max(moved).bit_length()) for offset in moved)[count]
