# amaranth: UnusedElaboratable=no
"""Rates of SCK up to the limit, every time that is promised, and controllers that behave badly."""

import random

import pytest
from amaranth.hdl import ClockDomain, Signal

from rtl_gen.link import SpiPeripheral
from sim.bench import run
from sim.spi import SpiController
from sim.streams import send, stall

BYTES = bytes([0x00, 0xFF, 0x55, 0xAA, 0x01, 0x80, 0x7E, *random.Random(1).randbytes(9)])
"""For both directions; in ours a 0x00 looks like a filler."""
NONZERO = bytes(byte or 1 for byte in BYTES)
PERIODS = [4.0, 4.01, 4.37, 5.0, 7.5, 33.3]


def talk(dut, script, *, offered=(), stalls=0, waits=0, period=4.0, seed=0, **options):
    """Run transactions: what the component took in, its errors, what came back from each.

    `script` has the bytes of each, or a pair of bytes and bits after which CS rises. The bench ends
    only when all of `offered` has gone in, and the controller has fetched what there is.
    """
    start = 4 + random.Random(seed).random()
    controller = SpiController(dut, period=period, start=start, **options)
    taken, errors, heard, done = [], [], [], []

    async def control(ctx):
        for entry in script:
            data, bits = entry if isinstance(entry, tuple) else (entry, None)
            heard.append(await controller.transfer(ctx, data, bits=bits))
        await controller.wait(ctx, 8)
        done.append(1)

    async def offer(ctx):
        await send(ctx, dut.i, offered, stall=stall(stalls, seed=seed))

    async def take(ctx):
        pattern = stall(waits, seed=seed + 1)
        while not done:
            ctx.set(dut.o.ready, not pattern())
            *_, moved, byte, error = await ctx.tick().sample(
                dut.o.valid & dut.o.ready, dut.o.payload, dut.error
            )
            if moved:
                taken.append(byte)
            errors.append(error)

    run(dut, control, offer, take, deadline=100_000)
    return bytes(taken), sum(errors), heard


def sent(heard):
    """Take the fillers out, the first byte of each transaction among them."""
    assert all(answer[:1] in (b"", b"\0") for answer in heard)
    return bytes(byte for answer in heard for byte in answer[1:] if byte)


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("seed", [0, 1])
def test_both_directions(period, seed):
    count = len(BYTES)
    script = [BYTES[:1], BYTES[1:9], BYTES[9:], bytes(8)]
    taken, errors, heard = talk(SpiPeripheral(), script, offered=NONZERO, period=period, seed=seed)
    assert (taken, errors) == (BYTES + bytes(8), 0)
    assert sent(heard) == NONZERO[: count + 8 - len(script)]


@pytest.mark.parametrize("look", [-0.99, 1.99])
@pytest.mark.parametrize("period", [4.0, 4.37, 9.1])
def test_what_is_read_holds_before_and_after_the_edge(look, period, make=SpiPeripheral):
    for seed in range(2):
        dut = make()
        _, _, heard = talk(dut, [bytes(17)], offered=NONZERO, period=period, seed=seed, look=look)
        assert heard == [b"\0" + NONZERO]


def test_one_cycle_earlier_is_too_early():
    heard = [
        talk(SpiPeripheral(), [bytes(17)], offered=NONZERO, look=-1.99, seed=k)[2] for k in range(4)
    ]
    assert [b"\0" + NONZERO] not in heard


@pytest.mark.parametrize("high", [1.5 / 4, 2.5 / 4])
@pytest.mark.parametrize("seed", range(2))
def test_shortest_levels_and_shortest_times_of_cs(high, seed, make=SpiPeripheral):
    dut = make()
    script = [bytes([byte, byte ^ 0x5A]) for byte in BYTES]
    taken, errors, heard = talk(
        dut, script, offered=NONZERO, high=high, seed=seed, lead=1.5, trail=1.5, apart=2.0
    )
    assert (taken, errors) == (b"".join(script), 0)
    assert sent(heard) == NONZERO


@pytest.mark.parametrize("seed", range(3))
def test_pauses_of_the_controller_and_of_the_stream(seed):
    gaps = random.Random(seed)
    cycles = random.Random(seed + 100)
    script = [gaps.randbytes(gaps.randrange(1, 8)) for _ in range(12)]
    taken, errors, heard = talk(
        SpiPeripheral(), script, offered=NONZERO[:9], stalls=75, waits=75, seed=seed, period=4.3,
        pause=lambda: cycles.choice([0, 0, 0, 0.7, 3.2, 40.1]),
    )  # fmt: skip
    assert (taken, errors) == (b"".join(script), 0)
    assert sent(heard) == NONZERO[:9]


