"""Results of vectors that took turns, put into the vectors' own order."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .channels import Permute
from .naming import label
from .streams import port

__all__ = ["InOrder"]


class InOrder(wiring.Component):
    """Take word 0 of every vector, then word 1 of every one; give vector after vector.

    Two banks, one is filled while the other is read, from when it is full: the first word leaves
    `bnnhw.fold.array.REORDER` clocks after the last one of its lot came. One word a clock in and
    out, without a bubble: a lot takes ``folds * vectors`` clocks, and its first word leaves
    ``folds * vectors + 1`` clocks after its first one came. The input waits when both banks are
    full.

    Parameters
    ----------
    lanes, bits : int
        Elements of a word, and their width.
    folds, vectors : int
        Words of a vector, at least 2, and vectors of a lot, at least 2.

    Members
    -------
    i, o : stream of word(lanes, bits), in and out
        `last` with the last word of a lot stays there.

    Raises
    ------
    ValueError
        If there is no order to make, or a parameter is below 1.
    """

    def __init__(self, *, lanes: int, bits: int, folds: int, vectors: int) -> None:
        for name, value in (("folds", folds), ("vectors", vectors)):
            if not isinstance(value, int) or value < 2:
                raise ValueError(f"Order {name} must be an integer of at least 2, not {value!r}")
        self._folds, self._vectors = folds, vectors
        self._width = lanes * bits
        super().__init__({"i": In(port(lanes, bits)), "o": Out(port(lanes, bits))})

    def elaborate(self, platform: Any) -> Module:
        """Permute words as if they were the channels of a pixel."""
        m = Module()
        order = tuple(
            fold * self._vectors + vector
            for vector in range(self._vectors)
            for fold in range(self._folds)
        )
        m.submodules.words = words = Permute(lanes=1, bits=self._width, order=order)
        label(words, "words")
        m.d.comb += [
            words.i.valid.eq(self.i.valid),
            words.i.payload.data[0].eq(self.i.payload.data.as_value()),
            words.i.payload.last.eq(self.i.payload.last),
            self.i.ready.eq(words.i.ready),
            self.o.valid.eq(words.o.valid),
            self.o.payload.data.as_value().eq(words.o.payload.data[0]),
            self.o.payload.last.eq(words.o.payload.last),
            words.o.ready.eq(self.o.ready),
        ]
        return m
