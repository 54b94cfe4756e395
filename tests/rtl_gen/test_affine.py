# amaranth: UnusedElaboratable=no
"""Scale, offset, shift and clip against plain integer arithmetic, whatever stalls."""

from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Module, Mux, Value

from bnnhw.bits import bits_for, pack_word
from rtl_gen.affine import Affine
from sim.bench import Run, everywhere, exercise
from sim.streams import Word

STALLS: list[Any] = [50, 90, "toggle", {"o": "patient"}, {"i": 90}]
FACTOR, OFFSET = 6, 11


def exercised(
    lanes: int,
    folds: int,
    *,
    bits: int = 5,
    shift: int = 4,
    levels: int = 20,
    clip: bool = True,
    vary: str = "both",
    kind: Any = Affine,
    multiplier: str = "dsp",
    **how: Any,
) -> Run:
    """Send four frames of six pixels; `vary` names the numbers that differ between words."""
    dice = np.random.default_rng(lanes * 100 + folds * 10 + levels + shift)
    channels = lanes * folds
    factors = dice.integers(-(1 << FACTOR - 1), 1 << FACTOR - 1, channels)
    factors[0] = -(1 << FACTOR - 1)
    offsets = dice.integers(-(1 << OFFSET - 1), 1 << OFFSET - 1, channels)
    if vary not in ("both", "factors"):
        factors = np.tile(factors[:lanes], folds)
    if vary not in ("both", "offsets"):
        offsets = np.tile(offsets[:lanes], folds)
    words = {
        name: [
            pack_word((numbers[k : k + lanes] % (1 << width)).tolist(), width)
            for k in range(0, channels, lanes)
        ]
        for name, numbers, width in (
            ("multipliers", factors, FACTOR),
            ("offsets", offsets, OFFSET),
        )
    }
    bits_out = bits_for(levels)
    sent: list[Word] = []
    wanted: list[Word] = []
    for pixel in range(24):
        codes = dice.integers(0, 1 << bits, channels)
        scaled = np.floor_divide(factors * codes + offsets, 1 << shift)
        answer = scaled.clip(0, levels - 1) if clip else scaled % (1 << bits_out)
        for k in range(0, channels, lanes):
            last = int(pixel % 6 == 5 and k + lanes == channels)
            sent.append({"data": tuple(codes[k : k + lanes].tolist()), "last": last})
            wanted.append({"data": tuple(answer[k : k + lanes].tolist()), "last": last})
    dut = kind(
        lanes=lanes, bits=bits, multiplier_bits=FACTOR, offset_bits=OFFSET, shift=shift,
        levels_out=levels, clip=clip, bits_out=bits_out, multiplier=multiplier, **words,
    )  # fmt: skip
    return exercise(dut, {"i": sent}, {"o": wanted}, **how)


@pytest.mark.parametrize("lanes", [1, 3])
@pytest.mark.parametrize("folds", [1, 2, 5])
@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("shift", [0, 1, 6])
def test_values_and_rate(lanes: int, folds: int, clip: bool, shift: int) -> None:
    log = exercised(lanes, folds, clip=clip, shift=shift)
    assert (log.latency, log.period) == (Affine.LATENCY, 6 * folds) == (3, 6 * folds)
    stalls = STALLS[(lanes + folds + shift) % 5]
    exercised(lanes, folds, clip=clip, shift=shift, stalls=stalls, seed=folds)
    stalls = everywhere(lanes + folds + shift + clip)
    exercised(lanes, folds, clip=clip, shift=shift, stalls=stalls, seed=lanes)


@pytest.mark.parametrize("multiplier", ["dsp", "lut"])
@pytest.mark.parametrize("vary", ["both", "factors", "offsets", "none"])
def test_numbers_that_are_the_same_in_all_words(vary: str, multiplier: str) -> None:
    exercised(2, 3, vary=vary, multiplier=multiplier)
    exercised(2, 3, vary=vary, multiplier=multiplier, stalls=50)


@pytest.mark.parametrize("vary", ["both", "none"])
@pytest.mark.parametrize("levels", [1, 2, 16, 17, 64, 5000])
def test_ends_of_the_clip(levels: int, vary: str) -> None:
    exercised(2, 2, bits=9, shift=2, levels=levels, vary=vary)


