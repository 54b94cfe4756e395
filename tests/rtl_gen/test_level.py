# amaranth: UnusedElaboratable=no
"""The counter that says from a flip-flop whether it is above 0."""

import random

import pytest
from amaranth.sim import Simulator

from rtl_gen.level import Level


@pytest.mark.parametrize(("limit", "init"), [(1, 0), (1, 1), (2, 2), (3, 0), (4, 2), (9, 9)])
def test_some_follows_the_count(limit: int, init: int) -> None:
    """All moves that are allowed, at random, against a plain count."""
    dut, dice = Level(limit=limit, init=init), random.Random(limit)
    seen = set()

    async def bench(ctx) -> None:
        count = init
        for _ in range(600):
            assert ctx.get(dut.some) == (count > 0)
            up, down = dice.getrandbits(1), dice.getrandbits(1)
            if count + up - down not in range(limit + 1):
                up, down = down, up
            ctx.set(dut.up, up)
            ctx.set(dut.down, down)
            count += up - down
            seen.add(count)
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert seen == set(range(limit + 1))


def test_limit_wrong() -> None:
    with pytest.raises(ValueError, match=r"^Limit of a level must be a positive integer, not 0$"):
        Level(limit=0)


def test_init_wrong() -> None:
    with pytest.raises(ValueError, match=r"^Level must begin at 0 to 2, not 3$"):
        Level(limit=2, init=3)
