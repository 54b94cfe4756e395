# amaranth: UnusedElaboratable=no
"""A fork gives every word once to each consumer, whoever of them waits."""

import random
from typing import Any

import pytest
from amaranth.hdl import ClockDomain, Module, unsigned

from rtl_gen.fork import Fork
from rtl_gen.streams import word
from sim.bench import Run, exercise, run
from sim.streams import frame

COPIES = (1, 2, 3, 5)


def words_of(*, count: int = 3, elements: int = 23) -> list[Any]:
    dice = random.Random(elements)
    words: list[Any] = []
    for _ in range(count):
        words += frame([dice.randrange(8) for _ in range(elements)], 2)
    return words


def compare(copies: int, *, kind: type[Fork] = Fork, elements: int = 23, **how: Any) -> Run:
    words = words_of(elements=elements)
    dut = kind(shape=word(2, 3), copies=copies)
    return exercise(dut, {"i": words}, {f"o[{k}]": words for k in range(copies)}, **how)


@pytest.mark.parametrize("copies", COPIES)
def test_no_latency_and_full_rate(copies: int) -> None:
    log = compare(copies)
    assert (log.latency, log.period) == (Fork.LATENCY, 12) == (0, 12)
    for moves in log.moves.values():
        assert moves == list(range(36))


STALLS: list[Any] = [
    50,
    85,
    "toggle",
    {"o[0]": "patient"},
    {"o[0]": 80, "i": 30},
    {"o[0]": "patient", "o[1]": 50, "o[2]": "toggle", "o[4]": 90},
]


@pytest.mark.parametrize("copies", COPIES)
@pytest.mark.parametrize("kind", STALLS)
def test_stalls(copies: int, kind: Any) -> None:
    compare(copies, stalls=kind, seed=copies)


@pytest.mark.parametrize("after", range(1, 14))
def test_reset_forgets_who_has_the_word(after: int) -> None:
    compare(3, elements=9, reset_after=after, stalls={"o[1]": 50})


@pytest.mark.parametrize("copy", range(3))
def test_reset_forgets_that_one_copy_has_the_word(copy: int) -> None:
    dut, domain = Fork(shape=word(2, 3), copies=3), ClockDomain("sync")

    async def bench(ctx: Any) -> None:
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.o[copy].ready, 1)
        await ctx.tick()
        assert not ctx.get(dut.o[copy].valid)
        ctx.set(domain.rst, 1)
        ctx.set(dut.o[copy].ready, 0)
        await ctx.tick()
        ctx.set(domain.rst, 0)
        assert all(ctx.get(port.valid) for port in dut.o)
        await ctx.tick()

    run(dut, bench, deadline=9, domain=domain)


def test_a_copy_takes_its_word_before_the_others_are_ready() -> None:
    dut = Fork(shape=unsigned(4), copies=2)

    async def bench(ctx: Any) -> None:
        ctx.set(dut.i.payload, 9)
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.o[0].ready, 1)
        assert (ctx.get(dut.o[0].valid), ctx.get(dut.o[1].valid), ctx.get(dut.i.ready)) == (1, 1, 0)
        for _ in range(3):
            await ctx.tick()
            assert (ctx.get(dut.o[0].valid), ctx.get(dut.o[1].valid)) == (0, 1)
            assert ctx.get(dut.o[1].payload) == 9
        ctx.set(dut.o[1].ready, 1)
        assert ctx.get(dut.i.ready)
        await ctx.tick()
        assert (ctx.get(dut.o[0].valid), ctx.get(dut.o[1].valid)) == (1, 1)

    run(dut, bench, deadline=9)


def test_valid_follows_no_ready() -> None:
    dut = Fork(shape=unsigned(4), copies=2)

    async def bench(ctx: Any) -> None:
        ctx.set(dut.i.valid, 1)
        for one in (0, 1):
            for other in (0, 1):
                ctx.set(dut.o[0].ready, one)
                ctx.set(dut.o[1].ready, other)
                assert ctx.get(dut.o[0].valid) and ctx.get(dut.o[1].valid)
        ctx.set(dut.o[0].ready, 0)
        ctx.set(dut.o[1].ready, 0)
        await ctx.tick()

    run(dut, bench, deadline=9)


class Lazy(Fork):
    """Goes on when any copy has the word."""

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.i.ready.eq(self.o[0].ready | self.o[1].ready)
        return m


class Forgetful(Fork):
    """Does not remember that a copy has the word."""

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.o[0].valid.eq(self.i.valid)
        return m


class Swaps(Fork):
    """Gives one copy another word."""

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.o[1].payload.data[0].eq(self.i.payload.data[1])
        return m


@pytest.mark.parametrize("kind", [Lazy, Forgetful, Swaps])
def test_planted_fault_is_caught(kind: type[Fork]) -> None:
    with pytest.raises((AssertionError, TimeoutError)):
        compare(2, kind=kind, stalls=50)


def test_fork_wrong() -> None:
    for copies in (0, -1, 2.0):
        message = rf"^Fork copies must be a positive integer, not {copies}$"
        with pytest.raises(ValueError, match=message):
            Fork(shape=unsigned(4), copies=copies)  # type: ignore[arg-type]
    with pytest.raises(
        ValueError, match=r"^Payload must have at least one bit, not unsigned\(0\)$"
    ):
        Fork(shape=unsigned(0), copies=2)


def test_parameters_are_properties() -> None:
    fork = Fork(shape=unsigned(4), copies=3)
    assert (fork.shape, fork.copies) == (unsigned(4), 3)
