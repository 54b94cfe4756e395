# amaranth: UnusedElaboratable=no
"""Rows of signed weights against plain integer products, at every small folding."""

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from amaranth.back import rtlil
from amaranth.hdl import Module, Signal, Value

from bnnhw.bits import pack_word
from rtl_gen.counting.fabric import Fabric
from rtl_gen.integer import IntArray, IntMvtu
from rtl_gen.multiply import MULTIPLIERS, Multiplier
from rtl_gen.tools import run_tool, toolchain
from sim.bench import everywhere, exercise
from sim.streams import frame

# Groups, rows, columns.
SHAPES = [(1, 1, 1), (1, 4, 5), (1, 2, 6), (1, 1, 7), (2, 2, 3), (3, 3, 4), (5, 1, 9)]
# Widths of weights, codes and sums.
WIDTHS = {"8-bit": (8, 8, 21), "short": (3, 2, 9), "longest": (12, 16, 32), "modulo": (4, 4, 5)}
STALLS: list[Any] = [50, 90, "toggle", {"o": "patient"}, {"i": 90}]


class Layer:
    """Random matrices that take turns, and what comes of some vectors."""

    POSITIONS, FRAMES = 2, 2

    def __init__(self, shape: tuple[int, int, int], widths: str = "8-bit", seed: int = 0) -> None:
        groups, rows, columns = self.shape = shape
        self.weight_bits, self.bits, self.bits_out = WIDTHS[widths]
        dice = np.random.default_rng([*shape, seed])
        half, size = 1 << self.weight_bits - 1, 1 << self.bits_out
        self.weight = dice.integers(-half, half, (groups, rows, columns))
        # The ends of the range come up too rarely in so few numbers.
        self.weight[dice.random(self.weight.shape) < 0.2] = -half
        self.offset = dice.integers(0, size, (groups, rows))
        count = groups * self.POSITIONS * self.FRAMES
        self.codes = dice.integers(0, 1 << self.bits, (count, columns))
        self.codes[dice.random(self.codes.shape) < 0.2] = (1 << self.bits) - 1
        group = np.arange(count) % groups
        sums = (self.weight[group] * self.codes[:, None]).sum(2) + self.offset[group]
        self.answers = sums % size

    def unit(self, pe: int, simd: int, *, kind: Any = IntMvtu, **changes: Any) -> IntMvtu:
        groups, rows, columns = self.shape
        mask = (1 << self.weight_bits) - 1
        weights, offsets = [], []
        for group, first in itertools.product(range(groups), range(0, rows, pe)):
            block = self.weight[group, first : first + pe] & mask
            for start in range(0, columns, simd):
                lanes = np.zeros((pe, simd), int)
                part = block[:, start : start + simd]
                lanes[: part.shape[0], : part.shape[1]] = part
                weights.append(pack_word(lanes.ravel(), self.weight_bits))
            offsets.append(pack_word(self.offset[group, first : first + pe], self.bits_out))
        given: dict[str, Any] = {"rows": rows, "columns": columns, "pe": pe, "simd": simd}
        given |= {"weights": weights, "offsets": offsets, "weight_bits": self.weight_bits}
        given |= {"bits": self.bits, "bits_out": self.bits_out}
        given |= {"groups": groups, "vectors": groups * self.POSITIONS}
        return kind(**given | changes)

    def traffic(self, pe: int, simd: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """Words in and words out; lanes past the last column carry what they must not count."""
        source, sink = [], []
        top = (1 << self.bits) - 1
        ragged = -self.shape[2] % simd
        for vector in self.codes:
            source += frame([*vector.tolist(), *[top] * ragged], simd)
        of_frame = self.shape[0] * self.POSITIONS
        for number, answer in enumerate(self.answers):
            ends = number % of_frame == of_frame - 1
            sink += [w | {"last": w["last"] & ends} for w in frame(answer.tolist(), pe)]
        return {"i": source}, {"o": sink}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_folding(shape: tuple[int, int, int]) -> None:
    """All PE and SIMD, also those that divide nothing; schedules, then stalls on all ports."""
    groups, rows, columns = shape
    foldings = itertools.product(range(1, rows + 1), range(1, columns + 1))
    for turn, (pe, simd) in enumerate(foldings):
        layer = Layer(shape, seed=pe * 10 + simd)
        unit = layer.unit(pe, simd)
        run = exercise(unit, *layer.traffic(pe, simd))
        replay = 2 if rows > pe else 0
        array = 3 + math.ceil(math.log2(simd))
        assert run.latency == unit.latency == -(-columns // simd) - 1 + replay + array, (pe, simd)
        cycles = -(-rows // pe) * -(-columns // simd)
        assert run.period == unit.cycles * groups * layer.POSITIONS, (pe, simd)
        assert unit.cycles == cycles, (pe, simd)
        traffic = layer.traffic(pe, simd)
        exercise(layer.unit(pe, simd), *traffic, stalls=everywhere(turn), seed=turn)


@pytest.mark.parametrize("multiplier", ["dsp", "lut"])
@pytest.mark.parametrize("widths", WIDTHS)
def test_widths(widths: str, multiplier: str) -> None:
    for seed, (pe, simd) in enumerate([(1, 1), (2, 4), (3, 5)]):
        layer = Layer((1, 4, 5), widths, seed)
        exercise(layer.unit(pe, simd, multiplier=multiplier), *layer.traffic(pe, simd), stalls=25)


@pytest.mark.parametrize("stalls", STALLS)
@pytest.mark.parametrize("shape", [(1, 4, 5), (3, 3, 4), (5, 1, 9), (1, 1, 1)])
def test_stalls(shape: tuple[int, int, int], stalls: Any) -> None:
    _, rows, columns = shape
    for seed, (pe, simd) in enumerate(
        {(1, 1), (rows, columns), (rows // 2 or 1, 3 % columns or 1)}
    ):
        layer = Layer(shape, "short", seed)
        exercise(layer.unit(pe, simd), *layer.traffic(pe, simd), stalls=stalls, seed=seed)


def long(traffic: Any) -> Any:
    """Repeat frames until they are more than there is room for in the unit."""
    return [{name: words * 6 for name, words in way.items()} for way in traffic]


@pytest.mark.parametrize("stalls", [50, {"o": 90}, {"o": "patient"}])
@pytest.mark.parametrize(("shape", "pe", "simd"), [((1, 4, 5), 2, 3), ((5, 1, 9), 1, 3)])
def test_a_full_unit_loses_nothing(shape: Any, pe: int, simd: int, stalls: Any) -> None:
    layer = Layer(shape, "short", 1)
    exercise(layer.unit(pe, simd), *long(layer.traffic(pe, simd)), stalls=stalls)


@pytest.mark.parametrize("after", [1, 3, 5, 6, 8, 11, 14, 20, 31])
def test_reset_in_the_middle(after: int) -> None:
    layer = Layer((2, 2, 3), seed=after)
    exercise(layer.unit(1, 2), *layer.traffic(1, 2), reset_after=after)


def test_array_waits_for_all_three() -> None:
    """Weights and offsets that pause stop the array, and nothing is lost or taken twice."""
    dice = np.random.default_rng(5)
    pe, simd, folds = 2, 3, 2
    codes = dice.integers(0, 16, (20, folds, simd))
    weights = dice.integers(-8, 8, (20, folds, pe, simd))
    offsets = dice.integers(0, 1 << 12, (20, pe))
    sums = ((codes[:, :, None, :] * weights).sum((1, 3)) + offsets) % (1 << 12)
    inputs: dict[str, list[Any]] = {
        "i_activation": [word for vector in codes for word in frame(vector.ravel(), simd)],
        "i_weight": [word.tolist() for vector in weights for word in vector],
        "i_offset": [tuple(word) for word in offsets.tolist()],
    }
    expected = {"o": [word for answer in sums for word in frame(answer.tolist(), pe)]}
    given: dict[str, Any] = {"pe": pe, "simd": simd, "folds": folds}
    given |= {"weight_bits": 4, "bits": 4, "bits_out": 12}
    run = exercise(IntArray(**given), inputs, expected)
    assert run.latency == folds - 1 + IntArray(**given).latency
    assert run.period == folds
    slow: list[Any] = [{"i_offset": 95}, {"i_weight": 90}, {"i_activation": 90}, {"o": "patient"}]
    for stalls in (50, "toggle", *slow):
        exercise(IntArray(**given), inputs, expected, stalls=stalls)


class NeverHolds(Multiplier):
    """Goes on while the array stands still."""

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        factor, code = Signal.like(self.factor), Signal.like(self.code)
        m.d.sync += [factor.eq(self.factor), code.eq(self.code), self.product.eq(factor * code)]
        return m


class Unsigned(Multiplier):
    def _multiplied(self, factor: Value, code: Value) -> Value:
        return factor.as_unsigned() * code


class TakesAlways(IntMvtu):
    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.i.ready.eq(1)
        return m


@pytest.mark.parametrize("broken", [NeverHolds, Unsigned])
def test_a_broken_multiplier_is_caught(broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = Layer((1, 4, 5))
    exercise(layer.unit(2, 2), *layer.traffic(2, 2), stalls={"o": 50})
    monkeypatch.setattr("rtl_gen.integer.Multiplier", broken)
    with pytest.raises(AssertionError):
        exercise(layer.unit(2, 2), *layer.traffic(2, 2), stalls={"o": 50})


def test_an_input_that_is_always_taken_is_caught() -> None:
    layer = Layer((1, 4, 5))
    with pytest.raises((AssertionError, TimeoutError)):
        exercise(layer.unit(2, 2, kind=TakesAlways), *layer.traffic(2, 2), stalls={"o": 50})


@pytest.mark.parametrize("name", ["weights", "offsets"])
def test_words_in_a_wrong_order_are_caught(name: str) -> None:
    layer = Layer((3, 2, 4))
    words = getattr(layer.unit(1, 2), f"_{name}")
    broken = layer.unit(1, 2, **{name: [*words[1:], words[0]]})
    with pytest.raises(AssertionError):
        exercise(broken, *layer.traffic(1, 2))


SYNTHESIS: dict[str, tuple[str, str, Any]] = {
    "ecp5": ("synth_ecp5 -nowidelut", "MULT18X18D", None),
    "ice40": ("synth_ice40", "SB_MAC16", Fabric("ice40", dsp=True)),
}


@pytest.mark.parametrize("family", SYNTHESIS)
def test_a_dsp_block_for_each_multiplier_or_none(family: str, tmp_path: Path) -> None:
    command, cell, platform = SYNTHESIS[family]
    layer = Layer((1, 4, 8))
    script = []
    for style in MULTIPLIERS:
        text = rtlil.convert(layer.unit(2, 2, multiplier=style), name=style, platform=platform)
        (tmp_path / f"{style}.il").write_text(text)
        script += [f"read_rtlil {style}.il", f"{command} -top {style}"]
        script += [f"tee -q -o {style}.json stat -json", "design -reset"]
    yosys = toolchain(family).programs["yosys"]
    run_tool([yosys, "-q", "-p", "; ".join(script)], cwd=tmp_path)
    cells = {
        style: json.loads((tmp_path / f"{style}.json").read_text())["design"]["num_cells_by_type"]
        for style in MULTIPLIERS
    }
    assert cells["dsp"][cell] == 4
    assert cell not in cells["lut"]
    assert sum(cells["lut"].values()) > sum(cells["dsp"].values()) + 4 * 50, cells


GOOD: dict[str, Any] = {
    "rows": 4, "columns": 6, "pe": 2, "simd": 3, "weights": [0] * 4, "weight_bits": 8,
    "offsets": [0] * 2, "bits": 8, "bits_out": 19,
}  # fmt: skip


@pytest.mark.parametrize(
    ("some", "message"),
    [
        ({"rows": 0}, "Integer MVTU rows must be a positive integer, not 0"),
        ({"groups": 0}, "Integer MVTU groups must be a positive integer, not 0"),
        ({"groups": 2}, "Integer MVTU vectors must be a multiple of 2 groups, not 1"),
        ({"pe": 5}, "Integer MVTU PE must be an integer from 1 to 4, not 5"),
        ({"simd": 0}, "Integer MVTU SIMD must be an integer from 1 to 6, not 0"),
        ({"weights": [0]}, "Integer MVTU must have 4 weight words, not 1"),
        ({"offsets": [0]}, "Integer MVTU must have 2 offset words, not 1"),
        ({"weight_bits": 0}, "weight_bits of an integer array must be a positive integer, not 0"),
        ({"bits": 0}, "bits of an integer array must be a positive integer, not 0"),
        ({"bits_out": "8"}, "bits_out of an integer array must be a positive integer, not '8'"),
        ({"multiplier": "fast"}, "Multiplier must be one of dsp, lut, not 'fast'"),
    ],
)
def test_parameter_wrong(some: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        IntMvtu(**{**GOOD, **some})


@pytest.mark.parametrize("name", ["pe", "simd", "folds"])
def test_array_parameter_wrong(name: str) -> None:
    given: dict[str, Any] = {"pe": 2, "simd": 2, "folds": 2, "weight_bits": 2, "bits": 2}
    told = {"pe": "PE", "simd": "SIMD"}.get(name, name)
    message = f"^{told} of an integer array must be a positive integer, not 0$"
    with pytest.raises(ValueError, match=message):
        IntArray(**given | {"bits_out": 8, name: 0})
