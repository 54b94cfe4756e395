"""Batching: one weight word serves several vectors before the next one is fetched."""

from typing import Any

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .array import PEArray
from .naming import label
from .streams import port
from .vectors import check_folding

__all__ = ["Accumulators", "BatchBuffer", "BatchedArray"]


def _positive(unit: str, **given: int) -> None:
    for name, value in given.items():
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{unit} {name} must be a positive integer, not {value!r}")


class BatchBuffer(wiring.Component):
    """Hold `vectors` vectors, and send word s of each of them before word s + 1 of any.

    Two banks, one is read while the other is filled. A bank is sent `repeats` times in the order
    (repeat, word, vector), the vector fastest; a word can leave 2 clocks after it was taken
    (latency 2), and reading the first pass overlaps with writing it. One word a clock out, ``words
    * vectors * repeats`` clocks a batch without a bubble between batches. The input stalls while
    both banks are full; a stalled output is held by the memory's output register.

    Parameters
    ----------
    words : int
        Words of a vector.
    vectors : int
        Vectors of a batch.
    lanes : int
        Elements of a word.
    repeats : int
        Times that a batch is sent on.
    bits : int
        Width of an element.

    Members
    -------
    i : stream of word(lanes, bits), in
        Vector after vector; `last` is not read.
    o : stream of word(lanes, bits), out
        `last` marks the last word of the last repeat.

    Raises
    ------
    ValueError
        If a parameter is below 1.
    """

    LATENCY = 2

    def __init__(
        self, *, words: int, vectors: int, lanes: int, repeats: int, bits: int = 1
    ) -> None:
        _positive(
            "Batch", words=words, vectors=vectors, lanes=lanes, repeats=repeats, bits=bits
        )  # fmt: skip
        self._words, self._vectors, self._repeats = words, vectors, repeats
        self._width = lanes * bits
        super().__init__({"i": In(port(lanes, bits)), "o": Out(port(lanes, bits))})

    @property
    def words(self) -> int:
        """Words of a vector."""
        return self._words

    @property
    def vectors(self) -> int:
        """Vectors of a batch."""
        return self._vectors

    @property
    def repeats(self) -> int:
        """Times that a batch is sent on."""
        return self._repeats

    def elaborate(self, platform: object) -> Module:
        """Build the two banks, their writer and their reader, which goes in steps of a vector."""
        m = Module()
        held = self._words * self._vectors
        span = max(1, (held - 1).bit_length())
        # A word is read only after it was written, so Yosys need not build what happens otherwise.
        memory: Memory[Any, Any] = Memory(
            shape=self._width, depth=2 << span, init=[], attrs={"no_rw_check": "1"}
        )
        m.submodules.memory = memory
        write, read = memory.write_port(), memory.read_port()
        full = Signal(2)
        fill, fill_bank = Signal(span), Signal()
        taken = self.i.valid & self.i.ready
        m.d.comb += [
            self.i.ready.eq(~full.bit_select(fill_bank, 1)),
            write.addr.eq(Cat(fill, fill_bank)),
            write.data.eq(self.i.payload.data.as_value()),
            write.en.eq(taken),
        ]
        with m.If(taken):
            m.d.sync += fill.eq(fill + 1)
            with m.If(fill == held - 1):
                m.d.sync += [fill.eq(0), fill_bank.eq(~fill_bank)]
                m.d.sync += full.bit_select(fill_bank, 1).eq(1)

        at, bank = Signal(span), Signal()
        vector, place = Signal(range(self._vectors)), Signal(range(self._words))
        turn = Signal(range(self._repeats))
        there = full.bit_select(bank, 1) | ((bank == fill_bank) & (at < fill))
        step = ~self.o.valid | self.o.ready
        row_ends = vector == self._vectors - 1
        pass_ends = row_ends & (place == self._words - 1)
        ends = pass_ends & (turn == self._repeats - 1)
        m.d.comb += [
            read.addr.eq(Cat(at, bank)),
            read.en.eq(step & there),
            self.o.payload.data.as_value().eq(read.data),
        ]
        with m.If(step):
            m.d.sync += [self.o.valid.eq(there), self.o.payload.last.eq(ends)]
        with m.If(step & there):
            m.d.sync += [at.eq(at + self._words), vector.eq(vector + 1)]
            with m.If(row_ends):
                m.d.sync += [at.eq(place + 1), place.eq(place + 1), vector.eq(0)]
            with m.If(pass_ends):
                m.d.sync += [at.eq(0), place.eq(0), turn.eq(turn + 1)]
            with m.If(ends):
                m.d.sync += [turn.eq(0), bank.eq(~bank)]
                m.d.sync += full.bit_select(bank, 1).eq(0)
        return m


