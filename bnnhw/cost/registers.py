"""The flip-flops of each kind of block, counted from its shape: named numbers as in `terms`.

Nearly all of them are registers that the hardware declares, so that their coefficients are close
to 1; fitting them makes good for what synthesis shares or takes away.
"""

from collections.abc import Callable, Mapping
from typing import Any

from ..bits import bits_for
from ..fold.array import core_clocks
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
from ..plan.units import IntMvtuPlan, MvtuPlan, UnitPlan
from .converters import gearbox_units
from .hard import LinkPlan, Memory, distinct, fused, kept, lines_of, memories, place_of, row_bits
from .unit_terms import Terms, array_terms, staged

__all__ = ["registers_of"]

_SHIFTED = 4


def registers_of(block: Block, family: str) -> Terms:
    """Give what the flip-flops of a block are, by named numbers.

    Parameters
    ----------
    block : Block
    family : str
        Memories lie in registers, or behind some, by family.
    """
    for kind in type(block).__mro__:
        if kind in _REGISTERS:
            found = _REGISTERS[kind](block)
            break
    else:
        found = {}
    if not isinstance(block, UnitPlan):
        behind = sum(_behind(memory, family) for memory in memories(block, family))
        found["stored"] = found.get("stored", 0) + behind
    else:
        found |= _unit_stored(block, family)
    return {name: value for name, value in found.items() if value}


def _count(*sizes: int) -> int:
    """Give the flip-flops of counters of so many values; one of a single value has none."""
    return sum((size - 1).bit_length() for size in sizes)


def _behind(memory: Memory, family: str) -> float:
    """Count what stands behind a memory, and for one that is streamed, in front of it."""
    place = place_of(memory, family)
    if place == "none":
        return 0
    if place in ("block", "spram"):
        found: float = 0
        # A block RAM that is streamed has the word on offer in registers, and what tells of it.
        return found + (memory.width + _count(memory.depth) + 3 if memory.rows else 0)
    if place == "lut":
        found = distinct(memory.width, memory.depth)
    elif place == "distributed":
        found = memory.width
    else:
        found = memory.width * (memory.depth + 1)
    return found + (_count(memory.depth) + 1 if memory.rows else 0)


def _guard(block: GuardPlan) -> Terms:
    return {"one": 10, "counts": _count(block.words_in)}


