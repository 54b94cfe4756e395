# amaranth: UnusedElaboratable=no
"""Thresholds by binary search: the same numbers as by comparison with all, whatever stalls."""

import itertools
import re
from typing import Any

import numpy as np
import pytest
from amaranth.back import rtlil
from amaranth.hdl import Module

from bnnhw.bits import pack_word
from bnnhw.fold.memory import BLOCK_FOLDS, prefers_search
from rtl_gen import search
from rtl_gen.search import SearchThreshold, stage_tables
from sim.bench import Run, everywhere, exercise
from sim.streams import Word

STALLS: list[Any] = [50, 90, "toggle", {"o": "patient"}, {"i": 90}]
FRAME = 6
"""Pixels of a frame."""


def exercised(
    lanes: int, folds: int, bits: int, levels: int, *, kind: Any = SearchThreshold, **how: Any
) -> Run:
    dice = np.random.default_rng(lanes * 100 + folds * 10 + levels)
    channels = lanes * folds
    # In no order, some equal, some never reached and some always.
    table = dice.integers(0, (1 << bits) + 1, (channels, levels))
    thresholds = [
        pack_word(table[k : k + lanes].ravel().tolist(), bits + 1)
        for k in range(0, channels, lanes)
    ]
    sent: list[Word] = []
    wanted: list[Word] = []
    for pixel in range(4 * FRAME):
        counts = dice.integers(0, 1 << bits, channels)
        reached = (counts[:, None] >= table).sum(1)
        for k in range(0, channels, lanes):
            last = int(pixel % FRAME == FRAME - 1 and k + lanes == channels)
            sent.append({"data": tuple(counts[k : k + lanes].tolist()), "last": last})
            wanted.append({"data": tuple(reached[k : k + lanes].tolist()), "last": last})
    dut = kind(
        lanes=lanes, bits=bits, threshold_bits=bits + 1, levels=levels, thresholds=thresholds
    )
    return exercise(dut, {"i": sent}, {"o": wanted}, **how)


@pytest.mark.parametrize("lanes", [1, 3])
@pytest.mark.parametrize("folds", [1, 2, 5, 8])
@pytest.mark.parametrize(("bits", "levels"), [(1, 1), (4, 1), (3, 3), (5, 7), (6, 15), (9, 31)])
def test_values_and_rate(lanes: int, folds: int, bits: int, levels: int) -> None:
    log = exercised(lanes, folds, bits, levels)
    assert (log.latency, log.period) == (levels.bit_length(), FRAME * folds)
    assert log.moves["i"] == list(range(log.moves["i"][0], log.moves["i"][0] + 24 * folds))
    exercised(lanes, folds, bits, levels, stalls=STALLS[(lanes + folds + levels) % 5], seed=bits)
    exercised(lanes, folds, bits, levels, stalls=everywhere(lanes + folds + bits), seed=levels)


@pytest.mark.parametrize("cycles", [1, 2, 3, 8, 13])
@pytest.mark.parametrize("levels", [1, 15])
def test_reset_in_a_frame(cycles: int, levels: int) -> None:
    exercised(2, 3, 4, levels, reset_after=cycles)


@pytest.mark.parametrize("levels", [1, 3])
def test_every_count_against_every_list_of_thresholds(levels: int) -> None:
    """All sorted lists of 2-bit counts: equal thresholds, none reached, all reached."""
    for ordered in itertools.combinations_with_replacement(range(5), levels):
        sent = [{"data": (count,), "last": count == 3} for count in range(4)]
        wanted = [
            {"data": (sum(count >= threshold for threshold in ordered),), "last": count == 3}
            for count in range(4)
        ]
        word = pack_word(list(ordered), 3)
        dut = SearchThreshold(lanes=1, bits=2, threshold_bits=3, levels=levels, thresholds=[word])
        exercise(dut, {"i": sent}, {"o": wanted}, linger=1)


