"""The PE array: PE rows times SIMD columns of XNOR-popcount, accumulated over folds."""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from bnnhw.fold.array import core_clocks, room_and_clocks

from .core import ArrayCore
from .room import Room
from .streams import port

__all__ = ["PEArray"]


class PEArray(wiring.Component):
    """Count matches of PE weight rows with one vector that comes in groups of SIMD bits.

    Takes one activation word and one weight word together, each clock. After `folds` of them one
    word with a count for each PE leaves, `latency` clocks after the last one was taken; the next
    vector follows without a bubble, `folds` clocks a vector. With the `core` clocks of `ArrayCore`
    that latency is ``core + (1 if folds >= core + 3 else 2)``. Nothing stops the array: a vector's
    last word is taken only if there is a place for the result among the `depth` at the end, so that
    nothing is lost while the output stalls. No path leads from `o.ready` to the array, nor
    combinationally to another port.

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
        Words may be padding with true zeros. Counts are then in half steps: what agrees counts
        twice, and each lane of a masked word ``2**bits - 1``, half of what it could.
    count_bits : int
        Width of a count; at least ``bits_for(simd * folds + 1)`` unless the largest counts are
        known not to occur.
    every : int
        Levels of adders between registers, see `bnnhw.fold.pipeline`.

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
        If a parameter is below 1, or `every` below 0.
    """

    def __init__(
        self,
        *,
        pe: int,
        simd: int,
        folds: int,
        bits: int = 1,
        masked: bool = False,
        count_bits: int | None = None,
        every: int = 0,
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
        self._every = every
        self._flight = core_clocks(simd, every)
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

    @property
    def every(self) -> int:
        """Levels of adders between registers."""
        return self._every

    @property
    def depth(self) -> int:
        """Results for which there is room."""
        return room_and_clocks(self._folds, self._flight)[0]

    @property
    def latency(self) -> int:
        """Clocks from a vector's last word taken to its result taken."""
        return room_and_clocks(self._folds, self._flight)[1]

    def elaborate(self, platform: object) -> Module:
        """Build the free-running core, the fold counter, and the room for results."""
        m = Module()
        m.submodules.core = core = ArrayCore(
            pe=self._pe,
            simd=self._simd,
            bits=self._bits,
            masked=self._masked,
            total_bits=self._count_bits,
            every=self._every,
        )
        m.submodules.room = room = Room(shape=self.o.payload.shape(), depth=self.depth)
        group, weight = self.i_activation, self.i_weight
        fold = Signal(range(self._folds))
        final = fold == self._folds - 1
        taken, go = Signal(), Signal()
        m.d.comb += [
            go.eq(room.free | ~final),
            group.ready.eq(go & weight.valid),
            weight.ready.eq(go & group.valid),
            taken.eq(go & group.valid & weight.valid),
            room.take.eq(taken & final),
            core.tags.there.eq(taken),
            core.tags.first.eq(fold == 0),
            core.tags.final.eq(final),
            core.tags.last.eq(group.payload.last),
            core.activation.eq(group.payload.data.as_value()),
            core.weight.eq(weight.payload),
            room.push.eq(core.valid),
            room.payload.data.eq(core.total),
            room.payload.last.eq(core.last),
        ]
        if self._masked:
            m.d.comb += core.tags.masked.eq(group.payload.masked)
        with m.If(taken):
            m.d.sync += fold.eq(Mux(final, 0, fold + 1))
        wiring.connect(m, room.o, wiring.flipped(self.o))
        return m
