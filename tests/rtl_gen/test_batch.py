# amaranth: UnusedElaboratable=no
"""Batches: every weight word serves each vector, and the schedule is what the docstring says."""

from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Module

from rtl_gen.batch import Accumulators, BatchBuffer, BatchedArray
from sim.bench import Run, exercise

# rows, columns, PE, SIMD, vectors: ragged, unfolded, one lane, one vector, NF = 1, SF = 1.
SHAPES = [
    (2, 3, 2, 3, 1),
    (2, 3, 1, 3, 2),
    (4, 6, 2, 2, 3),
    (3, 5, 2, 2, 2),
    (1, 4, 1, 1, 4),
    (2, 9, 2, 3, 3),
    (5, 4, 2, 2, 5),
]


def traffic(
    shape: tuple[int, int, int, int, int], batches: int, seed: int
) -> tuple[dict[str, list[Any]], list[Any]]:
    """Random batches as words, and the counts by plain comparison."""
    rows, columns, pe, simd, vectors = shape
    dice = np.random.default_rng(seed)
    folds, groups = -(-columns // simd), -(-rows // pe)
    words: dict[str, list[Any]] = {"i": [], "i_weight": []}
    answers: list[Any] = []
    for _ in range(batches):
        x = np.zeros((vectors, folds * simd), int)
        x[:, :columns] = dice.integers(0, 2, (vectors, columns))
        w = np.ones((groups * pe, folds * simd), int)
        w[:, :columns] = dice.integers(0, 2, (groups * pe, columns))
        words["i"] += [
            {"data": tuple(int(bit) for bit in part), "last": 0}
            for vector in x
            for part in vector.reshape(folds, simd)
        ]
        counts = (x[:, None, :columns] == w[None, :, :columns]).sum(axis=2)
        for group in range(groups):
            mine = slice(group * pe, (group + 1) * pe)
            for fold in range(folds):
                part = w[mine, fold * simd : (fold + 1) * simd]
                words["i_weight"].append(
                    tuple(int(sum(int(b) << k for k, b in enumerate(row))) for row in part)
                )
            for vector in range(vectors):
                last = group == groups - 1 and vector == vectors - 1
                data = tuple(int(count) for count in counts[vector, mine])
                answers.append({"data": data, "last": int(last)})
    return words, answers


def unit(shape: tuple[int, int, int, int, int], **given: Any) -> BatchedArray:
    rows, columns, pe, simd, vectors = shape
    return BatchedArray(rows=rows, columns=columns, pe=pe, simd=simd, vectors=vectors, **given)


def play(shape: tuple[int, int, int, int, int], batches: int, **given: Any) -> tuple[Any, Run]:
    dut = unit(shape, every=given.pop("every", 0))
    words, answers = traffic(shape, batches, given.get("seed", 0))
    return dut, exercise(dut, words, {"o": answers}, **given)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("every", [0, 1])
def test_schedule(shape: tuple[int, int, int, int, int], every: int) -> None:
    dut, log = play(shape, 3, every=every)
    rows, columns, pe, simd, vectors = shape
    folds, groups = -(-columns // simd), -(-rows // pe)
    assert dut.cycles == folds * groups * vectors
    assert log.moves["o"][0] - log.moves["i"][0] == dut.latency
    assert np.diff(log.ends["o"]).tolist() == [dut.cycles] * 2
    # A weight word every B clocks, and NF·SF of them a batch.
    weights = log.moves["i_weight"]
    assert len(weights) == 3 * folds * groups
    assert np.diff(weights[folds * groups :]).tolist() == [vectors] * (2 * folds * groups - 1)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "stalls", [50, "toggle", {"i": 75}, {"i_weight": 75}, {"o": 75}, {"o": "patient"}]
)
def test_stalls(shape: tuple[int, int, int, int, int], stalls: Any) -> None:
    play(shape, 2, stalls=stalls, seed=5)


def test_reset_in_the_middle() -> None:
    play(SHAPES[3], 2, stalls=25, seed=2, reset_after=17)


def test_weights_are_not_fetched_early() -> None:
    """Without activations no weight word is taken."""
    shape = SHAPES[2]
    words, answers = traffic(shape, 1, 0)
    with pytest.raises(TimeoutError, match="i_weight 0"):
        exercise(unit(shape), words | {"i": []}, {"o": answers}, deadline=60)


class Forgetful(BatchedArray):
    """A batched array that takes a weight word for each vector."""

    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.i_weight.ready.eq(self._array.i_weight.ready)
        return m


def test_the_bench_catches_a_weight_that_is_not_held() -> None:
    shape = SHAPES[2]
    words, answers = traffic(shape, 2, 1)
    rows, columns, pe, simd, vectors = shape
    dut = Forgetful(rows=rows, columns=columns, pe=pe, simd=simd, vectors=vectors)
    with pytest.raises((AssertionError, TimeoutError)):
        exercise(dut, words, {"o": answers}, deadline=500)


HOWS: list[dict[str, Any]] = [
    {"stalls": 50},
    {"stalls": "toggle"},
    {"stalls": {"o": "patient"}},
    {"stalls": {"o": 85}},
    {"stalls": {"i": 85}},
    *({"reset_after": after} for after in (1, 6, 8, 13, 20, 31)),
]


def ordered(**how: Any) -> Run:
    """Send batches of two vectors, each twice."""
    words = [{"data": (k * 7 % 16,), "last": 0} for k in range(24)]
    order = [b * 3 + s for _ in range(2) for s in range(3) for b in range(2)]
    expected = [
        words[6 * n + k] | {"last": int(place == 11)}
        for n in range(4)
        for place, k in enumerate(order)
    ]
    dut = BatchBuffer(words=3, vectors=2, lanes=1, repeats=2, bits=4)
    assert (dut.words, dut.vectors, dut.repeats) == (3, 2, 2)
    return exercise(dut, {"i": words}, {"o": expected}, **how)


def test_buffer_order() -> None:
    log = ordered()
    assert log.moves["o"][0] - log.moves["i"][0] == BatchBuffer.LATENCY
    assert log.period == 12


@pytest.mark.parametrize("how", HOWS, ids=str)
def test_buffer_stalled_and_reset(how: dict[str, Any]) -> None:
    ordered(**how)


def accumulated(**how: Any) -> Run:
    """Sum three folds of two vectors, modulo 8."""
    counts = [(k * 5 % 8, (k * 3 + k // 4) % 8) for k in range(24)]
    words = [{"data": pair, "last": int(k % 12 == 11)} for k, pair in enumerate(counts)]
    expected: list[dict[str, Any]] = []
    for start in range(0, 24, 6):
        for vector in (0, 1):
            folds = counts[start + vector : start + 6 : 2]
            last = int(start % 12 == 6 and vector == 1)
            expected.append({"data": tuple(sum(f[k] for f in folds) % 8 for k in (0, 1))})
            expected[-1]["last"] = last
    dut = Accumulators(lanes=2, bits=3, vectors=2, folds=3, sum_bits=3)
    assert (dut.vectors, dut.folds) == (2, 3)
    return exercise(dut, {"i": words}, {"o": expected}, **how)


def test_accumulators_wrap() -> None:
    log = accumulated()
    assert log.moves["o"][0] - log.moves["i"][4] == Accumulators.LATENCY
    assert log.period == 12


@pytest.mark.parametrize("how", HOWS, ids=str)
def test_accumulators_stalled_and_reset(how: dict[str, Any]) -> None:
    accumulated(**how)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: unit((2, 3, 2, 3, 0)), r"^Array vectors must be a positive integer, not 0$"),
        (lambda: unit((2, 3, 3, 3, 1)), r"^Array PE must be an integer from 1 to 2, not 3$"),
        (
            lambda: BatchBuffer(words=0, vectors=1, lanes=1, repeats=1),
            r"^Batch words must be a positive integer, not 0$",
        ),
        (
            lambda: Accumulators(lanes=1, bits=1, vectors=1, folds=1, sum_bits=0),
            r"^Accumulator sum_bits must be a positive integer, not 0$",
        ),
    ],
)
def test_parameters_wrong(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
