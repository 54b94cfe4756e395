"""Blocks to be measured: of every kind some, drawn at random from what networks are made of."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from bnnhw.cost.hard import LinkPlan
from bnnhw.fold import Folding, LayerFold
from bnnhw.plan import (
    AddPlan,
    AffinePlan,
    ArgmaxPlan,
    Block,
    ConcatPlan,
    ConverterPlan,
    ForkPlan,
    GuardPlan,
    IntMvtuPlan,
    MvtuPlan,
    ParallelWindowPlan,
    PermutePlan,
    PoolPlan,
    QueuePlan,
    SlicePlan,
    ThresholdPlan,
    TopKPlan,
    WindowPlan,
)
from bnnhw.plan.parallel import TernaryPlan

__all__ = ["KINDS", "draw"]

_NAMED = {"name": "block", "edge": "edge", "sources": ("before",)}


_ALIKE = 4


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


def draw(kind: str, seed: int, family: str) -> Block:
    """Draw a block of a kind, with the registers that a build for the family has."""
    # The first units of all kinds have the same shape, the others one of their own.
    alike = seed < _ALIKE or "mvtu" not in kind
    block: Block = KINDS[kind](Dice(seed if alike else [seed, *kind.encode()]))
    if isinstance(block, MvtuPlan):
        fold = LayerFold(block.pe, block.simd)
        every = Folding({"layer": fold}).on_family(family).layers["layer"].every
        block = replace(block, every=every)
    return block


def _same(elements: int, bits: int, lanes: int) -> dict[str, Any]:
    """Give what a block has on both sides."""
    return {
        **_NAMED, "elements_in": elements, "bits_in": bits, "lanes_in": lanes,
        "elements_out": elements, "bits_out": bits, "lanes_out": lanes,
    }  # fmt: skip


def _guard(dice: Dice) -> Block:
    bits, lanes = dice.one_of(1, 1, 2, 8), dice.within(1, 32)
    return GuardPlan(**_same(dice.within(lanes + 1, 4000), bits, lanes))


def _converter(dice: Dice, narrow: int, wide: int, bits: int, down: bool) -> Block:
    elements = wide * dice.within(2, 200)
    if dice.one_of(False, False, True):
        elements -= dice.within(1, max(1, narrow - 1))
    lanes = (wide, narrow) if down else (narrow, wide)
    given = _same(elements, bits, 1) | {"lanes_in": lanes[0], "lanes_out": lanes[1]}
    return ConverterPlan(**given)


def _collector(dice: Dice) -> Block:
    narrow = dice.within(1, 12)
    return _converter(dice, narrow, narrow * dice.within(2, 8), dice.one_of(1, 1, 1, 2, 4), False)


def _shifter(dice: Dice) -> Block:
    narrow = dice.within(1, 12)
    return _converter(dice, narrow, narrow * dice.within(2, 8), dice.one_of(1, 1, 1, 2, 4), True)


def _mask(dice: Dice) -> Block:
    lanes = dice.within(2, 16)
    elements = lanes * dice.within(2, 200) - dice.within(1, lanes - 1)
    return ConverterPlan(**_same(elements, dice.one_of(1, 1, 2, 8, 12), lanes))


def _link(dice: Dice) -> Block:
    classes, code = dice.within(2, 100), dice.one_of(2, 3, 4)
    given = {"request": dice.within(4, 3072), "answer": classes * (code - 1) + 1, "code": code}
    return LinkPlan(**_same(given["request"] * 8, 1, 1), **given, loads=dice.one_of(False, True))


def _gearbox(dice: Dice) -> Block:
    unit, bits = dice.within(1, 3), dice.one_of(1, 1, 2)
    a, b = dice.one_of((2, 3), (3, 4), (2, 5), (3, 5), (4, 7), (5, 8), (3, 8), (4, 9), (7, 10))
    return _converter(dice, a * unit, b * unit, bits, dice.one_of(False, True))


def _image(dice: Dice) -> tuple[int, int, int, int, int]:
    lanes = dice.within(1, 12)
    return lanes * dice.within(1, 8), lanes, dice.one_of(1, 1, 1, 2, 4), *_sizes(dice)


def _sizes(dice: Dice) -> tuple[int, int]:
    height = dice.within(6, 32)
    return height, dice.one_of(height, dice.within(6, 32))


def _window(dice: Dice, kind: type[WindowPlan] = WindowPlan) -> Block:
    channels, lanes, bits, height, width = _image(dice)
    if kind is ParallelWindowPlan:
        channels = lanes = dice.within(1, 6)
    side = dice.one_of(3, 3, 3, 2, 5)
    before = dice.one_of(0, 0, side // 2)
    padding = (before, before, before, before)
    stride = dice.one_of((1, 1), (1, 1), (2, 2))
    rows = (height + 2 * before - side) // stride[0] + 1
    columns = (width + 2 * before - side) // stride[1] + 1
    taps = side * side
    whole = kind is ParallelWindowPlan
    return kind(
        **_same(channels * height * width, bits, lanes)
        | {
            "elements_out": rows * columns * taps * channels,
            "lanes_out": lanes * taps if whole else lanes,
        },
        channels=channels, height=height, width=width, kernel=(side, side), stride=stride,
        dilation=(1, 1), padding=padding, pad=dice.one_of(0, 1) if before else 0,
    )  # fmt: skip


def _parallel(dice: Dice) -> Block:
    return _window(dice, ParallelWindowPlan)


def _pool(dice: Dice, operation: str) -> Block:
    channels, lanes, bits, height, width = _image(dice)
    kernel, step = dice.one_of(((2, 2), 2), ((2, 2), 2), ((3, 3), 2), ((3, 3), 1))
    out = bits
    if operation == "sum":
        kernel, step = dice.one_of(((2, 2), 2), ((3, 3), 2), ((4, 4), 4))
        out = (kernel[0] * kernel[1] * ((1 << bits) - 1)).bit_length()
    before = dice.one_of(0, 1) if kernel == (3, 3) else 0
    rows = (height + 2 * before - kernel[0]) // step + 1
    columns = (width + 2 * before - kernel[1]) // step + 1
    return PoolPlan(
        **_same(channels * height * width, bits, lanes)
        | {"elements_out": channels * rows * columns, "bits_out": out},
        operation=operation, levels=1 << bits, channels=channels, height=height, width=width,
        kernel=kernel, stride=(step, step), padding=(before,) * 4,
    )  # fmt: skip


def _threshold(dice: Dice, search: bool = False) -> Block:
    lanes, bits = dice.within(1, 8), dice.within(4, 12)
    folds, levels = dice.one_of(1, 4, 8, 16, 32, 64), dice.one_of(1, 1, 3)
    if search:
        levels = dice.one_of(7, 15)
        lanes = dice.within(1, 3)
        folds = dice.one_of(1, 4, 8, 64) if levels == 7 else dice.one_of(1, 4, 16, 64)
    words = tuple(dice.ascending(lanes, levels, bits + 1, 1 << bits) for _ in range(folds))
    flips = dice.words(folds, lanes) if dice.one_of(True, False) else (0,) * folds
    return ThresholdPlan(
        **_same(lanes * folds * dice.within(1, 200), bits, lanes)
        | {"bits_out": levels.bit_length()},
        thresholds=words, flips=flips, levels=levels, search=search,
    )  # fmt: skip


def _search(dice: Dice) -> Block:
    return _threshold(dice, True)


def _affine(dice: Dice) -> Block:
    lanes, bits = dice.within(1, 2), dice.within(4, 12)
    folds = dice.one_of(1, 4, 16, 64)
    wide, offset = dice.within(4, 12), dice.within(8, 24)
    clip = dice.one_of(True, False)
    out = 8 if clip else max(wide + bits, offset) + 1
    shift = dice.within(1, 8) if clip else 0
    return AffinePlan(
        **_same(lanes * folds * dice.within(1, 100), bits, lanes) | {"bits_out": out},
        multipliers=dice.words(folds, lanes * wide), offsets=dice.words(folds, lanes * offset),
        multiplier_bits=wide, offset_bits=offset, shift=shift, levels=1 << out, clip=clip,
    )  # fmt: skip


def _ternary(dice: Dice) -> Block:
    channels, taps = dice.within(2, 16), dice.one_of(4, 9, 9, 25)
    lanes = channels * taps
    given = _same(lanes * dice.within(4, 400), 1, lanes) | {"bits_out": 2}
    return TernaryPlan(**given, channels=channels)


def _add(dice: Dice) -> Block:
    lanes, count = dice.within(1, 12), dice.one_of(2, 2, 3)
    bits = tuple(dice.within(1, 10) for _ in range(count))
    factors = tuple(dice.one_of(1, 1, 1, 2) for _ in range(count))
    most = sum(((1 << width) - 1) * factor for width, factor in zip(bits, factors, strict=True))
    return AddPlan(
        **_same(lanes * dice.within(4, 400), bits[0], lanes) | {"bits_out": most.bit_length()},
        bits=bits, factors=factors,
    )  # fmt: skip


def _concat(dice: Dice) -> Block:
    lanes, count = dice.within(1, 16), dice.one_of(2, 2, 3, 4)
    width = dice.one_of(1, 1, 2, 4)
    words, pixels = tuple(dice.within(1, 8) for _ in range(count)), dice.within(1, 400)
    moved = dice.one_of(False, False, True)
    offsets = tuple(dice.within(1, 7) if moved else 0 for _ in range(count))
    return ConcatPlan(
        **_same(lanes * sum(words) * pixels, width, lanes) | {"bits_out": width + 3 * moved},
        bits=(width,) * count, words=words, factors=(1,) * count, offsets=offsets, pixels=pixels,
    )  # fmt: skip


def _slice(dice: Dice) -> Block:
    lanes, folds, pixels = dice.within(1, 16), dice.within(2, 64), dice.within(1, 1000)
    start = dice.one_of(0, folds // 2)
    stop = dice.one_of(folds, start + max(1, (folds - start) // 2))
    bits = dice.one_of(1, 2, 8)
    return SlicePlan(
        **_same(lanes * folds * pixels, bits, lanes)
        | {"elements_out": lanes * (stop - start) * pixels},
        folds=folds, start=start, stop=stop, pixels=pixels,
    )  # fmt: skip


def _permute(dice: Dice) -> Block:
    channels, bits = dice.within(4, 256), dice.one_of(1, 2, 4, 8)
    order = tuple(dice.numbers.permutation(channels).tolist())
    return PermutePlan(**_same(channels * dice.within(1, 200), bits, 1), order=order)


def _fork(dice: Dice) -> Block:
    lanes, bits = dice.within(1, 64), dice.one_of(1, 2, 8)
    return ForkPlan(**_same(lanes * 10, bits, lanes), copies=dice.within(2, 6))


def _queue(dice: Dice) -> Block:
    lanes, bits = dice.within(1, 16), dice.one_of(1, 1, 2)
    depth = dice.one_of(1, 2, 2, 4, dice.within(3, 400), dice.within(3, 400))
    return QueuePlan(**_same(lanes * 10, bits, lanes), depth=depth)


def _argmax(dice: Dice, scaled: bool = False, kept: int = 0) -> Block:
    classes, bits = dice.within(2, 40), dice.within(4, 12)
    if kept:
        classes = max(classes, kept)
    multipliers, shift = (1,) * classes, 0
    offsets = tuple(int(n) for n in dice.numbers.integers(0, 1 << dice.within(1, bits), classes))
    if scaled:
        wide = dice.within(3, 9)
        signs = dice.numbers.integers(1 - (1 << wide - 1), 1 << wide - 1, classes)
        multipliers = tuple(int(n) for n in signs)
    elif dice.one_of(True, False):
        offsets = (0,) * classes
    kind = TopKPlan if kept else ArgmaxPlan
    return kind(
        **_same(classes, bits, 1) | {"elements_out": kept or classes},
        multipliers=multipliers, offsets=offsets, shift=shift,
    )  # fmt: skip


def _argmax_scaled(dice: Dice) -> Block:
    return _argmax(dice, True)


def _top_k(dice: Dice) -> Block:
    return _argmax(dice, False, dice.within(2, 4))


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
        **_NAMED, **shape, "layer": "layer", "elements_in": vectors * shape["columns"],
        "elements_out": vectors * shape["rows"], "bits_in": bits, "bits_out": out,
        "weight_style": style,
    }  # fmt: skip


def _style(shape: dict[str, int], bits: int) -> str:
    width = shape["lanes_in"] * shape["lanes_out"] * bits
    depth = shape["rows"] * shape["columns"] // (shape["lanes_in"] * shape["lanes_out"])
    return "lut" if depth <= 32 or width * depth <= 1024 else "block"


def _mvtu(dice: Dice, kind: str = "") -> Block:
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


def _wide(dice: Dice) -> Block:
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


def _int_mvtu(dice: Dice, multiplier: str) -> Block:
    shape = _folded(dice, 8 if multiplier == "lut" else 12)
    bits, width = dice.one_of(1, 2, 8, 8), 8
    pe, simd = shape["lanes_out"], shape["lanes_in"]
    folds = shape["rows"] // pe
    depth = folds * (shape["columns"] // simd)
    out = width + bits + max(1, (shape["columns"] - 1).bit_length())
    return IntMvtuPlan(
        **_unit(shape, bits, out, _style(shape, width)), width=width, multiplier=multiplier,
        weights=dice.words(depth, pe * simd * width), offsets=dice.words(folds, pe * out),
    )  # fmt: skip


KINDS: Mapping[str, Callable[[Dice], Block]] = {
    "guard": _guard,
    "collector": _collector,
    "shifter": _shifter,
    "gearbox": _gearbox,
    "window": _window,
    "parallelwindow": _parallel,
    "maxpool": lambda dice: _pool(dice, "max"),
    "sumpool": lambda dice: _pool(dice, "sum"),
    "threshold": _threshold,
    "threshold_search": _search,
    "affine": _affine,
    "add": _add,
    "concat": _concat,
    "slice": _slice,
    "permute": _permute,
    "fork": _fork,
    "queue": _queue,
    "argmax": _argmax,
    "argmax_scaled": _argmax_scaled,
    "topk": _top_k,
    "mvtu": _mvtu,
    "mvtu_counts": lambda dice: _mvtu(dice, "counts"),
    "mvtu_search": lambda dice: _mvtu(dice, "search"),
    "mvtu_loaded": lambda dice: _mvtu(dice, "loaded"),
    "mvtu_wide": _wide,
    "intmvtu": lambda dice: _int_mvtu(dice, "dsp"),
    "ternary": _ternary,
    "mask": _mask,
    "link": _link,
    "intmvtu_lut": lambda dice: _int_mvtu(dice, "lut"),
}
"""By the kind that is drawn; some kinds of the model have several."""
