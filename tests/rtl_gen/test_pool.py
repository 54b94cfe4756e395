# amaranth: UnusedElaboratable=no
"""Pools of random shapes: every word, in order and in time, whatever stalls."""

import itertools
import random
from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Module

from rtl_gen import pool
from rtl_gen.pool import MaxPool, SumPool
from sim.bench import Run, exercise
from sim.streams import Word, frame

Given = dict[str, Any]
KINDS: list[Any] = [50, 90, "toggle", {"o": "patient"}, {"i": 90}, {"o": 90}]


def pooled(kind: type, given: Given, image: np.ndarray) -> np.ndarray:
    """Pool by slicing what is inside the image, window by window."""
    (kh, kw), (sh, sw) = given["kernel"], given["stride"]
    top, left, bottom, right = given["padding"]
    height, width, _ = image.shape
    rows = []
    for y in range(-top, height + bottom - kh + 1, sh):
        row = []
        for x in range(-left, width + right - kw + 1, sw):
            part = image[max(0, y) : y + kh, max(0, x) : x + kw]
            row.append(part.max((0, 1)) if issubclass(kind, MaxPool) else part.sum((0, 1)))
        rows.append(row)
    return np.array(rows)


def shape(**some: Any) -> Given:
    given: Given = {"channels": 2, "bits": 3, "lanes": 1, "height": 6, "width": 6}
    given |= {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1, 0, 0)}
    return given | some


def exercised(kind: type, given: Given, *, frames: int = 3, **how: Any) -> Run:
    rng = np.random.default_rng(abs(hash(str(sorted(given.items())))) if False else 7)
    size = given["height"], given["width"], given["channels"]
    sent: list[Word] = []
    wanted: list[Word] = []
    for _ in range(frames):
        image = rng.integers(0, 1 << given["bits"], size)
        sent += frame(image.ravel().tolist(), given["lanes"])
        wanted += frame(pooled(kind, given, image).ravel().tolist(), given["lanes"])
    return exercise(kind(**given), {"i": sent}, {"o": wanted}, **how)


def in_time(kind: type, given: Given) -> Run:
    log = exercised(kind, given)
    dut = kind(**given)
    assert log.latency == dut.latency
    assert log.period == dut.cycles
    assert log.moves["i"][dut.words_in] == dut.cycles, "the second frame must follow at once"
    assert len(log.moves["o"]) == 3 * dut.words_out
    return log


def random_shape(seed: int) -> Given:
    dice = random.Random(seed)
    lanes = dice.randint(1, 3)
    while True:
        kernel = dice.randint(1, 4), dice.randint(1, 4)
        given = shape(
            channels=lanes * dice.randint(1, 3),
            bits=dice.randint(1, 3),
            lanes=lanes,
            height=dice.randint(1, 7),
            width=dice.randint(1, 6),
            kernel=kernel,
            stride=(dice.randint(1, 4), dice.randint(1, 4)),
            padding=tuple(max(0, dice.randint(-2, size - 1)) for size in (*kernel, *kernel)),
        )
        try:
            MaxPool(**given)
        except ValueError:
            continue
        return given


@pytest.mark.parametrize("kind", [MaxPool, SumPool])
@pytest.mark.parametrize("seed", range(60))
def test_random_shapes(kind: type, seed: int) -> None:
    given = random_shape(seed)
    in_time(kind, given)
    exercised(kind, given, frames=2, stalls=KINDS[seed % len(KINDS)], seed=seed)
