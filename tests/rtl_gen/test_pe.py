# amaranth: UnusedElaboratable=no
"""The processing element against exact counts, at every number of registers."""

import random
from types import SimpleNamespace
from typing import Any

import pytest
from amaranth.hdl import Fragment
from amaranth.sim import Simulator

from rtl_gen.counting import codes, ecp5, ice40
from rtl_gen.pe import ProcessingElement


def family(counts: Any, **more: Any) -> SimpleNamespace:
    """Make a platform of a family's counts as logic, which pysim reads."""
    return SimpleNamespace(
        get_popcount=lambda component: counts.popcount(component, cells=False),
        get_match_count=lambda component: counts.match_count(component, cells=False),
        **more,
    )


FAMILIES = {
    "ecp5": family(ecp5, get_code_sum=lambda component: codes.code_sum(component, cells=False)),
    "ice40": family(ice40),
}


def simulate(
    dut: ProcessingElement, groups: list[tuple[list[int], list[int]]], platform: object = None
) -> list[int]:
    """Send a group a clock; give the counts, each `latency` clocks behind its group."""
    found: list[int] = []

    async def bench(ctx) -> None:
        for turn in range(len(groups) + dut.latency):
            if turn < len(groups):
                codes, weights = groups[turn]
                # Complements where they come from registers.
                flip = (1 << dut.bits) - 1 if dut.registered else 0
                lanes = [(code ^ flip) << k * dut.bits for k, code in enumerate(codes)]
                ctx.set(dut.activation, sum(lanes))
                ctx.set(dut.weight, sum(weight << k for k, weight in enumerate(weights)))
            await ctx.delay(1e-9)
            if turn >= dut.latency:
                found.append(ctx.get(dut.count))
            await ctx.tick()

    simulator = Simulator(Fragment.get(dut, platform))
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return found


def groups(simd: int, bits: int, count: int) -> list[tuple[list[int], list[int]]]:
    dice, top = random.Random(simd * 10 + bits), (1 << bits) - 1
    # The largest count and the smallest first.
    drawn = [([top] * simd, [1] * simd), ([top] * simd, [0] * simd)]
    for _ in range(count):
        codes = [dice.choice([0, top, dice.randrange(1 << bits)]) for _ in range(simd)]
        drawn.append((codes, [dice.getrandbits(1) for _ in range(simd)]))
    return drawn


def exact(group: tuple[list[int], list[int]], top: int) -> int:
    return sum(code if weight else top - code for code, weight in zip(*group, strict=True))


@pytest.mark.parametrize("registered", [False, True])
@pytest.mark.parametrize("every", [0, 1, 2, 3])
@pytest.mark.parametrize("simd", [1, 2, 3, 7, 8, 33])
def test_counts_of_bits(simd: int, every: int, registered: bool) -> None:
    dut = ProcessingElement(simd=simd, every=every, registered=registered)
    sent = groups(simd, 1, 60)
    assert simulate(dut, sent) == [exact(group, 1) for group in sent]


@pytest.mark.parametrize("adders", [False, True, None])
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("simd", [1, 3, 8])
@pytest.mark.parametrize(("every", "registered"), [(0, False), (1, False), (1, True), (2, True)])
def test_counts_of_codes(
    simd: int, bits: int, adders: bool | None, every: int, registered: bool
) -> None:
    """Each lane adds its code, or the complement of its code, in either structure."""
    dut = ProcessingElement(simd=simd, bits=bits, adders=adders, every=every, registered=registered)
    assert dut.adders == (bits >= 4 if adders is None else adders)
    sent = groups(simd, bits, 30)
    assert simulate(dut, sent) == [exact(group, (1 << bits) - 1) for group in sent]


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("adders", [False, True])
@pytest.mark.parametrize(("simd", "bits"), [(3, 8), (8, 4), (13, 2)])
@pytest.mark.parametrize(
    ("every", "registered"), [(0, True), (1, False), (1, True), (2, False), (2, True)]
)
def test_counts_of_codes_of_a_family(
    simd: int, bits: int, every: int, registered: bool, adders: bool, name: str
) -> None:
    """A family's own adders change neither what is counted nor when it is there."""
    dut = ProcessingElement(simd=simd, bits=bits, adders=adders, every=every, registered=registered)
    sent = groups(simd, bits, 20)
    found = simulate(dut, sent, FAMILIES[name])
    assert found == [exact(group, (1 << bits) - 1) for group in sent]


@pytest.mark.parametrize(
    ("simd", "every", "clocks"),
    [(8, 0, 2), (8, 1, 4), (8, 2, 3), (7, 1, 3), (7, 2, 2), (1, 1, 2), (64, 1, 7), (64, 3, 3)],
)
def test_latency(simd: int, every: int, clocks: int) -> None:
    """A register for the matches, one behind the levels, and one more if the last has none."""
    assert ProcessingElement(simd=simd, every=every).latency == clocks
    assert ProcessingElement(simd=simd, every=every, registered=True).latency == clocks - 1


@pytest.mark.parametrize("simd", [0, -3, None])
def test_simd_wrong(simd) -> None:
    with pytest.raises(ValueError, match=rf"^SIMD must be a positive integer, not {simd!r}$"):
        ProcessingElement(simd=simd)


def test_bits_wrong() -> None:
    message = r"^Bits of an activation must be a positive integer, not 0$"
    with pytest.raises(ValueError, match=message):
        ProcessingElement(simd=2, bits=0)


def test_every_wrong() -> None:
    message = r"^Levels between registers must be 0 or more, not -1$"
    with pytest.raises(ValueError, match=message):
        ProcessingElement(simd=2, every=-1)
