import random

import pytest
from amaranth.hdl import Array, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from cobs import cobs
from crc import Calculator
from hypothesis import given, settings
from hypothesis import strategies as st

from bnnhw.link import ErrorCode, Frame, Kind, encode
from bnnhw.link.protocol import CRC_CONFIGURATION, WEIGHTS_BYTES
from rtl_gen.link import RequestBuffer, RequestReceiver
from rtl_gen.link.cobs import token
from rtl_gen.streams import port
from sim.bench import exercise, run
from sim.streams import STALLS, frame, send

SIZE = 5
PAYLOAD = bytes(range(1, 1 + SIZE))


def body(kind, sequence, payload=b"", *, version=1):
    """Make a frame as the COBS decoder hands it on, with the CRC of the host's library."""
    return cobs.decode(encode(Frame(kind, sequence, payload, version))[:-1])


def tokens(raw, *, good=1):
    data = [{"data": byte, "end": 0, "good": 0} for byte in raw]
    return [*data, {"data": 0, "end": 1, "good": good}]


def passed(raw, *, good):
    """Say what must reach the buffer: all behind the header, then the verdict."""
    words = tokens(raw[3:], good=good)
    words[-1]["data"] = raw[2] if len(raw) > 2 else 0
    return words


def check(frames, **options):
    """Send (raw, good, accepted, code): code None for no control reply."""
    sent = [word for raw, good, _, _ in frames for word in tokens(raw, good=good)]
    out = [word for raw, _, accepted, _ in frames for word in passed(raw, good=accepted)]
    control = [{"code": code, "sequence": raw[2]} for raw, _, _, code in frames if code is not None]
    dut = RequestReceiver(frame_bytes=SIZE)
    return exercise(dut, {"i": sent}, {"o": out, "control": control}, **options)


GOOD = body(Kind.INFER, 9, PAYLOAD)
HELLO = body(Kind.HELLO, 3)
CASES = {
    "infer": (GOOD, 1, 1, None),
    "hello": (HELLO, 1, 0, 0),
    "bad stuffing": (GOOD, 0, 0, None),
    "bad crc": (GOOD[:-1] + bytes([GOOD[-1] ^ 1]), 1, 0, None),
    "bad payload": (GOOD[:4] + bytes([GOOD[4] ^ 0x80]) + GOOD[5:], 1, 0, None),
    "zero in front": (b"\0" + GOOD, 1, 0, None),
    "version": (body(Kind.INFER, 4, PAYLOAD, version=2), 1, 0, ErrorCode.VERSION),
    "kind": (body(0x55, 5, PAYLOAD), 1, 0, ErrorCode.KIND),
    "reply kind": (body(Kind.RESULT, 5, PAYLOAD), 1, 0, ErrorCode.KIND),
    "too short": (body(Kind.INFER, 6, PAYLOAD[:-1]), 1, 0, ErrorCode.LENGTH),
    "too long": (body(Kind.INFER, 7, PAYLOAD + b"x"), 1, 0, ErrorCode.LENGTH),
    "far too long": (body(Kind.INFER, 7, bytes(300)), 1, 0, ErrorCode.LENGTH),
    "hello with payload": (body(Kind.HELLO, 8, PAYLOAD), 1, 0, ErrorCode.LENGTH),
    "empty infer": (body(Kind.INFER, 8), 1, 0, ErrorCode.LENGTH),
}


@pytest.mark.parametrize("name", CASES)
def test_receiver_judges(name):
    check([CASES["hello"], CASES[name], CASES["infer"]], linger=20)


WEIGHTS = body(Kind.WEIGHTS, 11, bytes(WEIGHTS_BYTES))


def judged(dut, raw, **inputs):
    """Send one frame and give the verdicts of its last token, and the code of its reply."""
    verdicts = []

    async def bench(ctx):
        for name, value in inputs.items():
            ctx.set(getattr(dut, name), value)
        ctx.set(dut.o.ready, 1)
        ctx.set(dut.i.valid, 1)
        for word in tokens(raw):
            ctx.set(dut.i.payload, word)
            *_, infer, weights = await ctx.tick().sample(dut.o.payload.good, dut.weights)
            assert word["end"] or not infer + weights
        ctx.set(dut.i.valid, 0)
        verdicts.extend([infer, weights])
        verdicts.append(ctx.get(dut.control.payload.code) if ctx.get(dut.control.valid) else None)

    run(dut, bench, deadline=2000)
    return verdicts


