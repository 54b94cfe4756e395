"""A board that answers as the golden model does, can be pulled out, and may run another build."""

import contextlib
import http.client
import json
import math
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bnnhw import golden
from bnnhw.graph import BIPOLAR, Argmax, Dense, Flatten, Graph, Input, Threshold
from bnnhw.images import Images
from bnnhw.link import Decoder, Frame, Hello, Kind, encode
from bnnhw.page import PageServer, Target
from bnnhw.page.design import design

SHAPE = (2, 4, 5)
CLASSES = 3
SIZE = 20


@pytest.fixture(scope="session")
def graph() -> Graph:
    """Two thresholds for each of 20 pixels, six hidden channels, three classes."""
    draw = np.random.default_rng(5)
    size = math.prod(SHAPE)
    table = np.stack([np.arange(256) >= 64, np.arange(256) >= 160]).astype(np.int64)
    return Graph(
        "tiny",
        (
            Input("image", (), SHAPE, BIPOLAR, table, 1),
            Flatten("flat", ("image",)),
            Dense("fc1", ("flat",), draw.integers(0, 2, (6, size)).astype(np.uint8)),
            Threshold("sign1", ("fc1",), np.zeros((6, 1), np.int64), np.ones(6, np.int64), BIPOLAR),
            Dense("fc2", ("sign1",), draw.integers(0, 2, (CLASSES, 6)).astype(np.uint8)),
            Argmax("argmax", ("fc2",), np.zeros(CLASSES, np.int64)),
        ),
        ("fc2", "argmax"),
    )


@pytest.fixture(scope="session")
def manifest(graph: Graph) -> dict[str, Any]:
    size = math.prod(SHAPE)
    assert graph.input.lut is not None
    return {
        "identity": bytes(range(32)).hex(),
        "name": "tiny",
        "network": "tiny",
        "input": {
            "shape": list(SHAPE), "elements": size, "bits": 1, "frame_bytes": 5, "order": "chw",
            "values": {"low": -1, "step": 2, "levels": 2}, "image_channels": 1,
            "lut": graph.input.lut.tolist(),
        },
        "output": {
            "classes": CLASSES, "top": None, "bits": 3, "bytes": 1, "index_bits": 2,
            "index_bytes": 1, "low": -6, "step": 2, "readout": None,
        },
        "cycles_per_image": 12, "bottleneck": "fc1", "weights": None,
    }  # fmt: skip


class Board:
    """Serves one host after the other at one address; `unplug` and `plug` as one does by hand."""

    def __init__(self, graph: Graph, manifest: dict[str, Any]) -> None:
        source, sink = manifest["input"], manifest["output"]
        self.graph, self.sink = graph, sink
        self.silent = False
        self.wrong = False
        self.asked = 0
        answer = sink["classes"] * sink["bytes"] + sink["index_bytes"]
        self.hello = Hello(
            bytes.fromhex(manifest["identity"]), source["frame_bytes"], answer, sink["classes"],
            12_000_000, 4, bad_frames=7, line_errors=2,
        )  # fmt: skip
        # The codes arrive, not the pixels: what the network behind the table says of them.
        nodes = (replace(graph.input, lut=None, image_channels=None), *graph.nodes[1:])
        self.behind = Graph(graph.name, nodes, graph.outputs)
        self._port = 0
        self._listener: socket.socket | None = None
        self._peer: socket.socket | None = None
        self.plug()

    @property
    def url(self) -> str:
        return f"socket://127.0.0.1:{self._port}"

    def plug(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, args=(self._listener,), daemon=True)
        self._thread.start()

    def unplug(self) -> None:
        for one in (self._listener, self._peer):
            if one is not None:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
        self._thread.join(10)
        assert not self._thread.is_alive()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                self._peer, _ = listener.accept()
            except OSError:
                return
            decoder = Decoder()
            with contextlib.suppress(OSError), self._peer:
                while data := self._peer.recv(4096):
                    for frame in decoder.feed(data):
                        self._reply(self._peer, frame)

    def _reply(self, peer: socket.socket, frame: Frame) -> None:
        if self.silent:
            return
        if frame.kind == Kind.HELLO:
            peer.sendall(encode(Frame(Kind.HELLO_REPLY, frame.sequence, self.hello.pack())))
        elif frame.kind == Kind.INFER:
            self.asked += 1
            peer.sendall(encode(Frame(Kind.RESULT, frame.sequence, self._answer(frame.payload))))

    def _answer(self, payload: bytes) -> bytes:
        size = math.prod(self.behind.input.shape)
        bits = np.unpackbits(np.frombuffer(payload, np.uint8), bitorder="little")[:size]
        result = golden.run(self.behind, bits[None].astype(np.int64), path="plain")
        codes = (result.logits[0] - self.sink["low"]) // self.sink["step"]
        assert result.classes is not None
        out = b"".join(int(code).to_bytes(self.sink["bytes"], "little") for code in codes)
        if self.wrong:
            out = bytes([out[0] ^ 1]) + out[1:]
        return out + int(result.classes[0]).to_bytes(self.sink["index_bytes"], "little")


