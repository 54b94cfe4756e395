# amaranth: UnusedElaboratable=no
"""Matrix units give the right result for every vector, for all time; faulty ones do not."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from amaranth.hdl import Fragment, Module, Value
from amaranth.lib import wiring

from rtl_gen.batch import BatchedArray
from rtl_gen.integer import IntMvtu
from rtl_gen.mvtu import Mvtu
from rtl_gen.unrolled import UnrolledLayer
from rtl_gen.vectors import stream_words
from sim.formal import Mode, Verdict, prove
from sim.formal.compute import Law, Words, compute
from sim.formal.units import counted, levels, matrix, sums

from .cases import Case, proofs, twins

Rows = Sequence[Sequence[int]]


def packed(rows: Rows, pe: int, simd: int, bits: int, filler: int) -> list[int]:
    """Fold a matrix into words, synapse fold fastest, with a filler in lanes that are none."""
    words = []
    for top in range(0, len(rows), pe):
        for left in range(0, len(rows[0]), simd):
            lanes = [
                rows[row][column] if row < len(rows) and column < len(rows[0]) else filler
                for row in range(top, top + pe)
                for column in range(left, left + simd)
            ]
            words.append(sum((lane & (1 << bits) - 1) << bits * k for k, lane in enumerate(lanes)))
    return words


def binary(
    name: str,
    rows: Rows,
    thresholds: Rows,
    *,
    pe: int,
    simd: int,
    vectors: int = 1,
    bits: int = 1,
    slow: bool = True,
    **given: Any,
) -> Case:
    """Let a `Mvtu` count the levels that each row reaches."""
    columns, count = len(rows[0]), len(thresholds[0])
    width = (columns * ((1 << bits) - 1) + 1).bit_length()
    never = [[(1 << width) - 1] * count] * (-len(rows) % pe)
    make = partial(
        Mvtu,
        rows=len(rows),
        columns=columns,
        pe=pe,
        simd=simd,
        weights=packed(rows, pe, simd, 1, 1),
        thresholds=packed([*thresholds, *never], pe, count, width, 0),
        levels=count,
        bits=bits,
        vectors=vectors,
        **given,
    )
    dut = make()
    folds = dut.synapse_folds
    formula, needs = matrix(
        [sums(rows, counted, simd)] * vectors,
        [levels(row) for row in thresholds],
        folds=folds,
        pe=pe,
    )
    lot = given.get("hold", 1)
    law = Law(
        words_in=folds * vectors,
        needs=needs,
        formula=formula,
        flight=dut.depth + 2,
        silent=dut.latency + dut.cycles * lot,
        deaf=dut.cycles * lot + 2,
    )
    depth = dut.latency + 2 * dut.cycles * vectors + 6
    one = ("always last",) if len(needs) == 1 else ()
    first = dut.latency + dut.cycles + 5
    return Case(name, make, compute(law), depth, slow=slow, harmless=one, first=first)


def integers(
    name: str, rows: Rows, offsets: Sequence[int], *, pe: int, simd: int, vectors: int, slow: bool
) -> Case:
    """Let an `IntMvtu` multiply by weights of two bits, modulo four bits."""
    make = partial(
        IntMvtu,
        rows=len(rows),
        columns=len(rows[0]),
        pe=pe,
        simd=simd,
        weights=packed(rows, pe, simd, 2, 0),
        weight_bits=2,
        offsets=packed([[offset] for offset in offsets], pe, 1, 4, 0),
        bits=2,
        bits_out=4,
        vectors=vectors,
    )
    dut = make()
    formula, needs = matrix(
        [sums(rows, lambda code, weight: code * weight, simd)] * vectors,
        [partial(moved, offset) for offset in offsets],
        folds=dut.synapse_folds,
        pe=pe,
    )
    law = Law(
        words_in=dut.synapse_folds * vectors,
        needs=needs,
        formula=formula,
        flight=dut.latency + 2,
        silent=dut.latency + 2,
        deaf=dut.cycles + 2,
    )
    depth = dut.latency + 2 * dut.cycles * vectors + 8
    one = ("always last",) if len(needs) == 1 else ()
    return Case(name, make, compute(law), depth, slow=slow, harmless=one)


def moved(offset: int, total: Value) -> Value:
    return (total + offset)[:4]


def unrolled(every: int) -> Case:
    rows, thresholds = [[1, 0], [0, 1]], [[1], [2]]
    make = partial(UnrolledLayer, weights=[1, 2], columns=2, thresholds=thresholds, every=every)
    inner, needs = matrix(
        [sums(rows, counted, 2)], [levels(row) for row in thresholds], folds=1, pe=2
    )

    def formula(words: Words) -> list[list[Any]]:
        return [[*inner(words)[0], words[0][2]]]

    dut = make()
    law = Law(
        words_in=1,
        needs=needs,
        formula=formula,
        flight=dut.depth + 1,
        silent=dut.latency + 1,
        deaf=3,
        passes_last=True,
    )
    return Case(
        f"unrolled-{every}",
        make,
        compute(law),
        dut.latency + 8,
        last="result",
        slow=every > 0,
    )


class Batched(wiring.Component):
    """An array for batches, with its weights."""

    def __init__(self, *, rows: Rows, pe: int, simd: int, vectors: int) -> None:
        self._words = packed(rows, pe, simd, 1, 1)
        self._array = BatchedArray(
            rows=len(rows), columns=len(rows[0]), pe=pe, simd=simd, vectors=vectors
        )
        members = self._array.signature.members
        super().__init__({"i": members["i"], "o": members["o"]})
        self.latency, self.cycles = self._array.latency, self._array.cycles
        self.folds = self._array.synapse_folds

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.array = array = self._array
        stream_words(m, "weights", self._words, array.i_weight)
        wiring.connect(m, wiring.flipped(self.i), array.i)
        wiring.connect(m, array.o, wiring.flipped(self.o))
        return m


def batched(name: str, rows: Rows, *, pe: int, simd: int) -> Case:
    """Let counts of two vectors leave, the vector fastest."""
    make = partial(Batched, rows=rows, pe=pe, simd=simd, vectors=2)
    dut = make()
    # Only its numbers are asked for; Amaranth complains of what is never elaborated.
    Fragment.get(dut, None)
    folds = dut.folds

    def formula(words: Words) -> list[list[Any]]:
        totals = [sums(rows, counted, simd)(words[at * folds :]) for at in range(2)]
        return [total[top : top + pe] for top in range(0, len(rows), pe) for total in totals]

    law = Law(
        words_in=2 * folds,
        needs=[folds, 2 * folds] * (len(rows) // pe),
        formula=formula,
        flight=8,
        silent=24,
        deaf=dut.cycles + 2,
    )
    return Case(name, make, compute(law), 34, slow=True, first=dut.latency + dut.cycles - 1)


KINDS = [
    integers("integer-full", [[1, -2], [0, 1]], [3, -1], pe=2, simd=2, vectors=1, slow=False),
    unrolled(0),
]
MORE = [
    integers("integer-folded", [[1, -2], [-1, 1]], [3, -1], pe=1, simd=1, vectors=1, slow=True),
    integers("integer-vectors", [[1, -2]], [3], pe=1, simd=1, vectors=2, slow=True),
    unrolled(1),
]
# What closes: few places for results, which is where a row takes several clocks.
BINARY = [
    binary("row-of-4", [[1, 0, 1, 1]], [[2]], pe=1, simd=1),
    binary("two-rows", [[1, 0, 1, 1], [0, 1, 0, 1]], [[2], [1]], pe=2, simd=1),
]
PAIR: Rows = [[1, 0], [0, 1]]
# What does not close: looked at in the first clocks only, in which a frame and more passes.
BOUNDED = [
    binary("full", PAIR, [[1], [2]], pe=2, simd=2),
    binary("folded", PAIR, [[1], [2]], pe=1, simd=1),
    binary("ragged", [[1, 0], [1, 1], [0, 0]], [[1], [2], [1]], pe=2, simd=2),
    binary("vectors", [[1, 0]], [[2]], pe=1, simd=1, vectors=2),
    binary("hold", PAIR, [[1], [2]], pe=1, simd=1, vectors=2, hold=2),
    binary("levels", PAIR, [[1, 2, 3], [2, 3, 5]], pe=1, simd=1, bits=2),
    binary("search", PAIR, [[1, 2, 3], [2, 3, 5]], pe=1, simd=1, bits=2, search=True),
    batched("batched-full", PAIR, pe=2, simd=2),
    batched("batched-folded", PAIR, pe=1, simd=1),
]


@proofs([*KINDS, *MORE, *BINARY])
def test_holds_for_ever(case: Case) -> None:
    case.prove()


@proofs(BOUNDED)
def test_holds_in_the_first_clocks(case: Case) -> None:
    result = prove(case.make(), case.properties, mode=Mode.BMC, depth=case.first)
    assert result.verdict is Verdict.HELD, result


@proofs([*KINDS, *MORE, *BINARY, *BOUNDED])
def test_every_check_is_reached(case: Case) -> None:
    case.reach()


@twins([*KINDS, BOUNDED[0], BOUNDED[-1]])
def test_broken_twin_is_refuted(case: Case, fault: str) -> None:
    case.refute(fault)


def test_wrong_weight_is_refuted() -> None:
    """Each weight matters, also the last one of the last row."""
    case = BOUNDED[1]
    faulty = binary("", [[1, 0], [0, 0]], [[1], [2]], pe=1, simd=1).make()
    result = prove(faulty, case.properties, mode=Mode.BMC, depth=case.depth, only="result")
    assert result.verdict is Verdict.REFUTED, result