@pytest.mark.parametrize(
    ("raw", "inputs", "expected"),
    [
        (WEIGHTS, {}, [0, 1, 0]),
        (WEIGHTS, {"unloaded": 1, "refused": 1}, [0, 1, 0]),
        (WEIGHTS, {"busy": 1}, [0, 0, ErrorCode.BUSY]),
        (WEIGHTS[:-1] + bytes([WEIGHTS[-1] ^ 1]), {}, [0, 0, None]),
        (body(Kind.WEIGHTS, 11, bytes(WEIGHTS_BYTES - 1)), {}, [0, 0, ErrorCode.LENGTH]),
        (body(Kind.WEIGHTS, 11, PAYLOAD), {}, [0, 0, ErrorCode.LENGTH]),
        (GOOD, {"busy": 1}, [1, 0, None]),
        (GOOD, {"unloaded": 1}, [0, 0, ErrorCode.UNLOADED]),
        (body(Kind.INFER, 8), {"unloaded": 1}, [0, 0, ErrorCode.LENGTH]),
        (HELLO, {"unloaded": 1, "busy": 1}, [0, 0, 0]),
    ],
)
def test_receiver_of_writable_weights_judges(raw, inputs, expected):
    assert judged(RequestReceiver(frame_bytes=SIZE, weights=True), raw, **inputs) == expected


def test_receiver_without_writable_weights_does_not_know_them():
    dut = RequestReceiver(frame_bytes=SIZE)
    assert judged(dut, WEIGHTS) == [0, 0, ErrorCode.KIND]


@pytest.mark.parametrize("length", range(1, 5))
def test_receiver_drops_frames_shorter_than_header_and_crc(length):
    raw = bytes([1, 1, 1, 1][:length])
    # A frame without a sequence repeats the one before; with a bad verdict nobody reads it.
    cut = passed(raw, good=0)
    cut[-1]["data"] = raw[2] if length > 2 else HELLO[2]
    dut = RequestReceiver(frame_bytes=SIZE)
    exercise(
        dut,
        {"i": [*tokens(HELLO), *tokens(raw), *tokens(GOOD)]},
        {
            "o": [*passed(HELLO, good=0), *cut, *passed(GOOD, good=1)],
            "control": [{"code": 0, "sequence": HELLO[2]}],
        },
        linger=20,
    )


@pytest.mark.parametrize("length", [1, 2])
def test_receiver_drops_short_frames_whose_crc_fits(length):
    """The CRC lies where the header's last byte should be, and counts as such."""
    start = bytes([1, Kind.HELLO])[:length]
    raw = start + Calculator(CRC_CONFIGURATION).checksum(start).to_bytes(2, "big")
    exercise(
        RequestReceiver(frame_bytes=SIZE),
        {"i": [*tokens(HELLO), *tokens(raw), *tokens(GOOD)]},
        {
            "o": [*passed(HELLO, good=0), *passed(raw, good=0), *passed(GOOD, good=1)],
            "control": [{"code": 0, "sequence": HELLO[2]}],
        },
        linger=20,
    )


@pytest.mark.parametrize("stalls", STALLS)
def test_receiver_with_stalls_on_both_sides(stalls):
    check(
        [CASES["hello"], *[CASES["infer"]] * 3, CASES["bad crc"]], stalls={"i": stalls, "o": stalls}
    )


def test_receiver_starts_afresh_after_a_reset():
    check([CASES["infer"], CASES["hello"]], reset_after=7)


def test_receiver_takes_a_byte_a_cycle():
    log = check([CASES["hello"], *[CASES["infer"]] * 4])
    first = log.moves["i"][0]
    assert log.moves["i"] == list(range(first, first + len(log.moves["i"])))


