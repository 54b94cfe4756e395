# amaranth: UnusedElaboratable=no
"""Every pair of lane counts gives the same elements, in time, whatever stalls and garbage."""

import itertools
import random
from typing import Any

import pytest
from amaranth.hdl import Cat, Module, Signal

from rtl_gen import width
from rtl_gen.width import WidthConverter
from sim.bench import Run, everywhere, exercise
from sim.streams import Word, frame

PAIRS = list(itertools.product(range(1, 10), repeat=2))


def garbled(words: list[Word], elements: int, bits: int, dice: random.Random) -> list[Word]:
    """Fill the lanes past the end of a frame with garbage."""
    lanes = len(words[0]["data"])
    tail = elements - (len(words) - 1) * lanes
    junk = [dice.randrange(1 << bits) for _ in range(lanes - tail)]
    words[-1]["data"] = (*words[-1]["data"][:tail], *junk)
    return words


def convert(
    elements: int,
    bits: int,
    lanes_in: int,
    lanes_out: int,
    *,
    frames: int = 3,
    broken: type[WidthConverter] = WidthConverter,
    **kinds: Any,
) -> Run:
    dice = random.Random(f"{elements} {bits} {lanes_in} {lanes_out}")
    sent: list[Word] = []
    wanted: list[Word] = []
    for _ in range(frames):
        numbers = [dice.randrange(1 << bits) for _ in range(elements)]
        sent += garbled(frame(numbers, lanes_in), elements, bits, dice)
        wanted += frame(numbers, lanes_out)
    dut = broken(elements=elements, bits=bits, lanes_in=lanes_in, lanes_out=lanes_out)
    return exercise(dut, {"i": sent}, {"o": wanted}, **kinds)


def sizes(lanes_in: int, lanes_out: int, count: int) -> list[int]:
    """Choose a few numbers of elements: one, a whole number of words, and others."""
    dice = random.Random(lanes_in * 10 + lanes_out)
    some = {1, min(40, lanes_in * lanes_out), *dice.sample(range(2, 41), count)}
    return sorted(some)


