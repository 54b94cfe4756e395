# amaranth: UnusedElaboratable=no
"""Thresholds on codes: both directions, every level, whatever stalls."""

from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Module

from bnnhw.bits import pack_word
from rtl_gen.activation import Activation
from sim.bench import Run, everywhere, exercise
from sim.streams import Word

STALLS: list[Any] = [50, 90, "toggle", {"o": "patient"}, {"i": 90}]


def exercised(
    lanes: int,
    folds: int,
    bits: int,
    levels: int,
    *,
    kind: Any = Activation,
    search: bool = False,
    alike: bool = False,
    **how: Any,
) -> Run:
    dice = np.random.default_rng(lanes * 100 + folds * 10 + levels)
    channels, top = lanes * folds, (1 << bits) - 1
    table = dice.integers(0, top + 2, (channels, levels))
    flips = dice.integers(0, 2, lanes if alike else channels)
    flips = np.tile(flips, channels // len(flips))
    thresholds = [
        pack_word(table[k : k + lanes].ravel().tolist(), bits + 1)
        for k in range(0, channels, lanes)
    ]
    turned = [pack_word(flips[k : k + lanes].tolist()) for k in range(0, channels, lanes)]
    sent: list[Word] = []
    wanted: list[Word] = []
    for pixel in range(24):
        codes = dice.integers(0, top + 1, channels)
        seen = np.where(flips == 1, top - codes, codes)
        reached = (seen[:, None] >= table).sum(1)
        for k in range(0, channels, lanes):
            last = int(pixel % 6 == 5 and k + lanes == channels)
            sent.append({"data": tuple(codes[k : k + lanes].tolist()), "last": last})
            wanted.append({"data": tuple(reached[k : k + lanes].tolist()), "last": last})
    dut = kind(
        lanes=lanes, bits=bits, levels=levels, thresholds=thresholds, flips=turned, search=search
    )
    return exercise(dut, {"i": sent}, {"o": wanted}, **how)


@pytest.mark.parametrize("lanes", [1, 3])
@pytest.mark.parametrize("folds", [1, 2, 5])
@pytest.mark.parametrize(("bits", "levels"), [(1, 1), (4, 1), (3, 2), (5, 7)])
def test_values_and_rate(lanes: int, folds: int, bits: int, levels: int) -> None:
    log = exercised(lanes, folds, bits, levels)
    assert (log.latency, log.period) == (1, 6 * folds)
    exercised(lanes, folds, bits, levels, stalls=STALLS[(lanes + folds + levels) % 5], seed=bits)
    exercised(lanes, folds, bits, levels, stalls=everywhere(lanes + folds + bits), seed=levels)


@pytest.mark.parametrize("lanes", [1, 3])
@pytest.mark.parametrize("folds", [1, 2, 5])
@pytest.mark.parametrize(("bits", "levels"), [(1, 1), (3, 3), (5, 7), (4, 15)])
def test_values_and_rate_of_a_search(lanes: int, folds: int, bits: int, levels: int) -> None:
    for alike in (False, True):
        log = exercised(lanes, folds, bits, levels, search=True, alike=alike)
        assert (log.latency, log.period) == (levels.bit_length(), 6 * folds)
    stalls = STALLS[(lanes + folds + levels) % 5]
    exercised(lanes, folds, bits, levels, search=True, stalls=stalls, seed=bits)
    stalls = everywhere(lanes + folds + bits)
    exercised(lanes, folds, bits, levels, search=True, stalls=stalls, seed=levels)


@pytest.mark.parametrize("cycles", [1, 3, 8, 13])
def test_reset_in_a_frame(cycles: int) -> None:
    exercised(2, 3, 4, 2, reset_after=cycles)
    exercised(2, 3, 4, 3, reset_after=cycles, search=True)


class NeverFlips(Activation):
    def __init__(self, **given: Any) -> None:
        super().__init__(**{**given, "flips": [0] * len(given["flips"])})


class TakesAlways(Activation):
    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.i.ready.eq(1)
        return m


class StartsLate(Activation):
    def __init__(self, **given: Any) -> None:
        words = given["thresholds"]
        super().__init__(**{**given, "thresholds": [*words[1:], words[0]]})


@pytest.mark.parametrize("broken", [NeverFlips, TakesAlways, StartsLate])
@pytest.mark.parametrize("search", [False, True])
def test_planted_faults_are_caught(broken: Any, search: bool) -> None:
    with pytest.raises(AssertionError):
        exercised(2, 3, 4, 3, kind=broken, search=search, stalls=50)


GOOD: dict[str, Any] = {"lanes": 2, "bits": 3, "levels": 1, "thresholds": [0, 255], "flips": [0, 3]}


@pytest.mark.parametrize(
    ("some", "message"),
    [
        ({"lanes": 0}, "Activation lanes must be a positive integer, not 0"),
        ({"bits": 1.5}, "Activation bits must be a positive integer, not 1.5"),
        ({"levels": -1}, "Activation levels must be a positive integer, not -1"),
        (
            {"flips": [0]},
            "Activation thresholds and flips must be as many words as a pixel, not 2 and 1",
        ),
        ({"thresholds": [0, 256]}, "Activation thresholds must fit 8 bits, not 256"),
        ({"flips": [0, 4]}, "Activation flips must fit 2 bits, not 4"),
        (
            {"levels": 2, "search": True},
            "Activation levels must be a power of two less 1 for a search, not 2",
        ),
    ],
)
def test_parameter_wrong(some: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        Activation(**{**GOOD, **some})


def test_parameters_are_properties() -> None:
    dut = Activation(**GOOD)
    assert (dut.lanes, dut.bits, dut.levels, dut.folds) == (2, 3, 1, 2)
    assert (dut.search, dut.latency) == (False, 1)
    searched = Activation(**{**GOOD, "levels": 7, "search": True})
    assert (searched.search, searched.latency) == (True, 3)
