"""What the cells of each kind of block grow with, as named numbers."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from ..bits import bits_for
from ..fold.folding import WRITABLE
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
    ceil_div,
)
from ..plan.joints import AddPlan, ConcatPlan, ForkPlan, PermutePlan, QueuePlan, SlicePlan
from ..plan.parallel import ParallelWindowPlan, TernaryPlan
from ..plan.units import IntMvtuPlan, MvtuPlan
from .converters import gearbox_terms
from .hard import (
    LinkPlan,
    kept,
    lines_of,
    lut_rams,
    memories,
    place_of,
    rom_cells,
    row_bits,
)
from .unit_terms import Terms, array_terms, counters, even, int_array_terms, levels_terms

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
    if isinstance(block, MvtuPlan) and block.weight_style in WRITABLE:
        return "mvtu_loaded"
    if isinstance(block, MvtuPlan) and block.search:
        return "mvtu_search"
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
            found["distributed"] += lut_rams(memory)
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
    return gearbox_terms(block)


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
    tracks = block.tracks
    axes = [track.steps for track in tracks]
    shape = block.shape
    insides = (
        [shape.inside_rows(tap) for tap in range(down)],
        [shape.inside_columns(tap) for tap in range(across)],
    )
    compares = compared = 0
    for at, (track, inside) in enumerate(zip(tracks, insides, strict=True)):
        sides = sum((ok.start > 0) + (ok.stop < track.count) for ok in inside if ok)
        sides += (track.lead > 0) + (track.lead + track.size < track.steps)
        sides += at == 1 and (track.count - 1) * track.stride + 1 < track.steps
        compares += sides
        compared += sides * bits_for(track.steps)
    masked = sum(
        0 < len(ok) < track.count for track, own in zip(tracks, insides, strict=True) for ok in own
    )
    return {
        **counters(*axes, *axes, *block.stride),
        "reach": ((across - 1) * block.dilation[1] + 1) * down * width,
        "padded": down * across * width if any(block.padding) else 0,
        "taps": down * across if masked else 0,
        "compares": compares,
        "compared": compared,
        "lines": width * lines_of(block),
    }


def _pool(block: PoolPlan) -> Terms:
    lanes, bits = block.lanes_in, block.bits_out
    folds = block.channels // lanes
    row, rows = kept(block, 1) * lanes * row_bits(block), kept(block, 0) * lanes * bits
    fresh = lanes * block.bits_in
    across = (block.width - block.kernel[1]) // block.stride[1] + 1
    own = counters(folds, block.width, block.height, *block.stride)
    ends = bits = 0
    for axis, size in enumerate((block.height, block.width)):
        kernel, stride, before = block.kernel[axis], block.stride[axis], block.padding[axis]
        count = (size + before + block.padding[axis + 2] - kernel) // stride + 1
        last = kernel - 1 - before + (count - 1) * stride
        steps = max(size, last + 1)
        own_ends = (kernel - 1 - before >= stride) + (last + stride < steps)
        ends, bits = ends + own_ends, bits + own_ends * bits_for(steps)
    return {
        **own,
        "compares": ends,
        "compared": bits,
        "lines": fresh,
        "beyond": fresh if block.cycles > block.words_in else 0,
        "row": row,
        "rows": rows,
        **_joined(block, lanes),
        "shifted": sum(
            width * words for width, words in ((row, folds), (rows, across * folds)) if words <= 4
        ),
    }


def _joined(block: PoolPlan, lanes: int) -> Terms:
    """Give what joins a code with the open windows: lookup tables if it is short, or chains."""
    found: Terms = {"small": 0, "joined": 0, "joints": 0}
    if block.operation == "max" and block.bits_in == 1:
        return found
    for axis, bits in ((1, row_bits(block)), (0, block.bits_out)):
        joints = kept(block, axis) * lanes
        if bits <= 4:
            found["small"] += joints * bits
        else:
            found["joined"] += joints * even(bits)
            found["joints"] += joints
    return found


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
    entries, shown = block.elements_out, block.bits_in + bits_for(block.elements_in)
    plain = not terms["moved"]
    score = block.bits_in if plain else terms["score"]
    return terms | {
        "ranked": entries * (shown + (0 if plain else score)),
        "shown": entries * shown,
        "compares": entries,
        "compared": entries * score,
        "counted": entries * terms["index"],
    }


def _add(block: AddPlan) -> Terms:
    lanes = block.lanes_in
    widths = []
    for width, factor in zip(block.bits, block.factors, strict=True):
        # Digits +1, 0 and -1 of a factor, of which no two neighbours count.
        signs = factor ^ 3 * factor
        widths += [width + place - 1 for place in range(signs.bit_length()) if signs >> place & 1]
    widths.sort()
    # Sums of few bits are lookup tables, others carry chains; further numbers are compressed first.
    chained = block.bits_out > 4
    return {
        "lines": lanes * block.bits_out,
        "small": 0 if chained else lanes * block.bits_out,
        "added": lanes * 2 * ceil_div(block.bits_out - 1, 2) if chained else 0,
        "adders": lanes if chained else 0,
        "compressed": lanes * sum(widths[:-2]),
        "inputs": len(block.bits),
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
    edges = (block.start > 0) + (block.stop < block.folds)
    return {
        **counters(block.folds, block.pixels),
        "edges": edges,
        "compared": edges * bits_for(block.folds),
    }


def _permute(block: PermutePlan) -> Terms:
    if not block.latency:
        return {"wires": 1, "one": 0}
    return counters(len(block.order)) | {"lines": block.bits_in}


def _link(block: LinkPlan) -> Terms:
    return {
        "base": 1,
        "request": bits_for(block.request),
        "answer": bits_for(block.answer),
        "code": block.code,
        "loads": block.loads,
    }


def _ternary(block: TernaryPlan) -> Terms:
    # Wires: the code of a masked tap is its mask.
    return {"one": 0}


def _fork(block: ForkPlan) -> Terms:
    return {"others": block.copies - 1}


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
