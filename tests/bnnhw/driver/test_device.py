"""The driver against a fake board on a TCP socket, which works its answers out in its own way."""

import contextlib
import socket
import threading
from typing import Any

import numpy as np
import pytest

import bnnhw.driver
from bnnhw.errors import DeviceError, UsageError
from bnnhw.link import Decoder, ErrorCode, Frame, Hello, Kind, encode

IDENTITY = bytes(range(32))
SHAPE = (1, 3, 5)
LUT = [0] * 128 + [1] * 128
MANIFEST: dict[str, Any] = {
    "identity": IDENTITY.hex(),
    "input": {"shape": list(SHAPE), "elements": 15, "bits": 1, "frame_bytes": 2, "lut": LUT},
    "output": {"low": -15, "step": 2, "bits": 9, "bytes": 2, "classes": 3, "index_bytes": 1},
}
HELLO = Hello(IDENTITY, 2, 7, 3, 12_000_000, 4)


def answer(payload):
    """Three made-up logit codes and the class of the largest."""
    ones = bin(int.from_bytes(payload, "little")).count("1")
    codes = [ones, payload[0], 300]
    return b"".join(code.to_bytes(2, "little") for code in codes) + bytes([2])


def expected(image):
    """Say the same, from the pixels."""
    bits = [int(pixel >= 128) for pixel in image.reshape(-1)]
    first = sum(bit << k for k, bit in enumerate(bits[:8]))
    return [-15 + 2 * sum(bits), -15 + 2 * first, -15 + 2 * 300]


class FakeBoard:
    """Serves one connection; `filter` sees every reply and returns those that are sent."""

    def __init__(self, *, hello=HELLO, filter=lambda frame: [frame], silent=False, leaves=False):
        self.hello, self.filter, self.silent, self.leaves = hello, filter, silent, leaves
        self.requests = []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.url = f"socket://127.0.0.1:{self.server.getsockname()[1]}"
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.close()
        self.thread.join(10)
        assert not self.thread.is_alive()

    def serve(self):
        try:
            peer, _ = self.server.accept()
        except OSError:
            return
        decoder = Decoder()
        # A driver that refuses an answer leaves at once, while others are still being sent.
        with peer, contextlib.suppress(ConnectionError):
            while data := self.receive(peer):
                for frame in decoder.feed(data):
                    self.requests.append(frame)
                    self.reply(peer, frame)

    def receive(self, peer):
        try:
            return peer.recv(4096)
        except OSError:
            return b""

    def reply(self, peer, frame):
        if self.silent:
            return
        if self.leaves and frame.kind == Kind.INFER:
            peer.close()
            return
        if frame.kind == Kind.HELLO:
            replies = [Frame(Kind.HELLO_REPLY, frame.sequence, self.hello.pack())]
        else:
            replies = [Frame(Kind.RESULT, frame.sequence, answer(frame.payload))]
        for some in replies:
            for kept in self.filter(some):
                peer.sendall(kept if isinstance(kept, bytes) else encode(kept))


def images(count, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (count, *SHAPE), dtype=np.uint8)


def check(board, count, *, timeout=5.0):
    some = images(count)
    with bnnhw.driver.open(board.url, manifest=MANIFEST, timeout=timeout) as device:
        answers = device.predict(some)
    assert answers.logits.dtype == np.int64
    assert answers.logits.tolist() == [expected(image) for image in some]
    assert answers.classes.tolist() == [2] * count


def test_predict():
    with FakeBoard() as board:
        check(board, 600)  # more than there are sequence numbers
    sent = [frame for frame in board.requests if frame.kind == Kind.INFER]
    assert len(sent) == 600
    first = images(600)[0].reshape(-1)
    bits = sum(int(pixel >= 128) << k for k, pixel in enumerate(first))
    assert sent[0].payload == bits.to_bytes(2, "little")


def test_info_needs_no_manifest():
    with FakeBoard() as board, bnnhw.driver.open(board.url) as device:
        assert device.info == HELLO
        with pytest.raises(UsageError, match="Without the design's manifest"):
            device.predict(images(1))


def test_never_more_under_way_than_credits():
    held = []

    def hold(frame):
        """Answer only when as many are under way as may be, then all of them."""
        if frame.kind != Kind.RESULT:
            return [frame]
        held.append(frame)
        if len(held) < 4:
            return []
        out, held[:] = list(held), []
        return out

    with FakeBoard(filter=hold) as board:
        check(board, 40)
    assert sum(frame.kind == Kind.INFER for frame in board.requests) == 40


