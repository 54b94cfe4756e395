"""What the cells of each kind of block grow with, as named numbers."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from ..bits import bits_for
from ..plan.blocks import (
    AffinePlan,
    ArgmaxPlan,
    Block,
    ConverterPlan,
    GuardPlan,
    PoolPlan,
    ThresholdPlan,
    TopKPlan,
    WindowPlan,
)
from ..plan.joints import AddPlan, ConcatPlan, ForkPlan, PermutePlan, QueuePlan, SlicePlan
from ..plan.parallel import ParallelWindowPlan, TernaryPlan
from ..plan.units import IntMvtuPlan, MvtuPlan
from .hard import (
    LinkPlan,
    kept,
    lines_of,
    memories,
    place_of,
    rom_cells,
    row_bits,
)
from .unit_terms import Terms, array_terms, counters, int_array_terms, levels_terms

__all__ = ["kind_of", "terms_of"]


def kind_of(block: Block) -> str:
    """Name the kind of structure that is built for a block."""
    if isinstance(block, ConverterPlan):
        wide, narrow = block.lanes_out, block.lanes_in
        if wide == narrow:
            return "mask"
        if wide % narrow == 0:
            return "collector"
        return "shifter" if narrow % wide == 0 else "gearbox"
    if isinstance(block, PoolPlan):
        return f"{block.operation}pool"
    if isinstance(block, ArgmaxPlan) and not isinstance(block, TopKPlan):
        return "argmax" if block.latency == 1 else "argmax_scaled"
    if isinstance(block, MvtuPlan) and block.weight_style == "unrolled":
        return "unrolled"
    if isinstance(block, ThresholdPlan) and block.search:
        return "threshold_search"
    return block.kind


def terms_of(block: Block, family: str) -> Terms:
    """Give what the cells of a block grow with; `kind_of` says in whose table to look."""
    found: Terms = {"one": 1}
    for kind in type(block).__mro__:
        if kind in _TERMS:
            found |= _TERMS[kind](block)
            break
    return found | _stored(block, family)


def _stored(block: Block, family: str) -> Terms:
    """Give the terms of memories: by where they lie, and of their addresses."""
    found = {
        "rom": 0.0,
        "distributed": 0.0,
        "registers": 0.0,
        "address": 0.0,
        "memories": 0.0,
        "places": 0.0,
    }
    for memory in memories(block, family):
        place = place_of(memory, family)
        if place == "none":
            continue
        found["address"] += bits_for(memory.depth)
        found["memories"] += 1
        if place == "lut":
            found["rom"] += rom_cells(memory.width, memory.depth)
        elif place == "distributed":
            found["distributed"] += math.ceil(memory.width / 4) * math.ceil(memory.depth / 16)
        elif place == "registers":
            found["registers"] += memory.width * memory.depth
            found["places"] += memory.depth
    return {name: value for name, value in found.items() if value}


def _guard(block: GuardPlan) -> Terms:
    tail = block.elements_in - (block.words_in - 1) * block.lanes_in
    return {
        **counters(block.words_in),
        "lines": tail * block.bits_in,
        "cleared": (block.lanes_in - tail) * block.bits_in,
    }


def _converter(block: ConverterPlan) -> Terms:
    wide, narrow, bits = block.lanes_out, block.lanes_in, block.bits_in
    finer, common = min(wide, narrow), math.gcd(wide, narrow)
    group, words = max(wide, narrow) // finer, max(block.words_in, block.words_out)
    tail = block.elements_in % finer if common == finer else 0
    cleared = {"cleared": (finer - tail if tail else 0) * bits}
    if wide == narrow:
        return counters(words) | cleared
    if common == finer:
        places = counters(min(group, words), -(-words // group))
        if wide > narrow:
            slots = min(group, block.words_in)
            return {
                **places,
                **cleared,
                "lines": slots * narrow * bits,
                "slots": slots,
                "input": narrow * bits,
            }
        return {**places, **cleared, "lines": (narrow - wide) * bits, "output": wide * bits}
    a, b = narrow // common, wide // common
    offsets = min(b, block.words_in)
    unit = common * bits
    return {
        **counters(offsets, -(-block.words_in // b), block.words_out),
        "input": narrow * bits,
        "output": wide * bits,
        "fine": narrow * bits * bits_for(min(a, offsets)) if a > 1 else 0,
        "coarse": (a + b) * unit,
        "steps": (a + b) * unit * max(1, math.ceil(b / a)),
        "phases": offsets,
    }


def _window(block: WindowPlan) -> Terms:
    folds = block.channels // block.lanes_in // block.groups
    width = block.lanes_in * block.bits_in
    shape = block.shape
    span = max((shape.depth + shape.retreat - 1).bit_length(), shape.furthest.bit_length()) + 1
    sides = [
        inside
        for taps, windows, rows in (
            (block.kernel[0], shape.out_height, shape.inside_rows),
            (block.kernel[1], shape.out_width, shape.inside_columns),
        )
        for tap in range(taps)
        for inside in (rows(tap).start > 0, rows(tap).stop < windows)
    ]
    trips = shape.trips.values()
    return {
        **counters(*trips),
        "loops": sum(trip > 1 for trip in trips),
        "span": span,
        "head": bits_for(shape.depth),
        "wraps": 1 if shape.depth & (shape.depth - 1) else 0,
        "padded": width if any(block.padding) else 0,
        "sides": sum(sides),
        "lines": width,
        "folded": 1 if folds > 1 else 0,
    }


def _parallel(block: ParallelWindowPlan) -> Terms:
    width = block.channels * block.bits_in
    down, across = block.kernel
    axes = [track.steps for track in block.tracks]
    return {
        **counters(*axes, *axes, *block.stride),
        "reach": ((across - 1) * block.dilation[1] + 1) * down * width,
        "padded": down * across * width if any(block.padding) else 0,
        "sides": down + across if any(block.padding) else 0,
        "lines": width * lines_of(block),
    }


def _pool(block: PoolPlan) -> Terms:
    lanes, bits = block.lanes_in, block.bits_out
    folds = block.channels // lanes
    row, rows = kept(block, 1) * lanes * row_bits(block), kept(block, 0) * lanes * bits
    fresh = lanes * block.bits_in
    across = (block.width - block.kernel[1]) // block.stride[1] + 1
    own = counters(folds, block.width, block.height, *block.stride)
    compared = block.operation == "sum" or block.bits_in > 1
    return {
        **own,
        "lines": fresh,
        "beyond": fresh if block.cycles > block.words_in else 0,
        "row": row,
        "rows": rows,
        "joined": row + rows if compared else 0,
        "joints": (kept(block, 1) + kept(block, 0)) * lanes if compared else 0,
        "shifted": sum(
            width * words for width, words in ((row, folds), (rows, across * folds)) if words <= 4
        ),
    }


def _threshold(block: ThresholdPlan) -> Terms:
    folds, bits = len(block.flips), block.bits_in
    terms = levels_terms(block.lanes_in, bits + 1, block.levels, folds, block.search)
    flipped = len(set(block.flips)) > 1
    return terms | {"flipped": block.lanes_in * bits if flipped else 0}


def _affine(block: AffinePlan) -> Terms:
    lanes, folds = block.lanes_in, len(block.offsets)
    result = max(block.multiplier_bits + block.bits_in, block.offset_bits) + 1
    return {
        "lanes": lanes,
        "added": lanes * result,
        "clipped": lanes * block.bits_out if block.clip else 0,
        "compared": lanes * (result - block.shift) if block.clip else 0,
        "multiplied": lanes * block.bits_in * block.multiplier_bits if folds > 1 else 0,
        "scaled": lanes * block.bits_in * block.multiplier_bits if folds == 1 else 0,
        "delayed": lanes * block.offset_bits if folds > 1 else 0,
    }


def _argmax(block: ArgmaxPlan) -> Terms:
    bits, classes = block.bits_in, block.elements_in
    numbers = max(1, max(block.offsets)).bit_length()
    factor = max(abs(number) for number in block.multipliers).bit_length() + 1
    scales = len(set(block.multipliers)) > 1
    moves = len(set(block.offsets)) > 1 or scales
    return {
        **counters(classes),
        "input": bits,
        "index": bits_for(classes),
        "score": max(bits + (factor if scales else 0), numbers) + 1,
        "moved": max(bits, numbers) if moves else 0,
        "chosen": rom_cells(numbers, classes) if moves else 0,
        "factors": rom_cells(factor, classes) if scales else 0,
        "product": bits * factor if scales else 0,
    }


def _top_k(block: TopKPlan) -> Terms:
    terms = _argmax(block)
    return terms | {"held": block.elements_out * (terms["score"] + terms["index"] + block.bits_in)}


def _add(block: AddPlan) -> Terms:
    lanes, bits = block.lanes_in, sorted(block.bits)
    digits = [bin(factor ^ (3 * factor)).count("1") for factor in block.factors]
    more = sum(digits) - len(digits)
    single = block.bits_out <= 2
    return {
        "lines": lanes * block.bits_out,
        "added": 0 if single else lanes * (sum(bits[1:]) + more * bits[-1]),
        "adders": 0 if single else lanes * (sum(digits) - 1),
        "inputs": len(bits),
    }


def _concat(block: ConcatPlan) -> Terms:
    lanes = block.lanes_in
    moved = any(block.offsets)
    digits = [bin(factor ^ (3 * factor)).count("1") - 1 for factor in set(block.factors)]
    return {
        **counters(max(block.words), block.pixels),
        "inputs": len(block.bits),
        "input": lanes * sum(block.bits),
        "chosen": lanes * (sum(block.bits) - max(block.bits)),
        "lines": lanes * block.bits_out,
        "moved": lanes * block.bits_out if moved else 0,
        "adders": lanes * (moved + sum(digits)),
    }


def _slice(block: SlicePlan) -> Terms:
    return {
        **counters(block.folds, block.pixels),
        "edges": (block.start > 0) + (block.stop < block.folds),
        "fold": bits_for(block.folds),
    }


def _permute(block: PermutePlan) -> Terms:
    if not block.latency:
        return {"wires": 1, "one": 0}
    return counters(len(block.order)) | {"lines": block.bits_in}


def _link(block: LinkPlan) -> Terms:
    return {
        "request": bits_for(block.request),
        "answer": bits_for(block.answer),
        "code": block.code,
        "loads": block.loads,
    }


def _ternary(block: TernaryPlan) -> Terms:
    # Wires: the code of a masked tap is its mask.
    return {"one": 0}


def _fork(block: ForkPlan) -> Terms:
    return {"copies": block.copies, "others": block.copies - 1}


def _queue(block: QueuePlan) -> Terms:
    width = block.lanes_in * block.bits_in + 1
    depth = min(block.depth, 3)
    found: Terms = {f"depth_{depth}": 1, f"width_{depth}": width, "one": 0}
    return found | counters(block.depth, block.depth, block.depth) if depth > 2 else found


_TERMS: Mapping[type[Block], Callable[[Any], Terms]] = {
    GuardPlan: _guard,
    ConverterPlan: _converter,
    ParallelWindowPlan: _parallel,
    WindowPlan: _window,
    PoolPlan: _pool,
    ThresholdPlan: _threshold,
    AffinePlan: _affine,
    TopKPlan: _top_k,
    ArgmaxPlan: _argmax,
    AddPlan: _add,
    ConcatPlan: _concat,
    SlicePlan: _slice,
    PermutePlan: _permute,
    ForkPlan: _fork,
    TernaryPlan: _ternary,
    LinkPlan: _link,
    QueuePlan: _queue,
    MvtuPlan: array_terms,
    IntMvtuPlan: int_array_terms,
}