class Accumulators(wiring.Component):
    """Add up `folds` rounds of partial counts, for `vectors` vectors that take turns.

    Takes one word a clock; round 0 of every vector, then round 1 of every one, and so on. In the
    last round each word's sums leave, a clock after it was taken (latency 1); the next round 0
    follows without a bubble. A stalled output stops the input; nothing is lost. With more than one
    vector the sums lie in a memory, whose word is read a clock ahead.

    Parameters
    ----------
    lanes : int
        Counts of a word.
    bits : int
        Width of a partial count.
    vectors : int
        Vectors that take turns.
    folds : int
        Rounds.
    sum_bits : int
        Width of a sum; sums are modulo that width.

    Members
    -------
    i : stream of word(lanes, bits), in
    o : stream of word(lanes, sum_bits), out
        `last` as it came in.

    Raises
    ------
    ValueError
        If a parameter is below 1.
    """

    LATENCY = 1

    def __init__(self, *, lanes: int, bits: int, vectors: int, folds: int, sum_bits: int) -> None:
        _positive(
            "Accumulator", lanes=lanes, bits=bits, vectors=vectors, folds=folds, sum_bits=sum_bits
        )
        self._lanes, self._vectors, self._folds = lanes, vectors, folds
        self._sum_bits = sum_bits
        super().__init__({"i": In(port(lanes, bits)), "o": Out(port(lanes, sum_bits))})

    @property
    def vectors(self) -> int:
        """Vectors that take turns."""
        return self._vectors

    @property
    def folds(self) -> int:
        """Rounds."""
        return self._folds

    def elaborate(self, platform: object) -> Module:
        """Build one adder a lane between the memory of sums and the output register."""
        m = Module()
        vector, fold = Signal(range(self._vectors)), Signal(range(self._folds))
        final = fold == self._folds - 1
        taken = self.i.valid & self.i.ready
        sums = Signal(data.ArrayLayout(unsigned(self._sum_bits), self._lanes))
        before = self._earlier(m, sums, vector, taken)
        m.d.comb += self.i.ready.eq(~self.o.valid | self.o.ready)
        for lane in range(self._lanes):
            past = Signal(self._sum_bits, name=f"past{lane}")
            with m.If(fold != 0):
                m.d.comb += past.eq(before[lane])
            m.d.comb += sums[lane].eq(past + self.i.payload.data[lane])
        with m.If(self.i.ready):
            m.d.sync += self.o.valid.eq(self.i.valid & final)
        with m.If(taken):
            # Of words alone: what the memory in front holds at the start is not known, and would
            # be seen on the output as long as nothing is offered.
            m.d.sync += [
                self.o.payload.data.eq(sums),
                self.o.payload.last.eq(self.i.payload.last),
                vector.eq(vector + 1),
            ]
            with m.If(vector == self._vectors - 1):
                m.d.sync += [vector.eq(0), fold.eq(fold + 1)]
                with m.If(final):
                    m.d.sync += fold.eq(0)
        return m

    def _earlier(self, m: Module, sums: Any, vector: Signal, taken: Any) -> Any:
        """Give the sums of this vector's earlier rounds; `sums` takes their place when `taken`."""
        if self._vectors == 1:
            kept = Signal.like(sums, reset_less=True)
            with m.If(taken):
                m.d.sync += kept.eq(sums)
            return kept
        # The next vector's sums are read while this one's are written: never the same word.
        memory: Memory[Any, Any] = Memory(
            shape=sums.shape(), depth=self._vectors, init=[], attrs={"no_rw_check": "1"}
        )
        m.submodules.memory = memory
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            write.addr.eq(vector),
            write.data.eq(sums),
            write.en.eq(taken),
            read.addr.eq(vector + 1),
            read.en.eq(taken),
        ]
        with m.If(vector == self._vectors - 1):
            m.d.comb += read.addr.eq(0)
        return read.data


