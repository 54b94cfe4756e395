"""The memories of a block, where they come to lie, and the multipliers that it takes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..fold.array import fuses
from ..fold.folding import WRITABLE
from ..fold.memory import BLOCK_FOLDS, SHAPES, block_rams, prefers_luts
from ..fold.multipliers import fits_mac16
from ..link.protocol import BLOCK_BYTES, CRC_BYTES, HEADER_BYTES
from ..plan.blocks import (
    AffinePlan,
    ArgmaxPlan,
    Block,
    PoolPlan,
    ThresholdPlan,
    WindowPlan,
    ceil_div,
)
from ..plan.joints import PermutePlan, QueuePlan
from ..plan.parallel import ParallelWindowPlan
from ..plan.units import IntMvtuPlan, MvtuPlan, UnitPlan

__all__ = ["LinkPlan", "Memory", "distinct", "lut_rams", "memories", "place_of", "rom_cells"]

CHUNK = 16
"""Bits of a memory that is loaded at run time."""
_FEW = 8
_SHIFTED = 4
_IN_LUTS = 64
_DEEP = 512
_HELLO = 64
# Bits of a ROM for each block RAM of iCE40 above which Yosys takes it.
_WORTH = 1024
_SPRAM_WORDS = 16_384
# LUT RAMs for each block RAM up to which Yosys takes them, on ECP5.
_LUT_RAMS = 16


@dataclass(frozen=True, kw_only=True)
class LinkPlan(Block):
    """The link to the host, which no plan holds.

    Parameters
    ----------
    request, answer : int
        Bytes of an image and of an answer.
    code : int
        Bytes of the longest word of an answer.
    loads : bool
        Weights are loaded at run time.
    """

    request: int
    answer: int
    code: int
    loads: bool = False


@dataclass(frozen=True)
class Memory:
    """A memory.

    Parameters
    ----------
    width, depth : int
        Bits of a word, and words.
    writes : bool
        It is written while it runs.
    style : str
        ``"auto"``, ``"lut"``, ``"block"`` or ``"spram"``.
    rows : bool
        It is streamed from its first word to its last, so that on ECP5 words may lie side by side.
    """

    width: int
    depth: int
    writes: bool = False
    style: str = "auto"
    rows: bool = False


def place_of(memory: Memory, family: str) -> str:
    """Tell where synthesis puts a memory.

    Returns
    -------
    str
        ``"none"`` (a constant), ``"lut"``, ``"registers"``, ``"distributed"`` (LUT RAM of ECP5),
        ``"block"`` or ``"spram"``.
    """
    if memory.depth == 1 and not memory.writes:
        return "none"
    if memory.style in ("block", "spram"):
        return memory.style
    if not memory.writes:
        if family == "ecp5":
            in_rows = memory.rows and not prefers_luts(memory.width, memory.depth)
            return "block" if in_rows else "lut"
        rams = block_rams(family, memory.width, memory.depth)
        return "block" if memory.width * memory.depth > _WORTH * rams else "lut"
    if memory.style == "lut":
        return "distributed" if family == "ecp5" else "registers"
    rams = block_rams(family, memory.width, memory.depth)
    bits = memory.width * memory.depth
    if family == "ice40":
        return "registers" if bits <= 64 * rams else "block"
    if memory.depth <= 32 or lut_rams(memory) <= _LUT_RAMS * rams:
        return "distributed"
    return "block"


def lut_rams(memory: Memory) -> int:
    """Count the LUT RAMs of ECP5 that hold a memory: 16 words of 4 bits each."""
    return ceil_div(memory.width, 4) * ceil_div(memory.depth, 16)


def distinct(width: int, depth: int) -> float:
    """Estimate how many columns of a ROM differ: synthesis keeps one of those that are alike."""
    if depth > 16:
        return width
    others = 2.0**depth - 2
    return min(width, others * (1 - (1 - 0.5**depth) ** width))


def rom_cells(width: int, depth: int) -> float:
    """Estimate the LUT4 of a ROM in cells: one for each column of 16 words that differs."""
    if depth <= 2:
        return 0
    if depth <= 16:
        return distinct(width, depth) * (0.5 if depth <= 4 else 1)
    return width * (ceil_div(depth, 16) + (ceil_div(depth, 16) - 1) * 0.55)


def memories(block: Block, family: str) -> tuple[Memory, ...]:
    """Give the memories of a block."""
    for kind in type(block).__mro__:
        if kind in _MEMORIES:
            return tuple(_MEMORIES[kind](block, family))
    return ()


def blocks_of(block: Block, family: str) -> tuple[int, int]:
    """Count the block RAMs and the large RAMs of a block."""
    found = large = 0
    for memory in memories(block, family):
        place = place_of(memory, family)
        if place == "block":
            found += _rams(memory, family)
        elif place == "spram":
            large += ceil_div(memory.width, CHUNK) * ceil_div(memory.depth, _SPRAM_WORDS)
    return found, large


def _rams(memory: Memory, family: str) -> int:
    """Count the block RAMs of a memory."""
    if family == "ecp5" and memory.rows:
        side = side_of(memory)
        deep = [width for depth, width in SHAPES[family] if depth * side >= memory.depth]
        if deep:
            return min(ceil_div(side * memory.width, width) for width in deep)
    return block_rams(family, memory.width, memory.depth)


def side_of(memory: Memory) -> int:
    """Count the words in a row of a memory that is streamed, on ECP5.

    One, if no RAM then needs a neighbour to be deep enough, or if that takes no more.
    """
    ways = []
    for depth, width in SHAPES["ecp5"]:
        side = next(
            (k for k in range(1, 65) if memory.depth % k == 0 and memory.depth <= depth * k), None
        )
        if side is not None:
            rams = ceil_div(side * memory.width, width)
            ways.append((200 * rams + (side * memory.width if side > 1 else 0), side))
    return min(ways)[1] if ways else 1


def multipliers(block: Block, family: str, *, dsp: bool = False) -> int:
    """Count the multipliers that a block takes, on iCE40 only of a device that has some (`dsp`)."""
    if family != "ecp5":
        return _mac16s(block) if dsp else 0
    if isinstance(block, IntMvtuPlan) and block.multiplier == "dsp":
        return block.pe * block.simd
    if isinstance(block, AffinePlan):
        return block.lanes_in
    if isinstance(block, ArgmaxPlan):
        return int(block.latency > 1 and len(set(block.multipliers)) > 1)
    return 0


def _mac16s(block: Block) -> int:
    """Count the SB_MAC16, which take none of the products that an `Argmax` has no registers for."""
    if isinstance(block, IntMvtuPlan) and block.multiplier == "dsp":
        return block.pe * block.simd * fits_mac16(block.weight_bits, block.bits_in)
    if isinstance(block, AffinePlan) and len(set(block.multipliers)) > 1:
        return block.lanes_in * fits_mac16(block.multiplier_bits, block.bits_in)
    return 0


def _window(block: WindowPlan, family: str) -> list[Memory]:
    return [Memory(block.lanes_in * block.bits_in, block.shape.depth, writes=True)]


def lines_of(block: ParallelWindowPlan) -> int:
    """Count the lines that a whole window keeps, the newest not included."""
    shape = block.shape
    live = [ky for ky in range(block.kernel[0]) if shape.inside_rows(ky)]
    return len(live) - 1


def _parallel(block: ParallelWindowPlan, family: str) -> list[Memory]:
    older, depth = lines_of(block), block.dilation[0] * block.tracks[1].steps
    if older < 1 or depth <= _SHIFTED:
        return []
    return [Memory(older * block.channels * block.bits_in, depth, writes=True)]


def kept(block: PoolPlan, axis: int) -> int:
    """Count the windows of a pool that stay open along an axis from one step to the next."""
    return ceil_div(block.kernel[axis] - 1, block.stride[axis])


def row_bits(block: PoolPlan) -> int:
    """Width of a result along a row."""
    if block.operation == "max":
        return block.bits_in
    return max(1, ((block.levels - 1) * block.kernel[1]).bit_length())


def _pool(block: PoolPlan, family: str) -> list[Memory]:
    folds = block.channels // block.lanes_in
    across = block.words_out // folds
    size = block.width + block.padding[1] + block.padding[3] - block.kernel[1]
    across = size // block.stride[1] + 1
    found = []
    for axis, words, bits in ((1, folds, row_bits(block)), (0, across * folds, block.bits_out)):
        if kept(block, axis) and words > _SHIFTED:
            found.append(Memory(kept(block, axis) * block.lanes_in * bits, words, writes=True))
    return found


def _threshold(block: ThresholdPlan, family: str) -> list[Memory]:
    folds = len(block.flips)
    bits = block.bits_in + 1
    if block.search:
        found = _searched(block.lanes_in, bits, block.levels, folds)
        alike = len(set(block.flips)) == 1
        return [*found, Memory(block.lanes_in, 1 if alike else folds, rows=True)]
    return [Memory(block.lanes_in * (block.levels * bits + 1), folds, rows=True)]


def _searched(lanes: int, bits: int, levels: int, folds: int) -> list[Memory]:
    style = "block" if folds >= BLOCK_FOLDS else "auto"
    found = [Memory(lanes * bits, folds, style=style, rows=True)]
    for stage in range(1, levels.bit_length()):
        found += [Memory(bits, folds << stage, style=style)] * lanes
    return found


def _unit(block: UnitPlan, family: str) -> list[Memory]:
    if block.weight_style == "unrolled":
        return []
    folds = block.groups * block.neuron_folds
    depth = folds * block.synapse_folds * block.lot
    width = ceil_div(block.pe * block.simd * block.weight_bits, block.lot)
    found = _stored(block, width, depth, small=False)
    masked = isinstance(block, MvtuPlan) and block.masked
    if block.neuron_folds > 1 or block.lot > 1:
        found.append(_replay(block, block.simd * block.bits_in + masked, family))
    if isinstance(block, MvtuPlan) and block.depth > 2:
        found.append(Memory(block.pe * block.bits_out + 1, block.depth - 1, writes=True))
    if isinstance(block, MvtuPlan) and block.thresholds is not None:
        if block.search:
            folds *= block.lot
            return found + _searched(block.pe, block.threshold_bits, block.levels, folds)
        if fused(block):
            return found + _stored(block, block.pe * (block.count_bits + 1), folds, small=True)
        width = block.pe * block.levels * block.threshold_bits
        return found + _stored(block, width, folds * block.lot, small=True)
    if block.offsets is not None:
        folds *= block.lot
        return found + _stored(block, block.pe * block.bits_out, folds, small=True)
    return found


def fused(block: MvtuPlan) -> bool:
    """Tell whether sums start at minus their one threshold."""
    return block.thresholds is not None and fuses(
        levels=block.levels, search=block.search, weight_style=block.weight_style
    )


def _stored(block: UnitPlan, width: int, depth: int, *, small: bool) -> list[Memory]:
    """Give the memory of weights, or a small one of thresholds or offsets."""
    style = block.weight_style
    if style not in WRITABLE:
        return [Memory(width, depth, style="auto" if small else style, rows=True)]
    kind = "block" if small or style == "ram" else "spram"
    kind = "auto" if depth <= _FEW else kind
    return [
        Memory(min(CHUNK, width - low), depth, writes=True, style=kind)
        for low in range(0, width, CHUNK)
    ]


def _replay(block: UnitPlan, width: int, family: str) -> Memory:
    depth = 2 << max(1, (block.synapse_folds * block.lot - 1).bit_length())
    if family == "ice40" or not isinstance(block, MvtuPlan):
        style = "lut" if family == "ecp5" and depth <= _IN_LUTS else "auto"
        return Memory(width, depth, writes=True, style=style)
    if block.replay == "lut":
        return Memory(width, depth, writes=True, style="lut")
    # It has a block RAM's output register, unless words are masked.
    style = "block" if not block.masked and depth <= _DEEP else "auto"
    return Memory(width, depth, writes=True, style="lut" if depth <= 64 and block.masked else style)


def _affine(block: AffinePlan, family: str) -> list[Memory]:
    found = []
    for words, bits in (
        (block.multipliers, block.multiplier_bits),
        (block.offsets, block.offset_bits),
    ):
        alike = len(set(words)) == 1
        found.append(Memory(block.lanes_in * bits, 1 if alike else len(words), rows=True))
    return found


def _link(block: LinkPlan, family: str) -> list[Memory]:
    stride = 1 << (block.request - 1).bit_length()
    places = max(1, min(8, 2048 // stride))
    longest = max(block.answer, _HELLO) + HEADER_BYTES + CRC_BYTES
    encoded = longest + 2 + (longest - 1) // 254
    found = [
        Memory(8, places * stride, writes=True),
        Memory(8, 1 << (encoded - 1).bit_length(), writes=True),
        # The text of the HELLO_REPLY, and as much again for numbers of requests.
        Memory(8, 2 * _HELLO, writes=True, style="block"),
    ]
    return [*found, Memory(8, BLOCK_BYTES, writes=True)] if block.loads else found


def _permute(block: PermutePlan, family: str) -> list[Memory]:
    if not block.latency:
        return []
    channels = len(block.order)
    span = (channels - 1).bit_length()
    return [Memory(block.bits_in, 2 << span, writes=True), Memory(span + 1, channels, rows=True)]


def _queue(block: QueuePlan, family: str) -> list[Memory]:
    if block.depth <= 2:
        return []
    return [Memory(block.lanes_in * block.bits_in + 1, block.depth - 1, writes=True)]


_MEMORIES: Mapping[type[Block], Callable[[Any, str], list[Memory]]] = {
    ParallelWindowPlan: _parallel,
    WindowPlan: _window,
    PoolPlan: _pool,
    ThresholdPlan: _threshold,
    UnitPlan: _unit,
    AffinePlan: _affine,
    LinkPlan: _link,
    PermutePlan: _permute,
    QueuePlan: _queue,
}
