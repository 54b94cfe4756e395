"""The simulated link, bit by bit on its pins, with the host's own code at the other end."""

import random

import numpy as np
import pytest

from bnnhw.driver import Device
from bnnhw.errors import DeviceError
from bnnhw.link import Decoder, ErrorCode, Frame, Hello, Kind, encode
from bnnhw.link.payload import Packing
from rtl_gen.link import HostLink, default_credits

SIZE = 6
IDENTITY = bytes(range(32))
PAYLOADS = [random.Random(k).randbytes(SIZE) for k in range(12)]
MANIFEST = {
    "identity": IDENTITY.hex(),
    "input": {"shape": [SIZE], "elements": SIZE, "bits": 8, "frame_bytes": SIZE, "lut": None},
    "output": {"low": 0, "step": 1, "bits": 8, "bytes": 1, "classes": 1, "index_bytes": 1},
}


def infer(number):
    return encode(Frame(Kind.INFER, number, PAYLOADS[number]))


def result(number):
    payload = PAYLOADS[number]
    return Frame(Kind.RESULT, number, bytes([payload[0], sum(payload) % 256]))


def talk(line, data, decoder=None):
    """Send `data`, then listen until the board is silent."""
    decoder = Decoder() if decoder is None else decoder
    line.write(data)
    frames = []
    while heard := line.read(0):
        frames += decoder.feed(heard)
    assert decoder.bad == 0, "the board sent a damaged frame"
    return frames


def hello(line):
    (reply,) = talk(line, b"\0" + encode(Frame(Kind.HELLO, 200)))
    assert (reply.kind, reply.sequence) == (Kind.HELLO_REPLY, 200)
    return Hello.unpack(reply.payload)


@pytest.mark.parametrize(("divisor", "credits"), [(4, 1), (4, 4), (9, 2)])
def test_answers_every_request_in_order(simulated_line, divisor, credits):
    line = simulated_line(divisor=divisor, credits=credits)
    assert hello(line) == Hello(IDENTITY, SIZE, 2, 1, 12_000_000, credits)
    for start in range(0, 8, credits):
        numbers = range(start, start + credits)
        assert talk(line, b"".join(map(infer, numbers))) == [result(n) for n in numbers]


def test_any_sequence_comes_back(simulated_line):
    line = simulated_line(credits=4)
    for first in (0x40, 0x80, 0xBC, 0xFC):
        numbers = range(first, first + 4)
        asked = [encode(Frame(Kind.INFER, number, PAYLOADS[3])) for number in numbers]
        expected = [Frame(Kind.RESULT, number, result(3).payload) for number in numbers]
        assert talk(line, b"".join(asked)) == expected


def test_pauses_of_any_length_in_a_request(simulated_line):
    line = simulated_line()
    for pause in (41, 80, 123):
        for byte in encode(Frame(Kind.INFER, 0xD5, PAYLOADS[5])):
            line.write([byte])
            line.advance(line.divisor * 10 + pause)
        assert talk(line, b"") == [Frame(Kind.RESULT, 0xD5, result(5).payload)]


def test_says_what_is_wrong(simulated_line):
    line = simulated_line()
    cases = {
        Frame(Kind.INFER, 0x41, PAYLOADS[0], version=7): ErrorCode.VERSION,
        Frame(0x33, 0x92): ErrorCode.KIND,
        Frame(Kind.INFER, 0x2C, b"short"): ErrorCode.LENGTH,
        Frame(Kind.INFER, 4, bytes(1000)): ErrorCode.LENGTH,
    }
    for frame, code in cases.items():
        expected = Frame(Kind.ERROR, frame.sequence, bytes([code]))
        assert talk(line, encode(frame)) == [expected]
    assert talk(line, infer(5)) == [result(5)]
    assert hello(line).bad_frames == 0


def test_refuses_more_than_its_credits(simulated_line):
    line = simulated_line(credits=2, pause=3000)
    frames = talk(line, b"".join(map(infer, range(4))))
    refused = [Frame(Kind.ERROR, n, bytes([ErrorCode.BUSY])) for n in (2, 3)]
    assert sorted(frames, key=lambda frame: frame.sequence) == [result(0), result(1), *refused]
    assert talk(line, infer(4)) == [result(4)]


def test_flipped_bits_never_reach_the_accelerator(simulated_line):
    line = simulated_line()
    good, dice = infer(1), random.Random(3)
    for _ in range(25):
        damaged = bytearray(good)
        damaged[dice.randrange(len(good))] ^= 1 << dice.randrange(8)
        assert talk(line, bytes(damaged) + b"\0" + infer(2)) == [result(2)]
    assert hello(line).bad_frames >= 25


def test_truncated_frames(simulated_line):
    line = simulated_line()
    good = infer(1)
    for length in range(1, len(good) - 1):
        assert talk(line, good[:length] + b"\0" + infer(3)) == [result(3)]
    assert hello(line).bad_frames == len(good) - 2


def test_random_bytes_never_wedge_it(simulated_line):
    line = simulated_line()
    dice = random.Random(11)
    for _ in range(12):
        # A random frame passes the CRC once in 65536: this seed has none.
        noise = bytes(dice.choice([0, 1, 2, 3, 255, dice.randrange(256)]) for _ in range(60))
        assert talk(line, noise + b"\0" + infer(2)) == [result(2)]
    assert hello(line).bad_frames > 12


