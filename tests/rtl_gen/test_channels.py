# amaranth: UnusedElaboratable=no
"""Channels chosen and reordered, for every small folding, with stalls and frame after frame."""

import itertools
import random
from typing import Any

import pytest
from amaranth.hdl import Module

from rtl_gen.channels import ChannelSlice, Permute
from sim.bench import Run, everywhere, exercise
from sim.streams import Word, frame

Given = dict[str, Any]
STALLS: list[Any] = [50, 85, "toggle", {"o": "patient"}, {"i": 80}, {"o": 80}]


def images(given: Given, pixels: int, channels: int, frames: int = 3) -> list[list[list[int]]]:
    dice = random.Random(str(given))
    pixel = range(channels)
    return [
        [[dice.randrange(1 << given["bits"]) for _ in pixel] for _ in range(pixels)]
        for _ in range(frames)
    ]


def stream(frames: list[list[list[int]]], lanes: int) -> list[Word]:
    return [word for pixels in frames for word in frame(list(itertools.chain(*pixels)), lanes)]


def sliced(given: Given, *, kind: type[ChannelSlice] = ChannelSlice, **how: Any) -> Run:
    lanes = given["lanes"]
    sent = images(given, given["pixels"], given["folds"] * lanes)
    first, behind = given["start"] * lanes, given["stop"] * lanes
    wanted = [[pixel[first:behind] for pixel in pixels] for pixels in sent]
    return exercise(kind(**given), {"i": stream(sent, lanes)}, {"o": stream(wanted, lanes)}, **how)


SLICES = [
    {"lanes": lanes, "bits": 3, "folds": folds, "start": start, "stop": stop, "pixels": pixels}
    for lanes, pixels in ((1, 1), (2, 3))
    for folds in range(1, 5)
    for start in range(folds)
    for stop in range(start + 1, folds + 1)
]


@pytest.mark.parametrize("given", SLICES, ids=str)
def test_slices_in_time(given: Given) -> None:
    log = sliced(given)
    dut = ChannelSlice(**given)
    assert (log.latency, log.period) == (dut.latency, dut.cycles)
    assert (dut.latency, dut.cycles) == (given["start"], given["pixels"] * given["folds"])
    assert log.moves["i"] == list(range(3 * dut.cycles))
    sliced(given, stalls=everywhere(SLICES.index(given)), seed=given["folds"])


@pytest.mark.parametrize("given", SLICES[3::5], ids=str)
@pytest.mark.parametrize("kind", STALLS)
def test_slices_with_stalls(given: Given, kind: Any) -> None:
    sliced(given, stalls=kind, seed=given["folds"])


def test_words_are_dropped_while_the_output_waits() -> None:
    given = {"lanes": 1, "bits": 3, "folds": 9, "start": 8, "stop": 9, "pixels": 1}
    log = sliced(given, stalls={"o": "patient"})
    # Of each pixel only the word that passes waits, for the one clock until `o` is ready.
    assert log.period == 10


@pytest.mark.parametrize("after", range(1, 10))
def test_reset_in_a_frame(after: int) -> None:
    given = {"lanes": 1, "bits": 2, "folds": 4, "start": 1, "stop": 3, "pixels": 2}
    sliced(given, reset_after=after)
    permuted({"lanes": 1, "bits": 3, "order": (2, 0, 1)}, reset_after=after)


def permuted(
    given: Given, *, kind: type[Permute] = Permute, pixels: int = 4, frames: int = 3, **how: Any
) -> Run:
    lanes, order = given["lanes"], given["order"]
    sent = images(given, pixels, len(order), frames)
    wanted = [[[pixel[k] for k in order] for pixel in pixels] for pixels in sent]
    return exercise(kind(**given), {"i": stream(sent, lanes)}, {"o": stream(wanted, lanes)}, **how)


