# amaranth: UnusedElaboratable=no
"""Windows of random shapes: every word, in order and in time, whatever stalls."""

import itertools
import random
from collections.abc import Sequence
from typing import Any

import pytest
from amaranth.hdl import Const, Module, Value

from bnnhw.plan import window_shape
from bnnhw.plan.window_shape import WindowShape
from rtl_gen import window
from rtl_gen.loopnest import LoopNest
from rtl_gen.window import SlidingWindow
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
        if words <= 350:
            return given


@pytest.mark.parametrize("seed", range(160))
def test_random_shapes(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if seed % 2:
        # Not rounded up, the buffer has nothing to spare.
        for module in (window, window_shape):
            monkeypatch.setattr(module, "ROWS", 1)
    given = random_shape(seed)
    in_time(given)
    exercised(given, frames=2, stalls=KINDS[seed % len(KINDS)], seed=seed)


SAME = (1, 1, 1, 1)
NAMED: dict[str, Given] = {
    "pointwise": shape(kernel=(1, 1), channels=4, lanes=2),
    "pointwise strided": shape(kernel=(1, 1), stride=(2, 2)),
    "whole image": shape(kernel=(5, 6)),
    "same": shape(padding=SAME, pad=5),
    "zero": shape(padding=SAME, pad=None),
    "masked without padding": shape(pad=None),
    "strided": shape(stride=(2, 2), padding=SAME, pad=None, height=6),
    "stride above kernel": shape(kernel=(2, 1), stride=(4, 3), height=7),
    "rows never used": shape(kernel=(2, 3), stride=(5, 1), height=6),
    "dilated": shape(dilation=(2, 2), padding=(2, 2, 2, 2), pad=1),
    "dilated around": shape(kernel=(2, 2), dilation=(4, 5), padding=(3, 4) * 2, height=2, width=2),
    "full padding": shape(padding=(2, 2, 2, 2), pad=None),
    "more than full": shape(kernel=(1, 1), padding=(1, 2, 3, 1), pad=3),
    "depthwise": shape(channels=4, groups=4, padding=SAME),
    "grouped": shape(channels=6, groups=2, lanes=1, kernel=(2, 3)),
    "all lanes": shape(channels=4, lanes=4),
    "one pixel": shape(height=1, width=1, kernel=(1, 1)),
    "one pixel padded": shape(height=1, width=1, padding=SAME, pad=None),
    "column": shape(width=1, kernel=(3, 1)),
    "row": shape(height=1, kernel=(1, 4), stride=(1, 2)),
}


@pytest.mark.parametrize("name", NAMED)
def test_named_shapes(name: str) -> None:
    in_time(NAMED[name])
    exercised(NAMED[name], stalls=50)
    exercised(NAMED[name], frames=2, stalls={"i": 90, "o": "patient"})


def test_long_lines_go_around_a_buffer_that_is_no_power_of_two() -> None:
    given = shape(height=4, width=80, channels=2)
    assert SlidingWindow(**given).depth == 768
    in_time(given)


def first_tap(dut: SlidingWindow, word: int) -> int:
    """Give the place, from the first word of all, of the first tap of an output word's window."""
    form = dut.shape
    folds = form.channels // form.lanes
    frame, word = divmod(word, dut.words_out)
    window = word // (form.kernel[0] * form.kernel[1] * folds)
    oy, ox = divmod(window, form.out_width)
    row = oy * form.stride[0] - form.padding[0]
    column = ox * form.stride[1] - form.padding[1]
    return (row * form.width + column) * folds + frame * dut.words_in


def stalled_once(given: Given, stop: int) -> None:
    """Stop the output for long after `stop` words: nothing of what is left is overwritten."""
    sent, wanted = traffic(given, 3)
    dut, taken, got = SlidingWindow(**given), 0, []

    async def source(ctx: Any) -> None:
        nonlocal taken
        for taken in range(len(sent)):
            await send(ctx, dut.i, [sent[taken]])

    async def sink(ctx: Any) -> None:
        got.extend(await receive(ctx, dut.o, stop))
        await ctx.tick().repeat(2 * dut.depth)
        # All that has room: the word behind the one on offer still needs its window's first tap.
        assert taken == first_tap(dut, stop + 1) + dut.depth - dut.shape.overhang
        got.extend(await receive(ctx, dut.o, len(wanted) - stop))

    run(dut, source, sink, deadline=3 * dut.depth + 2 * len(wanted) + 3 * len(sent))
    assert got == wanted


@pytest.mark.parametrize("name", ["same", "zero", "strided", "grouped"])
def test_long_stalls_in_a_frame_and_at_its_end(name: str) -> None:
    words = SlidingWindow(**NAMED[name]).words_out
    for stop in (1, words // 2, words - 2, words - 1, words):
        stalled_once(NAMED[name], stop)


@pytest.mark.parametrize("name", ["same", "zero", "strided"])
def test_room_wherever_it_stops(name: str) -> None:
    words = SlidingWindow(**NAMED[name]).words_out
    for stop in range(3, words, words // 12):
        stalled_once(NAMED[name], stop)


@pytest.mark.parametrize("name", ["same", "zero", "depthwise", "strided", "whole image", "grouped"])
@pytest.mark.parametrize("pace", [1, 2, 3, 4, 8, 9, 10])
def test_input_at_the_rate_of_the_window(name: str, pace: int) -> None:
    """A word every `pace` clocks: no faster than the window goes on, and it must still end."""
    given = NAMED[name]
    sent, wanted = traffic(given, 2)
    dut = SlidingWindow(**given)
    clock = itertools.count(1)
    got: list[Word] = []

    async def source(ctx: Any) -> None:
        await send(ctx, dut.i, sent, stall=lambda: next(clock) % pace != 0)

    async def sink(ctx: Any) -> None:
        got.extend(await receive(ctx, dut.o, len(wanted)))

    run(dut, source, sink, deadline=100 + (pace + 1) * len(sent) + len(wanted))
    assert got == wanted


@pytest.mark.parametrize("name", ["same", "zero"])
@pytest.mark.parametrize("ahead", range(5))
@pytest.mark.parametrize("later", [0, 1])
def test_room_after_words_of_the_next_frame(name: str, ahead: int, later: int) -> None:
    """A frame ends while few words of the next one are there; the output stops, the input not."""
    given = NAMED[name]
    sent, wanted = traffic(given, 3)
    dut = SlidingWindow(**given)
    early, got = dut.words_in + ahead, list[Word]()

    async def source(ctx: Any) -> None:
        await send(ctx, dut.i, sent[:early])
        await ctx.tick().repeat(2 * dut.words_out + later)
        await send(ctx, dut.i, sent[early:])

    async def sink(ctx: Any) -> None:
        got.extend(await receive(ctx, dut.o, dut.words_out))
        await ctx.tick().repeat(3 * dut.words_out + 4 * dut.depth)
        got.extend(await receive(ctx, dut.o, len(wanted) - dut.words_out))

    run(dut, source, sink, deadline=8 * dut.depth + 4 * len(wanted) + 4 * len(sent))
    assert got == wanted


@pytest.mark.parametrize("name", ["same", "zero", "strided", "grouped", "rows never used"])
@pytest.mark.parametrize("after", [1, 2, 3, 5, 9, 17, 30, 47, 71, 110, 163])
def test_reset_in_a_frame(name: str, after: int) -> None:
    exercised(NAMED[name], frames=2, reset_after=after)


def test_one_word_less_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (window, window_shape):
        monkeypatch.setattr(module, "ROWS", 1)
    for name in ("pointwise", "stride above kernel", "grouped", "all lanes", "rows never used"):
        form = SlidingWindow(**NAMED[name]).shape
        with monkeypatch.context() as patch:
            patch.setattr(WindowShape, "room", form.room - 1)
            with pytest.raises((AssertionError, TimeoutError)):
                in_time(NAMED[name])


def test_a_buffer_below_the_span_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    given = shape(width=7, padding=SAME)
    assert SlidingWindow(**given).shape.room == 17
    monkeypatch.setattr(WindowShape, "room", 16)
    with pytest.raises(TimeoutError):
        exercised(given, deadline=900)


def test_a_counter_too_narrow_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    given = shape(kernel=(1, 1), stride=(5, 5), height=6)
    form = SlidingWindow(**given).shape
    assert form.furthest > SlidingWindow(**given).depth
    monkeypatch.setattr(WindowShape, "furthest", 1 << (form.furthest.bit_length() - 2))
    with pytest.raises((AssertionError, TimeoutError)):
        exercised(given)


@pytest.mark.parametrize("loop", range(7))
def test_a_wrong_jump_is_caught(loop: int, monkeypatch: pytest.MonkeyPatch) -> None:
    given = shape(channels=4, lanes=1, groups=2, width=4, height=4, kernel=(2, 2))
    right = LoopNest.choose

    def wrong(self: LoopNest, amounts: Sequence[int]) -> Value:
        return right(self, [amount + (at == loop) for at, amount in enumerate(amounts)])

    monkeypatch.setattr(LoopNest, "choose", wrong)
    with pytest.raises((AssertionError, TimeoutError)):
        exercised(given)


class NoMask(SlidingWindow):
    def _masked(self, nest: LoopNest) -> Value:
        return Const(0, 1)


class IgnoresRoom(SlidingWindow):
    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.i.ready.eq(1)
        return m


class LosesLast(SlidingWindow):
    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        m.d.sync += self.o.payload.last.eq(0)
        return m


class RunsAhead(SlidingWindow):
    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        m.d.sync += self.o.valid.eq(1)
        return m


@pytest.mark.parametrize("broken", [NoMask, IgnoresRoom, LosesLast, RunsAhead])
@pytest.mark.parametrize("name", ["same", "zero"])
def test_planted_faults_are_caught(name: str, broken: type[SlidingWindow]) -> None:
    with pytest.raises((AssertionError, TimeoutError)):
        exercised(NAMED[name], broken=broken, stalls={"o": 50})


WRONG = [
    ({"lanes": 0}, "Window lanes must be a positive integer, not 0"),
    ({"height": 1.5}, "Window height must be a positive integer, not 1.5"),
    ({"bits": 0}, "Window bits must be a positive integer, not 0"),
    ({"kernel": (3,)}, r"Window kernel must be 2 positive integers, not \(3,\)"),
    ({"stride": (0, 1)}, r"Window stride must be 2 positive integers, not \(0, 1\)"),
    ({"dilation": (1, 0)}, r"Window dilation must be 2 positive integers, not \(1, 0\)"),
    ({"padding": (0, 0, 0, -1)}, "Window padding must be 4 non-negative integers, not .*"),
    ({"channels": 4, "groups": 3}, "Window groups must divide 4, not 3"),
    ({"channels": 4, "groups": 2, "lanes": 4}, "Window lanes must divide 2, not 4"),
    ({"kernel": (6, 1)}, r"Window kernel must fit the padded image, not \(6, 1\)"),
    ({"pad": 8}, "Window pad must be None or a code of 3 bits, not 8"),
]


@pytest.mark.parametrize(("some", "message"), WRONG)
def test_parameter_wrong(some: Given, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        SlidingWindow(**shape(**some))


def test_parameters_are_properties() -> None:
    dut = SlidingWindow(**shape(pad=5))
    assert (dut.bits, dut.pad, dut.shape.width) == (3, 5, 6)
    assert (dut.words_in, dut.words_out, dut.depth) == (30, 108, 32)
