"""What comes over lines: frames of a board, and requests to the page."""

import binascii
import contextlib
import json
import random
import re
import socket
from functools import cached_property
from typing import Any

import numpy as np

from bnnhw.driver.device import Device
from bnnhw.driver.model import GoldenBoard
from bnnhw.fold import serial
from bnnhw.graph import Graph
from bnnhw.link import Decoder, Frame, encode
from bnnhw.link.payload import Packing
from bnnhw.load import load_model
from bnnhw.page import PageServer, Target
from bnnhw.page.design import design
from bnnhw.plan import make_plan, manifest

from .. import payloads
from ..frame import CORPUS, Entry, Wrong
from ..raw import mutated
from ..trees import json_bytes

__all__ = ["Conversation", "Frames", "Requests"]


def _design() -> tuple[Graph, dict[str, Any]]:
    graph = load_model(CORPUS / "dense.npz")
    return graph, manifest(make_plan(graph, serial(graph)))


class Frames(Entry):
    """Bytes from a board, to the decoder of the driver."""

    name, title = "frames", "bytes on the serial line, decoder"
    inputs = 55_000
    sample = 200

    def make(self, rng: random.Random) -> bytes:
        """Give some frames, damaged."""
        frames = [
            encode(Frame(rng.choice((1, 2, 3, 4, 0x80, 0x81, 0x82, 99)), rng.randrange(256),
                         rng.randbytes(rng.choice((0, 1, 5, 60, 253, 254, 255, 300)))))
            for _ in range(rng.randrange(1, 5))
        ]  # fmt: skip
        data = b"".join(frames)
        return mutated(rng, data, frames) if rng.random() < 0.9 else rng.randbytes(len(data))

    def handle(self, data: bytes) -> bool:
        """Feed them at once and byte by byte; what is let through has a right CRC."""
        whole = Decoder(limit=600)
        frames = whole.feed(data)
        slow = Decoder(limit=600)
        pieces = [data[at : at + 1 + at % 7] for at in range(0, len(data), 7)]
        cut = [data[at : at + 7] for at in range(0, len(data), 7)]
        found = [frame for piece in cut for frame in slow.feed(piece)]
        if found != frames or whole.bad != slow.bad or len(pieces) != len(cut):
            raise Wrong("the decoder depends on how bytes are cut")
        for frame in frames:
            body = bytes([frame.version, frame.kind, frame.sequence]) + frame.payload
            crc = binascii.crc_hqx(body, 0xFFFF).to_bytes(2, "big")
            if len(encode(frame)) > 700 or binascii.crc_hqx(body + crc, 0xFFFF):
                raise Wrong(f"the frame {frame!r:.200} was let through")
        return bool(frames)


class _Script:
    """A board that first says what it is told to, whatever it is asked, and then answers well."""

    def __init__(self, data: bytes, board: GoldenBoard) -> None:
        self._pieces = data.split(b"\0")[:-1]
        self._board = board

    def read(self, timeout: float) -> bytes:
        said = self._board.read(timeout)
        return self._pieces.pop(0) + b"\0" if self._pieces else said

    def write(self, data: bytes) -> None:
        self._board.write(data)

    def close(self) -> None:
        pass


class _Recorder:
    """Keeps what a board says."""

    def __init__(self, board: GoldenBoard) -> None:
        self._board = board
        self.said = b""

    def read(self, timeout: float) -> bytes:
        data = self._board.read(timeout)
        self.said += data
        return data

    def write(self, data: bytes) -> None:
        self._board.write(data)

    def close(self) -> None:
        self._board.close()


