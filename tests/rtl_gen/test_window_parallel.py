# amaranth: UnusedElaboratable=no
"""The window of one clock against the definition of a convolution's taps, on any geometry."""

import random
from typing import Any

import pytest
from amaranth.hdl import Const, Module, Signal, Value

from rtl_gen import window_parallel
from rtl_gen.loopnest import LoopNest
from rtl_gen.window_parallel import ParallelWindow
from sim.bench import Run, exercise, run
from sim.streams import Word, receive, send

Given = dict[str, Any]
KINDS: list[Any] = [50, 90, "toggle", {"o": "patient"}, {"i": 90}, {"o": 90}, {"i": 50, "o": 50}]


def windows(given: Given, image: list[list[list[int]]]) -> list[Word]:
    """Words of one frame, from the definition of a convolution's taps alone."""
    (kh, kw), (sh, sw), (dh, dw) = given["kernel"], given["stride"], given["dilation"]
    top, left, bottom, right = given["padding"]
    height, width, pad = given["height"], given["width"], given["pad"]
    words: list[Word] = []
    for y0 in range(-top, height + bottom - (kh - 1) * dh, sh):
        for x0 in range(-left, width + right - (kw - 1) * dw, sw):
            lanes: list[int] = []
            masked = 0
            spots = [
                (y, x) for y in range(y0, y0 + kh * dh, dh) for x in range(x0, x0 + kw * dw, dw)
            ]
            for tap, (y, x) in enumerate(spots):
                outside = not (0 <= y < height and 0 <= x < width)
                lanes += [pad or 0] * given["channels"] if outside else image[y][x]
                masked |= outside << tap
            word = {"data": tuple(lanes), "last": 0}
            words.append(word | {"masked": masked} if pad is None else word)
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
        # Whatever `last` says is not read.
        sent += [
            {"data": tuple(pixel), "last": dice.getrandbits(1)} for row in image for pixel in row
        ]
        wanted += windows(given, image)
    return sent, wanted


def shape(**some: Any) -> Given:
    given: Given = {"channels": 1, "bits": 3, "height": 5, "width": 6, "kernel": (3, 3)}
    given |= {"stride": (1, 1), "dilation": (1, 1), "padding": (0, 0, 0, 0), "pad": 0}
    return given | some


def exercised(given: Given, *, frames: int = 3, broken: Any = ParallelWindow, **how: Any) -> Run:
    sent, wanted = traffic(given, frames)
    return exercise(broken(**given), {"i": sent}, {"o": wanted}, **how)


def in_time(given: Given) -> None:
    """Without stalls each frame takes `cycles`, and every word its own clock in it."""
    log = exercised(given)
    dut = ParallelWindow(**given)
    assert log.latency == dut.latency
    for port, words in (("i", dut.words_in), ("o", dut.words_out)):
        moves = log.moves[port]
        assert len(moves) == 3 * words
        assert moves[words:] == [edge + dut.cycles for edge in moves[:-words]]
    assert log.period == dut.cycles
    excess = [
        total - (size - 1) * dilation
        for total, size, dilation in (
            (given["padding"][0] + given["padding"][2], given["kernel"][0], given["dilation"][0]),
            (given["padding"][1] + given["padding"][3], given["kernel"][1], given["dilation"][1]),
        )
    ]
    if max(excess) <= 0:
        assert dut.cycles == dut.words_in
        assert log.moves["i"] == list(range(3 * dut.words_in))
    if given["stride"] == (1, 1) and min(excess) >= 0:
        assert dut.cycles == dut.words_out


def random_shape(seed: int) -> Given:
    dice = random.Random(seed)
    while True:
        given = shape(
            channels=dice.randint(1, 3),
            bits=dice.randint(1, 3),
            height=dice.randint(1, 7),
            width=dice.randint(1, 6),
            kernel=(dice.randint(1, 4), dice.randint(1, 4)),
            stride=(dice.randint(1, 3), dice.randint(1, 3)),
            dilation=(dice.randint(1, 2), dice.randint(1, 2)),
            padding=tuple(max(0, dice.randint(-2, 3)) for _ in range(4)),
            pad=None,
        )
        if dice.getrandbits(1):
            given["pad"] = dice.getrandbits(given["bits"])
        try:
            ParallelWindow(**given)
        except ValueError:
            continue
        return given


