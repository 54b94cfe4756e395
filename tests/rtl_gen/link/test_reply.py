import random
from dataclasses import replace

import pytest
from cobs import cobs

from bnnhw.link import Frame, Hello, Kind, WeightState, encode
from rtl_gen.counting.fabric import Fabric
from rtl_gen.link import ReplySender, ResultBytes
from sim.bench import exercise, run
from sim.streams import STALLS, frame, never, send

HELLO = Hello(bytes(range(100, 132)), 98, 21, 10, 12_000_000, 4)
STATUS = 0x04_03_02_01


class Ecp5ReplySender(ReplySender):
    """What an ECP5 gets: the text has a register more behind its block RAM."""

    def elaborate(self, platform):
        return super().elaborate(Fabric("ecp5"))


BUILDS = pytest.mark.parametrize("build", [ReplySender, Ecp5ReplySender])


def raw(kind, sequence, payload):
    """Bytes of a frame before stuffing, from the host's own encoder."""
    return list(cobs.decode(encode(Frame(kind, sequence, payload))[:-1]))


def asked(numbers):
    """Sequence numbers of requests as both of the sender's streams have them, in places in turn."""
    places = [k % HELLO.credits for k in range(len(numbers))]
    kept = [{"place": p, "sequence": n} for p, n in zip(places, numbers, strict=True)]
    return {"numbers": kept, "place": places}


def sender(status=STATUS, hello=HELLO, build=ReplySender):
    dut = build(hello=hello)

    async def hold(ctx):
        ctx.set(dut.status, status)

    return dut, hold


def words(raws):
    return [word for some in raws for word in frame(list(some), 1)]


@BUILDS
@pytest.mark.parametrize("stalls", STALLS)
def test_answers_carry_their_sequence(stalls, build):
    dice = random.Random(2)
    answers = [dice.randbytes(n) for n in (1, 2, 21, 5)]
    numbers = [0, 255, 7, 8]
    expected = [raw(Kind.RESULT, n, some) for n, some in zip(numbers, answers, strict=True)]
    inputs = {"i": words(answers), "control": [], **asked(numbers)}
    # A number is there before its place is; all others stall.
    waits = dict.fromkeys(("i", "place", "o"), stalls)
    exercise(build(hello=HELLO), inputs, {"o": words(expected)}, stalls=waits)


@BUILDS
def test_numbers_come_in_at_any_moment(build):
    """Also at those at which the memory would be read, for answers and for the HELLO_REPLY."""
    for late in range(40):
        answer, hello = raw(Kind.RESULT, 77, b"ab"), raw(Kind.HELLO_REPLY, 5, HELLO.pack())
        dut = build(hello=HELLO)
        got: list[tuple[int, int]] = []

        async def host(ctx, dut=dut, late=late):
            for cycle in range(2 * len(HELLO.pack()) + 40):
                ctx.set(dut.control.valid, cycle == 0)
                ctx.set(dut.control.payload, {"code": 0, "sequence": 5})
                # Two in a row, and one more while the answer's own number is looked for.
                ctx.set(dut.numbers.valid, cycle in (late, late + 1, late + 90))
                ctx.set(dut.numbers.payload, {"place": 2 if cycle == late else 3, "sequence": 77})
                ctx.set(dut.place.valid, cycle > late + 1)
                ctx.set(dut.place.payload, 2)
                await ctx.tick()

        async def accelerator(ctx, dut=dut):
            await send(ctx, dut.i, words([b"ab"]), stall=never)

        async def line(ctx, dut=dut, got=got):
            ctx.set(dut.o.ready, 1)
            while sum(word[1] for word in got) < 2:
                *_, moved, byte, last = await ctx.tick().sample(
                    dut.o.valid, dut.o.payload.data[0], dut.o.payload.last
                )
                if moved:
                    got.append((byte, last))

        run(dut, host, accelerator, line, deadline=300)
        assert [byte for byte, _ in got] == hello + answer


