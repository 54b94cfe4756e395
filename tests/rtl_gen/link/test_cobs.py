import random

import pytest
from cobs import cobs
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl_gen.link import CobsDecoder, CobsEncoder
from sim.bench import exercise
from sim.streams import STALLS, frame

DICE = random.Random(7)
CORNERS = [
    b"\x00",
    b"\x01",
    b"\x00\x00",
    b"\x01\x00",
    b"\x00\x01",
    *(bytes([7] * n) for n in (253, 254, 255, 256, 508, 509)),
    *(bytes([7] * n) + b"\0" for n in (253, 254, 255)),
    *(b"\0" + bytes([7] * n) for n in (253, 254, 255)),
    bytes(300),
    *(DICE.randbytes(n) for n in (2, 17, 103, 512)),
]


def tokens(encoded):
    """Say what the decoder must make of the bytes between two zeros."""
    if not encoded:
        return []
    raw, good = _greedy(encoded)
    data = [{"data": byte, "end": 0, "good": 0} for byte in raw]
    return [*data, {"data": 0, "end": 1, "good": int(good)}]


def _greedy(encoded):
    out, place = bytearray(), 0
    while place < len(encoded):
        code = encoded[place]
        run = encoded[place + 1 : place + code]
        out += run
        place += code
        if len(run) < code - 1:
            return out, False
        if code != 0xFF and place < len(encoded):
            out.append(0)
    return out, True


def decode(pieces, **options):
    line = [byte for piece in pieces for byte in [*piece, 0]]
    expected = [word for piece in pieces for word in tokens(piece)]
    return exercise(CobsDecoder(), {"i": line}, {"o": expected}, **options)


def test_model_is_the_package():
    for raw in CORNERS:
        assert _greedy(cobs.encode(raw)) == (raw, True)


@pytest.mark.parametrize("stalls", STALLS)
def test_decoder_decodes_what_the_package_encodes(stalls):
    longest = 260 if stalls in (0, 50) else 20
    raws = [raw for raw in CORNERS if len(raw) < longest]
    decode([cobs.encode(raw) for raw in raws], stalls=stalls)


def test_decoder_skips_empty_frames_and_flags_damage():
    decode([b"", b"", b"\x01", b"\x05ab", b"\xffabc", b"\x03ab\x02", b"\x02x"])


def test_decoder_starts_afresh_after_a_reset():
    decode([b"\x03ab", b"\x02x"], reset_after=4)


def test_decoder_takes_a_byte_a_cycle():
    log = decode([cobs.encode(bytes(range(1, 100)))])
    assert log.latency == 1  # the code byte says nothing by itself
    assert log.moves["i"] == list(range(log.moves["i"][0], log.moves["i"][0] + 101))


@settings(deadline=None, max_examples=25)
@given(st.lists(st.binary(max_size=40).map(lambda raw: raw.replace(b"\0", b"\2")), max_size=6))
def test_decoder_survives_any_bytes(pieces):
    decode([*pieces, cobs.encode(b"good")])


def encode(raws, **options):
    words = [word for raw in raws for word in frame(list(raw), 1)]
    expected = [byte for raw in raws for byte in cobs.encode(raw) + b"\0"]
    longest = max(len(raw) for raw in raws)
    return exercise(CobsEncoder(max_bytes=longest), {"i": words}, {"o": expected}, **options)


@pytest.mark.parametrize("stalls", STALLS)
def test_encoder_encodes_like_the_package(stalls):
    longest = 600 if stalls in (0, 50) else 20
    encode([raw for raw in CORNERS if len(raw) < longest], stalls=stalls)


@pytest.mark.parametrize("size", [1, 2, 6, 14, 253, 254, 255])
def test_encoder_has_room_for_its_longest_frame(size):
    encode([bytes([1] * size)] * 2)


def test_encoder_starts_afresh_after_a_reset():
    encode([b"abc\0def", b"\0"], reset_after=5)
    encode([b"abc\0def", b"\0"], reset_after=12)


def test_encoder_latency_and_pace():
    log = encode([bytes(range(100))])
    assert log.moves["o"][0] - log.moves["i"][-1] == 4
    steps = [b - a for a, b in zip(log.moves["o"], log.moves["o"][1:], strict=False)]
    assert set(steps) == {2}
    assert log.moves["i"] == list(range(log.moves["i"][0], log.moves["i"][0] + 100))


@settings(deadline=None, max_examples=15)
@given(
    st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=4), st.sampled_from(STALLS)
)
def test_encoder_encodes_anything(raws, stalls):
    encode(raws, stalls=stalls)


def test_bench_catches_a_wrong_expectation():
    words = frame(list(b"ab\0c"), 1)
    wrong = list(cobs.encode(b"ab\0d") + b"\0")
    with pytest.raises(AssertionError):
        exercise(CobsEncoder(max_bytes=9), {"i": words}, {"o": wrong})


def test_bench_catches_a_dropped_last():
    words = frame(list(b"abc"), 1)
    words[-1]["last"] = 0
    with pytest.raises(TimeoutError):
        exercise(
            CobsEncoder(max_bytes=9), {"i": words}, {"o": [*cobs.encode(b"abc"), 0]}, deadline=200
        )


@pytest.mark.parametrize("size", [0, -1, 1.0])
def test_max_bytes_wrong(size):
    with pytest.raises(ValueError, match=r"^max_bytes must be a positive integer, not "):
        CobsEncoder(max_bytes=size)