def swept(**how: Any) -> Run:
    """Send every code through rising and falling lines: each value around both ends of the clip."""
    factors, offsets = np.array([3, -5, 9, -2]), np.array([-40, 120, -9, 60])
    sent: list[Word] = []
    wanted: list[Word] = []
    for code in range(32):
        answer = np.floor_divide(factors * code + offsets, 2).clip(0, 37).tolist()
        for k in (0, 2):
            last = int(code % 8 == 7 and k == 2)
            sent.append({"data": (code, code), "last": last})
            wanted.append({"data": tuple(answer[k : k + 2]), "last": last})
    dut = Affine(
        lanes=2, bits=5, multiplier_bits=5, offset_bits=8, shift=1, levels_out=38, clip=True,
        bits_out=6, multiplier="dsp",
        multipliers=[pack_word((factors[k : k + 2] % 32).tolist(), 5) for k in (0, 2)],
        offsets=[pack_word((offsets[k : k + 2] % 256).tolist(), 8) for k in (0, 2)],
    )  # fmt: skip
    return exercise(dut, {"i": sent}, {"o": wanted}, **how)


@pytest.mark.parametrize("stalls", [0, 50])
def test_every_code_through_the_clip(stalls: int) -> None:
    swept(stalls=stalls)


@pytest.mark.parametrize("cycles", [1, 3, 4, 8, 13])
def test_reset_in_a_frame(cycles: int) -> None:
    exercised(2, 3, reset_after=cycles)


class RoundsToZero(Affine):
    def _clipped(self, result: Value) -> Value:
        return super()._clipped(Mux(result < 0, result + 1, result))


class Wraps(Affine):
    def _clipped(self, result: Value) -> Value:
        return result


class TakesAlways(Affine):
    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.i.ready.eq(1)
        return m


class StartsLate(Affine):
    def __init__(self, **given: Any) -> None:
        words = given["offsets"]
        super().__init__(**{**given, "offsets": [*words[1:], words[0]]})


@pytest.mark.parametrize(
    ("broken", "clip"),
    [(RoundsToZero, False), (Wraps, True), (TakesAlways, True), (StartsLate, False)],
)
def test_planted_faults_are_caught(broken: Any, clip: bool) -> None:
    with pytest.raises(AssertionError):
        exercised(2, 3, kind=broken, clip=clip, stalls=50)


GOOD: dict[str, Any] = {
    "lanes": 2, "bits": 4, "multipliers": [0, 15], "offsets": [0, 63], "multiplier_bits": 2,
    "offset_bits": 3, "shift": 1, "levels_out": 4, "clip": True, "bits_out": 2,
}  # fmt: skip


@pytest.mark.parametrize(
    ("some", "message"),
    [
        ({"lanes": 0}, "Affine lanes must be a positive integer, not 0"),
        ({"bits": 1.5}, "Affine bits must be a positive integer, not 1.5"),
        ({"multiplier_bits": 0}, "Affine multiplier_bits must be a positive integer, not 0"),
        ({"offset_bits": 0}, "Affine offset_bits must be a positive integer, not 0"),
        ({"levels_out": 0}, "Affine levels_out must be a positive integer, not 0"),
        ({"levels_out": 5}, "Affine levels_out must fit 2 bits, not 5"),
        ({"bits_out": 0}, "Affine bits_out must be a positive integer, not 0"),
        ({"shift": -1}, "Affine shift must be an integer from 0 on, not -1"),
        ({"multiplier": "cpu"}, "Multiplier must be one of dsp, lut, not 'cpu'"),
        (
            {"offsets": [0]},
            "Affine multipliers and offsets must be as many words as a pixel, not 2 and 1",
        ),
        ({"multipliers": [0, 16]}, "Affine multipliers must fit 4 bits, not 16"),
        ({"offsets": [0, 64]}, "Affine offsets must fit 6 bits, not 64"),
    ],
)
def test_parameter_wrong(some: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        Affine(**{**GOOD, **some})


def test_parameters_are_properties() -> None:
    dut = Affine(**GOOD)
    assert (dut.lanes, dut.folds) == (2, 2)
