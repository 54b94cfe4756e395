"""The PE array: PE rows times SIMD columns of XNOR-popcount, accumulated over folds."""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .pe import ProcessingElement
from .streams import port

__all__ = ["PEArray"]


class PEArray(wiring.Component):
    """Count matches of PE weight rows with one vector that comes in groups of SIMD bits.

    Takes one activation word and one weight word together, each clock. After `folds` of them one
    word with a count for each PE leaves, 3 clocks after the last one was taken (latency 3); the
    next vector follows without a bubble. A stalled output stops the array; nothing is lost.

    Parameters
    ----------
    pe : int
        Rows.
    simd : int
        Columns computed at once.
    folds : int
        Words of a vector.
    bits : int
        Width of an activation, see `ProcessingElement`.
    masked : bool
        Words may be padding with true zeros. Counts are then in half steps: a match counts 2, and
        each lane of a masked word 1.
    count_bits : int
        Width of a count; at least ``bits_for(simd * folds + 1)`` unless the largest counts are
        known not to occur.

    Members
    -------
    i_activation : stream of word(simd, bits) or masked_word(simd, bits), in
        `last` with the word that ends a frame.
    i_weight : stream of ArrayLayout(unsigned(simd), pe), in
    o : stream of word(pe, count_bits), out
        Matches of each row; `last` if the vector's last activation word had it.

    Raises
    ------
    ValueError
        If a parameter is below 1.
    """

    LATENCY = 3

    def __init__(
        self,
        *,
        pe: int,
        simd: int,
        folds: int,
        bits: int = 1,
        masked: bool = False,
        count_bits: int | None = None,
    ) -> None:
        if count_bits is None and isinstance(simd, int) and isinstance(folds, int):
            top = simd * folds * ((1 << bits) - 1) << masked
            count_bits = max(1, top.bit_length())
        for name, value in (
            ("PE", pe),
            ("SIMD", simd),
            ("folds", folds),
            ("count_bits", count_bits),
        ):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} of an array must be a positive integer, not {value!r}")
        assert count_bits is not None
        self._pe = pe
        self._simd = simd
        self._folds = folds
        self._bits = bits
        self._masked = masked
        self._count_bits = count_bits
        super().__init__(
            {
                "i_activation": In(port(simd, bits, masked=masked)),
                "i_weight": In(stream.Signature(data.ArrayLayout(unsigned(simd), pe))),
                "o": Out(port(pe, count_bits)),
            }
        )

    @property
    def pe(self) -> int:
        """Rows."""
        return self._pe

    @property
    def simd(self) -> int:
        """Columns computed at once."""
        return self._simd

    @property
    def folds(self) -> int:
        """Words of a vector."""
        return self._folds

    @property
    def count_bits(self) -> int:
        """Width of a count."""
        return self._count_bits

    def elaborate(self, platform: object) -> Module:
        """Build the elements, one accumulator for each, and the fold counter."""
        m = Module()
        step = Signal()
        taken = Signal()
        m.d.comb += [
            step.eq(~self.o.valid | self.o.ready),
            self.i_activation.ready.eq(step & self.i_weight.valid),
            self.i_weight.ready.eq(step & self.i_activation.valid),
            taken.eq(self.i_activation.valid & self.i_weight.valid & step),
        ]
        fold = Signal(range(self._folds))
        with m.If(taken):
            m.d.sync += fold.eq(Mux(fold == self._folds - 1, 0, fold + 1))
        # What goes with a group through the two registers in front of the accumulator.
        tags = data.StructLayout({"there": 1, "first": 1, "final": 1, "last": 1})
        matched = Signal(tags)
        counted = Signal(tags)
        masked = Signal()
        with m.If(step):
            m.d.sync += [
                matched.there.eq(taken),
                matched.first.eq(fold == 0),
                matched.final.eq(fold == self._folds - 1),
                matched.last.eq(self.i_activation.payload.last),
                counted.eq(matched),
                self.o.valid.eq(counted.there & counted.final),
                self.o.payload.last.eq(counted.last),
            ]
            if self._masked:
                m.d.sync += masked.eq(self.i_activation.payload.masked)
        for row in range(self._pe):
            m.submodules[f"pe{row}"] = element = ProcessingElement(simd=self._simd, bits=self._bits)
            m.d.comb += [
                element.step.eq(step),
                element.activation.eq(self.i_activation.payload.data.as_value()),
                element.weight.eq(self.i_weight.payload[row]),
            ]
            count = element.count
            if self._masked:
                count = Mux(masked, self._simd, element.count << 1)
            partial = Signal(count.shape(), name=f"partial{row}", reset_less=True)
            total = self.o.payload.data[row]
            with m.If(step):
                m.d.sync += partial.eq(count)
                with m.If(counted.there):
                    m.d.sync += total.eq(Mux(counted.first, 0, total) + partial)
        return m
