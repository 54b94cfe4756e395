"""The whole link with a store behind it: uploads and requests keep out of each other's way."""

import random
import zlib

import pytest

from bnnhw.link import Decoder, ErrorCode, Frame, Hello, Kind, WeightState, encode
from bnnhw.link.protocol import BLOCK_BYTES
from rtl_gen.link import HostLink

SIZE = 6
PAYLOAD = bytes(range(1, 1 + SIZE))
IMAGE = random.Random(4).randbytes(BLOCK_BYTES - 4)
CRC = zlib.crc32(IMAGE)
UPLOAD = encode(Frame(Kind.WEIGHTS, 30, bytes(2) + IMAGE + CRC.to_bytes(4, "little")))
DAMAGED = encode(Frame(Kind.WEIGHTS, 31, bytes(2) + IMAGE + bytes(4)))


def infer(number):
    return encode(Frame(Kind.INFER, number, PAYLOAD))


def result(number):
    return Frame(Kind.RESULT, number, bytes([PAYLOAD[0], sum(PAYLOAD)]))


def talk(line, data):
    """Send `data`, then listen until the board is silent."""
    decoder, frames = Decoder(), []
    line.write(data)
    while heard := line.read(0):
        frames += decoder.feed(heard)
    assert decoder.bad == 0, "the board sent a damaged frame"
    return frames


def state(line):
    (reply,) = talk(line, b"\0" + encode(Frame(Kind.HELLO, 200)))
    assert (reply.kind, reply.sequence) == (Kind.HELLO_REPLY, 200)
    return Hello.unpack(reply.payload).weights


def test_board_without_weights_answers_once_they_are_loaded(simulated_line):
    line = simulated_line(weight_blocks=1)
    refused = Frame(Kind.ERROR, 1, bytes([ErrorCode.UNLOADED]))
    assert state(line) == WeightState(0, None)
    assert talk(line, infer(1)) == [refused]
    (reply,) = talk(line, UPLOAD)
    assert (reply.kind, reply.sequence) == (Kind.HELLO_REPLY, 30)
    receipt = Hello.unpack(reply.payload).weights
    assert receipt == WeightState(1, None)
    assert state(line) == WeightState(1, CRC)
    assert line.loaded(IMAGE)
    assert talk(line, infer(2)) == [result(2)]

    talk(line, DAMAGED)
    assert state(line) == WeightState(0, None)
    assert talk(line, infer(1)) == [refused]


def test_upload_waits_for_requests_under_way(simulated_line):
    line = simulated_line(weight_blocks=1, weight_crc=7, pause=9000, credits=2)
    assert state(line) == WeightState(0, 7)
    busy = Frame(Kind.ERROR, 30, bytes([ErrorCode.BUSY]))
    assert talk(line, infer(1) + UPLOAD) == [busy, result(1)]
    assert state(line) == WeightState(0, 7)
    assert [frame.sequence for frame in talk(line, UPLOAD)] == [30]
    assert state(line) == WeightState(1, CRC)


def test_upload_waits_for_an_answer_that_leaves(simulated_line):
    """The number of a request is taken when its answer begins; the last layer may still count."""
    line = simulated_line(weight_blocks=1, weight_crc=7, gap=9000)
    busy = Frame(Kind.ERROR, 30, bytes([ErrorCode.BUSY]))
    assert talk(line, infer(1) + UPLOAD) == [result(1), busy]
    assert state(line) == WeightState(0, 7)
    assert [frame.sequence for frame in talk(line, UPLOAD)] == [30]
    assert state(line) == WeightState(1, CRC)


def test_link_without_weights_has_nothing_for_them():
    given = {
        "divisor": 4, "frame_bytes": 4, "answer_bytes": 4, "classes": 4,
        "identity": bytes(32), "clock_hz": 1,
    }  # fmt: skip
    plain, loaded = HostLink(**given), HostLink(**given, weight_blocks=3)
    assert set(loaded.signature.members) - set(plain.signature.members) == {"o_load"}
    assert len(loaded.hello.pack()) - len(plain.hello.pack()) == 8
    with pytest.raises(ValueError, match=r"^blocks must be an integer from 1 to 65535, not -1$"):
        HostLink(**given, weight_blocks=-1)