@pytest.mark.parametrize("code", [0x1021, 0x8005, 0xFFFF])
def test_receiver_rejects_the_crc_of_another_variant(code):
    raw = GOOD[:-2] + ((GOOD[-2] << 8 | GOOD[-1]) ^ code).to_bytes(2, "big")
    check([CASES["hello"], (raw, 1, 0, None), CASES["infer"]], linger=20)


def test_bench_catches_a_receiver_that_checks_no_crc():
    with pytest.raises(AssertionError, match="good: expected 1, got 0"):
        check([CASES["hello"], (CASES["bad crc"][0], 1, 1, None)])


def test_receiver_reports_a_full_buffer_and_drops_replies_that_wait():
    dut = RequestReceiver(frame_bytes=SIZE)
    bad = []

    async def bench(ctx):
        ctx.set(dut.o.ready, 1)
        ctx.set(dut.refused, 1)
        ctx.set(dut.i.valid, 1)
        for word in [*tokens(GOOD), *tokens(HELLO)]:
            ctx.set(dut.i.payload, word)
            *_, lost = await ctx.tick().sample(dut.bad)
            bad.append(lost)
        ctx.set(dut.i.valid, 0)
        ctx.set(dut.control.ready, 1)
        *_, valid, reply = await ctx.tick().sample(dut.control.valid, dut.control.payload)
        assert (valid, reply.code, reply.sequence) == (1, ErrorCode.BUSY, 9)

    run(dut, bench, deadline=100)
    assert bad == [0] * (len(bad) - 1) + [1]


def keep(payload, sequence, *, good=1, tail=b"\xaa\xbb"):
    words = tokens(payload + tail, good=good)
    words[-1]["data"] = sequence
    return words