def test_a_byte_that_cs_cuts_is_dropped_and_ours_is_sent_again(make=SpiPeripheral):
    for bits in (0, 1, 7, 8, 9, 12, 15, 16):
        script = [(b"\x11\x22\x33", bits), b"\x44\x55\x66"]
        taken, errors, heard = talk(make(), script, offered=b"\xab\xcd", seed=bits)
        assert taken == b"\x11\x22\x33"[: bits // 8] + b"\x44\x55\x66"
        assert errors == (bits % 8 != 0)
        assert b"".join(heard).replace(b"\0", b"") == b"\xab\xcd"


def test_a_last_rise_that_comes_with_cs_is_none():
    """The eighth bit of a byte, in the clock in which CS goes away: the byte is cut."""
    dut, seen = SpiPeripheral(), []

    async def wires(ctx):
        async def hold(clocks, cs, sck):
            ctx.set(dut.cs, cs)
            ctx.set(dut.sck, sck)
            for _ in range(clocks):
                await ctx.tick()

        ctx.set(dut.mosi, 1)
        await hold(8, 0, 0)
        for _ in range(7):
            await hold(4, 1, 0)
            await hold(4, 1, 1)
        await hold(4, 1, 0)
        await hold(8, 0, 1)

    async def watch(ctx):
        for _ in range(90):
            *_, valid, error = await ctx.tick().sample(dut.o.valid, dut.error)
            seen.append((valid, error))

    run(dut, wires, watch, deadline=200)
    assert (0, 1) in seen and not any(valid for valid, _ in seen)
    assert sum(error for _, error in seen) == 1


def test_sender_that_is_late_sends_fillers():
    taken, _, heard = talk(SpiPeripheral(), [bytes(40)], offered=NONZERO[:8], stalls=95, seed=3)
    assert taken == bytes(40) and sent(heard) == NONZERO[:8]


def test_receiver_holds_a_byte_and_drops_the_next():
    dut = SpiPeripheral()
    controller = SpiController(dut, start=4.5)
    errors = []

    async def control(ctx):
        await controller.transfer(ctx, b"\x01\x02\x03")
        await controller.wait(ctx, 4)
        assert ctx.get(dut.o.payload) == 1 and ctx.get(dut.o.valid)
        ctx.set(dut.o.ready, 1)
        await controller.wait(ctx, 2)
        ctx.set(dut.o.ready, 0)
        await controller.transfer(ctx, b"\x04")
        await controller.wait(ctx, 4)
        assert ctx.get(dut.o.payload) == 4 and ctx.get(dut.o.valid)

    async def count(ctx):
        for _ in range(150):
            *_, error = await ctx.tick().sample(dut.error)
            errors.append(error)

    run(dut, control, count, deadline=1_000)
    assert sum(errors) == 2


@pytest.mark.parametrize("late", range(3))
def test_reset_in_the_middle_waits_for_cs(late):
    """What a transaction still brings after a reset has lost its beginning, and is not taken."""
    dut = SpiPeripheral()
    domain = ClockDomain("sync")
    controller = SpiController(dut, start=4.5)
    seen: list[int] = []

    async def control(ctx):
        ctx.set(dut.o.ready, 1)
        await controller.transfer(ctx, bytes([1, 2, 3, 4, 5]))
        await controller.transfer(ctx, b"\x06\x07")
        await controller.wait(ctx, 4)

    async def watch(ctx):
        for cycle in range(280):
            ctx.set(domain.rst, cycle == 50 + late)
            _, rst, moved, byte = await ctx.tick().sample(dut.o.valid & dut.o.ready, dut.o.payload)
            if moved and not rst:
                seen.append(byte)

    run(dut, control, watch, deadline=1_000, domain=domain)
    assert seen == [1, 6, 7]


@pytest.mark.parametrize("seed", range(3))
def test_whatever_the_wires_do_the_next_transaction_is_right(seed):
    """Levels without sense, CS that flickers: then CS high for two cycles, and all is well."""
    dut = SpiPeripheral()
    chance = random.Random(seed)
    controller = SpiController(dut, start=1.0)
    seen: list[int] = []

    async def control(ctx):
        ctx.set(dut.o.ready, 1)
        for _ in range(400):
            for wire, share in ((dut.sck, 0.5), (dut.cs, 0.9), (dut.mosi, 0.5)):
                ctx.set(wire, chance.random() < share)
            await ctx.tick()
        ctx.set(dut.cs, 0)
        ctx.set(dut.sck, 0)
        await ctx.tick().repeat(6)
        seen.clear()
        answer = await controller.transfer(ctx, BYTES)
        await controller.wait(ctx, 4)
        assert answer[0] == 0 and answer[1:].strip(b"\0") in NONZERO * 9

    async def watch(ctx):
        for _ in range(900 + 5 * len(BYTES)):
            *_, moved, byte = await ctx.tick().sample(dut.o.valid & dut.o.ready, dut.o.payload)
            if moved:
                seen.append(byte)

    async def offer(ctx):
        ctx.set(dut.i.valid, 1)
        for byte in NONZERO * 9:
            ctx.set(dut.i.payload, byte)
            (*_,) = await ctx.tick().until(dut.i.ready)

    run(dut, control, watch, deadline=3_000)
    assert bytes(seen) == BYTES


class Skewed(SpiPeripheral):
    """Takes `mosi` without the two registers that `sck` has."""

    def _receive(self, m, rise, last, mosi, cut):
        super()._receive(m, rise, last, self.mosi, cut)


class Late(SpiPeripheral):
    """Sends everything one cycle later."""

    def _send(self, m, rise, last, count, away):
        signals = [Signal.like(signal) for signal in (rise, last, count, away)]
        for late, signal in zip(signals, (rise, last, count, away), strict=True):
            m.d.sync += late.eq(signal)
        super()._send(m, *signals)


class Forgetful(SpiPeripheral):
    """Goes on with the next byte where CS has cut one short."""

    def _send(self, m, rise, last, count, away):
        cut = Signal()
        m.d.comb += cut.eq(away & (count != 0))
        super()._send(m, rise | cut, last | cut, count, away)


def test_bench_notices_faults():
    with pytest.raises(AssertionError):
        test_shortest_levels_and_shortest_times_of_cs(1.5 / 4, 0, make=Skewed)
    with pytest.raises(AssertionError):
        test_what_is_read_holds_before_and_after_the_edge(-0.99, 4.0, make=Late)
    with pytest.raises(AssertionError):
        test_a_byte_that_cs_cuts_is_dropped_and_ours_is_sent_again(make=Forgetful)
