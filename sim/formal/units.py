"""The laws of the blocks that compute, as formulas of all words of a frame at once."""

from collections.abc import Callable, Sequence
from itertools import product

from amaranth.hdl import Const, Mux, Value

from rtl_gen.pool import MaxPool, SumPool

from .compute import Formula, Law, Words

__all__ = ["affine", "argmax", "counted", "levels", "matrix", "pool", "ranked", "sums"]

Term = Callable[[Value, int], Value]
"""What a column adds to a row, given its code and its weight."""


def pool(dut: MaxPool | SumPool) -> Law:
    """Give the law of pooling: the largest code, or the sum, of each window and channel."""
    (kh, kw), (sh, sw), (top, left, _, _) = dut.kernel, dut.stride, dut.padding
    windows = []
    for oy, ox, fold in product(range(dut.out_height), range(dut.out_width), range(dut.folds)):
        rows = range(max(0, oy * sh - top), min(dut.height, oy * sh - top + kh))
        columns = range(max(0, ox * sw - left), min(dut.width, ox * sw - left + kw))
        windows.append([(y * dut.width + x) * dut.folds + fold for y in rows for x in columns])

    def formula(words: Words) -> list[list[Value]]:
        join = _largest if isinstance(dut, MaxPool) else _sum
        return [
            [join([words[word][lane] for word in window]) for lane in range(dut.lanes)]
            for window in windows
        ]

    return Law(
        words_in=dut.words_in,
        needs=[max(window) + 1 for window in windows],
        formula=formula,
        flight=1,
        silent=dut.cycles + 1,
        deaf=dut.cycles,
    )


def counted(code: Value, weight: int) -> Value:
    """Let a ±1 weight count: the code for +1, its complement for −1."""
    return code if weight else ~code


def sums(rows: Sequence[Sequence[int]], term: Term, simd: int) -> Callable[[Words], list[Value]]:
    """Give the sum of each row of a matrix, from a vector in words of `simd` codes."""

    def totals(words: Words) -> list[Value]:
        return [
            _sum([term(words[k // simd][k % simd], weight) for k, weight in enumerate(row)])
            for row in rows
        ]

    return totals


def matrix(
    totals: Sequence[Callable[[Words], list[Value]]],
    results: Sequence[Callable[[Value], Value]],
    *,
    folds: int,
    pe: int,
) -> tuple[Formula, list[int]]:
    """Give the formula of a matrix unit, and the words that each of its words needs.

    Parameters
    ----------
    totals : sequence of callable
        For each vector of a frame, sums of its rows.
    results : sequence of callable
        For each row, what leaves of its sum.
    folds : int
        Words of a vector.
    pe : int
        Rows of a word; lanes past the last row hold anything.
    """
    count = -(-len(results) // pe)

    def formula(words: Words) -> list[list[Value | None]]:
        out: list[list[Value | None]] = []
        for vector, total in enumerate(totals):
            own = total(words[vector * folds : (vector + 1) * folds])
            done = [result(value) for result, value in zip(results, own, strict=True)]
            lanes: list[Value | None] = [*done, *[None] * (count * pe - len(done))]
            out += [lanes[at : at + pe] for at in range(0, len(lanes), pe)]
        return out

    needs = [(vector + 1) * folds for vector in range(len(totals)) for _ in range(count)]
    return formula, needs


def levels(thresholds: Sequence[int]) -> Callable[[Value], Value]:
    """Count the thresholds that a sum reaches."""
    return lambda total: _sum([total >= threshold for threshold in thresholds])


def affine(
    multiplier: int, offset: int, *, shift: int, top: int | None
) -> Callable[[Value], Value]:
    """Scale, move, cut bits off, and clip to 0 … top unless that is None."""

    def moved(code: Value) -> Value:
        result = (code * multiplier + offset) >> shift
        if top is None:
            return result
        return Mux(result < 0, 0, Mux(result < top, result, top))

    return moved


def argmax(scores: Sequence[Callable[[Value], Value]]) -> Formula:
    """Give each code and the first of the classes that score best so far."""

    def formula(words: Words) -> list[list[Value]]:
        own = [score(word[0]) for score, word in zip(scores, words, strict=True)]
        out = []
        for end in range(1, len(own) + 1):
            index: Value = Const(0)
            for k in range(end):
                wins = [own[k] > other for other in own[:k]]
                wins += [own[k] >= other for other in own[k + 1 : end]]
                index = index | Mux(_all(wins), k, 0)
            out.append([words[end - 1][0], index])
        return out

    return formula


def ranked(scores: Sequence[Callable[[Value], Value]], k: int) -> Formula:
    """Give code and class of the `k` classes that score best; of equal ones the first is better."""

    def formula(words: Words) -> list[list[Value]]:
        own = [score(word[0]) for score, word in zip(scores, words, strict=True)]
        places = [
            _sum(
                [other >= mine for other in own[:at]] + [other > mine for other in own[at + 1 :]]
                or [Const(0)]
            )
            for at, mine in enumerate(own)
        ]
        return [
            [
                _sum([Mux(place == rank, words[at][0], 0) for at, place in enumerate(places)]),
                _sum([Mux(place == rank, at, 0) for at, place in enumerate(places)]),
            ]
            for rank in range(k)
        ]

    return formula


def _largest(values: Sequence[Value]) -> Value:
    largest = values[0]
    for value in values[1:]:
        largest = Mux(value > largest, value, largest)
    return largest


def _sum(values: Sequence[Value]) -> Value:
    total: Value = values[0]
    for value in values[1:]:
        total = total + value
    return total


def _all(values: Sequence[Value]) -> Value:
    every: Value = Const(1, 1)
    for value in values:
        every = every & value
    return every
