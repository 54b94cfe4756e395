"""How full queues become, and when answers come: what the plan's schedules are held against."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from amaranth.hdl import Module, Value
from amaranth.sim import Simulator

from bnnhw.plan import Plan, QueuePlan
from rtl_gen.accelerator import Accelerator

from .interpreted import idle_limit, input_words

__all__ = ["Occupancy", "observe", "with_depths"]


@dataclass(frozen=True)
class Occupancy:
    """What a run with a sink that is always ready has shown.

    Parameters
    ----------
    most : mapping of str to int
        Most words that each queue held.
    ends : tuple of int
        Clock at which each image's answer was complete, from the first clock after reset.
    """

    most: Mapping[str, int]
    ends: tuple[int, ...]


class _Probed(Accelerator):
    """An accelerator whose queues a bench can look into."""

    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        self.levels = {
            block.name: m.submodules[block.name].level
            for block in self.plan.blocks
            if isinstance(block, QueuePlan)
        }
        return m


def observe(plan: Plan, codes: np.ndarray, *, paced: bool) -> Occupancy:
    """Run images through an accelerator in Amaranth's simulator.

    Parameters
    ----------
    plan : Plan
    codes : array of int, shape (frames, elements)
        Codes of the input edge.
    paced : bool
        Offer the words of an image evenly spaced over ``plan.cycles`` clocks, as the slowest block
        takes them; otherwise one after the other.

    Raises
    ------
    TimeoutError
        If an answer does not come.
    """
    words = input_words(plan, codes)
    count = len(words) // len(codes)
    period = max(plan.cycles, count) if paced else 0
    due = [k // count * period + k % count * period // count for k in range(len(words))]
    dut = _Probed(plan)
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    ends: list[int] = []
    most: dict[str, int] = {}
    limit = (len(codes) + 4) * (plan.cycles + count) + idle_limit(plan)

    async def bench(ctx: Any) -> None:
        sent, clock = 0, 0
        while len(ends) < len(codes):
            offered = sent < len(words) and due[sent] <= clock
            ctx.set(dut.i.valid, offered)
            if offered:
                ctx.set(Value.cast(dut.i.payload.data), words[sent])
                ctx.set(dut.i.payload.last, sent % count == count - 1)
            ctx.set(dut.o.ready, 1)
            *_, taken, ended = await ctx.tick().sample(
                dut.i.ready, dut.o.payload.last & dut.o.valid
            )
            sent += bool(offered and taken)
            if ended:
                ends.append(clock)
            for name, level in dut.levels.items():
                most[name] = max(most.get(name, 0), ctx.get(level))
            clock += 1
            if clock > limit:
                raise TimeoutError(f"{len(ends)} of {len(codes)} answers in {clock} clocks")

    simulator.add_testbench(bench)
    simulator.run()
    return Occupancy(most, tuple(ends))


def with_depths(plan: Plan, depths: Mapping[str, int]) -> Plan:
    """Give a plan whose queues have other depths."""
    blocks = tuple(
        replace(block, depth=depths.get(block.name, block.depth))
        if isinstance(block, QueuePlan)
        else block
        for block in plan.blocks
    )
    return replace(plan, blocks=blocks)