@pytest.fixture
def make_board() -> Iterator[Callable[..., Board]]:
    """Give a function that makes boards, which are pulled out at the end."""
    made: list[Board] = []

    def make(graph: Graph, manifest: dict[str, Any]) -> Board:
        made.append(Board(graph, manifest))
        return made[-1]

    yield make
    for board in made:
        board.unplug()


class Client:
    """Asks one server; every request may be bent."""

    def __init__(self, server: PageServer) -> None:
        self.server = server
        self.port = server.server_address[1]

    def ask(
        self,
        path: str = "",
        body: Any = None,
        *,
        method: str | None = None,
        token: str | None = None,
        headers: Mapping[str, str | None] | None = None,
    ) -> tuple[int, dict[str, str], Any]:
        token = self.server.token if token is None else token
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent: dict[str, str | None] = {"Host": f"127.0.0.1:{self.port}"}
        if content is not None:
            sent |= {"Content-Type": "application/json", "Content-Length": str(len(content))}
        sent |= headers or {}
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(line):
            verb = method or ("GET" if body is None else "POST")
            line.putrequest(verb, f"/{token}/{path}", skip_host=True, skip_accept_encoding=True)
            for name, value in sent.items():
                if value is not None:
                    line.putheader(name, value)
            line.endheaders(content)
            reply = line.getresponse()
            data = reply.read()
        told = dict(reply.getheaders())
        return reply.status, told, json.loads(data) if "json" in told["Content-Type"] else data

    def raw(self, data: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as line:
            line.sendall(data)
            line.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: line.recv(4096), b""))


@pytest.fixture(scope="session")
def document(graph: Graph, manifest: dict[str, Any]) -> dict[str, Any]:
    x = np.arange(4 * SIZE, dtype=np.uint8).reshape(4, 1, 4, 5)
    samples = Images(x, np.array([2, 1, 2, 0]))
    return design(graph, manifest, board="Tiny", clock_hz=12_000_000, baud=115_200, samples=samples)


@pytest.fixture
def serve(document: dict[str, Any]) -> Iterator[Callable[[Target], Client]]:
    with contextlib.ExitStack() as stack:

        def start(target: Target) -> Client:
            server = PageServer(target, document)
            thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
            thread.start()
            for leave in (target.close, server.server_close, thread.join, server.shutdown):
                stack.callback(leave)
            return Client(server)

        yield start


@pytest.fixture
def client(serve, graph: Graph, manifest: dict[str, Any]) -> Client:
    return serve(Target(graph, title="The golden model", manifest=manifest))


@pytest.fixture
def desk(serve, make_board, graph: Graph, manifest: dict[str, Any]) -> tuple[Client, Any]:
    """Give a page and its board, connected."""
    board = make_board(graph, manifest)
    target = Target(graph, title="The board", url=board.url, manifest=manifest, timeout=0.2)
    target.connect()
    return serve(target), board
