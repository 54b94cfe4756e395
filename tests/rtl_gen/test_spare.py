# amaranth: UnusedElaboratable=no
"""The spare register: nothing is lost, nothing takes longer, and `ready` is a register."""

import random

import pytest
from amaranth.hdl import signed, unsigned
from amaranth.sim import Simulator

from rtl_gen.spare import Spare
from rtl_gen.streams import word
from sim.bench import exercise
from sim.streams import frame


def words_of(lanes: int, bits: int) -> list:
    dice = random.Random(lanes)
    return 3 * frame([dice.randrange(1 << bits) for _ in range(17)], lanes)


def test_full_rate_without_latency() -> None:
    words = words_of(2, 3)
    run = exercise(Spare(shape=word(2, 3)), {"i": words}, {"o": words})
    assert run.latency == 0
    assert run.moves["i"] == run.moves["o"] == list(range(len(words)))


@pytest.mark.parametrize(
    "kind", [50, 95, "toggle", {"o": 75}, {"i": 75}, {"o": "patient", "i": 25}]
)
@pytest.mark.parametrize(("lanes", "bits"), [(1, 1), (3, 2)])
def test_stalls(lanes: int, bits: int, kind) -> None:
    words = words_of(lanes, bits)
    exercise(Spare(shape=word(lanes, bits)), {"i": words}, {"o": words}, stalls=kind)


@pytest.mark.parametrize(("shape", "low"), [(unsigned(5), 0), (signed(5), -16)])
def test_payload_of_any_shape(shape, low: int) -> None:
    words = list(range(low, low + 32))
    exercise(Spare(shape=shape), {"i": words}, {"o": words}, stalls=50)


@pytest.mark.parametrize("cycles", [1, 3, 4, 8])
def test_reset_empties_it(cycles: int) -> None:
    words = words_of(1, 4)
    exercise(Spare(shape=word(1, 4)), {"i": words}, {"o": words}, reset_after=cycles)


def test_ready_waits_for_no_clock_of_the_output() -> None:
    """What the consumer does shows at `i.ready` after the next edge only."""
    dut = Spare(shape=unsigned(4))

    async def bench(ctx) -> None:
        for valid in (0, 1):
            ctx.set(dut.i.valid, valid)
            for ready in (0, 1):
                ctx.set(dut.o.ready, ready)
                assert ctx.get(dut.i.ready) == 1
        ctx.set(dut.o.ready, 0)
        await ctx.tick()
        for ready in (0, 1):
            ctx.set(dut.o.ready, ready)
            assert ctx.get(dut.i.ready) == 0

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


def test_planted_fault_is_caught() -> None:
    with pytest.raises(AssertionError):
        exercise(Spare(shape=unsigned(4)), {"i": [1, 2, 3]}, {"o": [1, 3]}, stalls=50)


def test_payload_wrong() -> None:
    with pytest.raises(
        ValueError, match=r"^Payload must have at least one bit, not unsigned\(0\)$"
    ):
        Spare(shape=unsigned(0))
