"""Blocks to be measured: of every kind some, drawn at random from what networks are made of."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

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

from .cost_units import NAMED, Dice, held_mvtu, int_mvtu, mvtu, wide_mvtu

__all__ = ["KINDS", "draw"]

_ALIKE = 4


def draw(kind: str, seed: int, family: str) -> Block:
    """Draw a block of a kind, with the registers that a build for the family has."""
    # The first units of all kinds have the same shape, the others one of their own.
    alike = seed < _ALIKE or "mvtu" not in kind
    block: Block = KINDS[kind](Dice(seed if alike else [seed, *kind.encode()]))
    if isinstance(block, MvtuPlan):
        fold = LayerFold(block.pe, block.simd)
        every = Folding({"layer": fold}).on_family(family).layers["layer"].every
        block = replace(block, every=every)
        if family == "ice40":
            # The solver shares words and takes LUT RAM on ECP5 alone.
            block = replace(block, hold=1, replay="auto")
    return block


def _same(elements: int, bits: int, lanes: int) -> dict[str, Any]:
    """Give what a block has on both sides."""
    return {
        **NAMED, "elements_in": elements, "bits_in": bits, "lanes_in": lanes,
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
    shift = 0
    out = max(wide + bits, offset) + 1
    if clip:
        # Results go from below 0 to above 255, or all of it would be constants.
        shift, out = max(1, wide + bits - 9), 8
        offset = shift + 9
    offsets = tuple(
        sum(dice.bits(offset - 1) << lane * offset for lane in range(lanes)) for _ in range(folds)
    )
    return AffinePlan(
        **_same(lanes * folds * dice.within(1, 100), bits, lanes) | {"bits_out": out},
        multipliers=dice.words(folds, lanes * wide), offsets=offsets,
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
    "mvtu": mvtu,
    "mvtu_counts": lambda dice: mvtu(dice, "counts"),
    "mvtu_search": lambda dice: mvtu(dice, "search"),
    "mvtu_loaded": lambda dice: mvtu(dice, "loaded"),
    "mvtu_wide": wide_mvtu,
    "mvtu_held": held_mvtu,
    "intmvtu": lambda dice: int_mvtu(dice, "dsp"),
    "ternary": _ternary,
    "mask": _mask,
    "link": _link,
    "intmvtu_mac16": lambda dice: int_mvtu(dice, "mac16"),
    "intmvtu_lut": lambda dice: int_mvtu(dice, "lut"),
}
"""By the kind that is drawn; some kinds of the model have several."""
