# amaranth: UnusedElaboratable=no
"""Sums of codes against plain ones, as logic and as ECP5's cells compute them."""

import itertools
import math
import random
from types import SimpleNamespace
from typing import Any

import pytest
from amaranth.hdl import Fragment
from amaranth.sim import Simulator

from rtl_gen.code_sum import CodeSum
from rtl_gen.counting import cells, codes
from rtl_gen.counting.carry import half_output

# The cells as logic, which pysim reads.
ECP5 = SimpleNamespace(get_code_sum=lambda component: codes.code_sum(component, cells=False))
Group = tuple[tuple[int, ...], tuple[int, ...]]


def simulate(dut: CodeSum, groups: list[Group], platform: object) -> list[int]:
    """Send a group a clock; give the sums, each `latency` clocks behind its group."""
    found: list[int] = []

    async def bench(ctx: Any) -> None:
        for turn in range(len(groups) + dut.latency):
            if turn < len(groups):
                given, weights = groups[turn]
                top = (1 << dut.bits) - 1
                complements = [(top - code) << k * dut.bits for k, code in enumerate(given)]
                ctx.set(dut.i_activation, sum(complements))
                ctx.set(dut.i_weight, sum(weight << k for k, weight in enumerate(weights)))
            await ctx.delay(1e-9)
            if turn >= dut.latency:
                found.append(ctx.get(dut.o))
            await (ctx.tick() if dut.latency else ctx.delay(1e-9))

    simulator = Simulator(Fragment.get(dut, platform))
    if dut.latency:
        simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return found


def exact(group: Group, bits: int) -> int:
    top = (1 << bits) - 1
    return sum(code if weight else top - code for code, weight in zip(*group, strict=True))


def drawn(simd: int, bits: int, count: int) -> list[Group]:
    dice, top = random.Random(simd * 10 + bits), (1 << bits) - 1
    found: list[Group] = [((top,) * simd, (1,) * simd), ((top,) * simd, (0,) * simd)]
    for _ in range(count):
        lanes = tuple(dice.choice([0, top, dice.getrandbits(bits)]) for _ in range(simd))
        found.append((lanes, tuple(dice.getrandbits(1) for _ in range(simd))))
    return found


@pytest.mark.parametrize("platform", [None, ECP5], ids=["logic", "ecp5"])
@pytest.mark.parametrize("every", [0, 1, 2, 3])
@pytest.mark.parametrize(
    ("simd", "bits"), [(1, 8), (2, 8), (3, 8), (5, 2), (6, 3), (7, 1), (8, 4), (27, 8)]
)
def test_sums(simd: int, bits: int, every: int, platform: object) -> None:
    dut = CodeSum(simd=simd, bits=bits, every=every)
    groups = drawn(simd, bits, 40)
    assert simulate(dut, groups, platform) == [exact(group, bits) for group in groups]
    # Registers behind levels of pairs, but no more than a popcount and its accumulator have.
    levels, popcount = math.ceil(math.log2(simd)), math.floor(math.log2(simd))
    most = popcount // every + (popcount % every > 0 or not popcount) if every else 0
    assert dut.latency == (min(levels // every, most) if every else 0)


@pytest.mark.parametrize(("simd", "bits"), [(1, 3), (2, 3), (3, 2), (4, 1), (5, 1)])
def test_every_group_of_a_few_lanes_on_ecp5(simd: int, bits: int) -> None:
    groups = list(
        itertools.product(
            itertools.product(range(1 << bits), repeat=simd),
            itertools.product(range(2), repeat=simd),
        )
    )
    dut = CodeSum(simd=simd, bits=bits)
    assert simulate(dut, groups, ECP5) == [exact(group, bits) for group in groups]


def test_a_wrong_table_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    good, wrong = codes._table, 0
    for entry in range(16):
        monkeypatch.setattr(codes, "_table", lambda *given, e=entry: good(*given) ^ 1 << e)
        groups = drawn(2, 3, 200)
        found = simulate(CodeSum(simd=2, bits=3), groups, ECP5)
        wrong += found != [exact(group, 3) for group in groups]
    assert wrong == 16


@pytest.mark.parametrize("flips", list(itertools.product([False, True], repeat=2)))
def test_a_half_adds_both_bits_and_passes_carries(flips: tuple[bool, bool]) -> None:
    init = codes._table(flips[0], True, flips[1])
    for a, b, c, d, carry in itertools.product((0, 1), repeat=5):
        # What is not complemented has 1 there.
        pins = (a, b if flips[0] else 1, c, d if flips[1] else 1)
        left, right = a ^ (b and flips[0]), c ^ (d and flips[1])
        total = left + right + carry
        assert half_output(init, pins, carry) == (total & 1, total >> 1)


def test_cells_are_two_halves_each() -> None:
    """Three codes of 8 bits: ten halves, and twelve for a sum of nine bits and a code."""
    made: list[int] = []

    def build(m: Any, halves: Any, *, cells: bool = True) -> None:
        made.append(len(halves))
        real(m, halves, cells=cells)

    real = cells.build
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codes, "build", build)
        Fragment.get(CodeSum(simd=3, bits=8), SimpleNamespace(get_code_sum=codes.code_sum))
    assert made == [10, 12]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"simd": 0}, r"^Lanes of a sum must be a positive integer, not 0$"),
        ({"bits": 1.5}, r"^Bits of a sum must be a positive integer, not 1.5$"),
        ({"every": -1}, r"^Levels between registers must be 0 or more, not -1$"),
    ],
)
def test_parameters_wrong(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CodeSum(**({"simd": 2, "bits": 2} | changes))
