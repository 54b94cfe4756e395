import pytest
from amaranth.hdl import ClockDomain, Module
from amaranth.sim import Simulator

from rtl_gen.build.clocking import PowerOnReset


def bench(dut: PowerOnReset) -> Simulator:
    m = Module()
    m.domains.sync = ClockDomain(reset_less=True)
    m.submodules.dut = dut
    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    return simulator


def check_release(dut: PowerOnReset, expected: int) -> None:
    """Hold the release against the cycles after lock that it is expected at."""

    async def check(ctx):
        for _ in range(20):
            assert ctx.get(dut.rst) == 1
            await ctx.tick()
        ctx.set(dut.locked, 1)
        for _ in range(expected):
            assert ctx.get(dut.rst) == 1
            await ctx.tick()
        for _ in range(20):
            assert ctx.get(dut.rst) == 0
            await ctx.tick()

    simulator = bench(dut)
    simulator.add_testbench(check)
    simulator.run()


@pytest.mark.parametrize("cycles", [1, 2, 3, 16, 360])
def test_reset_falls_after_lock_and_wait(cycles):
    dut = PowerOnReset(cycles=cycles)
    assert cycles <= dut.cycles < max(2 * cycles, 3)
    check_release(dut, dut.cycles + 3)


@pytest.mark.parametrize("off", [-1, 1])
def test_release_a_cycle_early_or_late_is_caught(off):
    with pytest.raises(AssertionError):
        check_release(PowerOnReset(cycles=8), 8 + 3 + off)


def test_lost_lock_resets_again():
    dut = PowerOnReset(cycles=8)

    async def check(ctx):
        for _ in range(2):
            ctx.set(dut.locked, 1)
            await ctx.tick().repeat(dut.cycles + 3)
            assert ctx.get(dut.rst) == 0
            ctx.set(dut.locked, 0)
            await ctx.tick().repeat(4)
            assert ctx.get(dut.rst) == 1

    simulator = bench(dut)
    simulator.add_testbench(check)
    simulator.run()


@pytest.mark.parametrize("cycles", [0, -1, 1.5, "8"])
def test_cycles_wrong(cycles):
    with pytest.raises(ValueError, match=f"^Cycles must be a positive integer, not {cycles!r}$"):
        PowerOnReset(cycles=cycles)