@pytest.mark.parametrize("seed", range(90))
def test_random_shapes(seed: int) -> None:
    given = random_shape(seed)
    in_time(given)
    exercised(given, frames=2, stalls=KINDS[seed % len(KINDS)], seed=seed)


SAME = (1, 1, 1, 1)
NAMED: dict[str, Given] = {
    "pointwise": shape(kernel=(1, 1), channels=4),
    "pointwise strided": shape(kernel=(1, 1), stride=(2, 2)),
    "whole image": shape(kernel=(5, 6)),
    "plain": shape(channels=2),
    "same": shape(padding=SAME, pad=5),
    "zero": shape(padding=SAME, pad=None, channels=2),
    "masked without padding": shape(pad=None),
    "strided": shape(stride=(2, 2), padding=SAME, pad=None, height=6),
    "stride above kernel": shape(kernel=(2, 1), stride=(4, 3), height=7),
    "rows never used": shape(kernel=(2, 3), stride=(5, 1), height=6),
    "dilated": shape(dilation=(2, 2), padding=(2, 2, 2, 2), pad=1),
    "dilated around": shape(
        kernel=(2, 2), dilation=(4, 5), padding=(3, 4, 3, 4), height=2, width=2
    ),
    "full padding": shape(padding=(2, 2, 2, 2), pad=None),
    "more than full": shape(kernel=(1, 1), padding=(1, 2, 3, 1), pad=3),
    "all padding": shape(kernel=(1, 1), stride=(5, 1), height=1, padding=(2, 0, 2, 0), pad=None),
    "taps always padding": shape(height=1, padding=SAME, pad=None),
    "one pixel": shape(height=1, width=1, kernel=(1, 1)),
    "one pixel padded": shape(height=1, width=1, padding=SAME, pad=None),
    "column": shape(width=1, kernel=(3, 1)),
    "row": shape(height=1, kernel=(1, 4), stride=(1, 2)),
    "wide image, tall padding": shape(padding=(3, 0, 3, 0)),
}


@pytest.mark.parametrize("name", NAMED)
def test_named_shapes(name: str) -> None:
    in_time(NAMED[name])
    exercised(NAMED[name], stalls=50)
    exercised(NAMED[name], frames=2, stalls={"i": 90, "o": "patient"})


def test_long_lines_lie_in_one_memory() -> None:
    given = shape(height=6, width=40, dilation=(2, 1), padding=(2, 1, 2, 1), channels=2)
    assert ParallelWindow(**given).depth == 80
    in_time(given)


@pytest.mark.parametrize("name", ["plain", "same", "strided", "full padding", "more than full"])
def test_a_window_leaves_with_the_word_it_needs_and_not_before(name: str) -> None:
    given = NAMED[name]
    sent, wanted = traffic(given, 1)
    dut = ParallelWindow(**given)
    needs = [dut.needs(window) for window in range(dut.words_out)]
    assert needs == sorted(needs)
    for count in range(needs[0] + 1, dut.words_in + 1):
        ready = sum(need < count for need in needs)
        # `exercise` ends only when all words have moved, and sees the surplus ones.
        exercise(ParallelWindow(**given), {"i": sent[:count]}, {"o": wanted[:ready]}, linger=20)


@pytest.mark.parametrize("name", ["plain", "same", "zero", "strided", "full padding"])
@pytest.mark.parametrize("gap", [1, 2, 3, 5, 8, 9, 13, 40])
def test_a_gap_between_frames(name: str, gap: int) -> None:
    """The last windows leave while the next frame is late by any number of clocks."""
    given = NAMED[name]
    sent, wanted = traffic(given, 3)
    dut = ParallelWindow(**given)
    got: list[Word] = []

    async def source(ctx: Any) -> None:
        for start in range(0, len(sent), dut.words_in):
            await send(ctx, dut.i, sent[start : start + dut.words_in])
            for _ in range(gap):
                await ctx.tick()

    async def sink(ctx: Any) -> None:
        got.extend(await receive(ctx, dut.o, len(wanted)))

    run(dut, source, sink, deadline=100 + 3 * (dut.cycles + gap))
    assert got == wanted


