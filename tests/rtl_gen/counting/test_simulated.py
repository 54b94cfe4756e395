# amaranth: UnusedElaboratable=no
"""A family's popcounts as logic, in the simulator: registers, stalls and every small width."""

import random
from typing import Any

import pytest
from amaranth.hdl import Elaboratable, Fragment
from amaranth.sim import Simulator

from rtl_gen.counting import ecp5, ice40
from rtl_gen.counting.fabric import Fabric
from rtl_gen.popcount import MatchCount, Popcount

FAMILIES = {"ecp5": ecp5, "ice40": ice40}


class Logic:
    """A platform with the same structures, but without cells."""

    def __init__(self, family: str) -> None:
        self._family: Any = FAMILIES[family]

    def get_popcount(self, count: Popcount) -> Elaboratable:
        return self._family.popcount(count, cells=False)

    def get_match_count(self, count: MatchCount) -> Elaboratable:
        return self._family.match_count(count, cells=False)


def run(dut, family: str, words: list[int], drive, expect) -> None:
    """Give a word at each step, stall at random, and see each count `latency` steps later."""
    simulator = Simulator(Fragment.get(dut, Logic(family)))
    if dut.latency:
        simulator.add_clock(1e-6)
    dice = random.Random(len(words))

    async def bench(ctx) -> None:
        for turn in range(len(words) + max(dut.latency - 1, 0)):
            drive(ctx, words[turn % len(words)])
            ctx.set(dut.step, 1)
            if dut.latency:
                await ctx.tick()
                for _ in range(dice.randrange(2)):
                    ctx.set(dut.step, 0)
                    drive(ctx, dice.getrandbits(dut.width))
                    await ctx.tick()
            else:
                await ctx.delay(1e-7)
            seen = turn - max(dut.latency - 1, 0)
            if seen >= 0:
                assert ctx.get(dut.o) == expect(words[seen])

    simulator.add_testbench(bench)
    simulator.run()


def words(width: int) -> list[int]:
    if width <= 5:
        return list(range(1 << width))
    dice = random.Random(width)
    return [0, (1 << width) - 1, *(dice.getrandbits(width) for _ in range(24))]


@pytest.mark.parametrize("every", [0, 1, 2])
@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 6, 7, 8, 14, 33])
@pytest.mark.parametrize("family", list(FAMILIES))
def test_popcount(family: str, width: int, every: int) -> None:
    full = (1 << width) - 1
    for inverted in (0, full, int("36" * width, 16) & full):
        dut = Popcount(width=width, every=every, inverted=inverted)
        run(
            dut,
            family,
            words(width),
            lambda ctx, word, dut=dut: ctx.set(dut.i, word),
            lambda word, inverted=inverted: (word ^ inverted).bit_count(),
        )


@pytest.mark.parametrize("complement", [False, True])
@pytest.mark.parametrize("every", [0, 1, 2])
@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 9, 12, 32])
@pytest.mark.parametrize("family", list(FAMILIES))
def test_match_count(family: str, width: int, every: int, complement: bool) -> None:
    dut = MatchCount(width=width, every=every, complement=complement)
    mask = (1 << width) - 1

    def weight(word: int) -> int:
        return word * 0x9E3779B1 >> 3 & mask

    def drive(ctx, word: int) -> None:
        ctx.set(dut.i_activation, word)
        ctx.set(dut.i_weight, weight(word))

    def expect(word: int) -> int:
        differ = ((word ^ weight(word)) & mask).bit_count()
        return differ if complement else width - differ

    run(dut, family, words(width), drive, expect)


@pytest.mark.parametrize("family", list(FAMILIES))
def test_the_platform_chooses(family: str) -> None:
    fabric = Fabric(family)
    assert fabric.get_popcount is FAMILIES[family].popcount
    assert fabric.get_match_count is FAMILIES[family].match_count


@pytest.mark.parametrize("inverted", [-1, 16, None])
def test_inverted_wrong(inverted) -> None:
    with pytest.raises(ValueError, match=r"^Inverted bits must be a mask of 4 bits, not "):
        Popcount(width=4, inverted=inverted)