class Numbered(wiring.Component):
    """A buffer, and beside it the numbers of its requests in the places that it says."""

    def __init__(self, *, frame_bytes, credits):
        self.buffer = RequestBuffer(frame_bytes=frame_bytes, credits=credits)
        self.numbers = Array(Signal(8) for _ in range(credits))
        super().__init__(
            {
                "i": In(stream.Signature(token())),
                "o": Out(port(1, 8)),
                "sequence": Out(stream.Signature(8)),
                "refused": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.buffer = buffer = self.buffer
        wiring.connect(m, wiring.flipped(self.i), buffer.i)
        wiring.connect(m, buffer.o, wiring.flipped(self.o))
        m.d.comb += [
            self.sequence.payload.eq(self.numbers[buffer.place.payload]),
            self.sequence.valid.eq(buffer.place.valid),
            buffer.place.ready.eq(self.sequence.ready),
            self.refused.eq(buffer.refused),
        ]
        with m.If(buffer.kept):
            m.d.sync += self.numbers[buffer.number.place].eq(buffer.number.sequence)
        return m


def store(entries, *, credits=4, size=SIZE, **options):
    """Entries (payload, sequence, good) through a buffer that never overflows."""
    sent = [word for payload, number, good in entries for word in keep(payload, number, good=good)]
    out = [word for payload, _, good in entries if good for word in frame(list(payload), 1)]
    numbers = [number for _, number, good in entries if good]
    dut = Numbered(frame_bytes=size, credits=credits)
    return exercise(dut, {"i": sent}, {"o": out, "sequence": numbers}, **options)


def entries(count, size, seed):
    dice = random.Random(seed)
    return [(dice.randbytes(size), dice.randrange(256), 1) for _ in range(count)]


@pytest.mark.parametrize("stalls", [50, 75, "toggle"])
@pytest.mark.parametrize(("credits", "size"), [(4, 5), (4, 8), (4, 1), (2, 9), (8, 3)])
def test_buffer_hands_on_what_was_good(credits, size, stalls):
    some = entries(12, size, 3)
    some[2:2] = [(b"\x11" * size, 77, 0)]
    some[5:5] = [(b"\x22" * (size - 1), 78, 0)]
    # The source waits most of the time, so that a place is always free.
    store(some, credits=credits, size=size, stalls={"i": 95, "o": stalls, "sequence": stalls})


def test_buffer_with_a_single_place():
    # The bad frames between give it time: what comes while the place is taken is refused.
    spaced = [entry for some in entries(4, 3, 1) for entry in [some, *[(bytes(9), 0, 0)] * 3]]
    store(spaced, credits=1, size=3)


def test_buffer_latency_and_pace():
    log = store(entries(1, SIZE, 4))
    verdict = log.moves["i"][-1]
    assert log.moves["o"] == [verdict + 2 + 2 * k for k in range(SIZE)]


def test_buffer_starts_afresh_after_a_reset():
    store(entries(2, SIZE, 5), reset_after=10)


def test_buffer_says_when_a_payload_ends_and_repeats_it():
    dut = Numbered(frame_bytes=SIZE, credits=2)
    some = entries(2, SIZE, 7)
    clocks: list[tuple[int, int, int, int]] = []

    async def source(ctx):
        for payload, number, _ in some:
            await send(ctx, dut.i, keep(payload, number))

    async def sink(ctx):
        ctx.set(dut.o.ready, 1)
        for _ in range(60):
            # The first payload is wanted twice.
            ctx.set(dut.buffer.repeat, not any(ends for ends, *_ in clocks))
            word = dut.o.payload
            *_, ends, valid, byte, last = await ctx.tick().sample(
                dut.buffer.ends, dut.o.valid, word.data[0], word.last
            )
            clocks.append((ends, valid, byte, last))

    run(dut, source, sink, deadline=100)
    sent = bytes(byte for _, valid, byte, _ in clocks if valid)
    assert sent == some[0][0] * 2 + some[1][0]
    leaves = [int(valid and last) for _, valid, _, last in clocks]
    assert [ends for ends, *_ in clocks][:-1] == leaves[1:] and sum(leaves) == 3


@pytest.mark.parametrize("waiting", ["o", "sequence"])
def test_buffer_refuses_when_full_and_harms_nothing(waiting):
    """Fill it while one side waits, offer more, then let all out."""
    dut = Numbered(frame_bytes=SIZE, credits=2)
    some = entries(4, SIZE, 6)
    out, numbers, refused = [], [], []

    async def source(ctx):
        for payload, number, _ in some:
            for word in keep(payload, number):
                ctx.set(dut.i.valid, 1)
                full = word["end"] and ctx.get(dut.refused)
                if word["end"]:
                    refused.append(full)
                ctx.set(dut.i.payload, {**word, "good": int(word["good"] and not full)})
                await ctx.tick()
            ctx.set(dut.i.valid, 0)
            await ctx.tick().repeat(4 * SIZE)

    async def sink(ctx):
        for cycle in range(60 * SIZE):
            late = cycle > 40 * SIZE
            ctx.set(dut.o.ready, late or waiting != "o")
            ctx.set(dut.sequence.ready, late or waiting != "sequence")
            *_, moved, word, taken, number = await ctx.tick().sample(
                dut.o.valid & dut.o.ready,
                dut.o.payload.data[0],
                dut.sequence.valid & dut.sequence.ready,
                dut.sequence.payload,
            )
            if moved:
                out.append(word)
            if taken:
                numbers.append(number)

    run(dut, source, sink, deadline=1000)
    assert refused == [0, 0, 1, 1]
    assert bytes(out) == some[0][0] + some[1][0]
    assert numbers == [some[0][1], some[1][1]]


@settings(deadline=None, max_examples=20)
@given(
    st.lists(
        st.tuples(st.binary(min_size=4, max_size=4), st.integers(0, 255), st.integers(0, 1))
    ).filter(lambda some: any(good for *_, good in some))
)
def test_buffer_with_any_traffic(some):
    store(some, credits=2, size=4, stalls={"i": 75})


@pytest.mark.parametrize("credits", [0, 3, 128, -1, None])
def test_credits_wrong(credits):
    with pytest.raises(ValueError, match=r"^credits must be a power of two of at most 64, not "):
        RequestBuffer(frame_bytes=4, credits=credits)


@pytest.mark.parametrize("size", [0, -1, 2.0])
def test_frame_bytes_wrong(size):
    for build in (
        lambda: RequestBuffer(frame_bytes=size, credits=4),
        lambda: RequestReceiver(frame_bytes=size),
    ):
        with pytest.raises(ValueError, match=r"^frame_bytes must be a positive integer, not "):
            build()