def _converter(block: ConverterPlan) -> Terms:
    wide, narrow, bits = block.lanes_out, block.lanes_in, block.bits_in
    if wide == narrow:
        return {"counts": _count(block.words_in)}
    if wide % narrow and narrow % wide:
        phases, units = gearbox_units(block)
        return {
            "counts": _count(phases, ceil_div(block.words_in, phases), block.words_out),
            "held": units * bits,
            "one": 1,
        }
    words, group = (
        (block.words_in, wide // narrow) if wide > narrow else (block.words_out, narrow // wide)
    )
    slots = min(group, words)
    counts = _count(slots, ceil_div(words, group))
    if wide > narrow:
        return {"counts": counts, "held": slots * narrow * bits, "one": 2}
    return {"counts": counts, "held": narrow * bits, "one": 1}


def _window(block: WindowPlan) -> Terms:
    shape = block.shape
    span = max((shape.depth + shape.retreat - 1).bit_length(), shape.furthest.bit_length()) + 1
    return {
        "counts": _count(*shape.trips.values()),
        "span": 2 * span + _count(shape.depth),
        "one": 2 + (shape.start != 0) + any(block.padding),
    }


def _parallel(block: ParallelWindowPlan) -> Terms:
    width = block.channels * block.bits_in
    shape = block.shape
    down, across = block.tracks
    older, depth = lines_of(block), block.dilation[0] * across.steps
    # Taps that are padding in some windows and not in others, and the columns that are ever read.
    columns = [shape.inside_columns(tap) for tap in range(block.kernel[1])]
    rows = [shape.inside_rows(tap) for tap in range(block.kernel[0])]
    flags = sum(
        0 < len(inside) < count
        for insides, count in ((rows, down.count), (columns, across.count))
        for inside in insides
    )
    # Whether a pixel enters in a step of an axis, and whether it completes the first window.
    told = sum((one.size < one.steps) + (one.steps > 1) for one in (down, across))
    live = [tap for tap, inside in enumerate(columns) if inside]
    reach = (live[-1] - live[0]) * across.dilation + 1 if live else 0
    last = (down.count - 1) * down.stride
    shifted = older >= 1 and depth <= _SHIFTED
    return {
        "counts": _count(across.steps, down.steps, across.steps, last + 1, *block.stride),
        "held": (older + 1) * reach * width + (older * depth * width if shifted else 0),
        "one": 4 + flags + told + (2 * _count(depth) if older >= 1 and not shifted else 0),
    }


def _pool(block: PoolPlan) -> Terms:
    lanes = block.lanes_in
    folds = block.channels // lanes
    size = block.width + block.padding[1] + block.padding[3] - block.kernel[1]
    across = size // block.stride[1] + 1
    found: Terms = {
        "counts": _count(folds, block.width, block.height, *block.stride),
        "held": lanes * row_bits(block),
        "one": 5,
    }
    for axis, words, bits in ((1, folds, row_bits(block)), (0, across * folds, block.bits_out)):
        width = kept(block, axis) * lanes * bits
        if words <= _SHIFTED:
            found["held"] += width * words
        elif width:
            found["counts"] += _count(words)
    return found


def _searched(lanes: int, bits: int, levels: int, folds: int) -> float:
    """Count the pipeline of a search: counts and codes go along, a bit of code more each step."""
    stages = levels.bit_length()
    found = 0.0
    for stage in range(1, stages):
        found += 2 + lanes * (bits + (stage if stage > 1 else 0))
        found += lanes * _count(folds << stage) + (_count(folds) if stage > 1 else 0)
    return found + lanes * stages + 2


def _threshold(block: ThresholdPlan) -> Terms:
    folds, lanes = len(block.flips), block.lanes_in
    if block.search:
        found = _searched(lanes, block.bits_in, block.levels, folds)
        return {"held": found, "one": 1, "counts": 2 * _count(folds)}
    word = lanes * block.bits_out + 1
    # The highest bit of a threshold is set where no count reaches it, which is rare.
    return {"held": 2 * word, "one": 2, "stored": -lanes * block.levels if folds > 8 else 0}


def _affine(block: AffinePlan) -> Terms:
    lanes, folds = block.lanes_in, len(block.offsets)
    varies = len(set(block.multipliers)) > 1
    moves = len(set(block.offsets)) > 1
    product = block.bits_in + block.multiplier_bits
    each = block.bits_in + product + (block.multiplier_bits if varies else 0)
    delayed = 2 * distinct(lanes * block.offset_bits, folds) if moves else 0
    return {
        "product": lanes * each,
        "delayed": delayed,
        "held": lanes * block.bits_out,
        "one": 6,
    }


def _argmax(block: ArgmaxPlan) -> Terms:
    bits, classes = block.bits_in, block.elements_in
    index = bits_for(classes)
    numbers = max(1, max(block.offsets)).bit_length()
    factor = max(abs(number) for number in block.multipliers).bit_length() + 1
    scales = len(set(block.multipliers)) > 1
    score = max(bits + (factor if scales else 0), numbers) + 1
    if block.latency > 1:
        carried = index + bits + 2
        return {"index": 2 * index + bits, "score": 3 * score, "carried": 2 * carried, "one": 2}
    moves = len(set(block.offsets)) > 1
    return {"index": 2 * index, "score": bits + (score if moves else bits), "one": 2}


def _top_k(block: TopKPlan) -> Terms:
    bits, index, entries = block.bits_in, bits_for(block.elements_in), block.elements_out
    plain = len(set(block.multipliers)) == 1 and len(set(block.offsets)) == 1
    score = max(bits, max(1, max(block.offsets)).bit_length()) + 1
    held = entries * (2 * (bits + index) + (0 if plain else score))
    return {"held": held, "one": index + _count(entries + 1)}


def _add(block: AddPlan) -> Terms:
    return {"held": block.lanes_in * block.bits_out, "one": 2}


def _concat(block: ConcatPlan) -> Terms:
    return {
        "counts": _count(max(block.words), len(block.bits), block.pixels),
        "held": block.lanes_in * block.bits_out,
        "one": 2,
    }


def _slice(block: SlicePlan) -> Terms:
    return {"counts": _count(block.folds, block.pixels)}


def _permute(block: PermutePlan) -> Terms:
    if not block.latency:
        return {}
    return {"counts": _count(len(block.order)), "one": 8}


def _link(block: LinkPlan) -> Terms:
    return {
        "one": 180,
        "request": 3 * bits_for(block.request),
        "answer": 2 * bits_for(block.answer),
        "code": block.code,
        "loads": 90 * block.loads,
    }


def _fork(block: ForkPlan) -> Terms:
    return {"copies": block.copies}


def _queue(block: QueuePlan) -> Terms:
    width = block.lanes_in * block.bits_in + 1
    return _queued(width, block.depth)


def _queued(width: int, depth: int) -> Terms:
    if depth <= 2:
        return {"queue": depth * (width + 1)}
    return {"queue": _count(depth) + 2 * _count(depth - 1) + 1}


def _mvtu(block: MvtuPlan) -> Terms:
    if block.words is not None:
        return {"one": 1, **array_terms(block)}
    rows, group = block.pe, block.simd * block.bits_in
    counted = bits_for(block.simd * ((1 << block.bits_in) - 1) + 1) + block.masked
    again = block.neuron_folds > 1
    folds = block.groups * block.neuron_folds * block.synapse_folds
    found: Terms = {
        "one": 10,
        "tags": 4 * core_clocks(block.simd, block.every),
        "counts": _count(block.synapse_folds, block.vectors, folds),
        "group": group,
        "straight": 0 if again else group,
        "again": (12 + 2 * _count(block.synapse_folds, block.neuron_folds)) * again,
        "counted": rows * counted,
        "staged": rows * block.bits_in * staged(block.simd, block.every),
        "totals": rows * block.count_bits,
        "fused": rows * fused(block),
        "chunks": ceil_div(rows * block.simd, 16) if block.weight_style in WRITABLE else 0,
        "pairs": rows * group if block.bits_in == 1 else 0,
        "planes": rows * group if block.bits_in > 1 else 0,
    }
    found |= _queued(rows * block.bits_out + 1, block.depth)
    if block.hold > 1:
        # The words that are held, the next one but for its last part, and the other vectors' sums.
        width, sums = rows * block.simd, rows * (block.count_bits + 1)
        found["turns"] = width + sums + (block.hold - 1) * (ceil_div(width, block.hold) + sums)
    neuron = block.groups * block.neuron_folds
    if block.thresholds is not None and block.search:
        found["held"] = _searched(rows, block.count_bits, block.levels, neuron)
    elif block.thresholds is not None and not fused(block):
        found["held"] = 2 * (rows * block.bits_out + 1) + 2 + _count(neuron)
    elif block.offsets is not None:
        found["held"] = 2 * (rows * block.bits_out + 1) + 2 + _count(neuron)
    return found


def _int_mvtu(block: IntMvtuPlan) -> Terms:
    lanes = block.pe * block.simd
    product = block.weight_bits + block.bits_in
    sums = 0
    left = block.simd
    width = product
    while left > 1:
        left, width = ceil_div(left, 2), width + 1
        sums += left * width
    sums -= width if block.simd > 1 else 0
    fixed = block.groups * block.cycles == block.vectors
    again = block.neuron_folds > 1
    return {
        "one": 3,
        "tags": 4 * (1 + max(1, block.simd).bit_length()),
        "product": lanes * (product + block.bits_in),
        "factors": 0 if fixed else lanes * block.weight_bits,
        "sums": block.pe * sums,
        "held": block.pe * block.bits_out,
        "counts": _count(block.vectors) + 2 * _count(block.synapse_folds * block.neuron_folds),
        "again": (5 + 2 * _count(block.synapse_folds) + _count(block.neuron_folds)) * again,
    }


def _unit_stored(block: UnitPlan, family: str) -> Terms:
    """Count what stands behind the memories of a unit, that of the weights by itself."""
    found: Terms = {}
    for number, memory in enumerate(memories(block, family)):
        place = place_of(memory, family)
        if place == "none":
            continue
        name = "stored" if number or block.weight_style in WRITABLE else f"weights_{place}"
        behind: float = memory.width
        if place == "lut":
            behind = distinct(memory.width, memory.depth)
        elif place == "registers":
            behind = memory.width * (memory.depth + 1)
        elif name == "stored" and place in ("block", "spram"):
            behind = 0
        found[name] = found.get(name, 0) + behind
    return found


def _none(_block: Block) -> Terms:
    return {}


_REGISTERS: Mapping[type[Block], Callable[[Any], Terms]] = {
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
    LinkPlan: _link,
    TernaryPlan: _none,
    ForkPlan: _fork,
    QueuePlan: _queue,
    MvtuPlan: _mvtu,
    IntMvtuPlan: _int_mvtu,
}
"""What the registers of each kind of block are, its memories not included."""
