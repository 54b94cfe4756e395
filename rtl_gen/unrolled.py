"""A layer whose weights are constants: the whole vector against all rows, each clock."""

from collections.abc import Sequence

from amaranth.hdl import C, Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bnnhw.fold.sharing import Program, Row, share_words

from .popcount import balanced_sum
from .queue import Queue
from .streams import port, word
from .unrolled_values import Values

__all__ = ["UnrolledLayer"]


class UnrolledLayer(wiring.Component):
    """Count a vector's matches with all rows of a constant matrix at once, and compare them.

    One vector a clock, and one word of results for each; latency ``stages + 2`` with
    ``stages = share_words(weights, columns, bits).stages(every)``. The counts that rows have in
    common are built once, see `bnnhw.fold.sharing`. The pipeline runs freely: no register in it has
    an enable. A vector is taken only when its results have room in the queue at the end, which
    holds ``stages + 4`` words, so a stalled output loses nothing and consecutive vectors overlap
    without a bubble. No path leads from `o.ready` to `i.ready`, nor from `i` to `o`.

    Parameters
    ----------
    weights : sequence of int
        One word a row, column 0 in the lowest bit; 1 is +1, 0 is −1. A lane adds its code where the
        weight is 1, and the complement of its code where it is 0.
    columns : int
        Lanes of a vector.
    bits : int
        Width of a code.
    thresholds : sequence of sequence of int, optional
        For each row as many as any other row has; the result is how many of them the count reaches.
    offsets : sequence of int, optional
        Where there are no thresholds, added to the counts modulo ``2**bits_out``.
    bits_out : int, optional
        Width of a result; what holds every count, or every number of thresholds, if not given.
    every : int
        Levels of adders between registers; 0 is none but those at the end.

    Members
    -------
    i : stream of word(columns, bits), in
    o : stream of word(rows, bits_out), out
        `last` as it came in with the vector.

    Raises
    ------
    ValueError
        If a number is out of range, weights do not fit, or thresholds or offsets are not one for
        each row.
    """

    def __init__(
        self,
        *,
        weights: Sequence[int],
        columns: int,
        bits: int = 1,
        thresholds: Sequence[Sequence[int]] | None = None,
        offsets: Sequence[int] | None = None,
        bits_out: int | None = None,
        every: int = 1,
    ) -> None:
        for name, value in (("columns", columns), ("bits", bits)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"Unrolled {name} must be a positive integer, not {value!r}")
        for row in weights:
            if not isinstance(row, int) or not 0 <= row < 1 << columns:
                raise ValueError(f"Unrolled weights must fit {columns} bits, not {row!r}")
        _check_rows(len(weights), thresholds, offsets)
        self._program = share_words(tuple(weights), columns, bits)
        self._stages = self._program.stages(every)
        self._columns = columns
        self._bits = bits
        self._every = every
        self._thresholds = thresholds
        self._offsets = offsets
        top = columns * ((1 << bits) - 1) if thresholds is None else len(thresholds[0])
        self._bits_out = top.bit_length() if bits_out is None else bits_out
        super().__init__(
            {"i": In(port(columns, bits)), "o": Out(port(len(weights), self._bits_out))}
        )

    @property
    def program(self) -> Program:
        """How rows are counted."""
        return self._program

    @property
    def depth(self) -> int:
        """Results that have room at the end: as many as full rate needs."""
        return self._stages + 4

    @property
    def latency(self) -> int:
        """Clock edges from a vector in to its results out."""
        return self._stages + 2

    def elaborate(self, platform: object) -> Module:
        """Build the pipeline, the queue behind it, and the count of its free places."""
        m = Module()
        rows = len(self._program.rows)
        m.submodules.queue = queue = Queue(shape=word(rows, self._bits_out), depth=self.depth)
        wiring.connect(m, queue.o, wiring.flipped(self.o))
        room = Signal(range(self.depth + 1), init=self.depth)
        after = Signal.like(room, init=0)
        ready = Signal(init=1)
        taken = self.i.valid & ready
        # A place is counted a clock after it is free, so that `o.ready` leads to one register only.
        freed = Signal()
        m.d.comb += [self.i.ready.eq(ready), after.eq(room - taken + freed)]
        m.d.sync += [
            freed.eq(self.o.valid & self.o.ready),
            room.eq(after),
            ready.eq(after != 0),
        ]
        tags: Value = Cat(taken, self.i.payload.last)
        for stage in range(self._stages):
            held = Signal(2, name=f"tags{stage + 1}")
            m.d.sync += held.eq(tags)
            tags = held
        m.d.comb += [queue.i.valid.eq(tags[0]), queue.i.payload.last.eq(tags[1])]
        values = Values(m, self._program, self._every, self.i.payload.data)
        for number, row in enumerate(self._program.rows):
            value, level = values.row(row)
            result = self._result(number, row, value)
            # The comparison is a level of its own, in front of the last registers.
            ending = values.ending(result, level + 1, self._bits_out)
            m.d.comb += queue.i.payload.data[number].eq(ending)
        return m

    def _result(self, number: int, row: Row, value: Value) -> Value:
        """Turn ``2 * part - whole``, or a whole, into what leaves."""
        if self._thresholds is None:
            constant = row.constant + (0 if self._offsets is None else int(self._offsets[number]))
            if row.sign < 0:
                value = constant - value
            elif constant:
                value = value + constant
            return value[: self._bits_out]
        reached = []
        for threshold in self._thresholds[number]:
            # Where the sign is negative, the value must not exceed something.
            needed = row.sign * (int(threshold) - row.constant) + (row.sign < 0)
            fires = _at_least(value, needed)
            reached.append(~fires if row.sign < 0 else fires)
        return balanced_sum(reached)


def _check_rows(
    rows: int, thresholds: Sequence[Sequence[int]] | None, offsets: Sequence[int] | None
) -> None:
    if rows < 1:
        raise ValueError("Unrolled weights must be at least one row")
    if thresholds is not None and offsets is not None:
        raise ValueError("Unrolled rows must have thresholds or offsets, not both")
    for name, given in (("thresholds", thresholds), ("offsets", offsets)):
        if given is not None and len(given) != rows:
            raise ValueError(f"Unrolled {name} must be one for each of {rows} rows")
    if thresholds is not None and (
        len({len(levels) for levels in thresholds}) != 1 or not thresholds[0]
    ):
        raise ValueError("Unrolled thresholds must be as many in every row")


def _at_least(value: Value, constant: int) -> Value:
    """Compare with a constant, as one gate a bit: three bits of it fill a LUT4."""
    shape = value.shape()
    least = -(1 << shape.width - 1) if shape.signed else 0
    if constant <= least:
        return C(1)
    if constant - least >= 1 << shape.width:
        return C(0)
    bits = [value[k] for k in range(shape.width)]
    if shape.signed:
        bits[-1] = ~bits[-1]
    reached: Value = C(1)
    for k, bit in enumerate(bits):
        reached = bit & reached if (constant - least) >> k & 1 else bit | reached
    return reached
