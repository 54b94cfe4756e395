# amaranth: UnusedElaboratable=no
"""The store that streams its words and takes new ones: order, stalls, uploads, chains."""

import random
from typing import Any

import pytest
from amaranth.hdl import ClockDomain, Elaboratable, Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import Out

from rtl_gen.store import STYLES, WritableStream
from sim.bench import exercise, run
from sim.streams import receive, send, stall

SHAPES = [(1, 1), (1, 16), (3, 17), (2, 40), (8, 5), (13, 33), (5, 16)]


def words_of(depth: int, width: int, seed: int) -> list[int]:
    dice = random.Random(seed)
    return [dice.randrange(1 << width) for _ in range(depth)]


def chunks_of(words: list[int], width: int) -> list[int]:
    """Column by column: 16 bits of every word, then the next 16 of every word."""
    return [word >> low & 0xFFFF for low in range(0, width, 16) for word in words]


def upload(chunks: list[int], *, short: bool = False) -> list[Any]:
    return [
        {"data": (chunk,), "last": int(index == len(chunks) - 1 and not short)}
        for index, chunk in enumerate(chunks)
    ]


class Alone(wiring.Component):
    """A store that nobody loads."""

    def __init__(self, store: WritableStream) -> None:
        self.store = store
        super().__init__({"o": Out(stream.Signature(store.width))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.store = self.store
        wiring.connect(m, self.store.o, wiring.flipped(self.o))
        return m


@pytest.mark.parametrize(("depth", "width"), SHAPES)
@pytest.mark.parametrize("stalls", [0, 50, "toggle", "patient"])
def test_streams_its_first_words_for_ever(depth: int, width: int, stalls: Any) -> None:
    words = words_of(depth, width, 1)
    dut = Alone(WritableStream(depth=depth, width=width, init=words))
    exercise(dut, {}, {"o": words * 3}, stalls=stalls, linger=0)


def test_one_word_a_clock_from_the_first_on() -> None:
    words = words_of(10, 9, 2)
    log = exercise(
        Alone(WritableStream(depth=10, width=9, init=words)), {}, {"o": words * 3}, linger=0
    )
    assert log.moves["o"] == list(range(1, 31))


@pytest.mark.parametrize(("depth", "width"), SHAPES)
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("stalls", [0, 50, {"o": "patient", "i_load": "toggle"}])
def test_streams_what_was_loaded(depth: int, width: int, style: str, stalls: Any) -> None:
    words = words_of(depth, width, 3)
    dut = WritableStream(depth=depth, width=width, style=style)
    chunks = upload([*chunks_of(words, width), 1, 2, 3])
    exercise(
        dut, {"i_load": chunks}, {"o": words * 3, "o_load": chunks[-3:]},
        stalls=stalls, linger=0,
    )  # fmt: skip


@pytest.mark.parametrize(("depth", "width"), [(3, 17), (4, 40)])
def test_loaded_again_whichever_word_is_on_offer(depth: int, width: int) -> None:
    store = WritableStream(depth=depth, width=width)
    top = Module()
    # Not under contract: an upload may withdraw what it offers.
    top.submodules.store = store

    async def bench(ctx: Any) -> None:
        ctx.set(store.o_load.ready, 1)
        for taken in range(2 * depth + 1):
            words = words_of(depth, width, 100 + taken)
            await send(ctx, store.i_load, upload(chunks_of(words, width)))
            assert await receive(ctx, store.o, depth + taken) == (words * 4)[: depth + taken]

    run(top, bench, deadline=1000)


@pytest.mark.parametrize(("depth", "width"), [(1, 20), (6, 40)])
def test_takes_a_chunk_a_clock_and_starts_two_clocks_later(depth: int, width: int) -> None:
    words = words_of(depth, width, 4)
    chunks = chunks_of(words, width)
    dut = WritableStream(depth=depth, width=width)
    more = upload([*chunks, 9])
    log = exercise(dut, {"i_load": more}, {"o": words * 2, "o_load": more[-1:]}, linger=0)
    assert log.moves["i_load"] == list(range(len(chunks) + 1))
    assert log.moves["o_load"] == [len(chunks)]
    assert log.moves["o"] == list(range(len(chunks) + 1, len(chunks) + 1 + 2 * depth))


class Chain(Elaboratable):
    """Three stores in a row, with bare ports: an upload may withdraw what they offer."""

    def __init__(self, shapes: list[tuple[int, int]], inits: list[list[int] | None]) -> None:
        self.stores = [
            WritableStream(depth=depth, width=width, init=init)
            for (depth, width), init in zip(shapes, inits, strict=True)
        ]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for index, store in enumerate(self.stores):
            m.submodules[f"store_{index}"] = store
        for first, second in zip(self.stores, self.stores[1:], strict=False):
            wiring.connect(m, first.o_load, second.i_load)
        m.d.comb += self.stores[-1].o_load.ready.eq(1)
        return m


@pytest.mark.parametrize("kind", [0, 50, 95])
def test_chain_is_loaded_again_and_again(kind: int) -> None:
    """Each store takes its part, surplus is dropped, and each upload counts from its start."""
    shapes = [(3, 17), (1, 4), (4, 16)]
    first = [words_of(*shape, 5) for shape in shapes]
    chain = Chain(shapes, [first[0], first[1], None])

    async def bench(ctx: Any) -> None:
        head = chain.stores[0].i_load
        for turn in range(4):
            loaded = [words_of(*shape, 10 * turn + k) for k, shape in enumerate(shapes)]
            chunks = [
                chunk
                for (_, width), words in zip(shapes, loaded, strict=True)
                for chunk in chunks_of(words, width)
            ]
            surplus = [0xAAAA] * (turn % 3)
            await send(ctx, head, upload(chunks + surplus), stall=stall(kind, seed=turn))
            for store, words in zip(chain.stores, loaded, strict=True):
                assert await receive(ctx, store.o, 2 * len(words), stall=stall(kind)) == words * 2

    run(chain, bench, deadline=20_000)


@pytest.mark.parametrize("sent", [1, 3, 4, 6, 7, 10])
def test_upload_that_ends_early_leaves_nothing_on_offer(sent: int) -> None:
    shapes = [(3, 17), (1, 4), (4, 16)]
    first = [words_of(*shape, 6) for shape in shapes]
    chain = Chain(shapes, list(first))
    sizes = [6, 1, 4]

    async def bench(ctx: Any) -> None:
        head = chain.stores[0].i_load
        await ctx.tick().repeat(3)
        fresh = [word ^ 1 for word in words_of(sent, 16, 7)]
        await send(ctx, head, upload(fresh))
        await ctx.tick().repeat(4)
        before = 0
        for store, size in zip(chain.stores, sizes, strict=True):
            # A store that was not reached, or had its share, streams; one cut short does not.
            cut = before < sent < before + size
            assert ctx.get(store.o.valid) == (not cut)
            before += size
        whole = [words_of(*shape, 8) for shape in shapes]
        chunks = [
            chunk
            for (_, width), words in zip(shapes, whole, strict=True)
            for chunk in chunks_of(words, width)
        ]
        await send(ctx, head, upload(chunks))
        for store, words in zip(chain.stores, whole, strict=True):
            assert await receive(ctx, store.o, len(words)) == words

    run(chain, bench, deadline=2_000)


def test_reset_keeps_an_upload_and_not_half_of_one() -> None:
    words, width = words_of(4, 16, 9), 16
    dut, domain = WritableStream(depth=4, width=width), ClockDomain("sync")
    chain = Chain([], [])
    chain.stores.append(dut)

    async def reset(ctx: Any) -> None:
        ctx.set(domain.rst, 1)
        await ctx.tick()
        ctx.set(domain.rst, 0)

    async def bench(ctx: Any) -> None:
        await send(ctx, dut.i_load, upload([5, 6], short=True))
        await reset(ctx)
        await ctx.tick().repeat(5)
        assert not ctx.get(dut.o.valid)
        await send(ctx, dut.i_load, upload(chunks_of(words, width)))
        assert await receive(ctx, dut.o, 3) == words[:3]
        await reset(ctx)
        assert await receive(ctx, dut.o, 6) == words + words[:2]

    run(chain, bench, deadline=200, domain=domain)


def test_planted_fault_is_caught() -> None:
    words = words_of(4, 33, 11)
    by_rows = [word >> low & 0xFFFF for word in words for low in range(0, 33, 16)]
    dut = WritableStream(depth=4, width=33)
    load = upload([*by_rows, 0])
    with pytest.raises(AssertionError, match=r"^o: "):
        exercise(dut, {"i_load": load}, {"o": words, "o_load": load[-1:]}, linger=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 0, "width": 4}, r"^Store depth must be a positive integer, not 0$"),
        ({"depth": 4, "width": 0}, r"^Store width must be a positive integer, not 0$"),
        (
            {"depth": 1, "width": 4, "style": "gold"},
            r"^Store style must be one of auto, block, spram, not 'gold'$",
        ),
        (
            {"depth": 1, "width": 4, "style": "spram", "init": [1]},
            r"^Store of style 'spram' must have no initial words$",
        ),
        ({"depth": 2, "width": 4, "init": [1]}, r"^Store must have 2 initial words, not 1$"),
        ({"depth": 1, "width": 4, "init": [16]}, r"^Store word must fit 4 bits, not 16$"),
    ],
)
def test_parameters_wrong(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WritableStream(**arguments)


def test_parameters_come_back() -> None:
    dut = WritableStream(depth=3, width=17, init=[1, 2, 3], style="auto")
    assert (dut.depth, dut.width, dut.init, dut.style, dut.chunks) == (3, 17, (1, 2, 3), "auto", 2)