def test_noise_below_the_byte_level(simulated_line):
    line = simulated_line()
    dice = random.Random(5)

    async def scribble(ctx):
        for _ in range(3000):
            await ctx.tick()
            ctx.set(line.link.rx, dice.randrange(2))
        ctx.set(line.link.rx, 1)

    line.simulator.add_testbench(scribble, background=True)
    line.advance(3500)
    line.from_board.clear()
    assert talk(line, bytes(3) + infer(2)) == [result(2)]
    assert hello(line).line_errors > 0


def test_counts_what_it_drops(simulated_line):
    """Frames with a wrong CRC, and bytes without a stop bit, one by one."""
    line, bad = simulated_line(), bytearray(infer(2))
    bad[4] ^= 1 if bad[4] != 1 else 2
    begun: list[bool] = []

    async def breaks(ctx):
        while not begun:
            await ctx.tick()
        for _ in range(11):
            ctx.set(line.link.rx, 0)
            await ctx.tick().repeat(10 * line.divisor)
            ctx.set(line.link.rx, 1)
            await ctx.tick().repeat(2 * line.divisor)

    line.simulator.add_testbench(breaks, background=True)
    for count in range(1, 6):
        assert talk(line, b"\0" + bytes(bad)) == []
        assert hello(line).bad_frames == count
    begun.append(True)
    line.advance(11 * 12 * line.divisor + 50)
    assert hello(line).line_errors == 11
    assert talk(line, infer(2)) == [result(2)]


def test_hello_is_answered_while_the_accelerator_is_stuck(simulated_line):
    line = simulated_line(stuck=True, credits=2)
    assert talk(line, infer(0) + infer(1)) == []
    assert hello(line).queued == 2
    expected = Frame(Kind.ERROR, 2, bytes([ErrorCode.BUSY]))
    assert talk(line, infer(2)) == [expected]


def open_device(line):
    return Device(line, name="simulation", packing=Packing.from_manifest(MANIFEST), timeout=1)


def check(device, count):
    images = np.array([list(payload) for payload in PAYLOADS[:count]])
    answers = device.predict(images)
    assert answers.logits.tolist() == [[payload[0]] for payload in PAYLOADS[:count]]


@pytest.fixture
def payloads_with_class_zero(monkeypatch):
    """Make the sums 0: the stub's second byte is a class index, and there is only class 0."""
    fixed = [p[:-1] + bytes([-sum(p[:-1]) % 256]) for p in PAYLOADS]
    monkeypatch.setattr(f"{__name__}.PAYLOADS", fixed)


def test_real_driver_on_the_simulated_pins(simulated_line, payloads_with_class_zero):
    line = simulated_line(credits=4)
    with open_device(line) as device:
        check(device, 12)
        check(device, 1)
        assert device.hello().bad_frames == 0
    assert line.closed


def test_real_driver_on_a_bad_line(simulated_line, payloads_with_class_zero):
    line = simulated_line(credits=4)
    with open_device(line) as device:
        dice, losses = random.Random(8), []

        def corrupt(data):
            if dice.random() < 0.25:
                losses.append(data)
                return data[:-3] + bytes([data[-3] ^ 4]) + data[-2:]
            return data

        line.corrupt = corrupt
        check(device, 12)
        line.corrupt = lambda data: data
        assert losses
        assert device.hello().bad_frames == len(losses)


def test_real_driver_gives_up_on_a_stuck_accelerator(simulated_line):
    with (
        open_device(simulated_line(stuck=True)) as device,
        pytest.raises(DeviceError, match="stopped answering at image 0; 4 attempts failed"),
    ):
        check(device, 3)


def test_real_driver_waits_for_answers_of_an_earlier_program(
    simulated_line, payloads_with_class_zero
):
    line = simulated_line(credits=2, pause=2500)
    line.write(infer(0) + infer(1)[:-4])
    line.advance(1000)
    with open_device(line) as device:
        assert device.info.queued == 0
        check(device, 3)


@pytest.mark.parametrize(
    ("frame_bytes", "credits"),
    [(1, 8), (98, 8), (256, 8), (257, 4), (513, 2), (1025, 1), (3072, 1)],
)
def test_default_credits(frame_bytes, credits):
    assert default_credits(frame_bytes) == credits


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("divisor", 3, "^divisor must be an integer of at least 4, not 3$"),
        ("frame_bytes", 0, "^frame_bytes must be a positive integer, not 0$"),
        ("answer_bytes", 0, "^answer_bytes must be a positive integer, not 0$"),
        ("credits", 3, "^credits must be a power of two of at most 64, not 3$"),
        ("identity", b"x", "^identity must be 32 bytes long, not 1$"),
        ("classes", 1 << 16, "does not fit the HELLO_REPLY"),
    ],
)
def test_parameters_wrong(name, value, message):
    parameters = {
        "divisor": 4,
        "frame_bytes": 4,
        "answer_bytes": 4,
        "classes": 4,
        "identity": IDENTITY,
        "clock_hz": 1,
        name: value,
    }
    with pytest.raises(ValueError, match=message):
        HostLink(**parameters)