@pytest.mark.parametrize("every", [2, 3, 7])
def test_lost_and_damaged_replies_are_asked_for_again(every):
    seen = []

    def lose(frame):
        seen.append(frame)
        if frame.kind == Kind.RESULT and len(seen) % every == 0:
            return [] if len(seen) % 2 else [b"\5garbage\0"]
        return [frame]

    with FakeBoard(filter=lose) as board:
        check(board, 50, timeout=0.3)
    assert sum(frame.kind == Kind.INFER for frame in board.requests) > 50


def test_refused_requests_are_sent_again():
    seen = []

    def refuse(frame):
        seen.append(frame)
        if frame.kind == Kind.RESULT and len(seen) % 5 == 0:
            return [Frame(Kind.ERROR, frame.sequence, bytes([ErrorCode.BUSY]))]
        return [frame]

    with FakeBoard(filter=refuse) as board:
        check(board, 50, timeout=0.3)


def test_doubled_and_strange_replies_do_no_harm():
    def double(frame):
        if frame.kind != Kind.RESULT:
            return [frame]
        stale = Frame(Kind.RESULT, (frame.sequence + 100) % 256, bytes(7))
        return [stale, frame, frame, Frame(0x99, 1), b"\0\0\0"]

    with FakeBoard(filter=double) as board:
        check(board, 20)


def failure(board, *, timeout=0.1, manifest=MANIFEST, count=3):
    with pytest.raises(DeviceError) as caught, board:
        with bnnhw.driver.open(board.url, manifest=manifest, timeout=timeout) as device:
            device.predict(images(count))
    assert caught.value.todo
    return caught.value.what


def test_silence():
    assert "No board answers at" in failure(FakeBoard(silent=True))


def test_noise_instead_of_a_board():
    board = FakeBoard(filter=lambda frame: [b"\1\2\3\0" * 10])
    assert "damaged frames came" in failure(board)


def test_endless_noise():
    board = FakeBoard(filter=lambda frame: [b"\1\2\3\0" * 100_000])
    assert "damaged frames came" in failure(board)


def test_silence_in_the_middle():
    board = FakeBoard(filter=lambda frame: [frame] if frame.kind == Kind.HELLO_REPLY else [])
    assert "stopped answering at image 0; 4 attempts failed" in failure(board)
    assert sum(frame.kind == Kind.INFER for frame in board.requests) == 4 * 3


def test_always_busy():
    def refuse(frame):
        if frame.kind == Kind.RESULT:
            return [Frame(Kind.ERROR, frame.sequence, bytes([ErrorCode.BUSY]))]
        return [frame]

    assert "stopped answering at image 0" in failure(FakeBoard(filter=refuse))


def test_wrong_identity():
    board = FakeBoard(hello=Hello(bytes(32), 2, 7, 3, 12_000_000, 4))
    assert "runs the design 0000000000000000…, the manifest describes 0001020304050607…" in (
        failure(board, timeout=5)
    )


@pytest.mark.parametrize(
    "reply",
    [
        lambda frame: [Frame(frame.kind, frame.sequence, frame.payload, version=2)],
        lambda frame: [Frame(Kind.ERROR, frame.sequence, bytes([ErrorCode.VERSION]), version=2)],
    ],
)
def test_wrong_protocol_version(reply):
    what = failure(FakeBoard(filter=reply), timeout=5)
    assert "speaks protocol version 2, this program version 1" in what


@pytest.mark.parametrize(
    "hello",
    [
        Hello(IDENTITY, 3, 7, 3, 1, 4),
        Hello(IDENTITY, 2, 8, 3, 1, 4),
        Hello(IDENTITY, 2, 7, 4, 1, 4),
        Hello(IDENTITY, 2, 7, 3, 1, 0),
        Hello(IDENTITY, 2, 7, 3, 1, 65),
    ],
)
def test_hello_that_contradicts_the_manifest(hello):
    assert "does not fit its design" in failure(FakeBoard(hello=hello), timeout=5)


def test_stuck_requests_of_an_earlier_program():
    board = FakeBoard(hello=Hello(IDENTITY, 2, 7, 3, 1, 4, queued=2))
    assert "is stuck: 2 requests" in failure(board, timeout=0.05)


