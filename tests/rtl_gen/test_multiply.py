# amaranth: UnusedElaboratable=no
"""Multipliers of both styles, exhaustively where they are small."""

import itertools
from typing import Any

import pytest
from amaranth.sim import Simulator

from rtl_gen.multiply import Multiplier

STYLES = ["dsp", "lut"]


def simulate(dut: Multiplier, pairs: list[tuple[int, int]]) -> None:
    """Take a pair with each step, pause after some of them, and look two steps later."""

    async def bench(ctx: Any) -> None:
        seen = []
        for number, (factor, code) in enumerate([*pairs, (0, 0), (0, 0)]):
            if dut.signature.members.keys() & {"factor"}:
                ctx.set(dut.factor, factor)
            ctx.set(dut.code, code)
            ctx.set(dut.step, 1)
            await ctx.tick()
            seen.append(ctx.get(dut.product))
            if number % 3 == 0:
                ctx.set(dut.step, 0)
                ctx.set(dut.code, code ^ 1)
                await ctx.tick()
                assert ctx.get(dut.product) == seen[-1], "operands were taken without `step`"
        late = Multiplier.LATENCY - 1
        assert seen[late : late + len(pairs)] == [factor * code for factor, code in pairs]

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


def operands(factor_bits: int, bits: int) -> list[tuple[int, int]]:
    half, size = 1 << factor_bits - 1, 1 << bits
    if factor_bits + bits <= 8:
        return list(itertools.product(range(-half, half), range(size)))
    factors = {-half, 1 - half, -1, 0, 1, half - 1, half * 5 // 7, -half * 3 // 7}
    fitting = sorted(factor for factor in factors if -half <= factor < half)
    return list(itertools.product(fitting, sorted({0, 1, size // 3, size // 2, size - 1})))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("factor_bits", [1, 2, 4, 8, 12])
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_products(factor_bits: int, bits: int, style: str) -> None:
    dut = Multiplier(factor_bits=factor_bits, bits=bits, style=style)
    simulate(dut, operands(factor_bits, bits))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("constant", range(-8, 8))
def test_constants(constant: int, style: str) -> None:
    dut = Multiplier(factor_bits=4, bits=3, style=style, constant=constant)
    simulate(dut, [(constant, code) for code in range(8)])


class Deaf(Multiplier):
    """Ignores the sign."""

    def _multiplied(self, factor: Any, code: Any) -> Any:
        return factor.as_unsigned() * code


def test_planted_faults_are_caught() -> None:
    with pytest.raises(AssertionError):
        simulate(Deaf(factor_bits=4, bits=3), operands(4, 3))


@pytest.mark.parametrize(
    ("some", "message"),
    [
        ({"factor_bits": 0}, "Multiplier factor_bits must be a positive integer, not 0"),
        ({"bits": None}, "Multiplier bits must be a positive integer, not None"),
        ({"style": "tree"}, "Multiplier must be one of dsp, lut, not 'tree'"),
        ({"constant": 4}, "Multiplier constant must fit 3 bits, not 4"),
        ({"constant": -5}, "Multiplier constant must fit 3 bits, not -5"),
    ],
)
def test_parameter_wrong(some: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"factor_bits": 3, "bits": 2}
    with pytest.raises(ValueError, match=f"^{message}$"):
        Multiplier(**given | some)


def test_parameters_are_properties() -> None:
    dut = Multiplier(factor_bits=3, bits=2, style="lut")
    assert (dut.factor_bits, dut.bits, dut.style) == (3, 2, "lut")
