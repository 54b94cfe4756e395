# amaranth: UnusedElaboratable=no
"""Windows of random shapes: every word, in order and in time, whatever stalls."""

import random
from typing import Any

import pytest
from amaranth.hdl import Module, Signal, Value

from rtl_gen.loopnest import LoopNest
from rtl_gen.window import SlidingWindow
from rtl_gen.window_shape import WindowShape
from sim.bench import Run, exercise, run
from sim.streams import Word, receive, send

Given = dict[str, Any]
KINDS: list[Any] = [50, 90, "toggle", {"o": "patient"}, {"i": 90}, {"o": 90}, {"i": 50, "o": 50}]


def windows(given: Given, image: list[list[list[int]]]) -> list[Word]:
    """Words of one frame, from the definition of a convolution's taps alone."""
    (kh, kw), (sh, sw), (dh, dw) = given["kernel"], given["stride"], given["dilation"]
    top, left, bottom, right = given["padding"]
    height, width, lanes, pad = given["height"], given["width"], given["lanes"], given["pad"]
    share = given["channels"] // given["groups"]
    words: list[Word] = []
    for y0 in range(-top, height + bottom - (kh - 1) * dh, sh):
        for x0 in range(-left, width + right - (kw - 1) * dw, sw):
            for first in range(0, given["channels"], share):
                for y in range(y0, y0 + kh * dh, dh):
                    for x in range(x0, x0 + kw * dw, dw):
                        outside = not (0 <= y < height and 0 <= x < width)
                        for channel in range(first, first + share, lanes):
                            data = (pad or 0,) * lanes
                            if not outside:
                                data = tuple(image[y][x][channel : channel + lanes])
                            word = {"data": data, "last": 0}
                            if pad is None:
                                word["masked"] = int(outside)
                            words.append(word)
    words[-1]["last"] = 1
    return words


def traffic(given: Given, count: int) -> tuple[list[Word], list[Word]]:
    dice = random.Random(str(given))
    sent: list[Word] = []
    wanted: list[Word] = []
    for _ in range(count):
        image = [
            [
                [dice.getrandbits(given["bits"]) for _ in range(given["channels"])]
                for _ in range(given["width"])
            ]
            for _ in range(given["height"])
        ]
        lanes = given["lanes"]
        for pixel in (pixel for row in image for pixel in row):
            # Whatever `last` says is not read.
            sent += [
                {"data": tuple(pixel[start : start + lanes]), "last": dice.getrandbits(1)}
                for start in range(0, len(pixel), lanes)
            ]
        wanted += windows(given, image)
    return sent, wanted


def shape(**some: Any) -> Given:
    given: Given = {"channels": 1, "bits": 3, "lanes": 1, "height": 5, "width": 6, "kernel": (3, 3)}
    given |= {"stride": (1, 1), "dilation": (1, 1), "padding": (0, 0, 0, 0), "groups": 1, "pad": 0}
    return given | some


def exercised(given: Given, *, frames: int = 3, broken: Any = SlidingWindow, **how: Any) -> Run:
    sent, wanted = traffic(given, frames)
    return exercise(broken(**given), {"i": sent}, {"o": wanted}, **how)


def in_time(given: Given) -> None:
    """Without stalls the slower side moves in every cycle from the first frame's end on."""
    log = exercised(given)
    dut = SlidingWindow(**given)
    assert log.latency == dut.latency == 2
    assert len(log.moves["i"]) == 3 * dut.words_in
    assert len(log.moves["o"]) == 3 * dut.words_out
    assert log.period == dut.cycles == max(dut.words_in, dut.words_out)
    if dut.words_in >= dut.words_out:
        assert log.moves["i"] == list(range(3 * dut.words_in))
    if dut.words_out >= dut.words_in:
        start = log.moves["o"][dut.words_out]
        assert log.moves["o"][dut.words_out :] == list(range(start, start + 2 * dut.words_out))


def divisors(number: int) -> list[int]:
    return [part for part in range(1, number + 1) if number % part == 0]


def random_shape(seed: int, padding: int = 3) -> Given:
    dice = random.Random(seed)
    channels = dice.randint(1, 6)
    groups = dice.choice(divisors(channels))
    while True:
        given = shape(
            channels=channels,
            bits=dice.randint(1, 3),
            groups=groups,
            lanes=dice.choice(divisors(channels // groups)),
            height=dice.randint(1, 7),
            width=dice.randint(1, 6),
            kernel=(dice.randint(1, 4), dice.randint(1, 4)),
            stride=(dice.randint(1, 3), dice.randint(1, 3)),
            dilation=(dice.randint(1, 2), dice.randint(1, 2)),
            padding=tuple(max(0, dice.randint(-2, padding)) for _ in range(4)),
            pad=None,
        )
        if dice.getrandbits(1):
            given["pad"] = dice.getrandbits(given["bits"])
        try:
            words = SlidingWindow(**given).words_out
        except ValueError:
            continue
        if words <= 600:
            return given


@pytest.mark.parametrize("seed", range(180))
def test_random_shapes(seed: int) -> None:
    given = random_shape(seed)
    in_time(given)
    exercised(given, frames=2, stalls=KINDS[seed % len(KINDS)], seed=seed)
