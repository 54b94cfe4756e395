import random
import zlib

import pytest
from amaranth.hdl import ClockDomain

from bnnhw.link.protocol import BLOCK_BYTES
from rtl_gen.link import WeightLoader
from sim.bench import run

PACE = 10
"""Clocks between two bytes, the fewest that the loader bears."""


def upload(count, seed, *, damage=0):
    """Make blocks by hand: random bytes, and their CRC-32 by zlib behind them."""
    image = random.Random(seed).randbytes(count * BLOCK_BYTES - 4)
    whole = image + (zlib.crc32(image) ^ damage).to_bytes(4, "little")
    return [whole[k * BLOCK_BYTES :][:BLOCK_BYTES] for k in range(count)]


def crc_of(blocks):
    return int.from_bytes(blocks[-1][-4:], "little")


def leaving(blocks, *, whole=True):
    """Say what leaves: the mark in front, whose data does not matter, and the chunks."""
    data = b"".join(blocks)
    some = [(int.from_bytes(data[k : k + 2], "little"), 0) for k in range(0, len(data), 2)]
    if whole:
        some[-1] = (some[-1][0], 1)
    return [(None, 1), *some]


class Rig:
    """A loader with a source of payloads and a sink that notes what leaves."""

    def __init__(self, blocks, *, loaded=False, patience=0):
        self.dut = WeightLoader(blocks=blocks, loaded=loaded)
        self.domain = ClockDomain("sync")
        self.seen = []
        self.patience = patience

    async def token(self, ctx, word, good=0):
        ctx.set(self.dut.i.payload, word)
        ctx.set(self.dut.good, good)
        ctx.set(self.dut.i.valid, 1)
        refused = ctx.get(self.dut.refused)
        await ctx.tick()
        ctx.set(self.dut.i.valid, 0)
        ctx.set(self.dut.good, 0)
        return refused

    async def frame(self, ctx, number, block, *, good=1):
        """Send a payload with its frame's CRC behind it, and say whether it was refused."""
        for byte in number.to_bytes(2, "little") + block + b"\x12\x34":
            await self.token(ctx, {"data": byte, "end": 0, "good": 0})
            await ctx.tick().repeat(PACE - 1)
        return await self.token(ctx, {"data": 77, "end": 1, "good": 0}, good)

    async def frames(self, ctx, blocks):
        for number, block in enumerate(blocks):
            await self.frame(ctx, number, block)

    def state(self, ctx):
        """Give next block, loaded flag and CRC as the host reads them."""
        status = ctx.get(self.dut.status).to_bytes(8, "little")
        assert status[2] == ctx.get(self.dut.loaded) and status[3] == 0
        crc: int | None = int.from_bytes(status[4:], "little")
        if ctx.get(self.dut.original):
            assert crc == 0
            crc = None
        return int.from_bytes(status[:2], "little"), status[2], crc

    async def settled(self, ctx):
        """Wait until a block must have left, and give the state."""
        await ctx.tick().repeat((20 + self.patience) * BLOCK_BYTES // 2 + 10)
        return self.state(ctx)

    def play(self, bench, expected):
        """Run `bench` and hold what left against `expected`."""
        done = []

        async def source(ctx):
            await bench(ctx)
            done.append(True)

        async def sink(ctx):
            waits = 0
            while not done:
                ctx.set(self.dut.o.ready, waits == 0)
                *_, moved, word = await ctx.tick().sample(
                    self.dut.o.valid & self.dut.o.ready, self.dut.o.payload
                )
                waits = self.patience if moved else max(0, waits - 1)
                if moved:
                    self.seen.append((word.data[0], word["last"]))

        run(self.dut, source, sink, deadline=60_000, domain=self.domain)
        assert len(self.seen) == len(expected)
        for got, (data, last) in zip(self.seen, expected, strict=True):
            assert got == (got[0] if data is None else data, last)


@pytest.mark.parametrize(("count", "patience"), [(1, 0), (3, 0), (2, 1)])
def test_upload_leaves_whole_and_is_loaded(count, patience):
    rig, blocks = Rig(count, patience=patience), upload(count, count)

    async def bench(ctx):
        assert rig.state(ctx) == (0, 0, None)
        await rig.frames(ctx, blocks[:-1])
        assert rig.state(ctx)[:2] == (count - 1, 0)
        await rig.frame(ctx, count - 1, blocks[-1])
        assert rig.state(ctx)[:2] == (count, 0)
        assert await rig.settled(ctx) == (count, 1, crc_of(blocks))

    rig.play(bench, leaving(blocks))


def test_chunk_takes_nineteen_clocks():
    rig, blocks = Rig(1), upload(1, 5)

    async def bench(ctx):
        await rig.frame(ctx, 0, blocks[0])
        await ctx.tick().repeat(1 + 19 * BLOCK_BYTES // 2 - 1)
        assert not ctx.get(rig.dut.loaded)
        await ctx.tick()
        assert ctx.get(rig.dut.loaded)

    rig.play(bench, leaving(blocks))


@pytest.mark.parametrize("damage", [1, 1 << 31, 0xFFFFFFFF])
def test_wrong_crc_is_not_loaded_until_a_right_one_comes(damage):
    rig, bad, good = Rig(2, loaded=True), upload(2, 1, damage=damage), upload(2, 2)

    async def bench(ctx):
        assert rig.state(ctx) == (0, 1, None)
        await rig.frames(ctx, bad)
        assert (await rig.settled(ctx))[:2] == (0, 0)
        # It waits for block 0: the rest of an upload is of no use.
        await rig.frame(ctx, 1, good[1])
        assert (await rig.settled(ctx))[:2] == (0, 0)
        await rig.frames(ctx, good)
        assert await rig.settled(ctx) == (2, 1, crc_of(good))

    rig.play(bench, leaving(bad) + leaving(good))


def test_bit_that_flips_in_a_good_frame_is_caught():
    """The CRC of a frame lets one damaged frame in 65536 pass."""
    rig, blocks = Rig(2), upload(2, 3)
    damaged = [bytes([blocks[0][0] ^ 4]) + blocks[0][1:], blocks[1]]

    async def bench(ctx):
        await rig.frames(ctx, damaged)
        assert (await rig.settled(ctx))[:2] == (0, 0)

    rig.play(bench, leaving(damaged))


def test_frames_out_of_turn_and_bad_ones_leave_no_trace():
    rig, blocks = Rig(3), upload(3, 4)

    async def bench(ctx):
        await rig.frame(ctx, 1, blocks[1])
        await rig.frame(ctx, 0, blocks[0])
        await rig.frame(ctx, 2, blocks[2])
        await rig.frame(ctx, 1, blocks[2], good=0)
        await rig.frame(ctx, 257, blocks[2])
        await rig.token(ctx, {"data": 0, "end": 1, "good": 0})
        await rig.frame(ctx, 1, blocks[1])
        await rig.frame(ctx, 1, blocks[1])
        await rig.frame(ctx, 2, blocks[2])
        await rig.frame(ctx, 3, blocks[0])
        assert await rig.settled(ctx) == (3, 1, crc_of(blocks))

    rig.play(bench, leaving(blocks))


def test_block_0_begins_again_at_any_time():
    rig, first, second = Rig(3, loaded=True), upload(3, 6), upload(3, 7)

    async def bench(ctx):
        await rig.frames(ctx, first[:2])
        await rig.frames(ctx, second)
        assert await rig.settled(ctx) == (3, 1, crc_of(second))

    rig.play(bench, leaving(first[:2], whole=False) + leaving(second))


def test_no_upload_begins_while_requests_are_under_way():
    rig, blocks = Rig(2, loaded=True), upload(2, 8)

    async def bench(ctx):
        ctx.set(rig.dut.busy, 1)
        # The receiver withdraws `good` of what is refused.
        assert await rig.frame(ctx, 0, blocks[0], good=0) == 1
        assert await rig.frame(ctx, 1, blocks[1], good=0) == 0
        assert await rig.settled(ctx) == (0, 1, None)
        ctx.set(rig.dut.busy, 0)
        assert await rig.frame(ctx, 0, blocks[0], good=0) == 0

    rig.play(bench, [])


def test_reset_keeps_an_upload_and_not_half_of_one():
    rig, blocks = Rig(2, loaded=True), upload(2, 9)

    async def reset(ctx):
        ctx.set(rig.domain.rst, 1)
        await ctx.tick()
        ctx.set(rig.domain.rst, 0)
        return rig.state(ctx)

    async def bench(ctx):
        assert await reset(ctx) == (0, 1, None)
        await rig.frame(ctx, 0, blocks[0])
        await rig.settled(ctx)
        assert (await reset(ctx))[:2] == (0, 0)
        await rig.frames(ctx, blocks)
        assert await rig.settled(ctx) == (2, 1, crc_of(blocks))
        assert await reset(ctx) == (0, 1, crc_of(blocks))

    rig.play(bench, leaving(blocks[:1], whole=False) + leaving(blocks))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"blocks": 0}, r"^blocks must be an integer from 1 to 65535, not 0$"),
        ({"blocks": 1 << 16}, r"^blocks must be an integer from 1 to 65535, not 65536$"),
    ],
)
def test_parameters_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        WeightLoader(**arguments)


def test_parameters_come_back():
    dut = WeightLoader(blocks=7, loaded=True)
    assert (dut.blocks, dut.starts_loaded) == (7, True)
