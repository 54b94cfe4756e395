"""A board that is none: the golden model behind the frames of the link, in this process."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..bits import unpack_bytes
from ..golden import run
from ..graph import Graph
from ..link.frames import Decoder, Frame, encode
from ..link.payload import Packing
from ..link.protocol import BLOCK_BYTES, ErrorCode, Hello, Kind, WeightState
from ..link.weights import upload_crc
from ..plan.writable import image_for
from .device import Device

__all__ = ["GoldenBoard", "ModelDevice"]

_CREDITS = 8
_CLOCK_HZ = 1_000_000


class GoldenBoard:
    """Answers requests as a board of the manifest's design would, with the golden model's numbers.

    It is a `Transport`: what is written is answered at once, so a read finds the answers or, also
    at once, silence. It knows the weights of the networks that it was told of, no others.

    Parameters
    ----------
    graph : Graph
    manifest : dict
        Of a build of the graph.
    """

    def __init__(self, graph: Graph, manifest: Mapping[str, Any]) -> None:
        self._manifest = manifest
        self._packing = packing = Packing.from_manifest(manifest)
        described = manifest.get("weights")
        self._blocks = described["blocks"] if described else 0
        self._graphs: dict[int, Graph] = {}
        self._known: dict[bytes, bytes] = {}
        self._graph = _of_codes(graph)
        self._crc: int | None = described["crc32"] if described else None
        if described:
            self.learn(graph)
        self._next = 0
        self._upload = b""
        self._hello = Hello(
            packing.identity,
            packing.frame_bytes,
            packing.answer_bytes,
            packing.classes,
            _CLOCK_HZ,
            _CREDITS,
        )
        self._decoder, self._out = Decoder(), bytearray()

    def learn(self, graph: Graph) -> None:
        """Hear of a network whose weights may be loaded."""
        self._graphs[upload_crc(image_for(self._manifest, graph))] = _of_codes(graph)

    def read(self, timeout: float) -> bytes:
        """Return the answers to what was written; empty where there are none."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def write(self, data: bytes) -> None:
        """Take bytes as from the line, and answer the frames that they complete."""
        for frame in self._decoder.feed(data):
            self._out += encode(self._reply(frame))

    def close(self) -> None:
        """Do nothing: there is no line."""

    def _reply(self, frame: Frame) -> Frame:
        lengths = {Kind.HELLO: 0, Kind.INFER: self._packing.frame_bytes}
        if self._blocks:
            lengths[Kind.WEIGHTS] = 2 + BLOCK_BYTES
        refusal = None
        if frame.version != self._hello.version:
            refusal = ErrorCode.VERSION
        elif frame.kind not in lengths:
            refusal = ErrorCode.KIND
        elif len(frame.payload) != lengths[Kind(frame.kind)]:
            refusal = ErrorCode.LENGTH
        elif frame.kind == Kind.INFER and self._blocks and self._crc is None:
            refusal = ErrorCode.UNLOADED
        if refusal is not None:
            return Frame(Kind.ERROR, frame.sequence, bytes([refusal]))
        if frame.kind == Kind.INFER:
            return Frame(Kind.RESULT, frame.sequence, self._answer(frame.payload))
        if frame.kind == Kind.WEIGHTS:
            self._take(frame.payload)
        return Frame(Kind.HELLO_REPLY, frame.sequence, self._state().pack())

    def _state(self) -> Hello:
        weights = WeightState(self._next, self._crc) if self._blocks else None
        return replace(self._hello, bad_frames=self._decoder.bad % (1 << 16), weights=weights)

    def _take(self, payload: bytes) -> None:
        number = int.from_bytes(payload[:2], "little")
        if number == 0:
            self._upload, self._crc, self._next = b"", None, 0
            self._known.clear()
        if number != self._next or number >= self._blocks:
            return
        self._upload += payload[2:]
        self._next += 1
        if self._next == self._blocks:
            crc = int.from_bytes(self._upload[-4:], "little")
            if crc in self._graphs and upload_crc(self._upload[:-4]) == crc:
                self._crc, self._graph = crc, self._graphs[crc]
            else:
                self._next = 0

    def _answer(self, payload: bytes) -> bytes:
        # A host that repeats an image, as on a bad line, need not wait for it again.
        if payload not in self._known:
            if len(self._known) >= 4096:
                self._known.clear()
            self._known[payload] = self._compute(payload)
        return self._known[payload]

    def _compute(self, payload: bytes) -> bytes:
        packing, node = self._packing, self._graph.input
        octets = np.frombuffer(payload, np.uint8)[None]
        codes = unpack_bytes(octets, math.prod(node.shape), packing.bits).astype(np.int64)
        codes = np.minimum(codes, node.grid.levels - 1)
        if packing.order == "hwc" and len(node.shape) == 3:
            channels, height, width = node.shape
            codes = np.moveaxis(codes.reshape(1, height, width, channels), -1, 1)
        found = run(self._graph, codes.reshape(1, *node.shape), kernel="numpy")
        values = found.logits[0]
        if found.top is not None:
            values = values[found.top[0]]
        scores = [int(code) for code in (values - packing.low) // packing.step]
        parts = [code.to_bytes(packing.logit_bytes, "little") for code in scores]
        if found.top is None:
            assert found.classes is not None
            return b"".join([*parts, _index(found.classes[0], packing)])
        return b"".join(
            code + _index(index, packing) for code, index in zip(parts, found.top[0], strict=True)
        )


def _index(value: npt.NDArray[np.int64] | int, packing: Packing) -> bytes:
    return int(value).to_bytes(packing.index_bytes, "little")


def _of_codes(graph: Graph) -> Graph:
    """Give the network behind the table of its input: a board gets codes, not pixels."""
    nodes = tuple(
        replace(node, lut=None, image_channels=None) if node is graph.input else node
        for node in graph.nodes
    )
    return Graph(graph.name, nodes, graph.outputs)


class ModelDevice(Device):
    """The golden model as a device; its board hears of a network before its weights come."""

    def __init__(self, board: GoldenBoard, *, name: str, manifest: Mapping[str, Any]) -> None:
        packing = Packing.from_manifest(manifest)
        super().__init__(board, name=name, packing=packing, timeout=1, manifest=manifest)
        self._board = board

    def load_weights(self, model: Graph | Path | str) -> int:
        """Give the golden model other weights, as `Device.load_weights`."""
        from ..load import load_model

        graph = model if isinstance(model, Graph) else load_model(Path(model))
        if self._manifest.get("weights"):
            self._board.learn(graph)
        return super().load_weights(graph)
