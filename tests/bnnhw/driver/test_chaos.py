"""The driver on a line that drops, flips and inserts bytes: no wrong answer, and no hang."""

import random
from typing import Any

import numpy as np
import pytest

from bnnhw import golden
from bnnhw.driver import Device
from bnnhw.driver.model import GoldenBoard
from bnnhw.fold import serial
from bnnhw.graph import Graph
from bnnhw.link.payload import Packing
from bnnhw.plan import make_plan, manifest
from sim.samples import images, network

RATE = 1e-3


class BadLine:
    """A `Transport` around another that damages bytes both ways, each once in a thousand."""

    def __init__(self, board: GoldenBoard, seed: int) -> None:
        self.board, self.dice = board, random.Random(seed)
        self.damage = self.silences = 0
        # Bytes until the next damage: geometric, as each byte would decide for itself.
        self.left = self.gap()

    def gap(self) -> int:
        return 1 + int(self.dice.expovariate(RATE))

    def spoil(self, data: bytes) -> bytes:
        out = bytearray()
        while self.left <= len(data):
            out += data[: self.left - 1]
            byte, data = data[self.left - 1], data[self.left :]
            kind = self.dice.randrange(3)
            if kind == 0:
                out.append(byte ^ (1 << self.dice.randrange(8)))
            elif kind == 1:
                out += bytes([byte, self.dice.randrange(256)])
            self.damage += 1
            self.left = self.gap()
        self.left -= len(data)
        return bytes(out + data)

    def write(self, data: bytes) -> None:
        self.board.write(self.spoil(data))

    def read(self, timeout: float) -> bytes:
        data = self.spoil(self.board.read(timeout))
        self.silences += not data
        return data

    def close(self) -> None:
        pass


def graph() -> Graph:
    return network([40, 8, 5], 3)


def opened(seed: int) -> tuple[BadLine, Device, Graph]:
    net = graph()
    told = manifest(make_plan(net, serial(net)))
    line = BadLine(GoldenBoard(net, told), seed)
    packing = Packing.from_manifest(told)
    return line, Device(line, name="bad", packing=packing, timeout=1, manifest=told), net


def chaos(count: int, seed: int) -> tuple[BadLine, Device]:
    line, device, net = opened(seed)
    pool = images(net, 64, 1)
    wanted = golden.run(net, pool)
    assert wanted.classes is not None
    order = np.random.default_rng(seed).integers(0, len(pool), count)
    taken = 0
    for at, answer in zip(order, device.predict_iter(pool[at] for at in order), strict=True):
        assert np.array_equal(answer.logits, wanted.logits[at])
        assert answer.index == wanted.classes[at]
        taken += 1
    assert taken == count
    return line, device


def check(count: int, seed: int) -> None:
    line, device = chaos(count, seed)
    counters = device.counters()
    assert line.damage > count * 20 * RATE
    assert counters.board_bad_frames + counters.damaged > line.damage / 4
    # Each silence belongs to a loss: a frame that nothing came behind, and one that follows it when
    # the zero between them is hit.
    assert counters.timeouts <= line.damage
    # What is lost is at most what was under way, two frames for each damage, and their followers.
    assert counters.repeated <= 8 * line.damage
    assert counters.answered == count


@pytest.mark.parametrize("seed", [1, 2])
def test_no_wrong_answer_on_a_bad_line(seed: int) -> None:
    check(1000, seed)


@pytest.mark.slow
def test_no_wrong_answer_in_100_000_frames() -> None:
    check(100_000, 3)


@pytest.mark.parametrize("place", range(14))
@pytest.mark.parametrize("kind", ["drop", "flip", "insert", "zero"])
def test_one_damage_costs_one_frame_and_one_time_out(place: int, kind: str) -> None:
    """Wherever a request is hit: the frames around it are answered, and it after one silence."""
    line, device, net = opened(1)
    line.left = 1 << 60
    pool = images(net, 3, 1)
    real, hit = line.board.write, [False]

    def write(data: bytes) -> None:
        # The middle one of three requests; a frame is 12 bytes long here.
        if len(data) > 8 and not hit[0] and place < len(data):
            count[0] += 1
            if count[0] == 2:
                hit[0] = True
                new = {
                    "drop": b"",
                    "flip": bytes([data[place] ^ 0x20]),
                    "insert": bytes([data[place], 0x41]),
                    "zero": b"\0",
                }[kind]
                data = data[:place] + new + data[place + 1 :]
        real(data)

    count = [0]
    line.board.write = write  # type: ignore[method-assign]
    before = line.silences
    answers = device.predict(pool)
    assert np.array_equal(answers.logits, golden.run(net, pool).logits)
    assert line.silences - before <= 2
    counters: Any = device.counters()
    # The frame behind is lost too where the zero between them is.
    assert counters.repeated <= 2


def test_a_wrong_answer_would_be_seen() -> None:
    """The check above fails for a line without the CRC's protection."""
    line, device, net = opened(1)
    line.left = 1 << 60
    line.board._known.clear()
    real = line.board._compute
    line.board._compute = lambda payload: bytes(len(real(payload)))  # type: ignore[method-assign]
    pool = images(net, 3, 1)
    assert not np.array_equal(device.predict(pool).logits, golden.run(net, pool).logits)
