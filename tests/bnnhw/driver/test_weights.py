"""The driver's way with weights, against a fake board that keeps its own books."""

import json
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bnnhw.driver import Device
from bnnhw.errors import DeviceError, UsageError
from bnnhw.fold import Folding, LayerFold
from bnnhw.graph import Argmax, Dense, Graph, Input, Threshold
from bnnhw.link import Decoder, ErrorCode, Frame, Hello, Kind, WeightState, encode
from bnnhw.link.payload import Packing
from bnnhw.plan import make_plan, manifest

ROWS, COLUMNS, CLASSES = 24, 40, 3


def net(seed: int) -> Graph:
    dice = np.random.default_rng(seed)
    nodes = (
        Input("x", (), (COLUMNS,)),
        Dense("fc1", ("x",), dice.integers(0, 2, (ROWS, COLUMNS), np.uint8)),
        Threshold("s1", ("fc1",), np.full((ROWS, 1), 2), dice.choice([-1, 1], ROWS)),
        Dense("fc2", ("s1",), dice.integers(0, 2, (CLASSES, ROWS), np.uint8)),
        Argmax("best", ("fc2",), np.zeros(CLASSES, np.int64)),
    )
    return Graph("net", nodes, ("fc2", "best"))


def told(style: str = "ram") -> dict[str, Any]:
    layers = {"fc1": LayerFold(4, 10, style), "fc2": LayerFold(1, 5, "lut")}
    plan = make_plan(replace_last(net(1)), Folding(layers), name="net")
    loaded: dict[str, Any] = json.loads(json.dumps(manifest(plan)))
    return loaded


def replace_last(graph: Graph) -> Graph:
    """Give every network the last layer of the first: it is part of the build."""
    fixed = {node.name: node for node in net(1).nodes}
    nodes = tuple(fixed["fc2"] if node.name == "fc2" else node for node in graph.nodes)
    return Graph(graph.name, nodes, graph.outputs)


class FakeBoard:
    """A transport whose other end follows `docs/protocol.md`; `spoil` sees every WEIGHTS frame."""

    def __init__(self, described: dict[str, Any], *, loaded: bool = True) -> None:
        source, sink = described["input"], described["output"]
        answer = sink["classes"] * sink["bytes"] + sink["index_bytes"]
        self.hello = Hello(
            bytes.fromhex(described["identity"]), source["frame_bytes"], answer,
            sink["classes"], 1, 4,
        )  # fmt: skip
        weights = described["weights"]
        self.blocks = weights["blocks"] if weights else 0
        self.crc: int | None = weights["crc32"] if weights and loaded else None
        self.next_block = 0
        self.upload = b""
        self.spoil: Callable[[Frame], Frame | None] = lambda frame: frame
        self.decoder, self.out = Decoder(), bytearray()
        self.seen: list[int] = []

    def write(self, data: bytes) -> None:
        for frame in self.decoder.feed(data):
            self.seen.append(frame.kind)
            reply = self.reply(frame)
            if reply is not None:
                self.out += encode(reply)

    def reply(self, frame: Frame) -> Frame | None:
        if frame.kind == Kind.INFER:
            if self.blocks and self.crc is None:
                return Frame(Kind.ERROR, frame.sequence, bytes([ErrorCode.UNLOADED]))
            return Frame(Kind.RESULT, frame.sequence, bytes(self.hello.answer_bytes))
        if frame.kind == Kind.WEIGHTS:
            if not self.blocks:
                return Frame(Kind.ERROR, frame.sequence, bytes([ErrorCode.KIND]))
            kept = self.spoil(frame)
            if kept is None:
                return None
            self.take(kept.payload)
        state = WeightState(self.next_block, self.crc) if self.blocks else None
        return Frame(Kind.HELLO_REPLY, frame.sequence, replace(self.hello, weights=state).pack())

    def take(self, payload: bytes) -> None:
        number = int.from_bytes(payload[:2], "little")
        if number == 0:
            self.upload, self.crc, self.next_block = b"", None, 0
        if number == self.next_block < self.blocks:
            self.upload += payload[2:]
            self.next_block += 1
            if self.next_block == self.blocks:
                crc = int.from_bytes(self.upload[-4:], "little")
                if zlib.crc32(self.upload[:-4]) == crc:
                    self.crc = crc
                else:
                    self.next_block = 0

    def read(self, timeout: float) -> bytes:
        data = bytes(self.out)
        self.out.clear()
        return data

    def close(self) -> None:
        pass


def opened(board: FakeBoard, described: dict[str, Any] | None) -> Device:
    packing = Packing.from_manifest(described) if described else None
    return Device(board, name="fake", packing=packing, timeout=1, manifest=described)


IMAGES = np.zeros((3, COLUMNS), np.uint8)