def shuffle(groups: int, channels: int) -> tuple[int, ...]:
    """ShuffleNet's channel shuffle: a group by channel matrix, transposed."""
    return tuple(
        group * (channels // groups) + k
        for k in range(channels // groups)
        for group in range(groups)
    )


ORDERS = [
    *(order for size in (2, 3) for order in itertools.permutations(range(size))),
    (0,),
    (3, 2, 1, 0),
    (1, 2, 3, 4, 0),
    shuffle(2, 8),
    shuffle(3, 12),
    tuple(random.Random(1).sample(range(17), 17)),
]


@pytest.mark.parametrize("order", ORDERS, ids=str)
@pytest.mark.parametrize("whole", [False, True])
def test_permutes_in_time(order: tuple[int, ...], whole: bool) -> None:
    given: Given = {"lanes": len(order) if whole else 1, "bits": 4, "order": order}
    log = permuted(given)
    moves = whole or list(order) == sorted(order)
    period = 4 if whole else 4 * len(order)
    latency = 0 if moves else len(order) + 1
    assert Permute(**given).latency == latency
    assert (log.latency, log.period) == (latency, period)
    assert log.moves["i"] == list(range(3 * period))
    assert log.moves["o"] == list(range(latency, latency + 3 * period))
    permuted(given, pixels=2, stalls=everywhere(ORDERS.index(order) + whole), seed=len(order))


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (1, 2, 0), (3, 1, 0, 2), shuffle(2, 8)], ids=str)
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("kind", STALLS)
def test_permutes_with_stalls(order: tuple[int, ...], whole: bool, kind: Any) -> None:
    given: Given = {"lanes": len(order) if whole else 1, "bits": 2, "order": order}
    permuted(given, pixels=3, stalls=kind, seed=len(order))


def test_frames_of_one_pixel() -> None:
    given = {"lanes": 1, "bits": 4, "order": (2, 0, 1)}
    assert permuted(given, pixels=1, frames=6).period == 3
    permuted(given, pixels=1, frames=6, stalls=50)


class PassesAll(ChannelSlice):
    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.o.valid.eq(self.i.valid)
        return m


class EndsEarly(ChannelSlice):
    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.o.payload.last.eq(self.i.payload.last)
        return m


class WaitsForNobody(ChannelSlice):
    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.i.ready.eq(1)
        return m


@pytest.mark.parametrize("kind", [PassesAll, EndsEarly, WaitsForNobody])
def test_planted_fault_in_a_slice_is_caught(kind: type[ChannelSlice]) -> None:
    given = {"lanes": 1, "bits": 3, "folds": 4, "start": 1, "stop": 3, "pixels": 2}
    with pytest.raises((AssertionError, TimeoutError)):
        sliced(given, kind=kind, stalls=50)


class WrongOrder(Permute):
    def __init__(self, **given: Any) -> None:
        super().__init__(**given | {"order": (0, 2, 1)})


class TakesAlways(Permute):
    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.i.ready.eq(1)
        return m


class AlwaysLast(Permute):
    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        with m.If(~self.o.valid | self.o.ready):
            m.d.sync += self.o.payload.last.eq(1)
        return m


@pytest.mark.parametrize("kind", [WrongOrder, TakesAlways, AlwaysLast])
def test_planted_fault_in_a_permutation_is_caught(kind: type[Permute]) -> None:
    with pytest.raises((AssertionError, TimeoutError)):
        permuted({"lanes": 1, "bits": 3, "order": (2, 0, 1)}, kind=kind, stalls={"o": 75})


GOOD: Given = {"lanes": 2, "bits": 3, "folds": 4, "start": 1, "stop": 3, "pixels": 5}


@pytest.mark.parametrize("name", ["lanes", "bits", "folds", "pixels"])
def test_slice_wrong(name: str) -> None:
    message = rf"^ChannelSlice {name} must be a positive integer, not 0$"
    with pytest.raises(ValueError, match=message):
        ChannelSlice(**GOOD | {name: 0})


@pytest.mark.parametrize(("start", "stop"), [(-1, 2), (2, 2), (1, 5), (0.5, 2)])
def test_slice_range_wrong(start: Any, stop: Any) -> None:
    message = r"^ChannelSlice start and stop must be a range within 4 words, not \("
    with pytest.raises(ValueError, match=message):
        ChannelSlice(**GOOD | {"start": start, "stop": stop})


def test_permute_wrong() -> None:
    with pytest.raises(ValueError, match=r"^Permute bits must be a positive integer, not 0$"):
        Permute(lanes=1, bits=0, order=(1, 0))
    for order in ((), (1,), (0, 0), (0, 2)):
        with pytest.raises(ValueError, match=r"^Permute order must have every channel once, not"):
            Permute(lanes=1, bits=1, order=order)
    with pytest.raises(ValueError, match=r"^Permute lanes must be 1 or 4, not 2$"):
        Permute(lanes=2, bits=1, order=(3, 2, 1, 0))


def test_parameters_are_properties() -> None:
    other: Given = {"lanes": 1, "bits": 3, "order": (1, 0)}
    for dut, given in ((ChannelSlice(**GOOD), GOOD), (Permute(**other), other)):
        for name, value in given.items():
            assert getattr(dut, name) == value