@pytest.mark.parametrize("name", ["plain", "zero", "strided", "rows never used"])
@pytest.mark.parametrize("after", [1, 3, 9, 17, 30, 47])
def test_reset_in_a_frame(name: str, after: int) -> None:
    exercised(NAMED[name], frames=2, reset_after=after)


class NoMask(ParallelWindow):
    def _outside(self, m: Module, at: Signal, track: Any, shift: Value) -> list[Value]:
        return [Const(0, 1) for _ in track.inside]


class LosesLast(ParallelWindow):
    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        m.d.sync += self.o.payload.last.eq(0)
        return m


class RunsAhead(ParallelWindow):
    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        m.d.sync += self.o.valid.eq(1)
        return m


class TakesAlways(ParallelWindow):
    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.i.ready.eq(1)
        return m


class ShortLine(ParallelWindow):
    @property
    def depth(self) -> int:
        return super().depth - 1


@pytest.mark.parametrize("broken", [NoMask, LosesLast, RunsAhead, TakesAlways, ShortLine])
@pytest.mark.parametrize("name", ["same", "zero"])
def test_planted_faults_are_caught(name: str, broken: type[ParallelWindow]) -> None:
    with pytest.raises((AssertionError, TimeoutError)):
        exercised(NAMED[name], broken=broken, stalls={"o": 50}, deadline=900)


@pytest.mark.parametrize("name", ["plain", "same", "strided"])
def test_a_walk_that_is_a_step_short_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Short(LoopNest):
        def __init__(self, m: Module, trips: Any, step: Value) -> None:
            first, *others = trips.items()
            super().__init__(m, {first[0]: first[1] - 1, **dict(others)}, step)

    monkeypatch.setattr(window_parallel, "LoopNest", Short)
    with pytest.raises((AssertionError, TimeoutError)):
        exercised(NAMED[name], deadline=900)


WRONG = [
    ({"channels": 0}, "Window channels must be a positive integer, not 0"),
    ({"height": 1.5}, "Window height must be a positive integer, not 1.5"),
    ({"bits": 0}, "Window bits must be a positive integer, not 0"),
    ({"kernel": (3,)}, r"Window kernel must be 2 positive integers, not \(3,\)"),
    ({"stride": (0, 1)}, r"Window stride must be 2 positive integers, not \(0, 1\)"),
    ({"padding": (0, 0, 0, -1)}, "Window padding must be 4 non-negative integers, not .*"),
    ({"kernel": (6, 1)}, r"Window kernel must fit the padded image, not \(6, 1\)"),
    ({"pad": 8}, "Window pad must be None or a code of 3 bits, not 8"),
]


@pytest.mark.parametrize(("some", "message"), WRONG)
def test_parameter_wrong(some: Given, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        ParallelWindow(**shape(**some))


def test_parameters_are_properties() -> None:
    dut = ParallelWindow(**shape(pad=5, padding=SAME))
    assert (dut.bits, dut.pad, dut.shape.width) == (3, 5, 6)
    assert (dut.words_in, dut.words_out, dut.cycles, dut.depth) == (30, 30, 30, 6)
    assert (dut.latency, dut.needs(0), dut.needs(29)) == (8, 7, 29)


def test_formulas() -> None:
    full = ParallelWindow(**shape(padding=(2, 2, 2, 2)))
    assert (full.cycles, full.latency) == (7 * 8, 1)
    assert ParallelWindow(**shape()).latency == 2 * 6 + 2 + 1
    assert ParallelWindow(**shape(kernel=(1, 1), padding=(2, 1, 0, 0))).latency == 1 - 2 * 7 - 1
