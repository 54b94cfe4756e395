# amaranth: UnusedElaboratable=no
"""The driver against the simulated board: the generated top, its serial line, and a TCP port."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bnnhw import data, driver, golden
from bnnhw.errors import DeviceError, UsageError
from bnnhw.images import load_images
from bnnhw.link import Frame, Kind, encode
from bnnhw.load import load_model
from bnnhw.plan import Plan, manifest
from sim.board import SimulatedBoard
from sim.samples import planned

CLOCK, BAUD = 24_000_000, 1_000_000
COUNT = 24
# After this silence the driver asks again, so that a busy machine only makes it slower.
PATIENCE = 3.0


@pytest.fixture(scope="module")
def plan() -> Plan:
    graph = load_model(data.path("digits_mlp.onnx"))
    layers = [node for node in graph.nodes if type(node).__name__ == "Dense"]
    return planned(graph, [(2, 8)] * len(layers))


@pytest.fixture(scope="module")
def pictures(plan: Plan) -> Any:
    return load_images(data.path("digits_test.npz"), plan.graph, limit=COUNT).x


@pytest.fixture(scope="module")
def board(plan: Plan) -> Iterator[SimulatedBoard]:
    """Keep one board for the whole file, as a real one keeps its power."""
    with SimulatedBoard(plan, clock_hz=CLOCK, baud=BAUD) as simulated:
        yield simulated


def ask(board: SimulatedBoard, plan: Plan, pictures: Any) -> None:
    """Send every image and hold the answers against the golden model."""
    with driver.open(board.url, manifest=manifest(plan), timeout=PATIENCE) as device:
        answers = device.predict(pictures)
    expected = golden.run(plan.graph, pictures, path="plain")
    assert expected.classes is not None
    assert np.array_equal(answers.logits, expected.logits)
    assert np.array_equal(answers.classes, expected.classes)


def test_answers(board: SimulatedBoard, plan: Plan, pictures: Any) -> None:
    ask(board, plan, pictures)


def test_hello(board: SimulatedBoard, plan: Plan) -> None:
    with driver.open(board.url, timeout=PATIENCE) as device:
        hello = device.info
    assert hello.identity.hex() == plan.identity
    assert (hello.classes, hello.clock_hz) == (10, CLOCK)
    assert hello.frame_bytes == plan.blocks[0].elements_in // 8
    assert hello.answer_bytes == manifest(plan)["output"]["bytes"] * 10 + 1


def test_reconnect_again_and_again(board: SimulatedBoard, plan: Plan, pictures: Any) -> None:
    for _ in range(3):
        ask(board, plan, pictures[:3])


def raw(board: SimulatedBoard, data: bytes) -> None:
    """Send bytes and hang up without listening."""
    host, port = board.url.removeprefix("socket://").split(":")
    with socket.create_connection((host, int(port))) as line:
        line.sendall(data)


def test_host_killed_in_the_middle(board: SimulatedBoard, plan: Plan, pictures: Any) -> None:
    """A host asks for answers that it never takes, and dies within a frame."""
    request = encode(Frame(Kind.INFER, 7, bytes(plan.blocks[0].elements_in // 8)))
    raw(board, request * 3 + request[:4])
    ask(board, plan, pictures)


@pytest.mark.parametrize("seed", [1, 2])
def test_garbage_first(board: SimulatedBoard, plan: Plan, pictures: Any, seed: int) -> None:
    raw(board, np.random.default_rng(seed).integers(0, 256, 500, np.uint8).tobytes())
    ask(board, plan, pictures)


def test_garbage_is_counted(board: SimulatedBoard) -> None:
    with driver.open(board.url, timeout=PATIENCE) as device:
        before = device.hello().bad_frames
        device._transport.write(b"\1\2\3\4\5\6\7\0" * 3)
        assert device.hello().bad_frames == before + 3


def test_wrong_identity_is_refused(board: SimulatedBoard, plan: Plan) -> None:
    other = {**manifest(plan), "identity": "ab" * 32}
    with pytest.raises(DeviceError, match=f"runs the design {plan.identity[:16]}…, the manifest"):
        driver.open(board.url, manifest=other, timeout=PATIENCE)


def test_another_folding_is_another_design(board: SimulatedBoard, plan: Plan) -> None:
    folds = [(1, 8)] * len(plan.units)
    with pytest.raises(DeviceError, match="Flash the manifest's design"):
        driver.open(board.url, manifest=manifest(planned(plan.graph, folds)), timeout=PATIENCE)


def test_port_taken(board: SimulatedBoard, plan: Plan) -> None:
    port = int(board.url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        SimulatedBoard(plan, clock_hz=CLOCK, baud=BAUD, port=port)


def test_line_rate_that_the_clock_cannot_give(plan: Plan) -> None:
    with pytest.raises(UsageError, match=r"gives no 9000000 baud: the nearest is 6000000\.\n"):
        SimulatedBoard(plan, clock_hz=CLOCK, baud=9_000_000)


@pytest.mark.slow
def test_board_with_a_flaw_is_found(plan: Plan, pictures: Any) -> None:
    """The same hardware with one weight bit that is wrong: right identity, wrong answers."""
    last = plan.units[-1]
    flawed = replace(last, weights=(last.weights[0] ^ 1, *last.weights[1:]))
    blocks = tuple(flawed if block is last else block for block in plan.blocks)
    broken = Plan(plan.name, plan.graph, blocks, plan.folding)
    with SimulatedBoard(broken, clock_hz=CLOCK, baud=BAUD) as simulated:
        told = {**manifest(plan), "identity": broken.identity}
        with driver.open(simulated.url, manifest=told, timeout=PATIENCE) as device:
            answers = device.predict(pictures)
    assert (answers.logits != golden.run(plan.graph, pictures).logits).sum(0).tolist() == [
        COUNT, *[0] * 9,
    ]  # fmt: skip
