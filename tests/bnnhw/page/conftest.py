"""A board that answers as the golden model does, can be pulled out, and may run another build."""

import contextlib
import math
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bnnhw import golden
from bnnhw.graph import BIPOLAR, Argmax, Dense, Flatten, Graph, Input, Threshold
from bnnhw.link import Decoder, Frame, Hello, Kind, encode

SHAPE = (2, 4, 5)
CLASSES = 3


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
