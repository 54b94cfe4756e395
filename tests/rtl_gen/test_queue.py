# amaranth: UnusedElaboratable=no
"""Queues keep every word in order, at full rate, and know how many they hold."""

import random
from typing import Any

import pytest
from amaranth.hdl import Module, Signal, signed, unsigned

from rtl_gen.queue import Queue, Skid
from rtl_gen.streams import word
from sim.bench import exercise, run
from sim.streams import frame, receive, send

DEPTHS = (2, 3, 4, 5, 8, 17)


def words_of(lanes: int, bits: int, *, count: int = 3, elements: int = 23) -> list[Any]:
    dice = random.Random(lanes * 10 + bits)
    words: list[Any] = []
    for _ in range(count):
        words += frame([dice.randrange(1 << bits) for _ in range(elements)], lanes)
    return words


def make(depth: int, shape: Any) -> Any:
    """Depth 0 stands for the bare register slice."""
    return Queue(shape=shape, depth=depth) if depth else Skid(shape=shape)


@pytest.mark.parametrize("depth", [0, *DEPTHS])
def test_full_rate_and_latency(depth: int) -> None:
    words = words_of(2, 3)
    log = exercise(make(depth, word(2, 3)), {"i": words}, {"o": words})
    assert log.latency == (1 if depth in (0, 2) else 2)
    assert log.period == 12
    first = log.moves["o"][0]
    assert log.moves["i"] == list(range(36))
    assert log.moves["o"] == list(range(first, first + 36))


@pytest.mark.parametrize("depth", [0, *DEPTHS])
@pytest.mark.parametrize(
    "kind", [50, 95, "toggle", {"o": 75}, {"i": 75}, {"o": "patient", "i": 25}]
)
def test_stalls(depth: int, kind: Any) -> None:
    words = words_of(3, 2, elements=17)
    exercise(make(depth, word(3, 2)), {"i": words}, {"o": words}, stalls=kind, seed=depth)


@pytest.mark.parametrize("depth", [0, *DEPTHS])
def test_reset_empties_it(depth: int) -> None:
    words = words_of(1, 4, count=2)
    for cycles in (1, 3, 4, 8):
        exercise(make(depth, word(1, 4)), {"i": words}, {"o": words}, reset_after=cycles)


@pytest.mark.parametrize("depth", [0, 2, 3])
@pytest.mark.parametrize(("shape", "low"), [(unsigned(5), 0), (signed(5), -16)])
def test_payload_of_any_shape(depth: int, shape: Any, low: int) -> None:
    words = list(range(low, low + 32))
    exercise(make(depth, shape), {"i": words}, {"o": words}, stalls=50)


@pytest.mark.parametrize("depth", DEPTHS)
def test_level_counts_words_and_it_fills(depth: int) -> None:
    dut = Queue(shape=unsigned(8), depth=depth)
    words = list(range(depth))

    async def bench(ctx: Any) -> None:
        await send(ctx, dut.i, words)
        assert ctx.get(dut.level) == depth
        await ctx.tick()
        assert not ctx.get(dut.i.ready)
        for left in reversed(range(depth)):
            assert await receive(ctx, dut.o, 1) == [depth - 1 - left]
            assert ctx.get(dut.level) == left
            await ctx.tick()
        assert not ctx.get(dut.o.valid)

    assert run(dut, bench, deadline=20 * depth).cycles > depth


def test_skid_cuts_both_paths() -> None:
    dut = Skid(shape=unsigned(4))

    async def bench(ctx: Any) -> None:
        ctx.set(dut.i.valid, 1)
        assert not ctx.get(dut.o.valid)
        for _ in range(3):
            await ctx.tick()
        for ready in (1, 0):
            ctx.set(dut.o.ready, ready)
            assert not ctx.get(dut.i.ready)

    run(dut, bench, deadline=9)


class Broken(Skid):
    """A slice with a planted fault."""

    def __init__(self, fault: str) -> None:
        super().__init__(shape=word(2, 3))
        self._fault = fault

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        count = Signal(8)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += count.eq(count + 1)
        if self._fault == "drops last":
            m.d.sync += self.o.payload.last.eq(0)
        if self._fault == "ignores ready":
            m.d.comb += self.i.ready.eq(1)
        if self._fault == "loses a word":
            with m.If((count == 7) & (~self.o.valid | self.o.ready)):
                m.d.sync += self.o.valid.eq(0)
        return m


@pytest.mark.parametrize("fault", ["drops last", "ignores ready", "loses a word"])
def test_planted_fault_is_caught(fault: str) -> None:
    words = words_of(2, 3)
    with pytest.raises(AssertionError, match="expected|never came|payload changed"):
        exercise(Broken(fault), {"i": words}, {"o": words}, stalls=50)


def test_queue_wrong() -> None:
    for depth in (1, 0, 2.0):
        message = rf"^Queue depth must be an integer of at least 2, not {depth}$"
        with pytest.raises(ValueError, match=message):
            Queue(shape=unsigned(4), depth=depth)  # type: ignore[arg-type]
    with pytest.raises(
        ValueError, match=r"^Payload must have at least one bit, not unsigned\(0\)$"
    ):
        Skid(shape=unsigned(0))


def test_parameters_are_properties() -> None:
    queue = Queue(shape=unsigned(4), depth=3)
    assert (queue.shape, queue.depth, Skid(shape=unsigned(2)).shape) == (
        unsigned(4),
        3,
        unsigned(2),
    )
