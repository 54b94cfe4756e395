# amaranth: UnusedElaboratable=no
"""The index beside the last logit is the class that NumPy would choose."""

import random
from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Module, Signal

from rtl_gen.argmax import Argmax
from sim.bench import Run, everywhere, exercise

CASES = [
    (classes, bits, spread)
    for classes in (1, 2, 3, 4, 5, 8, 9, 10, 17)
    for bits in (1, 3, 8)
    for spread in (0, 2, 300)
]


def judge(frames: list[list[int]], offsets: tuple[int, ...]) -> tuple[list[Any], list[Any]]:
    """Words in and out, told by NumPy, whose argmax too takes the first maximum."""
    sent: list[Any] = []
    wanted: list[Any] = []
    for codes in frames:
        scores = np.array(codes) + np.array(offsets)
        for k, code in enumerate(codes):
            last = int(k == len(codes) - 1)
            sent.append({"data": (code,), "last": last})
            index = int(np.argmax(scores[: k + 1]))
            wanted.append({"data": code, "index": index, "last": last})
    return sent, wanted


def compare(
    classes: int, bits: int, spread: int, *, broken: Any = Argmax, frames: int = 3, **kinds: Any
) -> Run:
    dice = random.Random(classes * 1000 + bits * 10 + spread)
    offsets = tuple(dice.randint(-spread, spread) for _ in range(classes))
    codes = [[dice.randrange(1 << bits) for _ in range(classes)] for _ in range(frames)]
    sent, wanted = judge(codes, offsets)
    dut = broken(classes=classes, bits=bits, offsets=offsets)
    return exercise(dut, {"i": sent}, {"o": wanted}, **kinds)


@pytest.mark.parametrize(("classes", "bits", "spread"), CASES)
def test_values_latency_and_rate(classes: int, bits: int, spread: int) -> None:
    log = compare(classes, bits, spread)
    assert (log.latency, log.period) == (1, classes)
    assert log.moves["o"] == list(range(1, 1 + 3 * classes))
    compare(classes, bits, spread, stalls=everywhere(classes + bits + spread), seed=classes)


@pytest.mark.parametrize(("classes", "bits", "spread"), CASES[::4])
@pytest.mark.parametrize("kind", [50, 95, "toggle", {"o": "patient"}])
def test_stalls(classes: int, bits: int, spread: int, kind: Any) -> None:
    compare(classes, bits, spread, stalls=kind, seed=bits)


def test_first_maximum_wins_and_offsets_count() -> None:
    frames = [[3, 3, 3], [0, 2, 1], [0, 0, 7]]
    for offsets, winners in (
        ((0, 0, 0), (0, 1, 2)),
        ((-5, -5, -6), (0, 1, 2)),
        ((4, 2, -3), (0,) * 3),
    ):
        sent, wanted = judge(frames, offsets)
        assert tuple(item["index"] for item in wanted[2::3]) == winners
        dut = Argmax(classes=3, bits=3, offsets=offsets)
        exercise(dut, {"i": sent}, {"o": wanted})


def test_reset_in_a_frame() -> None:
    for cycles in range(1, 9):
        compare(5, 3, 2, reset_after=cycles)


class LastWins(Argmax):
    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        with m.If(self.i.valid & self.i.ready & (self.i.payload.data[0] == 1)):
            m.d.sync += self.o.payload.index.eq(self.o.payload.index + 1)
        return m


class DropsLast(Argmax):
    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.d.sync += self.o.payload.last.eq(0)
        return m


class IgnoresReady(Argmax):
    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.i.ready.eq(1)
        return m


class LosesAWord(Argmax):
    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        moved = Signal(8)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += moved.eq(moved + 1)
            with m.If(moved == 6):
                m.d.sync += self.o.valid.eq(0)
        return m


@pytest.mark.parametrize("broken", [LastWins, DropsLast, IgnoresReady, LosesAWord])
def test_planted_fault_is_caught(broken: type[Argmax]) -> None:
    with pytest.raises(AssertionError):
        compare(5, 3, 0, broken=broken, frames=4, stalls=50)


def test_swapped_offsets_are_caught() -> None:
    sent, wanted = judge([[0, 0]], (0, 1))
    with pytest.raises(AssertionError, match="o: frame 0, word 1, index: expected 1, got 0"):
        exercise(Argmax(classes=2, bits=2, offsets=(1, 0)), {"i": sent}, {"o": wanted})


@pytest.mark.parametrize("name", ["classes", "bits"])
@pytest.mark.parametrize("value", [0, -1, 1.5])
def test_parameter_wrong(name: str, value: Any) -> None:
    good: dict[str, Any] = {"classes": 2, "bits": 3, "offsets": (0, 1)}
    with pytest.raises(
        ValueError, match=rf"^Argmax {name} must be a positive integer, not {value}$"
    ):
        Argmax(**{**good, name: value})


@pytest.mark.parametrize("offsets", [(0,), (0, 1, 2), (0, 0.5)])
def test_offsets_wrong(offsets: Any) -> None:
    with pytest.raises(ValueError, match=r"^Argmax offsets must be 2 integers, not \("):
        Argmax(classes=2, bits=3, offsets=offsets)