class Conversation(Entry):
    """Bytes from a board, to the whole driver: greeting, settling, answers."""

    name, title = "talk", "bytes on the serial line, driver"
    inputs = 20_000
    sample = 60

    @cached_property
    def _told(self) -> tuple[Graph, dict[str, Any]]:
        return _design()

    @cached_property
    def _images(self) -> Any:
        shape = self._told[0].input.image_shape
        return np.arange(3 * int(np.prod(shape))).reshape(3, *shape).astype(np.uint8)

    @cached_property
    def _seed(self) -> bytes:
        line = _Recorder(GoldenBoard(*self._told))
        with self._device(line) as device:
            device.predict(self._images)
            device.counters()
        return line.said

    def _device(self, line: Any) -> Device:
        packing = Packing.from_manifest(self._told[1])
        return Device(line, name="fuzz", packing=packing, timeout=0.001, manifest=self._told[1])

    def make(self, rng: random.Random) -> bytes:
        """Damage what a board would say, or let it say other things in whole frames."""
        if rng.random() < 0.5:
            return mutated(rng, self._seed, most=3)
        frames = Decoder().feed(self._seed)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(frames))
            frame = frames[at]
            frames[at] = Frame(
                rng.choice((frame.kind, frame.kind, 0x80, 0x81, 0x82, 7)),
                rng.choice((frame.sequence, frame.sequence, rng.randrange(256))),
                mutated(rng, frame.payload, most=2) if rng.random() < 0.8 else frame.payload,
                rng.choice((frame.version, frame.version, frame.version, 0, 2, 255)),
            )
            if rng.random() < 0.2:
                rng.shuffle(frames)
        return b"".join(encode(frame) for frame in frames)

    def handle(self, data: bytes) -> None:
        """Talk to it; answers name classes that there are."""
        with self._device(_Script(data, GoldenBoard(*self._told))) as device:
            answers = device.predict(self._images)
            if answers.classes.min() < 0 or answers.classes.max() >= 2:
                raise Wrong(f"the classes are {answers.classes}")
            device.counters()


_METHODS = ("GET", "POST", "HEAD", "PUT", "OPTIONS", "TRACE", "CONNECT", "get", "", "GET\x00")
_PATHS = (
    "",
    "api/state",
    "api/infer",
    "api/connect",
    "app.js",
    "design.json",
    "index.html",
    "../../etc/passwd",
    "%2e%2e/%2e%2e/etc/passwd",
    "..%2f..%2fetc/passwd",
    "/etc/passwd",
    "api/../api/state",
    "api/state?x=1",
    "api/state#x",
    "app.js/",
    "//",
    "\x00",
    "api/state\r",
)
_HOSTS = ("127.0.0.1:80", "localhost:80", "evil.example", "127.0.0.1", "", "127.0.0.1:80, x",
          "LOCALHOST:80", "[::1]:80", "127.0.0.1:80\r\nHost: evil")  # fmt: skip
_LENGTHS = (
    "0",
    "5",
    "-1",
    "+5",
    "1e3",
    "٣",
    "9" * 30,
    "9" * 5000,
    "0x10",
    " 7 ",
    "",
    "1_0",
    "99999",
)
_MORE = ("Origin: http://evil", "Origin: http://127.0.0.1:80", "Sec-Fetch-Site: cross-site",
         "Transfer-Encoding: chunked", "Connection: close", "Expect: 100-continue",
         "Content-Length: 3", "X: " + "a" * 70_000, "Content-Type: text/plain", ": x", "X",
         " folded",
         "Cookie: \xff", "Range: bytes=0-1", "Upgrade: websocket",
         "Content-Encoding: gzip")  # fmt: skip
_TOKEN = "Zm9vYmFyYmF6cXV4"
_ANSWER = re.compile(rb"HTTP/1\.[01] (\d{3}) [^\r\n]*\r\n")
_STATUSES = {100, 200, 400, 403, 404, 411, 413, 414, 415, 431, 501, 503, 505}


