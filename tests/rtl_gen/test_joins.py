# amaranth: UnusedElaboratable=no
"""Sums and concatenations of streams, against plain Python, whoever waits for whom."""

import random
from typing import Any

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl_gen.channels import Permute
from rtl_gen.fork import Fork
from rtl_gen.joins import Add, Concat
from rtl_gen.queue import Queue
from rtl_gen.streams import port
from sim.bench import Run, exercise
from sim.streams import Word, frame

Given = dict[str, Any]


def inputs_of(given: Given, sizes: list[int], frames: int) -> list[list[list[int]]]:
    """Codes of each input, of each frame of so many elements."""
    dice = random.Random(str(given))
    return [
        [[dice.randrange(1 << bits) for _ in range(size)] for _ in range(frames)]
        for bits, size in zip(given["bits"], sizes, strict=True)
    ]


def stream(frames: list[list[int]], lanes: int) -> list[Word]:
    return [word for codes in frames for word in frame(codes, lanes)]


def added(given: Given, *, kind: type[Add] = Add, words: int = 7, **how: Any) -> Run:
    sizes = [words * given["lanes"]] * len(given["bits"])
    codes = inputs_of(given, sizes, 3)
    wanted = [
        [
            sum(factor * code for factor, code in zip(given["factors"], column, strict=True))
            for column in zip(*rows, strict=True)
        ]
        for rows in zip(*codes, strict=True)
    ]
    sent = {f"i{k}": stream(frames, given["lanes"]) for k, frames in enumerate(codes)}
    return exercise(kind(**given), sent, {"o": stream(wanted, given["lanes"])}, **how)


def add(lanes: int, *inputs: tuple[int, int]) -> Given:
    bits, factors = zip(*inputs, strict=True)
    most = sum(factor * ((1 << width) - 1) for width, factor in inputs)
    return {"lanes": lanes, "bits": bits, "factors": factors, "bits_out": most.bit_length()}


ADDS = {
    "two bits": add(1, (1, 1), (1, 1)),
    "two words": add(3, (4, 1), (4, 1)),
    "unlike": add(2, (1, 9), (7, 2)),
    "three": add(2, (3, 1), (2, 7), (5, 3)),
    "five": add(1, (8, 11), (3, 1), (1, 255), (6, 6), (2, 27)),
    "one": add(2, (4, 5)),
}
STALLS: list[Any] = [50, 85, "toggle", {"o": "patient"}, {"i0": 80}, {"o": 80, "i0": "toggle"}]


@pytest.mark.parametrize("name", ADDS)
def test_sums_in_time(name: str) -> None:
    log = added(ADDS[name])
    assert (log.latency, log.period) == (Add.LATENCY, 7) == (1, 7)
    assert log.moves["i0"] == list(range(21))
    assert log.moves["o"] == list(range(1, 22))


@pytest.mark.parametrize("name", ADDS)
@pytest.mark.parametrize("kind", STALLS)
def test_sums_with_stalls(name: str, kind: Any) -> None:
    added(ADDS[name], stalls=kind, seed=len(name))


@pytest.mark.parametrize("factor", range(1, 64, 2))
def test_every_odd_factor(factor: int) -> None:
    added(add(2, (3, factor), (2, 64 - factor)), words=3)


def test_a_sum_is_cut_to_its_bits() -> None:
    words = [{"data": (7,), "last": 1}]
    dut = Add(lanes=1, bits=(3, 3), factors=(3, 5), bits_out=4)
    exercise(dut, {"i0": words, "i1": words}, {"o": [{"data": (56 % 16,), "last": 1}]})


@pytest.mark.parametrize("after", range(1, 10))
def test_reset_in_a_sum(after: int) -> None:
    added(ADDS["three"], words=3, reset_after=after)
    concatenated(CONCATS["three"], reset_after=after)


