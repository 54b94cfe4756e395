# amaranth: UnusedElaboratable=no
"""Pools of random shapes: every word, in order and in time, whatever stalls."""

import random
from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Module, Mux, Value

from rtl_gen.pool import MaxPool, SumPool
from rtl_gen.pool_axis import Axis
from sim.bench import Run, everywhere, exercise
from sim.streams import Word, frame

Given = dict[str, Any]
KINDS = [MaxPool, SumPool]
STALLS: list[Any] = [50, 90, "toggle", {"o": "patient"}, {"i": 90}, {"o": 90}]


def pooled(kind: type[Any], given: Given, image: np.ndarray) -> np.ndarray:
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


def exercised(kind: type[Any], given: Given, *, frames: int = 3, **how: Any) -> Run:
    rng = np.random.default_rng(frames)
    size = given["height"], given["width"], given["channels"]
    sent: list[Word] = []
    wanted: list[Word] = []
    for _ in range(frames):
        image = rng.integers(0, 1 << given["bits"], size)
        sent += frame(image.ravel().tolist(), given["lanes"])
        wanted += frame(pooled(kind, given, image).ravel().tolist(), given["lanes"])
    return exercise(kind(**given), {"i": sent}, {"o": wanted}, **how)


def in_time(kind: type[Any], given: Given) -> Run:
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


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(80))
def test_random_shapes(kind: type[Any], seed: int) -> None:
    given = random_shape(seed)
    in_time(kind, given)
    exercised(kind, given, frames=2, stalls=STALLS[seed % len(STALLS)], seed=seed)
    exercised(kind, given, frames=1, stalls=everywhere(seed), seed=seed)


NAMED: dict[str, Given] = {
    "overlapping": shape(),
    "overlapping, odd": shape(height=5, width=5, padding=(1, 1, 1, 1)),
    "disjoint": shape(kernel=(2, 2), stride=(2, 2), padding=(0, 0, 0, 0), channels=6, bits=1),
    "dense": shape(stride=(1, 1), padding=(1, 1, 1, 1)),
    "sparse": shape(kernel=(1, 2), stride=(3, 3), padding=(0, 0, 0, 0)),
    "rows and columns never used": shape(kernel=(2, 2), stride=(4, 4), padding=(0, 0, 0, 0)),
    "global": shape(kernel=(6, 6), stride=(6, 6), padding=(0, 0, 0, 0)),
    "identity": shape(kernel=(1, 1), stride=(1, 1), padding=(0, 0, 0, 0)),
    "one pixel": shape(height=1, width=1, padding=(1, 1, 1, 1)),
    "many folds": shape(channels=7, height=4, width=4),
    "large stride": shape(kernel=(4, 4), stride=(1, 3), padding=(3, 2, 1, 3), bits=2),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMED)
def test_named_shapes(kind: type[Any], name: str) -> None:
    in_time(kind, NAMED[name])
    exercised(kind, NAMED[name], stalls=50)
    exercised(kind, NAMED[name], frames=2, stalls={"i": 90, "o": "patient"})


@pytest.mark.parametrize("name", ["overlapping", "disjoint", "many folds", "global"])
def test_one_word_comes_in_with_every_clock(name: str) -> None:
    log = in_time(MaxPool, NAMED[name])
    assert log.moves["i"] == list(range(len(log.moves["i"])))


@pytest.mark.parametrize("name", ["overlapping", "overlapping, odd", "many folds"])
@pytest.mark.parametrize("after", [1, 2, 5, 11, 26, 47, 73, 90])
def test_reset_in_a_frame(name: str, after: int) -> None:
    exercised(SumPool, NAMED[name], frames=2, reset_after=after)


class TakesAlways(MaxPool):
    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.i.ready.eq(1)
        return m


class LosesLast(MaxPool):
    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.o.payload.last.eq(0)
        return m


class Least(MaxPool):
    def _join(self, one: Value, other: Value) -> Value:
        return Mux(one < other, one, other)


class Narrow(SumPool):
    def _width(self, codes: int) -> int:
        return super()._width(codes) - 1


@pytest.mark.parametrize("broken", [TakesAlways, LosesLast, Least])
def test_planted_faults_are_caught(broken: type[Any]) -> None:
    with pytest.raises((AssertionError, TimeoutError)):
        exercised(broken, NAMED["overlapping, odd"], stalls={"o": 50})


def test_a_sum_too_narrow_is_caught() -> None:
    with pytest.raises(AssertionError):
        exercised(Narrow, shape(bits=1, kernel=(2, 2), padding=(0, 0, 0, 0)), frames=8)


@pytest.mark.parametrize("attribute", ["age", "last_end", "first_end"])
def test_a_wrong_axis_is_caught(attribute: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = NAMED["dense"]
    right = getattr(Axis, attribute).fget
    monkeypatch.setattr(Axis, attribute, property(lambda self: right(self) - 1))
    with pytest.raises((AssertionError, TimeoutError)):
        in_time(MaxPool, given)


WRONG = [
    ({"lanes": 0}, "Pool lanes must be a positive integer, not 0"),
    ({"bits": 0}, "Pool bits must be a positive integer, not 0"),
    ({"width": 2.5}, "Pool width must be a positive integer, not 2.5"),
    ({"kernel": (0, 1)}, r"Pool kernel must be two positive integers, not \(0, 1\)"),
    ({"stride": (1,)}, r"Pool stride must be two positive integers, not \(1,\)"),
    ({"padding": (0, 3, 0, 0)}, "Pool padding must be four integers below the kernel, not .*"),
    ({"padding": (0, 0)}, "Pool padding must be four integers below the kernel, not .*"),
    ({"channels": 3, "lanes": 2}, "Pool lanes must divide 3, not 2"),
    ({"kernel": (9, 1), "padding": (0,) * 4}, "Pool kernel must fit the padded image, not .*"),
]


@pytest.mark.parametrize(("some", "message"), WRONG)
def test_parameter_wrong(some: Given, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        MaxPool(**shape(**some))


@pytest.mark.parametrize(("levels", "bits"), [(None, 6), (8, 6), (5, 6), (4, 5), (2, 4), (1, 1)])
def test_sums_are_as_wide_as_their_levels_need(levels: int | None, bits: int) -> None:
    dut = SumPool(**shape(levels=levels))
    assert (dut.levels, dut.bits_out) == (levels or 8, bits)
    if levels == 4:
        image = np.full((6, 6, 2), 3)
        sent = frame(image.ravel().tolist(), 1)
        wanted = frame(pooled(SumPool, shape(), image).ravel().tolist(), 1)
        exercise(dut, {"i": sent}, {"o": wanted})


@pytest.mark.parametrize("levels", [0, 9, 2.5])
def test_levels_wrong(levels: Any) -> None:
    message = rf"^Pool levels must be an integer from 1 to 8, not {levels}$"
    with pytest.raises(ValueError, match=message):
        SumPool(**shape(levels=levels))


def test_parameters_are_properties() -> None:
    dut = SumPool(**shape(channels=4, lanes=2))
    assert (dut.channels, dut.bits, dut.lanes, dut.folds) == (4, 3, 2, 2)
    assert (dut.height, dut.width, dut.kernel, dut.stride) == (6, 6, (3, 3), (2, 2))
    assert (dut.padding, dut.out_height, dut.out_width) == ((1, 1, 0, 0), 3, 3)
    assert (dut.words_in, dut.words_out, dut.depth, dut.bits_out) == (72, 18, 6, 6)
    assert (dut.cycles, dut.latency) == (72, (1 * 6 + 1) * 2 + 1)
