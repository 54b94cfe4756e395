# amaranth: UnusedElaboratable=no
"""Words a clock after they are taken, in the order of the memory, and for ever."""

import random
from types import SimpleNamespace
from typing import Any

import pytest
from amaranth.hdl import ClockDomain, Fragment, Module
from amaranth.lib import wiring
from amaranth.sim import Simulator

from rtl_gen.late import LateRom


class On(wiring.Component):
    """A ROM as a platform with these attributes builds it."""

    def __init__(self, rom: Any, **attributes: object) -> None:
        self._rom, self._attributes = rom, attributes
        super().__init__(dict(rom.signature.members))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # All that is in it is built for the platform, too.
        m.submodules.rom = Fragment.get(self._rom, SimpleNamespace(**self._attributes))
        wiring.connect(m, wiring.flipped(self), self._rom)
        return m


def taken(dut: wiring.Component, clocks: int, percent: int) -> list[int]:
    """Take words at random clocks, each if one was offered the clock before; give them."""
    dice, found = random.Random(percent), []

    async def bench(ctx) -> None:
        there = took = False
        for _ in range(clocks):
            if took:
                found.append(ctx.get(dut.word))
            took = there and dice.randrange(100) < percent
            there = bool(ctx.get(dut.there))
            ctx.set(dut.take, took)
            await ctx.tick()

    m = Module()
    m.domains.sync = ClockDomain()
    m.submodules.dut = dut
    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return found


@pytest.mark.parametrize("style", ["auto", "lut", "block"])
@pytest.mark.parametrize("depth", [1, 2, 3, 8, 13])
@pytest.mark.parametrize("percent", [30, 100])
def test_words_in_order(depth: int, style: str, percent: int) -> None:
    words = [(7 * k + 3) % 32 for k in range(depth)]
    found = taken(LateRom(words=words, width=5, style=style), 60, percent)
    assert len(found) > 10
    assert found == (words * 60)[: len(found)]


@pytest.mark.parametrize("depth", [12, 18])
@pytest.mark.parametrize("percent", [30, 100])
def test_words_in_rows(depth: int, percent: int) -> None:
    """Where block RAMs are shallow, several words share a row."""
    words = [(7 * k + 3) % 32 for k in range(depth)]
    rom = LateRom(words=words, width=5, style="block")
    found = taken(On(rom, block_ram_shapes=((4, 40),)), 60, percent)
    assert len(found) > 10
    assert found == (words * 60)[: len(found)]


def test_planted_fault_is_seen() -> None:
    assert taken(LateRom(words=[1, 2, 3, 5], width=3), 20, 100)[:4] != [1, 2, 3, 4]


def test_word_wrong() -> None:
    with pytest.raises(ValueError, match=r"^ROM word must fit 2 bits, not 4$"):
        LateRom(words=[4], width=2)