def concatenated(given: Given, *, kind: type[Concat] = Concat, frames: int = 3, **how: Any) -> Run:
    lanes, pixels = given["lanes"], given["pixels"]
    runs = [words * lanes for words in given["words"]]
    codes = inputs_of(given, [size * pixels for size in runs], frames)
    moves = list(zip(runs, given["factors"], given["offsets"], strict=True))
    wanted = []
    for image in range(frames):
        result: list[int] = []
        for pixel in range(pixels):
            for k, (size, factor, offset) in enumerate(moves):
                part = codes[k][image][pixel * size : (pixel + 1) * size]
                result += [factor * code + offset for code in part]
        wanted.append(result)
    sent = {f"i{k}": stream(images, lanes) for k, images in enumerate(codes)}
    return exercise(kind(**given), sent, {"o": stream(wanted, lanes)}, **how)


def concat(lanes: int, pixels: int, *inputs: tuple[int, int, int, int]) -> Given:
    bits, words, factors, offsets = zip(*inputs, strict=True)
    most = max(factor * ((1 << width) - 1) + offset for width, _, factor, offset in inputs)
    given: Given = {"lanes": lanes, "bits": bits, "words": words, "factors": factors}
    return given | {"offsets": offsets, "pixels": pixels, "bits_out": most.bit_length()}


CONCATS = {
    # bits, words, factor, offset of each input
    "bits": concat(2, 3, (1, 1, 1, 0), (1, 1, 1, 0)),
    "vectors": concat(1, 1, (2, 3, 1, 0), (2, 5, 1, 0)),
    "one word each": concat(1, 1, (4, 1, 1, 0), (4, 1, 1, 0)),
    "uneven": concat(3, 5, (2, 4, 1, 0), (2, 1, 1, 0)),
    "three": concat(1, 2, (3, 2, 5, 1), (1, 1, 1, 0), (4, 3, 2, 9)),
    "one factor": concat(2, 4, (3, 1, 6, 0), (5, 2, 6, 3)),
    "one input": concat(2, 3, (3, 2, 3, 4)),
    "five": concat(1, 3, *((k, k % 3 + 1, k, 5 - k) for k in range(1, 6))),
}


@pytest.mark.parametrize("name", CONCATS)
def test_concatenates_in_time(name: str) -> None:
    given = CONCATS[name]
    log = concatenated(given)
    cycles = given["pixels"] * sum(given["words"])
    assert Concat(**given).cycles == cycles
    assert (log.latency, log.period) == (Concat.LATENCY, cycles) == (1, cycles)
    assert log.moves["o"] == list(range(1, 1 + 3 * cycles))


@pytest.mark.parametrize("name", CONCATS)
@pytest.mark.parametrize("kind", STALLS)
def test_concatenates_with_stalls(name: str, kind: Any) -> None:
    concatenated(CONCATS[name], stalls=kind, seed=len(name))


class TakesAlways(Add):
    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.i1.ready.eq(1)
        return m


class OtherLast(Add):
    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.d.sync += self.o.payload.last.eq(0)
        return m


class WrongFactor(Add):
    def __init__(self, **given: Any) -> None:
        super().__init__(**given | {"factors": (*given["factors"][:-1], 4)})


@pytest.mark.parametrize("kind", [TakesAlways, OtherLast, WrongFactor])
def test_planted_fault_in_a_sum_is_caught(kind: type[Add]) -> None:
    with pytest.raises((AssertionError, TimeoutError)):
        added(ADDS["three"], kind=kind, stalls=50)


class WrongOffset(Concat):
    def __init__(self, **given: Any) -> None:
        super().__init__(**given | {"offsets": (*given["offsets"][:-1], 8)})


class WrongWords(Concat):
    def __init__(self, **given: Any) -> None:
        super().__init__(**given | {"words": (*given["words"][:-1], 2)})


class LosesAWord(Concat):
    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        moved = Signal(8)
        with m.If(self.i2.valid & self.i2.ready):
            m.d.sync += moved.eq(moved + 1)
            with m.If(moved == 6):
                m.d.sync += self.o.valid.eq(0)
        return m


class IgnoresReady(Concat):
    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.i0.ready.eq(1)
        return m