def test_tables_of_every_stage() -> None:
    word = pack_word([6, 1, 4, 2, 7, 5, 3, 9, 8, 15, 14, 13, 12, 11], 4)
    tables = stage_tables([word, 0], lanes=2, levels=7, threshold_bits=4)
    assert tables == [
        [[4, 0], [12, 0]],
        [[2, 6, 0, 0], [9, 14, 0, 0]],
        [[1, 3, 5, 7, 0, 0, 0, 0], [8, 11, 13, 15, 0, 0, 0, 0]],
    ]


class TakesAlways(SearchThreshold):
    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.i.ready.eq(1)
        return m


class StartsLate(SearchThreshold):
    def __init__(self, **given: Any) -> None:
        words = given["thresholds"]
        super().__init__(**{**given, "thresholds": [*words[1:], words[0]]})


class LosesLast(SearchThreshold):
    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.d.sync += self.o.payload.last.eq(0)
        return m


@pytest.mark.parametrize("broken", [TakesAlways, StartsLate, LosesLast])
def test_planted_faults_are_caught(broken: Any) -> None:
    with pytest.raises(AssertionError):
        exercised(2, 3, 4, 3, kind=broken, stalls=50)


@pytest.mark.parametrize("stage", range(3))
def test_a_stage_that_asks_for_the_wrong_one_is_caught(
    stage: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def turned(*given: Any, **named: Any) -> list[list[list[int]]]:
        tables = stage_tables(*given, **named)
        tables[stage] = [[*table[1:], table[0]] for table in tables[stage]]
        return tables

    monkeypatch.setattr(search, "stage_tables", turned)
    with pytest.raises(AssertionError):
        exercised(2, 3, 4, 7)


GOOD: dict[str, Any] = {
    "lanes": 2,
    "bits": 3,
    "threshold_bits": 4,
    "levels": 3,
    "thresholds": [0, (1 << 24) - 1],
}


@pytest.mark.parametrize(
    ("some", "message"),
    [
        ({"lanes": 0}, "Search lanes must be a positive integer, not 0"),
        ({"bits": 1.5}, "Search bits must be a positive integer, not 1.5"),
        ({"threshold_bits": -1}, "Search threshold_bits must be a positive integer, not -1"),
        ({"levels": 4}, "Search levels must be a power of two less 1, not 4"),
        ({"thresholds": []}, "Search thresholds must be at least one word, not none"),
        ({"thresholds": [0, 1 << 24]}, "Search thresholds must fit 24 bits, not 16777216"),
        ({"style": "ram"}, "Search style must be one of auto, lut, block, not 'ram'"),
    ],
)
def test_parameter_wrong(some: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        SearchThreshold(**{**GOOD, **some})


def test_parameters_are_properties() -> None:
    dut = SearchThreshold(**GOOD)
    assert (dut.lanes, dut.bits, dut.threshold_bits, dut.levels) == (2, 3, 4, 3)
    assert (dut.folds, dut.latency, dut.style) == (2, 2, "auto")


@pytest.mark.parametrize(
    ("style", "mark"), [("auto", None), ("lut", '"logic"'), ("block", '"block"')]
)
def test_style_reaches_every_memory(style: str, mark: str | None) -> None:
    """One attribute for the first stage's memory and one for each lane of the second."""
    text = rtlil.convert(SearchThreshold(**GOOD, style=style), name="unit")
    assert re.findall(r"attribute \\rom_style (.*)", text) == ([mark] * 3 if mark else [])


def test_the_rule_says_what_was_measured() -> None:
    """Smaller on the mean of both families, in the table of `prefers_search`."""
    for folds in (1, 4, 8, 16, BLOCK_FOLDS):
        assert not prefers_search(3, folds)
        assert prefers_search(7, folds) == (folds != 16)
        assert prefers_search(15, folds)


@pytest.mark.parametrize("levels", [1, 2, 4, 8, 14])
def test_no_search_where_there_is_none(levels: int) -> None:
    assert not any(prefers_search(levels, folds) for folds in (1, 4, 16, 64))
