# amaranth: UnusedElaboratable=no
"""Counters of pairs and rows of segments for iCE40, and wide words through both families."""

import random
from itertools import product

import pytest
from amaranth.hdl import Elaboratable, Fragment, Module, Signal
from amaranth.sim import Simulator
from hypothesis import given
from hypothesis import strategies as st

from rtl_gen.counting import ecp5, ice40
from rtl_gen.counting.heap import Kind, Operation, Segment
from rtl_gen.counting.ice40 import PairCounter, segment_rows
from rtl_gen.popcount import MatchCount, Popcount


class Counter(Elaboratable):
    """A `PairCounter` as logic, on wires of its own."""

    def __init__(self, size: int, differ: bool) -> None:
        self.i = Signal(2 * size)
        pairs = [(self.i[2 * k], self.i[2 * k + 1]) for k in range(size)]
        self.counter = PairCounter(pairs, differ=differ, cells=False)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.counter = self.counter
        return m


def counts(dut: Counter, words: list[int]) -> list[int]:
    """Let the simulator count each word."""
    found: list[int] = []

    async def bench(ctx) -> None:
        for word in words:
            ctx.set(dut.i, word)
            await ctx.delay(1e-7)
            ones = sum(ctx.get(one) for one in dut.counter.ones)
            found.append(ones + 2 * sum(ctx.get(two) for two in dut.counter.twos))

    simulator = Simulator(dut)
    simulator.add_testbench(bench)
    simulator.run()
    return found


def expected(size: int, differ: bool, words: list[int]) -> list[int]:
    digits = [[word >> 2 * k & 3 for k in range(size)] for word in words]
    return [sum((digit in (1, 2)) == differ for digit in row) for row in digits]


@pytest.mark.parametrize("differ", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_counters_of_all_inputs(size: int, differ: bool) -> None:
    words = list(range(1 << 2 * size))
    assert counts(Counter(size, differ), words) == expected(size, differ, words)


@pytest.mark.parametrize("differ", [False, True])
def test_counter_of_nine_pairs(differ: bool) -> None:
    dice = random.Random(9)
    words = [0, (1 << 18) - 1, 0x15555, 0x2AAAA, *(dice.getrandbits(18) for _ in range(600))]
    assert counts(Counter(9, differ), words) == expected(9, differ, words)


@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_wrong_tables_are_seen(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """One entry of each table in turn, which some of all inputs read."""
    plain = PairCounter._lut
    words = list(range(1 << 2 * size))
    right = expected(size, True, words)
    tables = 0

    def count(self, m, out, function, *ins):
        nonlocal tables
        tables += 1
        plain(self, m, out, function, *ins)

    monkeypatch.setattr(PairCounter, "_lut", count)
    assert counts(Counter(size, True), words) == right
    for wrong in range(tables):
        at = iter(range(tables))

        def flip(self, m, out, function, *ins, at=at, wrong=wrong):
            if next(at) == wrong:
                inner, zeros = function, (0,) * len(ins)

                def function(*bits):
                    return inner(*bits) ^ (bits == zeros)

            plain(self, m, out, function, *ins)

        monkeypatch.setattr(PairCounter, "_lut", flip)
        assert counts(Counter(size, True), words) != right


def segments(lengths: list[int]) -> list[Segment]:
    one = Operation(Kind.FEED, 0, (0,))
    return [Segment((one,) * length, end) for end, length in enumerate(lengths)]


def check_rows(given_segments: list[Segment], rows: list[list[Segment]], most: int) -> None:
    """Each segment is in one row, none is longer than it may be, and no two fit into one."""
    assert sorted(one.end for row in rows for one in row) == [one.end for one in given_segments]
    lengths = [sum(len(one.operations) for one in row) for row in rows]
    for row, length in zip(rows, lengths, strict=True):
        assert row
        assert len(row) == 1 or length < most
    for at, length in enumerate(lengths):
        assert all(length + 1 + other > most for other in lengths[:at])


@given(lengths=st.lists(st.integers(1, 20), max_size=24), most=st.sampled_from([4, 16, 64]))
def test_rows(lengths: list[int], most: int) -> None:
    found = segment_rows(segments(lengths), most=most)
    check_rows(segments(lengths), found, most)


def test_rows_of_all_short_lists() -> None:
    for count in range(5):
        for lengths in product(range(1, 6), repeat=count):
            given_segments = segments(list(lengths))
            check_rows(given_segments, segment_rows(given_segments, most=6), 6)


def test_wrong_rows_are_seen() -> None:
    made = segments([3, 3, 2, 2])
    good = segment_rows(made, most=6)
    check_rows(made, good, 6)
    flat = [one for row in good for one in row]
    for wrong in ([flat], [[one] for one in flat], good[:-1], [*good, good[0]]):
        with pytest.raises(AssertionError):
            check_rows(made, wrong, 6)


WIDE = [64, *(pytest.param(n, marks=pytest.mark.slow) for n in (240, 256, 512))]


def corners(width: int) -> list[int]:
    dice = random.Random(width)
    full = (1 << width) - 1
    fixed = [0, full, 1, 1 << width - 1, full >> 1, full // 3, full // 3 << 1 & full]
    return [*fixed, *(dice.getrandbits(width) for _ in range(5))]


def run(dut, logic: Elaboratable, words: list[int], drive) -> None:
    """Give a word at each clock, and see each count `latency` clocks later."""
    simulator = Simulator(Fragment.get(logic, None))
    if dut.latency:
        simulator.add_clock(1e-6)
    wanted: list[int] = []
    found: list[int] = []

    async def bench(ctx) -> None:
        for word in [*words, *[0] * dut.latency]:
            wanted.append(drive(ctx, word))
            if dut.latency:
                await ctx.tick()
            else:
                await ctx.delay(1e-7)
            found.append(ctx.get(dut.o))

    simulator.add_testbench(bench)
    simulator.run()
    late = max(dut.latency - 1, 0)
    assert found[late : late + len(words)] == wanted[: len(words)]


@pytest.mark.parametrize("every", [0, 1])
@pytest.mark.parametrize("width", WIDE)
@pytest.mark.parametrize("family", [ecp5, ice40])
def test_wide_matches(family, width: int, every: int) -> None:
    dut = MatchCount(width=width, every=every)
    full = (1 << width) - 1

    def drive(ctx, word: int) -> int:
        weight = (word * 0x9E3779B97F4A7C15 >> 5) & full if word not in (0, full) else 0
        ctx.set(dut.i_activation, word)
        ctx.set(dut.i_weight, weight)
        return width - (word ^ weight).bit_count()

    run(dut, family.match_count(dut, cells=False), corners(width), drive)


@pytest.mark.parametrize("every", [0, 1])
@pytest.mark.parametrize("width", WIDE)
@pytest.mark.parametrize("family", [ecp5, ice40])
def test_wide_popcounts(family, width: int, every: int) -> None:
    inverted = (1 << width) // 7
    dut = Popcount(width=width, every=every, inverted=inverted)

    def drive(ctx, word: int) -> int:
        ctx.set(dut.i, word)
        return (word ^ inverted).bit_count()

    run(dut, family.popcount(dut, cells=False), corners(width), drive)
