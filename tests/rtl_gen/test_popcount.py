# amaranth: UnusedElaboratable=no
"""Popcount and the count of lanes that agree, against exact counts."""

import random

import pytest
from amaranth.hdl import Elaboratable, Fragment, Module
from amaranth.sim import Simulator

from rtl_gen.popcount import MatchCount, Popcount


def vectors(width: int, seed: int) -> list[int]:
    if width <= 8:
        return list(range(1 << width))
    dice = random.Random(seed)
    corners = [0, (1 << width) - 1, *(1 << k for k in range(width))]
    return corners + [dice.getrandbits(width) for _ in range(60)]


def simulate(dut, bench, *, clocked: bool = False) -> None:
    simulator = Simulator(dut)
    if clocked:
        simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("width", [*range(1, 10), 15, 16, 17, 31, 64, 100, 255])
def test_popcount(width: int) -> None:
    dut = Popcount(width=width)

    async def bench(ctx) -> None:
        for word in vectors(width, width):
            ctx.set(dut.i, word)
            assert ctx.get(dut.o) == word.bit_count()

    simulate(dut, bench)


def pipelined(dut, drive, expect, words: list[int]) -> None:
    """Give a word at each step, and see each count exactly `latency` steps later."""
    dice = random.Random(len(words))

    async def bench(ctx) -> None:
        for turn in range(len(words) + dut.latency):
            drive(ctx, words[turn % len(words)])
            ctx.set(dut.step, 1)
            if dut.latency == 0:
                await ctx.delay(1e-7)
                assert ctx.get(dut.o) == expect(words[turn])
                continue
            await ctx.tick()
            if turn + 1 < dut.latency:
                continue
            for _ in range(dice.randrange(3)):  # everything holds, whatever comes in
                ctx.set(dut.step, 0)
                drive(ctx, dice.getrandbits(dut.width))
                await ctx.tick()
            if turn + 1 - dut.latency < len(words):
                assert ctx.get(dut.o) == expect(words[turn + 1 - dut.latency])

    simulate(dut, bench, clocked=dut.latency > 0)


@pytest.mark.parametrize("every", [0, 1, 2, 3, 9])
@pytest.mark.parametrize("width", [1, 2, 3, 4, 7, 8, 13, 31, 32, 33])
def test_registers(width: int, every: int) -> None:
    dut = Popcount(width=width, every=every)
    assert dut.latency == ((width.bit_length() - 1) // every if every else 0)
    words = random.Random(width).choices(vectors(width, width), k=40)
    pipelined(dut, lambda ctx, word: ctx.set(dut.i, word), int.bit_count, words)


@pytest.mark.parametrize("every", [0, 1, 2])
@pytest.mark.parametrize("width", [1, 2, 3, 8, 15, 33])
def test_match_count(width: int, every: int) -> None:
    dut = MatchCount(width=width, every=every)
    mask = (1 << width) - 1
    words = random.Random(width).choices(vectors(width, width), k=40)

    def weight(word: int) -> int:
        return word * 0x9E3779B1 >> 3 & mask

    def drive(ctx, word: int) -> None:
        ctx.set(dut.i_activation, word)
        ctx.set(dut.i_weight, weight(word))

    pipelined(dut, drive, lambda word: width - (word ^ weight(word)).bit_count(), words)


def test_platform_may_bring_its_own_tree() -> None:
    class Platform:
        def get_popcount(self, popcount: Popcount) -> Elaboratable:
            m = Module()
            m.d.comb += popcount.o.eq(popcount.width)
            return m

    dut = Popcount(width=5)
    own = Fragment.get(dut, Platform())

    async def bench(ctx) -> None:
        assert ctx.get(dut.o) == 5

    simulate(own, bench)


@pytest.mark.parametrize("width", [0, -1, 2.0, "8"])
def test_popcount_width_wrong(width) -> None:
    with pytest.raises(
        ValueError, match=rf"^Popcount width must be a positive integer, not {width!r}$"
    ):
        Popcount(width=width)


@pytest.mark.parametrize("every", [-1, 0.5, None])
@pytest.mark.parametrize("kind", [Popcount, MatchCount])
def test_levels_wrong(kind, every) -> None:
    with pytest.raises(
        ValueError, match=rf"^Levels between registers must be 0 or more, not {every!r}$"
    ):
        kind(width=4, every=every)