class Requests(Entry):
    """Bytes from a browser, or from whoever else can reach the port, to the page."""

    name, title = "http", "requests to the page"
    inputs = 15_000
    sample = 60

    @cached_property
    def _server(self) -> PageServer:
        graph, told = _picture()
        page = design(graph, told, board="x", clock_hz=1, baud=1)
        server = PageServer(Target(graph, title="The golden model", manifest=told), page)
        # The same bytes must mean the same on every day.
        server.token, server.hosts = _TOKEN, {"127.0.0.1:80", "localhost:80"}
        return server

    @cached_property
    def _listener(self) -> socket.socket:
        return socket.create_server(("127.0.0.1", 0))

    def make(self, rng: random.Random) -> bytes:
        """Give a request, or two in one connection, mostly with something wrong."""
        data = b"".join(_request(rng) for _ in range(rng.choice((1, 1, 1, 2))))
        return (mutated(rng, data) if rng.random() < 0.25 else data)[:150_000]

    def handle(self, data: bytes) -> bool:
        """Let the server answer, in this thread; it must not be talked into an answer."""
        near = socket.create_connection(self._listener.getsockname())
        far, address = self._listener.accept()
        with near, far:
            near.sendall(data)
            near.shutdown(socket.SHUT_WR)
            try:
                self._server.finish_request(far, address)
            except (ConnectionError, TimeoutError):
                # As `PageServer.handle_error` has it: browsers that leave early.
                return False
            finally:
                far.close()
            said = _heard(near)
        return _check_answer(data, said)


def _heard(line: socket.socket) -> bytes:
    """Give what the server said; it may hang up on a request that it did not read to the end."""
    said = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := line.recv(1 << 16):
            said += piece
    return said


def _check_answer(data: bytes, said: bytes) -> bool:
    if not said:
        return False
    first = _ANSWER.match(said)
    if first is None:
        # A request line without a version is one of HTTP/0.9, whose answers have no head.
        if said.startswith(b"{") and b"error" in said:
            return False
        raise Wrong(f"the answer begins with {said[:80]!r}")
    statuses = {int(found) for found in _ANSWER.findall(said)}
    if statuses - _STATUSES:
        raise Wrong(f"the answer has the status {statuses}")
    good = 200 in statuses
    if good and (_TOKEN.encode() not in data or b"root:" in said):
        raise Wrong(f"a request without a token is answered: {said[:80]!r}")
    head = said.partition(b"\r\n\r\n")[0] if 100 not in statuses else b""
    if b"Content-Security-Policy: default-src 'none'" not in said or b"pwned" in head.lower():
        raise Wrong(f"the answer has no policy, or what was asked in it: {said[:300]!r}")
    return good


def _picture() -> tuple[Graph, dict[str, Any]]:
    graph = load_model(CORPUS / "conv.npz")
    return graph, manifest(make_plan(graph, serial(graph)))


def _request(rng: random.Random) -> bytes:
    path = rng.choice(_PATHS) if rng.random() < 0.9 else payloads.text(rng)
    token = _TOKEN if rng.random() < 0.93 else payloads.text(rng)
    post = path.startswith("api/") and path != "api/state"
    method = ("POST" if post else "GET") if rng.random() < 0.9 else rng.choice(_METHODS)
    version = (
        "HTTP/1.1" if rng.random() < 0.9 else rng.choice(("HTTP/1.0", "HTTP/9", "", "HTTP/1.1.1"))
    )
    host = rng.choice(_HOSTS[:2]) if rng.random() < 0.93 else rng.choice(_HOSTS)
    lines = [f"{method} /{token}/{path} {version}".strip(), f"Host: {host}"]
    body = b""
    if post or rng.random() < 0.1:
        image = {"image": [rng.randrange(256) for _ in range(25)], "on": "target"}
        body = json_bytes(rng, image) if rng.random() < 0.7 else json.dumps(image).encode()
        length = str(len(body)) if rng.random() < 0.8 else rng.choice(_LENGTHS)
        lines += [f"Content-Length: {length}", "Content-Type: application/json"]
    for _ in range(rng.choice((0, 0, 0, 0, 0, 1, 2))):
        lines.append(rng.choice(_MORE))
    if rng.random() < 0.01:
        lines += [f"X{number}: 1" for number in range(150)]
    if rng.random() < 0.1 and len(lines) > 2:
        lines.pop(rng.randrange(1, len(lines)))
    end = rng.choice(("\r\n", "\r\n", "\r\n", "\n"))
    head = end.join(lines) + end + end
    return head.encode("utf-8", "surrogatepass") + body
