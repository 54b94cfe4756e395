import random

import pytest

from rtl_gen.link import UartReceiver, UartTransmitter
from sim.bench import exercise, run

BYTES = [0x00, 0xFF, 0x55, 0xAA, 0x01, 0x80, 0x7E, *random.Random(1).randbytes(9)]


def line(data, divisor, *, drift=0.0, stop=1, gap=0):
    """Levels of a line, one per receiver cycle, of a sender whose bits are `drift` longer."""
    bits = []
    for byte in data:
        bits += [0, *((byte >> k) & 1 for k in range(8)), stop, *[1] * gap]
    bits += [1, 1, 1]
    length = divisor * (1 + drift)
    return [bits[int(t / length)] for t in range(int(len(bits) * length))]


def receive(levels, divisor, *, ready=lambda cycle: 1):
    dut = UartReceiver(divisor=divisor)
    seen, errors = [], []

    async def bench(ctx):
        for cycle, level in enumerate([1, *levels, *[1] * 5]):
            ctx.set(dut.rx, level)
            ctx.set(dut.o.ready, ready(cycle))
            *_, moved, byte, error = await ctx.tick().sample(
                dut.o.valid & dut.o.ready, dut.o.payload, dut.error
            )
            if moved:
                seen.append(byte)
            if error:
                errors.append(cycle)

    run(dut, bench, deadline=len(levels) + 20)
    return seen, errors


@pytest.mark.parametrize("divisor", [4, 5, 7, 12])
@pytest.mark.parametrize("drift", [-0.02, 0.0, 0.02])
def test_receiver_hears_a_sender_that_drifts(divisor, drift):
    assert receive(line(BYTES, divisor, drift=drift), divisor) == (BYTES, [])


def test_receiver_does_not_hear_a_wrong_rate():
    seen, errors = receive(line(BYTES, 12, drift=0.15), 12)
    assert seen != BYTES


def test_receiver_drops_a_byte_without_stop_bit_and_recovers():
    bad = line([0x00], 8, stop=0)[: 8 * 10]
    seen, errors = receive(line([1, 2], 8) + bad + [0] * 200 + [1] * 8 + line([3], 8), 8)
    assert (seen, len(errors)) == ([1, 2, 3], 1)


def test_receiver_ignores_a_glitch():
    assert receive([1] * 5 + [0] * 3 + [1] * 40 + line([9], 12), 12) == ([9], [])


def test_receiver_holds_a_byte_and_drops_the_next():
    length = 8 * 10
    seen, errors = receive(line([1, 2, 3], 8), 8, ready=lambda cycle: cycle > 2 * length + 20)
    assert (seen, len(errors)) == ([1, 3], 1)


def test_receiver_takes_a_byte_in_the_clock_in_which_the_one_before_leaves():
    levels = line([1, 2], 8)
    seen, (late,) = receive(levels, 8, ready=lambda cycle: 0)
    assert seen == []
    assert receive(levels, 8, ready=lambda cycle: cycle >= late) == ([1, 2], [])
    assert receive(levels, 8, ready=lambda cycle: cycle > late) == ([1], [late])


@pytest.mark.parametrize("divisor", [4, 5, 12])
def test_transmitter_sends_each_bit_for_divisor_cycles(divisor):
    dut = UartTransmitter(divisor=divisor)
    levels = []

    async def send(ctx):
        ctx.set(dut.i.valid, 1)
        for byte in BYTES:
            ctx.set(dut.i.payload, byte)
            await ctx.tick().until(dut.i.ready)
        ctx.set(dut.i.valid, 0)
        await ctx.tick().repeat(12 * divisor)

    async def watch(ctx):
        for _ in range(len(BYTES) * (10 * divisor + 1) + 4):
            *_, level = await ctx.tick().sample(dut.tx)
            levels.append(level)

    log = run(dut, send, watch, deadline=100_000)
    moves = log.moves["i"]
    assert {b - a for a, b in zip(moves, moves[1:], strict=False)} == {10 * divisor + 1}
    byte = 10 * divisor + 1
    for number, value in enumerate(BYTES):
        bits = [0, *((value >> k) & 1 for k in range(8)), 1]
        expected = [bit for bit in bits for _ in range(divisor)]
        start = 1 + number * byte
        assert levels[start : start + 10 * divisor] == expected


@pytest.mark.parametrize("component", [UartReceiver, UartTransmitter])
@pytest.mark.parametrize("divisor", [3, 0, -1, 4.0, "4"])
def test_divisor_wrong(component, divisor):
    with pytest.raises(ValueError, match=r"^divisor must be an integer of at least 4, not "):
        component(divisor=divisor)


def test_bench_notices_a_transmitter_that_lies():
    dut = UartTransmitter(divisor=4)
    with pytest.raises(TimeoutError):
        exercise(dut, {"i": [1] * 50}, {}, deadline=100)
