"""Weight and threshold words, against loops that take the rules one at a time."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnnhw.graph import Dense, Grid, Threshold
from bnnhw.plan.pack import (
    Counting,
    Summing,
    code_levels,
    row_words,
    threshold_words,
    weight_words,
)

SHAPES = [(1, 1), (1, 7), (5, 1), (4, 6), (5, 7), (3, 10)]


def slow_weight_words(weight: np.ndarray, flip: np.ndarray, pe: int, simd: int) -> list[int]:
    """Row r belongs to PE r mod PE, fold r div PE; element s of a group at bit p · SIMD + s."""
    rows, columns = weight.shape
    neuron, synapse = -(-rows // pe), -(-columns // simd)
    words = [0] * (neuron * synapse)
    for row in range(neuron * pe):
        for column in range(synapse * simd):
            if row < rows and column < columns:
                bit = int(weight[row, column]) ^ int(flip[row])
            else:
                # A padded column meets an activation of 0, which a weight of 1 never matches.
                bit = int(column >= columns)
            address = row // pe * synapse + column // simd
            words[address] |= bit << (row % pe * simd + column % simd)
    return words


@pytest.mark.parametrize(("rows", "columns"), SHAPES)
def test_weight_words_of_every_folding(rows: int, columns: int) -> None:
    dice = np.random.default_rng(rows * 100 + columns)
    weight = dice.integers(0, 2, (rows, columns), np.uint8)
    flip = dice.integers(0, 2, rows).astype(bool)
    dense = Dense("fc", ("x",), weight)
    for pe, simd in itertools.product(range(1, rows + 1), range(1, columns + 1)):
        words = weight_words(dense, flip, pe, simd)
        assert list(words) == slow_weight_words(weight, flip, pe, simd), (pe, simd)
        assert all(type(word) is int for word in words)


def test_one_word_by_hand() -> None:
    """Rows 1 0 1, 0 1 1 on 2 PE × 2 lanes: PE 0 in the low bits, one padded column of ones."""
    dense = Dense("fc", ("x",), np.array([[1, 0, 1], [0, 1, 1]], np.uint8))
    words = weight_words(dense, np.zeros(2, np.bool_), 2, 2)
    assert words == (0b10_01, 0b11_11)
    assert weight_words(dense, np.array([True, False]), 2, 2) == (0b10_10, 0b11_10)


@pytest.mark.parametrize(("rows", "columns"), SHAPES)
def test_padded_lanes_count_nothing(rows: int, columns: int) -> None:
    """Matches of the folded words equal those of the matrix, for every PE and SIMD."""
    dice = np.random.default_rng(columns)
    weight = dice.integers(0, 2, (rows, columns), np.uint8)
    vector = dice.integers(0, 2, columns)
    for pe, simd in itertools.product(range(1, rows + 1), range(1, columns + 1)):
        words = weight_words(Dense("fc", ("x",), weight), np.zeros(rows, np.bool_), pe, simd)
        synapse = -(-columns // simd)
        padded = np.concatenate([vector, np.zeros(synapse * simd - columns, int)])
        for row in range(rows):
            matches = 0
            for fold, lane in itertools.product(range(synapse), range(simd)):
                word = words[row // pe * synapse + fold]
                matches += (word >> (row % pe * simd + lane)) & 1 == padded[fold * simd + lane]
            assert matches == (weight[row] == vector).sum()


@settings(max_examples=300, deadline=None)
@given(
    columns=st.integers(1, 12),
    step=st.integers(1, 3),
    counts=st.integers(1, 3),
    data=st.data(),
)
def test_code_levels_decide_as_the_node_does(
    columns: int, step: int, counts: int, data: st.DataObject
) -> None:
    """Every attainable code, both directions, thresholds far outside included."""
    # Dot products of `columns` activations of ±step.
    source = Grid(-columns * step, 2 * step, columns + 1)
    reach = columns * step + 3
    channels = data.draw(st.integers(1, 4))
    level = st.integers(-reach, reach)
    levels = np.array(
        data.draw(
            st.lists(
                st.lists(level, min_size=counts, max_size=counts),
                min_size=channels,
                max_size=channels,
            )
        )
    )
    direction = np.array(
        data.draw(st.lists(st.sampled_from([-1, 1]), min_size=channels, max_size=channels)), np.int8
    )
    node = Threshold("s", ("x",), levels, direction, Grid(0, 1, counts + 1))
    found, flip = code_levels(node, source)
    top = (1 << source.bits) - 1
    assert found.shape == levels.shape
    assert found.min() >= 0 and found.max() <= top + 1
    for channel, code in itertools.product(range(channels), range(source.levels)):
        value = source.low + source.step * code
        if direction[channel] > 0:
            fired = sum(value >= level for level in levels[channel])
        else:
            fired = sum(value <= level for level in levels[channel])
        seen = top - code if flip[channel] else code
        assert sum(seen >= level for level in found[channel]) == fired


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 1 << 32), bits=st.integers(1, 4), low=st.integers(-9, 9),
    half=st.integers(1, 3), masked=st.booleans(),
)  # fmt: skip
def test_values_follow_from_counts(seed: int, bits: int, low: int, half: int, masked: bool) -> None:
    """The count as the hardware makes it, lane by lane, and the sum of products."""
    dice, levels, step = np.random.default_rng(seed), 1 << bits, 2 * half
    top = levels - 1
    source = Grid(-half * top if masked else low, step, levels)
    matrix = dice.integers(0, 2, (3, int(dice.integers(1, 9))), np.uint8)
    codes = dice.integers(0, levels, matrix.shape[1:])
    # Masked, a lane counts twice its code, or top where the tap is a true zero.
    zeros = dice.integers(0, 2 if masked else 1, matrix.shape[1:])
    counting = Counting(source, matrix, masked)
    slope, offset = counting.line()
    for row in range(len(matrix)):
        count = value = 0
        for lane in range(matrix.shape[1]):
            bit, code, zero = int(matrix[row, lane]), int(codes[lane]), int(zeros[lane])
            own = code if bit else top - code
            count += (top if zero else 2 * own) if masked else own
            value += 0 if zero else (1 if bit else -1) * (source.low + step * code)
        assert slope * count + int(offset[row]) == value
        assert 0 <= count <= counting.largest


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 1 << 32), low=st.integers(-9, 9), step=st.integers(1, 3),
    times=st.integers(1, 3), begin=st.integers(-20, 20),
)  # fmt: skip
def test_codes_of_sums_follow_from_products(
    seed: int, low: int, step: int, times: int, begin: int
) -> None:
    dice = np.random.default_rng(seed)
    matrix = dice.integers(-9, 10, (3, 5)) * times
    source = Grid(low, step, 16)
    # Values of the sums lie on steps of `times * step` from what all codes 0 give.
    start = int(source.low * matrix.sum(1)[0])
    grid = Grid(start + begin * times * step, times * step, 1 << 12)
    rows = [row for row in matrix if (source.low * row.sum() - grid.low) % grid.step == 0]
    summing = Summing(source, np.array(rows), grid)
    codes = dice.integers(0, 16, 5)
    for row, weights, offset in zip(rows, summing.weights, summing.offsets, strict=True):
        value = sum(int(w) * (low + step * int(c)) for w, c in zip(row, codes, strict=True))
        code = sum(int(w) * int(c) for w, c in zip(weights, codes, strict=True)) + int(offset)
        assert grid.low + grid.step * code == value


def test_numbers_of_rows_by_hand() -> None:
    """Three rows of two numbers on two PEs: 3 bits each, the fourth row is the spare one."""
    words = row_words(np.array([[1, 2], [3, 4], [5, 0]]), 2, 6, 6)
    assert words == (4 << 9 | 3 << 6 | 2 << 3 | 1, 6 << 9 | 6 << 6 | 0 << 3 | 5)
    # The largest number needs a bit more than the one below it.
    assert row_words(np.array([1, 0, 8]), 2, 8, 8) == (0 << 4 | 1, 8 << 4 | 8)


LEAST, MOST = np.iinfo(np.int64).min, np.iinfo(np.int64).max


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("level", [LEAST, LEAST + 1, -6, 5, 6, MOST - 1, MOST])
@pytest.mark.parametrize("source", [Grid(-1, 2, 2), Grid(-5, 3, 4), Grid(3, 1, 1)], ids=str)
def test_thresholds_may_be_any_number(level: int, direction: int, source: Grid) -> None:
    """Numbers that say always or never are as good as those just outside of what is attainable."""
    node = Threshold("s", ("x",), np.array([[level]]), np.array([direction], np.int8))
    fires = [
        direction * value >= direction * level
        for value in source.values(np.arange(8)[: source.levels]).tolist()
    ]
    (found,), flips = code_levels(node, source)
    top = (1 << source.bits) - 1
    assert [
        (top - code if flips[0] else code) >= found[0] for code in range(source.levels)
    ] == fires
    # A weight of −1 where the direction is −1, as the plan has it.
    counting = Counting(source, np.array([[direction > 0]], np.uint8))
    (found,) = counting.levels(node)
    counts = [code if direction > 0 else top - code for code in range(source.levels)]
    assert [count >= found[0] for count in counts] == fires


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 7])
def test_threshold_words_of_every_folding(rows: int) -> None:
    columns = 6
    bits = 3  # 0 … 7 holds 0 … columns + 1
    levels = np.arange(rows)[:, None] % (columns + 2)
    for pe in range(1, rows + 1):
        words = threshold_words(levels, columns, pe)
        assert len(words) == -(-rows // pe)
        for row in range(len(words) * pe):
            level = (words[row // pe] >> (row % pe * bits)) & 7
            # Absent rows never fire: no count reaches columns + 1.
            assert level == (levels[row, 0] if row < rows else columns + 1)
        assert all(type(word) is int and word < 1 << (pe * bits) for word in words)


@pytest.mark.parametrize("grid", [Grid(-1, 2, 2), Grid(-5, 3, 7), Grid(0, 1, 16)], ids=str)
@pytest.mark.parametrize("direction", [-1, 1])
def test_thresholds_on_codes_and_their_complements(grid: Grid, direction: int) -> None:
    levels = np.arange(grid.low - 4, grid.high + 5)
    table = levels.reshape(-1, 1)
    node = Threshold("t", ("x",), table, np.full(len(table), direction))
    found, flips = code_levels(node, grid)
    top = (1 << grid.bits) - 1
    assert found.min() >= 0 and found.max() <= top + 1
    codes = np.arange(grid.levels)
    seen = np.where(flips[:, None] == 1, top - codes, codes)
    values = grid.values(codes)
    wanted = values >= table if direction > 0 else values <= table
    assert np.array_equal(seen >= found, wanted)
