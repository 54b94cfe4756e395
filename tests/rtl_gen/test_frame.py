# amaranth: UnusedElaboratable=no
"""Whatever frames arrive, good ones leave, and the bad ones are counted."""

import random
from typing import Any

import pytest
from amaranth.hdl import Module

from rtl_gen.frame import FrameGuard
from sim.bench import Run, exercise, run
from sim.streams import frame

SHAPES = [(1, 1, 1), (1, 2, 3), (4, 1, 2), (5, 3, 2), (7, 2, 7), (8, 2, 3), (9, 1, 4), (12, 4, 1)]


def guarded(sent: list[list[int]], elements: int, lanes: int) -> tuple[list[Any], list[Any], int]:
    """Words in, words out and malformed frames, told by a plain model."""
    words_in: list[Any] = []
    words_out: list[Any] = []
    errors = 0
    for item in sent:
        words_in += (part := frame(item, lanes))
        flat = [element for one in part for element in one["data"]]
        flat += [0] * elements
        words_out += (good := frame(flat[:elements], lanes))
        errors += len(part) != len(good)
    return words_in, words_out, errors


def random_frames(elements: int, bits: int, lanes: int, lengths: list[int]) -> list[list[int]]:
    dice = random.Random(elements * 100 + bits * 10 + lanes)
    return [[dice.randrange(1 << bits) for _ in range(length)] for length in lengths]


def guard(
    elements: int, bits: int, lanes: int, lengths: list[int], broken: Any = FrameGuard, **kinds: Any
) -> Run:
    words_in, words_out, errors = guarded(
        random_frames(elements, bits, lanes, lengths), elements, lanes
    )
    dut = broken(elements=elements, bits=bits, lanes=lanes)
    log = exercise(dut, {"i": words_in}, {"o": words_out}, **kinds)
    # The count is read in a run of its own, because `exercise` looks at streams only.
    counted: list[int] = []
    dut = broken(elements=elements, bits=bits, lanes=lanes)

    async def count(ctx: Any) -> None:
        ctx.set(dut.o.ready, 1)
        for word in words_in:
            ctx.set(dut.i.payload, word)
            ctx.set(dut.i.valid, 1)
            ready = False
            while not ready:
                *_, ready = await ctx.tick().sample(dut.i.ready)
        ctx.set(dut.i.valid, 0)
        counted.append(ctx.get(dut.errors))

    run(dut, count, deadline=100 + 10 * (len(words_in) + len(words_out)))
    assert counted == [min(errors, 255)]
    return log


@pytest.mark.parametrize(("elements", "bits", "lanes"), SHAPES)
def test_good_frames_pass_at_once(elements: int, bits: int, lanes: int) -> None:
    log = guard(elements, bits, lanes, [elements] * 3)
    words = -(-elements // lanes)
    assert (log.latency, log.period) == (0, words)
    assert log.moves["i"] == log.moves["o"] == list(range(3 * words))


@pytest.mark.parametrize(("elements", "bits", "lanes"), SHAPES)
@pytest.mark.parametrize("kind", [0, 50, 95, {"o": "patient"}])
def test_bad_frames_are_mended(elements: int, bits: int, lanes: int, kind: Any) -> None:
    lengths = [elements, 1, elements + lanes, elements, elements + 3 * lanes, 1, elements]
    lengths += [max(1, elements - lanes), elements]
    guard(elements, bits, lanes, lengths, stalls=kind, seed=lanes)


def test_time_to_fill_and_drop() -> None:
    log = guard(8, 1, 2, [2, 14, 8])
    assert log.moves["i"] == [0, *range(4, 4 + 7), *range(11, 15)]
    assert log.moves["o"] == [*range(4), *range(4, 8), *range(11, 15)]


def test_reset_in_a_frame() -> None:
    for cycles in range(1, 8):
        guard(6, 2, 2, [6, 2, 10, 6], reset_after=cycles)


def test_errors_saturate() -> None:
    guard(1, 1, 1, [2] * 260)


class DropsLast(FrameGuard):
    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.o.payload.last.eq(0)
        return m


class IgnoresReady(FrameGuard):
    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.i.ready.eq(1)
        return m


class Forgets(FrameGuard):
    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        with m.If(self.errors == 1):
            m.d.sync += self.errors.eq(0)
        return m


@pytest.mark.parametrize("broken", [DropsLast, IgnoresReady, Forgets])
def test_planted_fault_is_caught(broken: type[FrameGuard]) -> None:
    with pytest.raises((AssertionError, TimeoutError)):
        guard(8, 2, 2, [8, 3, 8, 11, 8], broken, stalls=50)


@pytest.mark.parametrize("name", ["elements", "bits", "lanes"])
@pytest.mark.parametrize("value", [0, -1, 1.5])
def test_parameter_wrong(name: str, value: Any) -> None:
    good: dict[str, Any] = {"elements": 4, "bits": 1, "lanes": 2}
    message = rf"^FrameGuard {name} must be a positive integer, not {value}$"
    with pytest.raises(ValueError, match=message):
        FrameGuard(**{**good, name: value})


def test_parameters_are_properties() -> None:
    dut = FrameGuard(elements=5, bits=3, lanes=2)
    assert (dut.elements, dut.bits, dut.lanes, dut.words) == (5, 3, 2, 3)
