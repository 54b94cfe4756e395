import random
from dataclasses import replace

import pytest
from cobs import cobs
from crc import Calculator, Crc16
from hypothesis import example, given
from hypothesis import strategies as st

from bnnhw.link import Decoder, Frame, Hello, WeightState, encode
from bnnhw.link.protocol import CRC_CONFIGURATION, HELLO_BYTES

FRAMES = st.builds(
    Frame, st.integers(0, 255), st.integers(0, 255), st.binary(max_size=600), st.integers(0, 255)
)


def test_bytes_of_a_frame():
    # Worked out by hand: CRC-16/IBM-3740 of 01 01 07 is computed bit by bit below.
    crc = 0xFFFF
    for byte in (1, 1, 7):
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xFFFF
    assert encode(Frame(1, 7)) == bytes([6, 1, 1, 7, crc >> 8, crc & 0xFF, 0])


def test_crc_variant():
    assert Calculator(CRC_CONFIGURATION).checksum(b"123456789") == 0x29B1
    assert Crc16.IBM_3740.value == CRC_CONFIGURATION


@given(st.lists(FRAMES, max_size=5), st.lists(st.integers(1, 50)))
def test_frames_survive_any_cut(frames, cuts):
    line = b"".join(map(encode, frames))
    decoder, got = Decoder(), []
    for cut in cuts:
        got += decoder.feed(line[:cut])
        line = line[cut:]
    got += decoder.feed(line)
    assert (got, decoder.bad) == (frames, 0)


@given(st.binary(max_size=300), FRAMES)
def test_garbage_costs_nothing_but_itself(garbage, frame):
    decoder = Decoder()
    assert decoder.feed(garbage + b"\0" + encode(frame))[-1] == frame


@given(FRAMES, st.integers(0), st.integers(0, 7))
@example(Frame(180, 180, b"e\xcex\xa8", version=14), 9, 0)  # A CRC that ends in zero, cut there.
def test_a_flipped_bit_is_never_taken_for_the_frame(frame, place, bit):
    line = bytearray(encode(frame))
    line[place % (len(line) - 1)] ^= 1 << bit
    decoder = Decoder()
    got = decoder.feed(bytes(line) + b"\0")
    assert frame not in got
    # What passes after all is shorter, and every type of frame has one length.
    assert decoder.bad >= 1 or all(len(short.payload) < len(frame.payload) for short in got)


@given(FRAMES, st.integers(0))
def test_a_cut_frame_is_dropped_or_shorter(frame, length):
    line = encode(frame)
    decoder = Decoder()
    kept = line[: 1 + length % (len(line) - 2)]
    got = decoder.feed(kept + b"\0")
    # A CRC of 16 bits lets one random cut in 65536 pass; what passes shows in its length, and every
    # type of frame has one length.
    assert len(got) + decoder.bad == 1
    assert all(len(short.payload) < len(frame.payload) for short in got)


def test_a_crc_that_ends_in_zero_hides_a_cut():
    """The CRC of a frame and its CRC is 0, and stays 0 without a zero at the end.

    So one frame in 256 passes without its last byte, where CRCs catch any other single loss. A
    final XOR or a length in the header would catch it; the lengths that both ends know do.
    """
    frame = Frame(213, 173, b"\xbd", 173)
    line = encode(frame)
    assert line[-2:] == b"\1\0"
    assert Decoder().feed(line[:-2] + b"\0") == [Frame(213, 173, b"", 173)]
    for sequence in range(8):
        frames = [Frame(2, sequence, bytes([5, last])) for last in range(256)]
        hidden = [frame for frame in frames if Decoder().feed(encode(frame)[:-2] + b"\0")]
        assert len(hidden) == 1


def test_short_frames_with_a_right_crc_of_nothing():
    decoder = Decoder()
    for raw in (b"\xff\xff", b"\xff", b"\x01\x01\xff\xff"):
        assert decoder.feed(cobs.encode(raw) + b"\0") == []
    assert decoder.bad == 3


def test_long_frames_are_dropped_without_being_kept():
    decoder, good = Decoder(limit=100), Frame(1, 2, b"x" * 50)
    for _ in range(1000):
        assert decoder.feed(b"\x01" * 64) == []
        assert len(decoder._pending) <= 100
    assert decoder.feed(b"\0" + encode(good)) == [good]
    assert decoder.bad == 1


def test_empty_frames_are_skipped():
    decoder = Decoder()
    assert decoder.feed(bytes(50)) == []
    assert decoder.bad == 0


@pytest.mark.parametrize("limit", [0, -1])
def test_limit_wrong(limit):
    with pytest.raises(ValueError, match=rf"^limit must be positive, not {limit}$"):
        Decoder(limit=limit)


def test_hello_layout():
    hello = Hello(bytes(range(32)), 0x01020304, 0x0506, 0x0708, 0x090A0B0C, 4, 1, 0x0D0E, 0x0F, 2)
    packed = hello.pack()
    assert packed.hex(" ") == (
        "42 4e 4e 48 01 04 06 05 04 03 02 01 08 07 00 00 0c 0b 0a 09 "
        + bytes(range(32)).hex(" ")
        + " 0e 0d 0f 02"
    )
    assert len(packed) == HELLO_BYTES == 56
    assert Hello.unpack(packed) == hello


def test_hello_of_a_board_with_writable_weights():
    hello = Hello(bytes(32), 1, 1, 1, 1, 1, weights=WeightState(0x0102, 0x03040506))
    packed = hello.pack()
    assert packed[HELLO_BYTES:].hex(" ") == "02 01 01 00 06 05 04 03"
    assert hello.status_bytes == 12
    assert Hello.unpack(packed) == hello
    unloaded = replace(hello, weights=WeightState(7))
    assert unloaded.pack()[HELLO_BYTES:].hex(" ") == "07 00 00 00 00 00 00 00"
    assert Hello.unpack(unloaded.pack()) == unloaded


def test_hello_wrong():
    packed = Hello(bytes(32), 1, 1, 1, 1, 1).pack()
    with pytest.raises(ValueError, match=r"^A HELLO_REPLY must start with b'BNNH', not b'XNNH'$"):
        Hello.unpack(b"X" + packed[1:])
    with pytest.raises(ValueError, match=r"^A HELLO_REPLY must be 56 or 64 bytes long, not 55$"):
        Hello.unpack(packed[1:])


@given(st.binary(min_size=HELLO_BYTES, max_size=HELLO_BYTES))
def test_hello_of_any_bytes(payload):
    try:
        hello = Hello.unpack(payload)
    except ValueError:
        return
    assert hello.pack()[:4] == payload[:4]


def test_random_noise_gives_no_frames():
    decoder = Decoder()
    # One random frame in 65536 passes a CRC of 16 bits; this seed has none.
    assert decoder.feed(random.Random(1).randbytes(20000)) == []
    assert decoder.bad > 50
