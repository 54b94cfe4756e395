# amaranth: UnusedElaboratable=no
"""Weights that a simulated board gets over its serial line."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from bnnhw import driver, golden
from bnnhw.errors import DeviceError, UsageError
from bnnhw.graph import Graph
from bnnhw.link import Decoder, ErrorCode, Frame, Kind, encode
from bnnhw.link.weights import upload_blocks, upload_crc
from bnnhw.plan import Plan, manifest
from bnnhw.plan.writable import image_for
from sim.board import SimulatedBoard
from sim.samples import images, network, planned

CLOCK, BAUD = 4_000_000, 1_000_000
SIZES = (40, 24, 20, 10)
FOLDS: dict[str, list[Any]] = {
    # One layer in the middle stays part of the build.
    "ram": [(4, 10, "ram"), (5, 6, "ram"), (2, 10, "ram")],
    "spram": [(4, 10, "spram"), (5, 6, "ram"), (2, 10, "spram")],
}
PATIENCE = 3.0


def net(seed: int) -> Graph:
    return network(SIZES, seed, offsets=False)


FIRST, SECOND, THIRD = net(1), net(2), net(3)
SEEN = images(FIRST, 12, 4)


@pytest.fixture(scope="module")
def plans() -> dict[str, Plan]:
    return {style: planned(FIRST, folds) for style, folds in FOLDS.items()}


@pytest.fixture(scope="module", params=list(FOLDS))
def style(request: Any) -> str:
    return str(request.param)


@pytest.fixture
def board(plans: dict[str, Plan], style: str) -> Iterator[SimulatedBoard]:
    """Start a board afresh: its program is compiled once."""
    with SimulatedBoard(plans[style], clock_hz=CLOCK, baud=BAUD) as simulated:
        yield simulated


def device_of(board: SimulatedBoard, plan: Plan) -> driver.Device:
    return driver.open(board.url, manifest=manifest(plan), timeout=PATIENCE)


def ask(device: driver.Device, graph: Graph) -> None:
    answers, expected = device.predict(SEEN), golden.run(graph, SEEN, path="plain")
    assert expected.classes is not None
    assert np.array_equal(answers.logits, expected.logits)
    assert np.array_equal(answers.classes, expected.classes)


def test_networks_differ() -> None:
    logits = [golden.run(graph, SEEN, path="plain").logits for graph in (FIRST, SECOND, THIRD)]
    assert all((a != b).any(1).all() for a, b in zip(logits, logits[1:], strict=False))


def test_other_weights_give_the_answers_of_the_other_network(
    board: SimulatedBoard, plans: dict[str, Plan], style: str
) -> None:
    plan = plans[style]
    with device_of(board, plan) as device:
        if style == "ram":
            ask(device, FIRST)
        else:
            with pytest.raises(DeviceError, match=r"are not loaded\.\nLoad some with load_weights"):
                device.predict(SEEN)
            assert device.load_weights(FIRST) == upload_crc(image_for(manifest(plan), FIRST))
            ask(device, FIRST)
        for graph in (SECOND, THIRD, SECOND):
            crc = device.load_weights(graph)
            state = device.hello().weights
            assert state is not None and state.crc == crc
            ask(device, graph)
    # The board keeps them; another program must ask for them.
    with device_of(board, plan) as device:
        with pytest.raises(DeviceError, match=f"holds other weights .*{crc:08x}"):
            device.predict(SEEN)
        assert device.load_weights(SECOND) == crc
        ask(device, SECOND)


def talk(device: driver.Device, frames: list[Frame]) -> list[Frame]:
    """Send frames by hand and listen until the board is silent."""
    transport, decoder, heard = device._transport, Decoder(), []
    transport.write(b"".join(map(encode, frames)))
    while data := transport.read(0.5):
        heard += decoder.feed(data)
    return heard


def test_damaged_upload_is_refused_and_nothing_is_answered(
    board: SimulatedBoard, plans: dict[str, Plan], style: str
) -> None:
    plan = plans[style]
    blocks = upload_blocks(image_for(manifest(plan), SECOND))
    # A bit that flips where no CRC of a frame sees it.
    damaged = [*blocks[:-1], blocks[-1][:5] + bytes([blocks[-1][5] ^ 8]) + blocks[-1][6:]]
    infer = Frame(Kind.INFER, 99, bytes(SIZES[0] // 8))
    with device_of(board, plan) as device:
        frames = [Frame(Kind.WEIGHTS, k, block) for k, block in enumerate(damaged)]
        replies = talk(device, frames)
        assert [reply.kind for reply in replies] == [Kind.HELLO_REPLY] * len(blocks)
        state = device.hello().weights
        assert state is not None and (state.crc, state.next_block) == (None, 0)
        assert talk(device, [infer]) == [Frame(Kind.ERROR, 99, bytes([ErrorCode.UNLOADED]))]
        with pytest.raises(DeviceError, match="are not loaded"):
            device.predict(SEEN)
        device.load_weights(THIRD)
        ask(device, THIRD)


def test_upload_that_stops_half_way_leaves_nothing_loaded(
    board: SimulatedBoard, plans: dict[str, Plan], style: str
) -> None:
    plan = plans[style]
    blocks = upload_blocks(image_for(manifest(plan), SECOND))
    assert len(blocks) > 2
    with device_of(board, plan) as device:
        talk(device, [Frame(Kind.WEIGHTS, k, blocks[k]) for k in range(len(blocks) - 1)])
    with device_of(board, plan) as device:
        with pytest.raises(DeviceError, match="are not loaded"):
            device.predict(SEEN)
        device.load_weights(SECOND)
        ask(device, SECOND)


def test_upload_over_a_bad_line(
    board: SimulatedBoard, plans: dict[str, Plan], style: str, monkeypatch: Any
) -> None:
    plan, dice = plans[style], np.random.default_rng(5)
    with device_of(board, plan) as device:
        real, damaged = device._transport.write, []

        def write(data: bytes) -> None:
            if len(data) > 100 and dice.random() < 0.3:
                damaged.append(data)
                data = data[:50] + bytes([data[50] ^ 1 or 2]) + data[51:]
            real(data)

        monkeypatch.setattr(device._transport, "write", write)
        device._line._timeout = 0.3
        for graph in (SECOND, THIRD):
            device.load_weights(graph)
        assert damaged
        device._line._timeout = PATIENCE
        ask(device, THIRD)


def test_network_of_another_structure_is_refused(
    board: SimulatedBoard, plans: dict[str, Plan], style: str
) -> None:
    with device_of(board, plans[style]) as device:
        with pytest.raises(UsageError, match="differs from that of the design in more than its"):
            device.load_weights(network((40, 24, 20, 9), 1, offsets=False))
        with pytest.raises(UsageError, match="The folding names a layer 'fc2'"):
            device.load_weights(network((40, 24, 10), 1, offsets=False))