@BUILDS
@pytest.mark.parametrize("stalls", [0, 50, "toggle"])
def test_hello_and_errors(stalls, build):
    control = [{"code": 0, "sequence": 5}, {"code": 4, "sequence": 6}, {"code": 0, "sequence": 7}]
    hello = HELLO.pack()
    expected = [
        raw(Kind.HELLO_REPLY, 5, hello),
        raw(Kind.ERROR, 6, bytes([4])),
        raw(Kind.HELLO_REPLY, 7, hello),
    ]
    inputs = {"i": [], "control": control, **asked([])}
    exercise(build(hello=HELLO), inputs, {"o": words(expected)}, stalls=stalls)


@BUILDS
def test_hello_carries_the_status(build):
    got = status_of(*sender(build=build))
    hello = Hello.unpack(bytes(got[3:-2]))
    assert (hello.bad_frames, hello.line_errors, hello.queued) == (0x0201, 3, 4)
    assert got == raw(Kind.HELLO_REPLY, 0, hello.pack())


@BUILDS
def test_hello_carries_the_state_of_the_weights(build):
    status = STATUS | int.from_bytes(bytes([6, 5, 1, 0, 10, 9, 8, 7]), "little") << 32
    got = status_of(*sender(status, replace(HELLO, weights=WeightState()), build))
    hello = Hello.unpack(bytes(got[3:-2]))
    assert (hello.bad_frames, hello.line_errors, hello.queued) == (0x0201, 3, 4)
    assert hello.weights == WeightState(0x0506, 0x0708090A)
    assert got == raw(Kind.HELLO_REPLY, 0, hello.pack())


@BUILDS
def test_hello_carries_the_crc_of_the_first_weights(build):
    """Registers say the rest, also then: an upload may begin while the HELLO_REPLY leaves."""
    status = STATUS | int.from_bytes(bytes([6, 5, 1, 0, 10, 9, 8, 7]), "little") << 32
    built = replace(HELLO, weights=WeightState(crc=0xA1B2C3D4))
    for original, crc in ((1, 0xA1B2C3D4), (0, 0x0708090A)):
        dut, hold = sender(status, built, build)

        async def both(ctx, dut=dut, hold=hold, original=original):
            await hold(ctx)
            ctx.set(dut.original, original)

        hello = Hello.unpack(bytes(status_of(dut, both)[3:-2]))
        assert (hello.bad_frames, hello.line_errors, hello.queued) == (0x0201, 3, 4)
        assert hello.weights == WeightState(0x0506, crc)


def status_of(dut, hold):
    """Give the bytes of a HELLO_REPLY while the status is held."""
    got = []

    async def bench(ctx):
        await hold(ctx)
        ctx.set(dut.o.ready, 1)
        ctx.set(dut.control.valid, 1)
        await ctx.tick()
        ctx.set(dut.control.valid, 0)
        last = 0
        while not last:
            *_, moved, byte, last = await ctx.tick().sample(
                dut.o.valid, dut.o.payload.data[0], dut.o.payload.last & dut.o.valid
            )
            if moved:
                got.append(byte)

    run(dut, bench, deadline=200)
    return got


@BUILDS
def test_control_goes_first_and_resets_cleanly(build):
    inputs = {
        "i": words([b"ab"]),
        "control": [{"code": 2, "sequence": 1}],
        **asked([9]),
    }
    expected = [raw(Kind.ERROR, 1, bytes([2])), raw(Kind.RESULT, 9, b"ab")]
    for reset_after in (0, 3, 6, 11):
        exercise(build(hello=HELLO), inputs, {"o": words(expected)}, reset_after=reset_after)


@BUILDS
def test_latency_and_pace(build):
    inputs = {"i": words([b"abc"] * 3), "control": [], **asked([1, 2, 3])}
    expected = [raw(Kind.RESULT, n, b"abc") for n in (1, 2, 3)]
    log = exercise(build(hello=HELLO), inputs, {"o": words(expected)})
    assert log.moves["o"][0] - log.moves["place"][0] == 1
    assert log.period == 3 + 3 + 2 + 1


@pytest.mark.parametrize(("build", "pace"), [(ReplySender, 2), (Ecp5ReplySender, 3)])
def test_pace_of_the_hello(build, pace):
    """Five bytes go at full pace: three before the payload, and the CRC."""
    inputs = {"i": [], "control": [{"code": 0, "sequence": 5}] * 2, **asked([])}
    reply = raw(Kind.HELLO_REPLY, 5, HELLO.pack())
    log = exercise(build(hello=HELLO), inputs, {"o": words([reply] * 2)})
    first, second = log.moves["control"]
    assert second - first == 5 + 1 + pace * len(HELLO.pack())