def test_parameters_are_properties() -> None:
    dut = Argmax(classes=9, bits=3, offsets=range(9))
    assert (dut.classes, dut.bits, dut.offsets, dut.index_bits) == (9, 3, tuple(range(9)), 4)
    assert Argmax(classes=1, bits=1, offsets=[0]).index_bits == 1
    scaled = Argmax(classes=2, bits=3, offsets=(1, 0), multipliers=[2, 3], shift=1)
    assert (scaled.multipliers, scaled.shift, scaled.latency, dut.latency) == ((2, 3), 1, 3, 1)


@pytest.mark.parametrize("scale", [2, 3])
def test_scale_weighs_codes_against_offsets(scale: int) -> None:
    dice = random.Random(scale)
    offsets = (3, 0, 5, 2)
    frames = [[dice.randrange(8) for _ in offsets] for _ in range(12)]
    sent: list[Any] = []
    wanted: list[Any] = []
    for codes in frames:
        scores = scale * np.array(codes) + np.array(offsets)
        sent += [{"data": (code,), "last": int(k == 3)} for k, code in enumerate(codes)]
        wanted += [
            {"data": code, "index": int(np.argmax(scores[: k + 1])), "last": int(k == 3)}
            for k, code in enumerate(codes)
        ]
    exercise(
        Argmax(classes=4, bits=3, offsets=offsets, multipliers=(scale,) * 4),
        {"i": sent},
        {"o": wanted},
    )
    with pytest.raises(AssertionError):
        exercise(Argmax(classes=4, bits=3, offsets=offsets), {"i": sent}, {"o": wanted})


def scored(
    frames: list[list[int]], multipliers: tuple[int, ...], offsets: tuple[int, ...], shift: int
) -> tuple[list[Any], list[Any]]:
    """Words in and out where each class has a multiplier; Python's shift rounds down."""
    sent: list[Any] = []
    wanted: list[Any] = []
    for codes in frames:
        scores = [
            (m * code + b) >> shift for m, code, b in zip(multipliers, codes, offsets, strict=True)
        ]
        for k, code in enumerate(codes):
            last = int(k == len(codes) - 1)
            sent.append({"data": (code,), "last": last})
            best = max(scores[: k + 1])
            wanted.append({"data": code, "index": scores.index(best), "last": last})
    return sent, wanted


SCORES = [
    # multipliers, offsets, shift
    ((3, 5, 4), (0, 0, 0), 0),
    ((3, -5, 4), (-9, 20, -31), 0),
    ((-2, -2, -2), (1, 0, 2), 0),
    ((0, 0, 0), (1, 1, 2), 0),
    ((1, 1, 1), (0, 3, 1), 2),
    ((-7, 9, 2), (-100, -60, 11), 3),
    ((411389, -364982, 524288), (-9534413, 7148340, -14230822), 0),
    ((5,), (-3,), 1),
]


@pytest.mark.parametrize(("multipliers", "offsets", "shift"), SCORES)
@pytest.mark.parametrize("bits", [1, 4])
def test_a_multiplier_for_each_class(
    multipliers: tuple[int, ...], offsets: tuple[int, ...], shift: int, bits: int
) -> None:
    dice = random.Random(bits)
    classes = len(offsets)
    frames = [[dice.randrange(1 << bits) for _ in offsets] for _ in range(20)]
    streams = scored(frames, multipliers, offsets, shift)
    given: dict[str, Any] = {"classes": classes, "bits": bits, "offsets": offsets}
    dut = Argmax(**given, multipliers=multipliers, shift=shift)
    log = exercise(dut, {"i": streams[0]}, {"o": streams[1]})
    assert (log.latency, log.period) == (dut.latency, classes) == (3, classes)
    assert log.moves["o"] == list(range(3, 3 + 20 * classes))
    for kind in (50, "toggle", {"o": "patient"}):
        dut = Argmax(**given, multipliers=multipliers, shift=shift)
        exercise(dut, {"i": streams[0]}, {"o": streams[1]}, stalls=kind, seed=bits)
    for cycles in (1, 3, 5):
        dut = Argmax(**given, multipliers=multipliers, shift=shift)
        exercise(dut, {"i": streams[0]}, {"o": streams[1]}, reset_after=cycles)


@pytest.mark.parametrize(
    "wrong", [{"multipliers": (3, 5, 4)}, {"shift": 1}, {"offsets": (-9, 20, 31)}]
)
def test_wrong_scores_are_caught(wrong: dict[str, Any]) -> None:
    dice = random.Random(1)
    multipliers, offsets, shift = (3, -5, 4), (-9, 20, -31), 3
    frames = [[dice.randrange(16) for _ in offsets] for _ in range(40)]
    sent, wanted = scored(frames, multipliers, offsets, shift)
    given = {"offsets": offsets, "multipliers": multipliers, "shift": shift}
    with pytest.raises(AssertionError):
        dut = Argmax(classes=3, bits=4, **{**given, **wrong})
        exercise(dut, {"i": sent}, {"o": wanted})


@pytest.mark.parametrize("multipliers", [(1,), (1, 2, 3), (1, 1.5)])
def test_multipliers_wrong(multipliers: Any) -> None:
    with pytest.raises(ValueError, match=r"^Argmax multipliers must be 2 integers, not \("):
        Argmax(classes=2, bits=2, offsets=(0, 1), multipliers=multipliers)


@pytest.mark.parametrize("shift", [-1, 0.5])
def test_shift_wrong(shift: Any) -> None:
    message = rf"^Argmax shift must be an integer of at least 0, not {shift}$"
    with pytest.raises(ValueError, match=message):
        Argmax(classes=2, bits=2, offsets=(0, 1), shift=shift)
