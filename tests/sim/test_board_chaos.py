# amaranth: UnusedElaboratable=no
"""The generated board on a bad day: killed and started again, or for good."""

import contextlib
import socket
import threading
import time
from typing import Any

import numpy as np
import pytest

from bnnhw import driver, golden
from bnnhw.errors import DeviceError
from bnnhw.fold import Folding, LayerFold
from bnnhw.plan import Plan, make_plan, manifest
from sim.board import SimulatedBoard
from sim.samples import images, network

CLOCK, BAUD = 4_000_000, 1_000_000
FRAMES = 400
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def plan() -> Plan:
    graph = network([400, 8, 5], 7)
    return make_plan(graph, Folding({"fc0": LayerFold(4, 50), "fc1": LayerFold(1, 4)}))


def simulated(plan: Plan) -> SimulatedBoard:
    return SimulatedBoard(plan, clock_hz=CLOCK, baud=BAUD)


class Relay:
    """A line that stays while the board behind it is killed and started again."""

    def __init__(self) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.url = f"socket://127.0.0.1:{self.server.getsockname()[1]}"
        self.board: socket.socket | None = None
        self.host: socket.socket | None = None
        self.bytes = 0
        threading.Thread(target=self.serve, daemon=True).start()

    def __enter__(self) -> "Relay":
        return self

    def __exit__(self, *_: Any) -> None:
        for peer in (self.board, self.host, self.server):
            if peer is not None:
                peer.close()

    def attach(self, url: str) -> None:
        host, port = url.removeprefix("socket://").split(":")
        board = socket.create_connection((host, int(port)))
        if self.board is not None:
            self.board.close()
        self.board = board
        threading.Thread(target=self.back, args=(board,), daemon=True).start()

    def serve(self) -> None:
        host, _ = self.server.accept()
        self.host = host
        while data := self.receive(host):
            # A line without a board loses what is sent.
            with contextlib.suppress(OSError):
                if self.board is not None:
                    self.board.sendall(data)

    def back(self, board: socket.socket) -> None:
        while data := self.receive(board):
            self.bytes += len(data)
            with contextlib.suppress(OSError, AttributeError):
                self.host.sendall(data)  # type: ignore[union-attr]

    @staticmethod
    def receive(peer: socket.socket) -> bytes:
        try:
            return peer.recv(4096)
        except OSError:
            return b""


def test_board_that_is_killed_and_started_again(plan: Plan) -> None:
    """The line stays: what was under way is asked again of the new board, and answered."""
    pool = images(plan.graph, FRAMES, 3)
    answers: list[Any] = []
    # Both are made before, so that the second one is there within the time-outs.
    one, other = simulated(plan), simulated(plan)
    with Relay() as relay:
        with one as first:
            relay.attach(first.url)
            device = driver.open(relay.url, manifest=manifest(plan), timeout=3)

            def work() -> None:
                answers.append(device.predict(pool))

            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            while relay.bytes < 500:
                time.sleep(0.001)
        # The first board is dead now, in the middle of frames.
        with other as second:
            relay.attach(second.url)
            thread.join(120)
            assert not thread.is_alive()
        device.close()
    assert np.array_equal(answers[0].logits, golden.run(plan.graph, pool).logits)
    assert device._tally.repeated > 0


def test_board_that_is_killed_for_good(plan: Plan) -> None:
    with simulated(plan) as first:
        device = driver.open(first.url, manifest=manifest(plan), timeout=2)
        taken = device.predict_iter(iter(images(plan.graph, FRAMES, 3)))
        next(taken)
    with pytest.raises(DeviceError):
        list(taken)
    device.close()