def test_answer_of_the_wrong_length():
    def shorten(frame):
        short = frame.payload[:-1] if frame.kind == Kind.RESULT else frame.payload
        return [Frame(frame.kind, frame.sequence, short)]

    assert "an answer of 6 bytes" in failure(FakeBoard(filter=shorten), timeout=5)


def test_frames_that_were_cut_unseen_are_asked_for_again():
    """One frame in 256 keeps a right CRC without its last byte: damage, not another design."""
    seen = []

    def cut(frame):
        seen.append(frame)
        if frame.kind == Kind.RESULT and len(seen) % 7 == 0:
            return [Frame(frame.kind, frame.sequence, frame.payload[:-1])]
        if frame.kind == Kind.RESULT and len(seen) % 11 == 0:
            return [Frame(Kind.ERROR, frame.sequence, bytes([ErrorCode.LENGTH]))]
        if len(seen) == 1:
            return [Frame(frame.kind, frame.sequence, frame.payload[:-1])]
        return [frame]

    with FakeBoard(filter=cut) as board:
        check(board, 60, timeout=0.3)
    kinds = [frame.kind for frame in board.requests]
    assert kinds.count(Kind.INFER) > 60 and kinds.count(Kind.HELLO) == 2


def test_class_that_does_not_exist():
    def rename(frame):
        other = frame.payload[:-1] + b"\3" if frame.kind == Kind.RESULT else frame.payload
        return [Frame(frame.kind, frame.sequence, other)]

    assert failure(FakeBoard(filter=rename), timeout=5) == "The board named class 3 of 3."


def test_refused_for_good():
    def refuse(frame):
        if frame.kind == Kind.RESULT:
            return [Frame(Kind.ERROR, frame.sequence, bytes([ErrorCode.LENGTH]))]
        return [frame]

    assert "the frame has the wrong length" in failure(FakeBoard(filter=refuse), timeout=5)


def test_board_that_goes_away():
    board = FakeBoard(leaves=True)
    with pytest.raises(DeviceError, match="The connection to .* broke"), board:
        with bnnhw.driver.open(board.url, manifest=MANIFEST) as device:
            device.predict(images(2))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 4, 4), np.uint8), "images of shape"),
        (np.zeros((2, *SHAPE), np.float32), "holds float32 numbers"),
        (np.full((1, *SHAPE), np.nan), "NaN"),
        (np.full((1, *SHAPE), 256), "values from 256 to 256"),
        (np.zeros((0, *SHAPE), np.uint8), "holds no image"),
    ],
)
def test_images_wrong(array, message):
    with FakeBoard() as board, bnnhw.driver.open(board.url, manifest=MANIFEST) as device:
        with pytest.raises(UsageError, match=message):
            device.predict(array)


def spoil(path, value):
    group, key = path
    if key is None:
        return {**MANIFEST, group: value}
    return {**MANIFEST, group: {**MANIFEST[group], key: value}}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("identity", None), "xyz"),
        (("identity", None), "00"),
        (("identity", None), 5),
        (("input", None), None),
        (("input", "bits"), 0),
        (("input", "bits"), 17),
        (("input", "shape"), [1, 3, 6]),
        (("input", "shape"), []),
        (("input", "frame_bytes"), 3),
        (("input", "lut"), [0, 1]),
        (("input", "lut"), [2] * 256),
        (("output", "classes"), True),
        (("output", "bytes"), 8),
        (("output", "low"), "x"),
        (("output", None), {}),
    ],
)
def test_manifest_wrong(path, value):
    with pytest.raises(UsageError, match=r"^This is no manifest that a driver can use: "):
        bnnhw.driver.open("socket://127.0.0.1:1", manifest=spoil(path, value))


def test_codes_of_several_bits_without_a_table():
    source = {"shape": [3], "elements": 3, "bits": 3, "frame_bytes": 2, "lut": None}
    manifest = {**MANIFEST, "input": source}
    with FakeBoard() as board:
        with bnnhw.driver.open(board.url, manifest=manifest) as device:
            device.predict(np.array([[1, 2, 7]]))
            with pytest.raises(UsageError, match="values from 8 to 8"):
                device.predict(np.array([[8, 8, 8]]))
    (sent,) = (frame for frame in board.requests if frame.kind == Kind.INFER)
    assert sent.payload == (1 | 2 << 3 | 7 << 6).to_bytes(2, "little")
