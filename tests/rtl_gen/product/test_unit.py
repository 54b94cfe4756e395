# amaranth: UnusedElaboratable=no
"""The matrix unit: streamed, constant and written numbers, stopped and loaded in between."""

import random
from typing import Any

import numpy as np
import pytest

from rtl_gen.bus.register_map import Window
from rtl_gen.product.unit import MatrixUnit
from sim.bench import Run, exercise, run
from sim.streams import receive, send, stall

# rows, columns, PE, SIMD: ragged, unfolded, one lane.
SHAPES = [(5, 7, 2, 3), (2, 3, 2, 3), (3, 4, 1, 4), (4, 4, 2, 1), (1, 1, 1, 1)]
Shape = tuple[int, int, int, int]


def pack(values: Any, bits: int) -> int:
    return sum(int(value) << bits * k for k, value in enumerate(values))


def weight_words(matrix: Any, shape: Shape) -> list[list[int]]:
    """NF·SF words of a number for each PE; 1 in lanes past the end."""
    rows, columns, pe, simd = shape
    folds, groups = -(-columns // simd), -(-rows // pe)
    padded = np.ones((groups * pe, folds * simd), int)
    padded[:rows, :columns] = matrix
    return [
        [pack(padded[n * pe + p, s * simd : (s + 1) * simd], 1) for p in range(pe)]
        for n in range(groups)
        for s in range(folds)
    ]


def vectors_of(x: Any, shape: Shape) -> list[Any]:
    _, columns, _, simd = shape
    folds = -(-columns // simd)
    padded = np.zeros((len(x), folds * simd), int)
    padded[:, :columns] = x
    return [
        {"data": tuple(map(int, part)), "last": 0}
        for row in padded
        for part in row.reshape(folds, simd)
    ]


def bits_of(x: Any, matrix: Any, levels: Any, shape: Shape) -> list[Any]:
    """Words of bits ``count >= threshold``; 0 past the last row."""
    rows, _, pe, _ = shape
    fired = (x[:, None] == matrix[None]).sum(axis=2) >= np.array(levels)
    padded = np.zeros((len(x), -(-rows // pe) * pe), int)
    padded[:, :rows] = fired
    return [
        {"data": tuple(map(int, word)), "last": int(n == padded.shape[1] // pe - 1)}
        for row in padded
        for n, word in enumerate(row.reshape(-1, pe))
    ]


def threshold_words(levels: list[int], shape: Shape) -> list[int]:
    rows, columns, pe, _ = shape
    padded = levels + [columns + 1] * (-rows % pe)
    bits = (columns + 1).bit_length()
    return [pack(padded[n : n + pe], bits) for n in range(0, len(padded), pe)]


def streamed(shape: Shape, every: int, **given: Any) -> tuple[MatrixUnit, Run]:
    """Weights streamed in, other ones for each vector; constant thresholds."""
    rows, columns, pe, simd = shape
    dice = np.random.default_rng(3)
    levels = [int(level) for level in dice.integers(0, columns + 2, rows)]
    dut = MatrixUnit(
        rows=rows, columns=columns, pe=pe, simd=simd, thresholds=threshold_words(levels, shape),
        every=every,
    )  # fmt: skip
    words: dict[str, list[Any]] = {"i": [], "i_weight": []}
    answers = []
    for _ in range(6):
        x, matrix = dice.integers(0, 2, (1, columns)), dice.integers(0, 2, (rows, columns))
        words["i"] += vectors_of(x, shape)
        words["i_weight"] += [tuple(word) for word in weight_words(matrix, shape)]
        answers += bits_of(x, matrix, levels, shape)
    return dut, exercise(dut, words, {"o": answers}, **given)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("every", [0, 1])
def test_schedule(shape: Shape, every: int) -> None:
    dut, log = streamed(shape, every)
    rows, columns, pe, simd = shape
    assert dut.cycles == -(-rows // pe) * -(-columns // simd)
    assert log.moves["o"][0] - log.moves["i"][0] == dut.latency
    assert np.diff(log.ends["o"]).tolist() == [dut.cycles] * 5


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("stalls", [50, {"i": 75}, {"i_weight": 75}, {"o": 75}])
def test_stalls(shape: Shape, stalls: Any) -> None:
    streamed(shape, 0, stalls=stalls, seed=1)


def test_reset_in_the_middle() -> None:
    streamed(SHAPES[0], 0, stalls=25, reset_after=19)


def windows(shape: Shape) -> tuple[Window, Window]:
    rows, columns, pe, simd = shape
    folds, groups = -(-columns // simd), -(-rows // pe)
    bits = pe * simd
    parts = tuple(min(32, bits - low) for low in range(0, bits, 32))
    level = (columns + 1).bit_length()
    return (
        Window("WEIGHTS", 0, folds * groups, parts, ""),
        Window("THRESHOLDS", 0, groups, (level,) * pe, ""),
    )


async def write(ctx: Any, port: Any, address: int, data: int) -> bool:
    """Write a word; tell whether it was refused."""
    for line, value in (("request", 1), ("write", 1), ("address", address), ("data", data)):
        ctx.set(getattr(port, line), value)
    ctx.set(port.strobe, 15)
    *_, done, error = await ctx.tick().sample(port.done, port.error)
    ctx.set(port.request, 0)
    assert done
    return bool(error)


async def load(ctx: Any, dut: Any, shape: Shape, matrix: Any, levels: list[int]) -> None:
    """Write all weights and thresholds; none may be refused."""
    rows, columns, pe, simd = shape
    weights, thresholds = windows(shape)
    for number, word in enumerate(weight_words(matrix, shape)):
        for part in range(len(weights.parts)):
            address = number * weights.stride // 4 + part
            data = pack(word, simd) >> 32 * part & 0xFFFFFFFF
            assert not await write(ctx, dut.weights, address, data)
    for row in range(-(-rows // pe) * pe):
        level = levels[row] if row < rows else columns + 1
        address = row // pe * thresholds.stride // 4 + row % pe
        assert not await write(ctx, dut.thresholds, address, level)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("pause", [0, 50])
def test_stop_load_and_go_on(shape: Shape, pause: int) -> None:
    """RUN falls while vectors wait: what began ends with the old numbers, the rest has the new."""
    rows, columns, pe, simd = shape
    dice, plain = np.random.default_rng(9), random.Random(9)
    weights, thresholds = windows(shape)
    dut = MatrixUnit(
        rows=rows, columns=columns, pe=pe, simd=simd,
        weights=[0] * weights.depth, thresholds=[0] * thresholds.depth,
        weight_window=weights, threshold_window=thresholds,
    )  # fmt: skip
    x = dice.integers(0, 2, (24, columns))
    sets: list[tuple[Any, list[int]]] = []
    taken: list[Any] = []
    groups = -(-rows // pe)
    finished = False

    async def source(ctx: Any) -> None:
        await send(ctx, dut.i, vectors_of(x, shape), stall=stall(pause, seed=1))

    async def sink(ctx: Any) -> None:
        nonlocal finished
        taken.extend(await receive(ctx, dut.o, len(x) * groups, stall=stall(pause, seed=2)))
        finished = True

    async def host(ctx: Any) -> None:
        while not finished:
            while ctx.get(dut.busy):
                assert await write(ctx, dut.weights, 0, 0), "written while busy"
            matrix = dice.integers(0, 2, (rows, columns))
            levels = [int(level) for level in dice.integers(0, columns + 2, rows)]
            await load(ctx, dut, shape, matrix, levels)
            sets.append((matrix, levels))
            assert not ctx.get(dut.o.valid), "a result without RUN"
            ctx.set(dut.run, 1)
            for _ in range(plain.randrange(3 * dut.cycles, 8 * dut.cycles + 20)):
                await ctx.tick()
            assert await write(ctx, dut.thresholds, 0, 0), "written while RUN is 1"
            ctx.set(dut.run, 0)
            await ctx.tick()

    counts: list[int] = []

    async def clerk(ctx: Any) -> None:
        """Count the results at each start: those up to it have the numbers before."""
        before, seen = 0, 0
        while not finished:
            *_, now, moved = await ctx.tick().sample(
                dut.run, dut.o.valid & dut.o.ready & dut.o.payload.last
            )
            if now and not before:
                counts.append(seen)
            seen += moved
            before = now

    run(dut, source, sink, host, clerk, deadline=20000)
    ends = [*counts[1:], len(x)]
    expected = []
    for (matrix, levels), start, end in zip(sets, counts, ends, strict=False):
        expected += bits_of(x[start:end], matrix, levels, shape)
    assert len(counts) > 1 and taken == expected


def test_wrong() -> None:
    given = {"rows": 2, "columns": 3, "pe": 1, "simd": 3}
    window = windows((2, 3, 1, 3))[0]
    for changes, message in (
        ({"pe": 3}, r"^Unit PE must be an integer from 1 to 2, not 3$"),
        ({"weights": [0]}, r"^Unit must have 2 weight words, not 1$"),
        ({"thresholds": [0]}, r"^Unit must have 2 threshold words, not 1$"),
        ({"weight_window": window}, r"^Unit must have weights that its window can hold, not None$"),
    ):
        with pytest.raises(ValueError, match=message):
            MatrixUnit(**{**given, **changes})  # type: ignore[arg-type]