def test_bench_catches_a_crc_of_another_variant():
    wrong = raw(Kind.RESULT, 1, b"ab")
    wrong[-1] ^= 0x21
    inputs = {"i": words([b"ab"]), "control": [], **asked([1])}
    with pytest.raises(AssertionError):
        exercise(ReplySender(hello=HELLO), inputs, {"o": words([wrong])})


def test_bench_catches_an_answer_without_end():
    lost = words([b"ab"])
    lost[-1]["last"] = 0
    inputs = {"i": lost, "control": [], **asked([1])}
    with pytest.raises(TimeoutError):
        exercise(
            ReplySender(hello=HELLO),
            inputs,
            {"o": words([raw(Kind.RESULT, 1, b"ab")])},
            deadline=200,
        )


def test_hello_wrong():
    with pytest.raises(TypeError, match=r"^hello must be a Hello, not 5$"):
        ReplySender(hello=5)
    with pytest.raises(ValueError, match=r"^identity must be 32 bytes long, not 3$"):
        ReplySender(hello=Hello(b"abc", 1, 1, 1, 1, 1))


@pytest.mark.parametrize("stalls", STALLS)
@pytest.mark.parametrize(
    ("bits", "index_bits"), [(1, 1), (7, 4), (8, 8), (9, 4), (16, 10), (17, 9)]
)
def test_result_bytes(bits, index_bits, stalls):
    dice = random.Random(bits)
    sent, expected = [], []
    for classes in (1, 2, 10):
        octets = b""
        for k in range(classes):
            code, index = dice.randrange(1 << bits), dice.randrange(1 << index_bits)
            sent.append({"data": code, "index": index, "last": int(k == classes - 1)})
            octets += code.to_bytes(-(-bits // 8), "little")
        octets += index.to_bytes(-(-index_bits // 8), "little")
        expected += frame(list(octets), 1)
    dut = ResultBytes(bits=bits, index_bits=index_bits)
    log = exercise(dut, {"i": sent}, {"o": expected}, stalls=stalls, reset_after=3)
    if stalls == 0:
        # One byte a cycle, and a word of one byte is taken in the cycle in which it comes.
        assert log.moves["o"] == list(range(log.moves["o"][0], log.moves["o"][0] + len(expected)))
        assert log.moves["i"][0] - log.moves["o"][0] >= -(-bits // 8) - 1


@pytest.mark.parametrize("stalls", STALLS)
@pytest.mark.parametrize(("bits", "index_bits"), [(1, 1), (8, 4), (9, 4), (16, 10)])
def test_ranked_result_bytes(bits, index_bits, stalls):
    """Every code is followed by its class."""
    dice = random.Random(bits)
    sent, expected = [], []
    for k in (1, 2, 5):
        octets = b""
        for place in range(k):
            code, index = dice.randrange(1 << bits), dice.randrange(1 << index_bits)
            sent.append({"data": code, "index": index, "last": int(place == k - 1)})
            octets += code.to_bytes(-(-bits // 8), "little")
            octets += index.to_bytes(-(-index_bits // 8), "little")
        expected += frame(list(octets), 1)
    dut = ResultBytes(bits=bits, index_bits=index_bits, ranked=True)
    assert dut.ranked
    log = exercise(dut, {"i": sent}, {"o": expected}, stalls=stalls, reset_after=3)
    if stalls == 0:
        assert log.moves["o"] == list(range(log.moves["o"][0], log.moves["o"][0] + len(expected)))


def test_result_bytes_bench_catches_a_lost_last():
    sent = [{"data": 1, "index": 0, "last": 0}, {"data": 2, "index": 1, "last": 0}]
    with pytest.raises((AssertionError, TimeoutError)):
        exercise(
            ResultBytes(bits=8, index_bits=4), {"i": sent}, {"o": frame([1, 2, 1], 1)}, deadline=90
        )


@pytest.mark.parametrize("name", ["bits", "index_bits"])
def test_result_bytes_wrong(name):
    with pytest.raises(ValueError, match=rf"^{name} must be a positive integer, not 0$"):
        ResultBytes(**{"bits": 8, "index_bits": 4, name: 0})