@pytest.mark.parametrize(("lanes_in", "lanes_out"), PAIRS)
def test_values_latency_and_rate(lanes_in: int, lanes_out: int) -> None:
    for elements in sizes(lanes_in, lanes_out, 3):
        log = convert(elements, 3, lanes_in, lanes_out)
        words_in, words_out = -(-elements // lanes_in), -(-elements // lanes_out)
        collected = min(-(-lanes_out // lanes_in), words_in)
        assert log.latency == (0 if lanes_in == lanes_out else collected)
        assert log.period == max(words_in, words_out)
        faster = "i" if words_in >= words_out else "o"
        start = log.moves[faster][0]
        assert log.moves[faster] == list(range(start, start + 3 * max(words_in, words_out)))


@pytest.mark.parametrize(("lanes_in", "lanes_out"), PAIRS)
def test_stalls(lanes_in: int, lanes_out: int) -> None:
    kinds = [25, 50, 75, "toggle", {"o": "patient"}, {"o": 75}, {"i": 75}]
    for turn, elements in enumerate(sizes(lanes_in, lanes_out, 2)[1:]):
        kind = kinds[(lanes_in + 3 * lanes_out + turn) % len(kinds)]
        convert(elements, 2, lanes_in, lanes_out, stalls=kind, seed=turn)
        convert(elements, 1, lanes_in, lanes_out, stalls=everywhere(lanes_in + turn), seed=turn)


@pytest.mark.parametrize(("lanes_in", "lanes_out"), [(4, 4), (2, 6), (6, 2), (4, 6), (6, 4)])
@pytest.mark.parametrize("elements", [1, 13, 23])
def test_long_stalls(lanes_in: int, lanes_out: int, elements: int) -> None:
    convert(elements, 1, lanes_in, lanes_out, stalls=95, seed=elements)


@pytest.mark.parametrize(("lanes_in", "lanes_out"), PAIRS[::4])
def test_reset_in_a_frame(lanes_in: int, lanes_out: int) -> None:
    for cycles in (1, 2, 5):
        convert(19, 1, lanes_in, lanes_out, frames=2, reset_after=cycles)


@pytest.mark.parametrize(
    ("elements", "bits", "lanes_in", "lanes_out"),
    [(784, 1, 49, 64), (100, 8, 16, 12), (65, 1, 64, 1), (65, 1, 1, 64), (7, 33, 3, 2)],
)
def test_larger_shapes(elements: int, bits: int, lanes_in: int, lanes_out: int) -> None:
    log = convert(elements, bits, lanes_in, lanes_out)
    dut = WidthConverter(elements=elements, bits=bits, lanes_in=lanes_in, lanes_out=lanes_out)
    assert (log.latency, log.period) == (dut.latency, dut.cycles)


class DropsLast(WidthConverter):
    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.o.payload.last.eq(0)
        return m


class IgnoresReady(WidthConverter):
    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.i.ready.eq(1)
        return m


class LosesAWord(WidthConverter):
    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        count = Signal(8)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += count.eq(count + 1)
        with m.If(count == 3):
            m.d.comb += [self.i.ready.eq(1), m.submodules.structure.i.valid.eq(0)]
        return m


class HoldsReady(WidthConverter):
    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        with m.If(self.o.valid):
            m.d.comb += self.i.ready.eq(0)
        return m


class Bubbles(WidthConverter):
    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        pause = Signal()
        m.d.sync += pause.eq(self.i.valid & self.i.ready & self.i.payload.last)
        with m.If(pause):
            m.d.comb += [self.i.ready.eq(0), m.submodules.structure.i.valid.eq(0)]
        return m


@pytest.mark.parametrize(("lanes_in", "lanes_out"), [(4, 4), (2, 6), (2, 3)])
def test_bubble_is_measured(lanes_in: int, lanes_out: int) -> None:
    log = convert(16, 2, lanes_in, lanes_out, broken=Bubbles)
    assert log.period == 16 // lanes_in + 1


@pytest.mark.parametrize("broken", [DropsLast, IgnoresReady, LosesAWord, HoldsReady])
@pytest.mark.parametrize(("lanes_in", "lanes_out"), [(4, 4), (2, 6), (6, 2), (4, 6), (6, 4)])
def test_planted_fault_is_caught(
    broken: type[WidthConverter], lanes_in: int, lanes_out: int
) -> None:
    with pytest.raises((AssertionError, TimeoutError)):
        convert(23, 2, lanes_in, lanes_out, broken=broken, stalls={"o": 50})


@pytest.mark.parametrize(("lanes_in", "lanes_out"), [(4, 4), (2, 6), (6, 2), (4, 6), (6, 4)])
def test_garbage_that_leaks_is_caught(
    lanes_in: int, lanes_out: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(width, "_trimmed", lambda lanes, start, stop, when: Cat(*lanes))
    with pytest.raises(AssertionError, match="of data: expected 0, got"):
        convert(23, 8, lanes_in, lanes_out)


@pytest.mark.parametrize("name", ["elements", "bits", "lanes_in", "lanes_out"])
@pytest.mark.parametrize("value", [0, -1, 1.5])
def test_parameter_wrong(name: str, value: Any) -> None:
    good: dict[str, Any] = {"elements": 4, "bits": 1, "lanes_in": 2, "lanes_out": 3}
    message = rf"^WidthConverter {name} must be a positive integer, not {value}$"
    with pytest.raises(ValueError, match=message):
        WidthConverter(**{**good, name: value})


def test_parameters_are_properties() -> None:
    dut = WidthConverter(elements=5, bits=3, lanes_in=2, lanes_out=4)
    assert (dut.elements, dut.bits, dut.lanes_in, dut.lanes_out) == (5, 3, 2, 4)
    assert (dut.words_in, dut.words_out, dut.latency, dut.cycles) == (3, 2, 2, 3)
