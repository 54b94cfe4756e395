"""Units with weights to be measured, and the dice for all blocks."""

from typing import Any

import numpy as np

from bnnhw.plan import Block, IntMvtuPlan, MvtuPlan

__all__ = ["NAMED", "Dice", "held_mvtu", "int_mvtu", "mvtu", "wide_mvtu"]

NAMED = {"name": "block", "edge": "edge", "sources": ("before",)}


class Dice:
    """Random numbers in the words of this module."""

    def __init__(self, seed: int | list[int]) -> None:
        self.numbers = np.random.default_rng(seed)

    def one_of(self, *choices: Any) -> Any:
        """Choose."""
        return choices[int(self.numbers.integers(len(choices)))]

    def within(self, low: int, high: int) -> int:
        """Draw a whole number, small and large ones as often by their logarithm."""
        return round(float(np.exp(self.numbers.uniform(np.log(low), np.log(high + 0.49)))))

    def bits(self, width: int) -> int:
        """Draw a word of so many bits."""
        return int.from_bytes(self.numbers.bytes(-(-width // 8)), "little") & ((1 << width) - 1)

    def words(self, count: int, width: int) -> tuple[int, ...]:
        """Draw words."""
        return tuple(self.bits(width) for _ in range(count))

    def ascending(self, lanes: int, levels: int, bits: int, most: int) -> int:
        """Draw thresholds for each lane, packed."""
        word = 0
        for lane in range(lanes):
            row = np.sort(self.numbers.integers(most // 8, most - most // 8 + 1, levels))
            for place, value in enumerate(row.tolist()):
                word |= value << (lane * levels + place) * bits
        return word


def _folded(dice: Dice, most: int) -> dict[str, int]:
    pe, simd = dice.within(1, 16), dice.within(1, 48)
    while pe * simd > most:
        pe, simd = dice.within(1, 16), dice.within(1, 48)
    neuron = dice.one_of(1, dice.within(1, 16), dice.within(1, 16))
    synapse = dice.one_of(1, dice.within(1, 24), dice.within(1, 24))
    return {
        "rows": pe * neuron, "columns": simd * synapse, "lanes_in": simd, "lanes_out": pe,
        "vectors": dice.one_of(1, dice.within(1, 800)),
    }  # fmt: skip


def _unit(shape: dict[str, int], bits: int, out: int, style: str) -> dict[str, Any]:
    vectors = shape["vectors"]
    return {
        **NAMED, **shape, "layer": "layer", "elements_in": vectors * shape["columns"],
        "elements_out": vectors * shape["rows"], "bits_in": bits, "bits_out": out,
        "weight_style": style,
    }  # fmt: skip


def _style(shape: dict[str, int], bits: int) -> str:
    width = shape["lanes_in"] * shape["lanes_out"] * bits
    depth = shape["rows"] * shape["columns"] // (shape["lanes_in"] * shape["lanes_out"])
    return "lut" if depth <= 32 or width * depth <= 1024 else "block"


def mvtu(dice: Dice, kind: str = "") -> Block:
    """Draw a unit with ±1 weights."""
    shape = _folded(dice, 160)
    bits = dice.one_of(1, 1, 1, 1, 2, 4)
    style = dice.one_of("ram", "ram", "spram") if kind == "loaded" else _style(shape, 1)
    if style == "spram":
        style = "ram"
    pe, simd = shape["lanes_out"], shape["lanes_in"]
    largest = shape["columns"] * ((1 << bits) - 1)
    neuron = shape["rows"] // pe
    levels = {"search": 7 if dice.one_of(0, 1) and neuron <= 8 else 15}.get(
        kind, dice.one_of(1, 1, 1, 1, 3)
    )
    threshold_bits = (largest + 1).bit_length()
    thresholds: tuple[int, ...] | None = tuple(
        dice.ascending(pe, levels, threshold_bits, largest + 1) for _ in range(neuron)
    )
    offsets, out = None, levels.bit_length()
    if kind == "counts":
        thresholds, levels, out = None, 1, largest.bit_length()
        if dice.one_of(True, False):
            out += 1
            offsets = dice.words(neuron, pe * out)
    depth = neuron * (shape["columns"] // simd)
    return MvtuPlan(
        **_unit(shape, bits, out, style), weights=dice.words(depth, pe * simd),
        thresholds=thresholds, offsets=offsets, levels=levels, search=kind == "search",
    )  # fmt: skip


def wide_mvtu(dice: Dice) -> Block:
    """Draw a unit as networks of some size have it: block RAM, replay buffer, one threshold."""
    pe, simd = dice.one_of(4, 8, 16), dice.one_of(16, 32, 64)
    neuron, synapse = dice.one_of(4, 8), dice.one_of(4, 9, 12)
    shape = {
        "rows": pe * neuron, "columns": simd * synapse, "lanes_in": simd, "lanes_out": pe,
        "vectors": dice.one_of(1, 100),
    }  # fmt: skip
    bits = (shape["columns"] + 1).bit_length()
    return MvtuPlan(
        **_unit(shape, 1, 1, "block"), weights=dice.words(neuron * synapse, pe * simd),
        thresholds=tuple(
            dice.ascending(pe, 1, bits, shape["columns"] + 1) for _ in range(neuron)
        ),
    )  # fmt: skip


def held_mvtu(dice: Dice) -> Block:
    """Draw a unit as the solver lays it on ECP5: wide, vectors in LUT RAM, words shared."""
    simd, most = dice.one_of((32, 16), (64, 16), (128, 8), (288, 4), (392, 4), (576, 2))
    pe, hold = dice.one_of(*(n for n in (1, 2, 4, 8, 16) if n <= most)), dice.one_of(1, 1, 2, 4)
    neuron, synapse = dice.one_of(1, 4, 8, 16), dice.one_of(1, 2, 4, 9)
    if neuron * synapse == 1:
        neuron = 4
    shape = {
        "rows": pe * neuron, "columns": simd * synapse, "lanes_in": simd, "lanes_out": pe,
        "vectors": hold * dice.within(4, 100),
    }  # fmt: skip
    bits = (shape["columns"] + 1).bit_length()
    return MvtuPlan(
        **_unit(shape, 1, 1, "block"), weights=dice.words(neuron * synapse, pe * simd),
        thresholds=tuple(
            dice.ascending(pe, 1, bits, shape["columns"] + 1) for _ in range(neuron)
        ),
        hold=hold, replay=dice.one_of("lut", "auto"),
    )  # fmt: skip


def int_mvtu(dice: Dice, multiplier: str) -> Block:
    """Draw a unit with 8-bit weights, or one whose products SB_MAC16 takes."""
    shape = _folded(dice, 8 if multiplier == "lut" else 12)
    bits, width = dice.one_of(1, 2, 8, 8), 8
    if multiplier == "mac16":
        multiplier, bits = "dsp", dice.one_of(3, 4, 8, 8)
    pe, simd = shape["lanes_out"], shape["lanes_in"]
    folds = shape["rows"] // pe
    depth = folds * (shape["columns"] // simd)
    out = width + bits + max(1, (shape["columns"] - 1).bit_length())
    return IntMvtuPlan(
        **_unit(shape, bits, out, _style(shape, width)), width=width, multiplier=multiplier,
        weights=dice.words(depth, pe * simd * width), offsets=dice.words(folds, pe * out),
    )  # fmt: skip
