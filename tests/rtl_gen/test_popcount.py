# amaranth: UnusedElaboratable=no
"""Popcount and processing element against exact counts."""

import random

import pytest
from amaranth.hdl import Elaboratable, Fragment, Module
from amaranth.sim import Simulator

from rtl_gen.pe import ProcessingElement
from rtl_gen.popcount import Popcount


def vectors(width: int, seed: int) -> list[int]:
    if width <= 8:
        return list(range(1 << width))
    dice = random.Random(seed)
    corners = [0, (1 << width) - 1, *(1 << k for k in range(width))]
    return corners + [dice.getrandbits(width) for _ in range(60)]


def simulate(dut, bench) -> None:
    simulator = Simulator(dut)
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


@pytest.mark.parametrize("simd", [1, 2, 3, 7, 8, 33])
def test_processing_element(simd: int) -> None:
    dut = ProcessingElement(simd=simd)
    dice = random.Random(simd)

    async def bench(ctx) -> None:
        for word in vectors(simd, simd)[:200]:
            weight = dice.getrandbits(simd)
            ctx.set(dut.activation, word)
            ctx.set(dut.weight, weight)
            agree = sum(word >> k & 1 == weight >> k & 1 for k in range(simd))
            assert ctx.get(dut.count) == agree

    simulate(dut, bench)


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


@pytest.mark.parametrize("simd", [0, -3, None])
def test_processing_element_simd_wrong(simd) -> None:
    with pytest.raises(ValueError, match=rf"^SIMD must be a positive integer, not {simd!r}$"):
        ProcessingElement(simd=simd)