def test_weights_of_the_build_need_no_loading() -> None:
    described = told()
    with opened(FakeBoard(described), described) as device:
        assert device.info.weights == WeightState(0, described["weights"]["crc32"])
        assert device.predict(IMAGES).logits.shape == (3, CLASSES)


def test_load_and_load_again() -> None:
    described = told()
    board = FakeBoard(described)
    with opened(board, described) as device:
        other = replace_last(net(2))
        crc = device.load_weights(other)
        assert board.crc == crc != described["weights"]["crc32"]
        device.predict(IMAGES)
        sent = board.seen.count(Kind.WEIGHTS)
        assert sent == board.blocks > 1
        # What is there already is not sent again.
        assert device.load_weights(other) == crc
        assert board.seen.count(Kind.WEIGHTS) == sent
        assert device.load_weights(net(1)) == described["weights"]["crc32"]


def test_load_from_a_file(tmp_path: Any) -> None:
    from bnnhw.graph import save_graph

    described = told()
    save_graph(replace_last(net(2)), tmp_path / "net.json")
    board = FakeBoard(described)
    with opened(board, described) as device:
        assert device.load_weights(tmp_path / "net.json") == board.crc
        assert device.load_weights(str(tmp_path / "net.json")) == board.crc


def test_lost_blocks_are_sent_again() -> None:
    described = told("spram")
    board, count = FakeBoard(described, loaded=False), [0]

    def lose(frame: Frame) -> Frame | None:
        count[0] += 1
        return None if count[0] in (1, 3, 4, 6) else frame

    board.spoil = lose
    with opened(board, described) as device:
        with pytest.raises(DeviceError, match=r"^The weights of the board at 'fake' are not load"):
            device.predict(IMAGES)
        assert device.load_weights(net(1)) == board.crc
        device.predict(IMAGES)


def test_damage_that_only_the_crc_32_sees() -> None:
    described = told("spram")
    board = FakeBoard(described, loaded=False)
    turns, forever = [0], [False]

    def flip(frame: Frame) -> Frame:
        turns[0] += 1
        flipped = bytes([frame.payload[9] ^ 1])
        damaged = frame.payload[:9] + flipped + frame.payload[10:]
        return replace(frame, payload=damaged) if forever[0] or turns[0] <= board.blocks else frame

    board.spoil = flip
    with opened(board, described) as device:
        assert device.load_weights(net(1)) == board.crc
        assert turns[0] == 2 * board.blocks

        forever[0] = True
        with pytest.raises(DeviceError, match=r"^The weights arrived damaged at 'fake', 4 times\."):
            device.load_weights(replace_last(net(2)))
        with pytest.raises(DeviceError, match="are not loaded"):
            device.predict(IMAGES)


def test_board_that_stops_taking_blocks() -> None:
    described = told()
    board = FakeBoard(described)
    with opened(board, described) as device:
        board.spoil = lambda frame: None
        with pytest.raises(DeviceError, match=r"stopped taking weights at block 0; 4 attempts"):
            device.load_weights(replace_last(net(2)))


def test_weights_of_somebody_else_give_no_answers() -> None:
    described = told()
    board = FakeBoard(described)
    with opened(board, described) as device:
        board.crc = 0x1234ABCD
        with pytest.raises(DeviceError, match=r"holds other weights .* CRC-32 is 1234abcd\.\nLoad"):
            device.predict(IMAGES)


def test_weights_that_go_while_images_are_under_way(monkeypatch: Any) -> None:
    """Another program on the same line, or a board that lost its power."""
    described = told()
    board = FakeBoard(described)
    with opened(board, described) as device:
        real = board.reply

        def forget(frame: Frame) -> Frame | None:
            if frame.kind == Kind.INFER:
                board.crc = None
            return real(frame)

        monkeypatch.setattr(board, "reply", forget)
        with pytest.raises(DeviceError, match=r"^The weights of the board at 'fake' are not load"):
            device.predict(IMAGES)


def test_refused_without_writable_weights_or_manifest() -> None:
    described = told("lut")
    with opened(FakeBoard(described), described) as device:
        assert device.info.weights is None
        device.predict(IMAGES)
        with pytest.raises(UsageError, match=r"^The design has no memories that could be loaded\."):
            device.load_weights(net(1))
    with (
        opened(FakeBoard(described), None) as device,
        pytest.raises(UsageError, match=r"^The design has no memories that could be loaded\."),
    ):
        device.load_weights(net(1))


def test_board_that_says_nothing_of_its_weights() -> None:
    described = told()
    board = FakeBoard(described)
    board.blocks = 0
    with (
        opened(board, described) as device,
        pytest.raises(DeviceError, match=r"sent nothing about its weights, which does not fit"),
    ):
        device.load_weights(net(1))
