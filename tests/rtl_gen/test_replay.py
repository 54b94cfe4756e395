# amaranth: UnusedElaboratable=no
"""The replay buffer: order, overlap of consecutive frames, latency, throughput."""

import itertools
import random
from types import SimpleNamespace
from typing import Any

import pytest
from amaranth.back import rtlil

from bnnhw.fold.memory import SHAPES
from rtl_gen.replay import ReplayBuffer
from sim.bench import exercise
from sim.streams import frame


def traffic(words: int, lanes: int, repeats: int, count: int):
    dice = random.Random(words * 100 + repeats)
    source, sink = [], []
    for _ in range(count):
        bits = [dice.getrandbits(1) for _ in range(words * lanes)]
        source += frame(bits, lanes)
        sink += frame(bits * repeats, lanes)
    return source, sink


@pytest.mark.parametrize("words", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("repeats", [1, 2, 3])
@pytest.mark.parametrize("stalls", [0, 50, "toggle", {"i": 80}, {"o": 80}, {"o": "patient"}])
def test_repeats_frames(words: int, repeats: int, stalls) -> None:
    source, sink = traffic(words, 3, repeats, 5)
    exercise(
        ReplayBuffer(words=words, lanes=3, repeats=repeats),
        {"i": source},
        {"o": sink},
        stalls=stalls,
    )


@pytest.mark.parametrize(("words", "repeats"), [*itertools.product([1, 2, 5, 8], [2, 4])])
def test_latency_and_throughput(words: int, repeats: int) -> None:
    source, sink = traffic(words, 2, repeats, 4)
    run = exercise(ReplayBuffer(words=words, lanes=2, repeats=repeats), {"i": source}, {"o": sink})
    assert run.latency == ReplayBuffer.LATENCY
    assert run.period == words * repeats
    steps = {b - a for a, b in zip(run.moves["o"], run.moves["o"][1:], strict=False)}
    assert steps == {1}, "there is a bubble between frames"


@pytest.mark.parametrize("after", range(1, 24))
def test_reset_in_the_middle(after: int) -> None:
    source, sink = traffic(4, 2, 3, 3)
    exercise(
        ReplayBuffer(words=4, lanes=2, repeats=3), {"i": source}, {"o": sink}, reset_after=after
    )


def test_planted_faults_are_caught() -> None:
    source, sink = traffic(4, 2, 3, 3)
    with pytest.raises((AssertionError, TimeoutError)):
        exercise(ReplayBuffer(words=4, lanes=2, repeats=2), {"i": source}, {"o": sink})
    with pytest.raises(AssertionError):
        exercise(ReplayBuffer(words=5, lanes=2, repeats=3), {"i": source + source}, {"o": sink})


@pytest.mark.parametrize("name", ["words", "lanes", "repeats"])
def test_parameters_wrong(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^Replay {name} must be a positive integer, not 0$"):
        arguments: dict[str, Any] = {"words": 2, "lanes": 2, "repeats": 2} | {name: 0}
        ReplayBuffer(**arguments)


@pytest.mark.parametrize(
    ("words", "platform", "placed"),
    [
        (32, SimpleNamespace(block_ram_shapes=SHAPES["ecp5"]), True),
        (33, SimpleNamespace(block_ram_shapes=SHAPES["ecp5"]), False),
        (32, None, False),
    ],
)
def test_small_buffers_lie_in_lut_ram_where_block_rams_are_slow(words, platform, placed) -> None:
    text = rtlil.convert(ReplayBuffer(words=words, lanes=3, repeats=2), platform=platform)
    assert ('attribute \\ram_style "distributed"' in text) == placed
    assert 'attribute \\no_rw_check "1"' in text