class BatchedArray(wiring.Component):
    """Multiply ±1 rows with batches of vectors; each weight word is fetched once a batch.

    With SF = ceil(columns / simd), NF = ceil(rows / pe) and B = `vectors`, a batch takes NF·SF·B
    clocks without a bubble between batches, and NF·SF weight words: one every B clocks, where an
    array without batches takes one a clock. From the first input word taken to the first result
    there are `latency` clocks if no side waits: ``core + 5`` with the `core` clocks of `ArrayCore`,
    and where SF > 1 the ``(B - 1) * SF + (SF - 2) * B + 1`` before the first vector's last word can
    go. The work runs over (row group n, word s, vector b),
    b fastest: vectors b = 0 … B−1 of row group 0 leave, then those of row group 1, and so on. A
    stalled output stops the array; nothing is lost. It holds 2·B·SF words of activations and
    B·PE sums.

    Parameters
    ----------
    rows, columns : int
        Shape of the matrix.
    pe, simd : int
        Rows and columns computed at once.
    vectors : int
        Vectors of a batch.
    bits, every : int
        Width of an activation, and levels of adders between registers, see `PEArray`.

    Members
    -------
    i : stream of word(simd, bits), in
        SF words a vector, vector after vector; 0 in lanes past the last column; `last` is not read.
    i_weight : stream of ArrayLayout(unsigned(simd), pe), in
        NF·SF words a batch, synapse fold fastest; 1 in lanes past the last column.
    o : stream of word(pe, count_bits), out
        NF·B words a batch, the vector fastest; `last` with the last.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """

    def __init__(
        self,
        *,
        rows: int,
        columns: int,
        pe: int,
        simd: int,
        vectors: int,
        bits: int = 1,
        every: int = 0,
    ) -> None:
        check_folding("Array", rows=rows, columns=columns, pe=pe, simd=simd, vectors=1, groups=1)
        _positive("Array", vectors=vectors, bits=bits)
        self._columns, self._pe, self._simd, self._bits = columns, pe, simd, bits
        self._vectors = vectors
        self.synapse_folds, self.neuron_folds = -(-columns // simd), -(-rows // pe)
        self._array = PEArray(pe=pe, simd=simd, folds=1, bits=bits, every=every)
        super().__init__(
            {
                "i": In(port(simd, bits)),
                "i_weight": In(stream.Signature(data.ArrayLayout(unsigned(simd), pe))),
                "o": Out(port(pe, self.count_bits)),
            }
        )

    @property
    def vectors(self) -> int:
        """Vectors of a batch."""
        return self._vectors

    @property
    def count_bits(self) -> int:
        """Width of a count."""
        return (self._columns * ((1 << self._bits) - 1)).bit_length()

    @property
    def cycles(self) -> int:
        """Clocks a batch: NF·SF·B."""
        return self.neuron_folds * self.synapse_folds * self._vectors

    @property
    def latency(self) -> int:
        """Clocks from the first word taken to the first result.

        The first word of the last vector is there after (B − 1)·SF clocks, where SF > 1; then come
        the words of B vectors, SF − 2 times, and the first one of the last round.
        """
        folds, vectors = self.synapse_folds, self._vectors
        issued = 0 if folds == 1 else (vectors - 1) * folds + (folds - 2) * vectors + 1
        return issued + BatchBuffer.LATENCY + self._array.latency + Accumulators.LATENCY

    def elaborate(self, platform: object) -> Module:
        """Build buffer, array and sums, and hold each weight word for a whole batch."""
        m = Module()
        m.submodules.buffer = buffer = BatchBuffer(
            words=self.synapse_folds,
            vectors=self._vectors,
            lanes=self._simd,
            repeats=self.neuron_folds,
            bits=self._bits,
        )
        m.submodules.array = array = self._array
        m.submodules.sums = sums = Accumulators(
            lanes=self._pe,
            bits=array.count_bits,
            vectors=self._vectors,
            folds=self.synapse_folds,
            sum_bits=self.count_bits,
        )
        for name, unit in (("buffer", buffer), ("array", array), ("sums", sums)):
            label(unit, name)
        wiring.connect(m, wiring.flipped(self.i), buffer.i)
        wiring.connect(m, buffer.o, array.i_activation)
        wiring.connect(m, array.o, sums.i)
        wiring.connect(m, sums.o, wiring.flipped(self.o))
        vector = Signal(range(self._vectors))
        final = vector == self._vectors - 1
        m.d.comb += [
            array.i_weight.payload.eq(self.i_weight.payload),
            array.i_weight.valid.eq(self.i_weight.valid),
            self.i_weight.ready.eq(array.i_weight.ready & final),
        ]
        with m.If(array.i_weight.valid & array.i_weight.ready):
            m.d.sync += vector.eq(vector + 1)
            with m.If(final):
                m.d.sync += vector.eq(0)
        return m
