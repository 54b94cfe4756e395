"""From an accelerator's answer words to bytes."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..streams import port, result

__all__ = ["ResultBytes"]


class ResultBytes(wiring.Component):
    """Writes answers as bytes, low byte first: each class's logit code, then the winner's index.

    Where `ranked`, each word's index follows its code: what `TopK` sends.

    Combinational from `i` to `o`, one byte a cycle; a word of `i` is taken with its last byte, and
    `i` stalls when `o` does.

    Parameters
    ----------
    bits : int
        Width of a logit's code.
    index_bits : int
        Width of a class index.
    ranked : bool
        Whether every index counts, not only that of the word with `last`.

    Members
    -------
    i : stream of `result(bits, index_bits)`, in
        One word per class; the `index` of the word with `last` is the answer, or, where
        `ranked`, a code and its class in each.
    o : stream of `word(1, 8)`, out
        The bytes, `last` on the last byte of the index.

    Raises
    ------
    ValueError
        If a width is not positive.
    """

    def __init__(self, *, bits, index_bits, ranked=False):
        for name, value in (("bits", bits), ("index_bits", index_bits)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a positive integer, not {value!r}")
        self._bits = bits
        self._index_bits = index_bits
        self._ranked = bool(ranked)
        super().__init__(
            {"i": In(stream.Signature(result(bits, index_bits))), "o": Out(port(1, 8))}
        )

    @property
    def bits(self):
        """Width of a logit's code."""
        return self._bits

    @property
    def index_bits(self):
        """Width of a class index."""
        return self._index_bits

    @property
    def ranked(self):
        """Whether every index counts."""
        return self._ranked

    def elaborate(self, platform: object) -> Module:
        """Build the byte counter and the multiplexer."""
        m = Module()
        code_bytes, index_bytes = -(-self.bits // 8), -(-self.index_bits // 8)
        word = self.i.payload
        position = Signal(range(code_bytes + index_bytes))
        at_end = Signal()
        whole = position == code_bytes + index_bytes - 1
        short = C(0) if self.ranked else ~word.last & (position == code_bytes - 1)
        padded = Cat(word.data, C(0, 8 * code_bytes - self.bits), word.index)
        m.d.comb += [
            self.o.valid.eq(self.i.valid),
            self.o.payload.data[0].eq(padded.word_select(position, 8)),
            self.o.payload.last.eq(whole & word.last if self.ranked else whole),
            at_end.eq(whole | short),
            self.i.ready.eq(self.o.ready & at_end),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += position.eq(Mux(at_end, 0, position + 1))
        return m