@pytest.mark.parametrize("kind", [WrongOffset, WrongWords, LosesAWord, IgnoresReady])
def test_planted_fault_in_a_concatenation_is_caught(kind: type[Concat]) -> None:
    with pytest.raises((AssertionError, TimeoutError)):
        concatenated(CONCATS["three"], kind=kind, stalls=50)


class Diamond(wiring.Component):
    """Two ways from a fork to a sum: one through a permutation, the other through a queue."""

    def __init__(self, *, depth: int, order: tuple[int, ...]) -> None:
        self._depth = depth
        self._order = order
        super().__init__({"i": In(port(1, 3)), "o": Out(port(1, 5))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        shape = self.i.payload.shape()
        m.submodules.fork = fork = Fork(shape=shape, copies=2)
        m.submodules.queue = queue = Queue(shape=shape, depth=self._depth)
        m.submodules.permute = permute = Permute(lanes=1, bits=3, order=self._order)
        m.submodules.add = add = Add(lanes=1, bits=(3, 3), factors=(1, 3), bits_out=5)
        wiring.connect(m, wiring.flipped(self.i), fork.i)
        wiring.connect(m, fork.o[0], queue.i)
        wiring.connect(m, fork.o[1], permute.i)
        wiring.connect(m, queue.o, add.i0)
        wiring.connect(m, permute.o, add.i1)
        wiring.connect(m, add.o, wiring.flipped(self.o))
        return m


@pytest.mark.parametrize("depth", range(4, 9))
@pytest.mark.parametrize("kind", [0, 50, {"o": "patient"}])
def test_a_diamond_runs_at_full_rate_from_one_more_than_it_waits(depth: int, kind: Any) -> None:
    order = (2, 0, 3, 1)
    dice = random.Random(depth)
    frames = [[dice.randrange(8) for _ in order] for _ in range(6)]
    wanted = [
        [code + 3 * codes[k] for code, k in zip(codes, order, strict=True)] for codes in frames
    ]
    dut = Diamond(depth=depth, order=order)
    log = exercise(dut, {"i": stream(frames, 1)}, {"o": stream(wanted, 1)}, stalls=kind)
    if not kind:
        # The permutation's word comes 5 clocks after the queue's was taken.
        assert log.latency == 6
        assert (log.moves["i"] == list(range(24))) == (depth >= 6)


GOOD: Given = {"bits": (2, 3), "factors": (1, 2), "lanes": 2, "bits_out": 5}
MORE: Given = {**GOOD, "words": (2, 1), "offsets": (0, 3), "pixels": 4}


@pytest.mark.parametrize(
    ("some", "message"),
    [
        ({"lanes": 0}, "lanes must be a positive integer, not 0"),
        ({"bits_out": 2.5}, r"bits_out must be a positive integer, not 2\.5"),
        ({"bits": ()}, "must have at least one input, not none"),
        ({"bits": (2, 0)}, r"bits must be 2 times a positive integer, not \(2, 0\)"),
        ({"factors": (1,)}, r"factors must be 2 times a positive integer, not \(1,\)"),
        ({"factors": (1, 0)}, r"factors must be 2 times a positive integer, not \(1, 0\)"),
    ],
)
def test_parameters_wrong(some: Given, message: str) -> None:
    with pytest.raises(ValueError, match=rf"^Add {message}$"):
        Add(**GOOD | some)
    with pytest.raises(ValueError, match=rf"^Concat {message}$"):
        Concat(**MORE | some)


@pytest.mark.parametrize(
    ("some", "message"),
    [
        ({"pixels": 0}, "pixels must be a positive integer, not 0"),
        ({"words": (1, 2, 3)}, r"words must be 2 times a positive integer, not \(1, 2, 3\)"),
        ({"offsets": (0, -1)}, r"offsets must be 2 times an integer of at least 0, not \(0, -1\)"),
    ],
)
def test_concat_wrong(some: Given, message: str) -> None:
    with pytest.raises(ValueError, match=rf"^Concat {message}$"):
        Concat(**MORE | some)


def test_parameters_are_properties() -> None:
    for dut, given in ((Add(**GOOD), GOOD), (Concat(**MORE), MORE)):
        for name, value in given.items():
            assert getattr(dut, name) == value
