"""What a folding takes: clocks, exactly; lookup tables and block RAMs, as an estimate."""

from dataclasses import dataclass
from functools import cache

from ..bits import bits_for
from ..errors import UsageError
from ..graph import Graph
from .folding import WRITABLE, Folding, LayerFold
from .layers import Layer, layers_of
from .memory import SHAPES, block_rams

__all__ = [
    "EBR_LINK",
    "LUT_LINK",
    "Estimate",
    "Option",
    "checked_family",
    "estimate",
    "layer_option",
    "option",
    "seam",
]

# A first model of what Yosys makes of the portable popcount tree, to be replaced by one that is
# fitted for each target. Whole cells, so that sums are exact and any two ways to add them agree.
_LUT_PER_TEN_PAIRS = {"ice40": 28, "ecp5": 29}
_LUT_PER_PE = 3
_LUT_PER_LAYER = 90
_LUT_PER_WINDOW = 200
LUT_LINK = 700
"""Cells of the host link."""
EBR_LINK = {"ice40": 4, "ecp5": 2}
"""Block RAMs of its buffers, at most."""


@dataclass(frozen=True)
class Estimate:
    """What a folding is thought to take.

    Parameters
    ----------
    lut4 : int
        Cells, host link included.
    ebr : int
        Block RAMs.
    cycles : int
        Clocks between two images: those of the slowest layer with weights, of the input or of the
        argmax. `Plan.cycles` is more where a block between layers is slower: one whose channels
        divide into too few lanes (a slice that begins at an odd channel has one), a concat, a pool
        whose windows end behind the image, or a window taken whole whose padding the kernel does
        not reach.
    """

    lut4: int
    ebr: int
    cycles: int


@dataclass(frozen=True)
class Option:
    """One way to fold one layer, and its price.

    Parameters
    ----------
    fold : LayerFold
    cycles : int
        Clocks a vector.
    lut4, ebr : int
        Cells and block RAMs.
    """

    fold: LayerFold
    cycles: int
    lut4: int
    ebr: int


def checked_family(family: str) -> str:
    """Return `family` if there is a model of it.

    Raises
    ------
    ValueError
        If there is none.
    """
    if family not in SHAPES:
        raise ValueError(f"Family must be one of {', '.join(SHAPES)}, not {family!r}")
    return family


def layer_option(layer: Layer, fold: LayerFold, family: str) -> Option:
    """Price one layer of a network, the window of a convolution included."""
    base = option(
        layer.rows,
        layer.columns,
        fold,
        family,
        thresholds=layer.levels > 0,
        bits=layer.bits,
        levels=max(1, layer.levels),
        weight_bits=layer.weight_bits,
        groups=layer.groups,
    )
    lut4, ebr = base.lut4, base.ebr
    if layer.channels is not None and layer.span:
        folds = max(1, layer.groups * layer.channels // fold.simd)
        lut4 += _LUT_PER_WINDOW
        ebr += block_rams(family, fold.simd * layer.bits, layer.span * folds)
    return Option(fold, layer.cycles(fold.pe, fold.simd), lut4, ebr)


def option(
    rows: int,
    columns: int,
    fold: LayerFold,
    family: str,
    *,
    thresholds: bool,
    bits: int = 1,
    levels: int = 1,
    weight_bits: int = 1,
    groups: int = 1,
) -> Option:
    """Price one layer.

    Parameters
    ----------
    rows, columns : int
        Shape of its matrix.
    fold : LayerFold
    family : str
        ``"ice40"`` or ``"ecp5"``.
    thresholds : bool
        Thresholds follow the counts.
    bits : int
        Width of an activation.
    levels : int
        Thresholds of a row, where there are some.
    weight_bits, groups : int
        Width of a weight, and the number of matrices.
    """
    neuron, synapse = -(-rows // fold.pe), -(-columns // fold.simd)
    count = bits_for(columns * ((1 << bits) - 1) + 1) + weight_bits - 1
    if weight_bits == 1:
        pairs = -(-fold.pe * fold.simd * bits * _LUT_PER_TEN_PAIRS[family] // 10)
    else:  # Multipliers are of their own; what is left are the adders behind them.
        pairs = fold.pe * fold.simd * (bits + weight_bits + 2)
        if fold.multiplier == "lut":
            pairs += fold.pe * fold.simd * bits * (weight_bits + 1)
    lut4, ebr = _LUT_PER_LAYER + pairs + fold.pe * _LUT_PER_PE * count, 0
    style = fold.weight_style(rows, columns, weight_bits, groups)
    memories = [(fold.pe * fold.simd * weight_bits, groups * neuron * synapse, style)]
    if thresholds:
        folds = groups * neuron
        place = "ram" if style in WRITABLE else "lut" if folds <= 32 else "block"
        memories.append((fold.pe * levels * (count + 1), folds, place))
    if neuron > 1:
        # The replay buffer: two banks of one vector each.
        memories.append((fold.simd * bits, 2 << max(1, (synapse - 1).bit_length()), "block"))
    for width, depth, place in memories:
        if place == "block":
            ebr += block_rams(family, width, depth)
        elif place == "ram":
            # A RAM for each 16 bits; the large memories of "spram" are counted nowhere.
            ebr += sum(block_rams(family, min(16, width - k), depth) for k in range(0, width, 16))
        elif depth > 1 and place != "spram":
            lut4 += width * -(-depth // 16)
    return Option(fold, neuron * synapse, lut4, ebr)


@cache
def seam(lanes_in: int, lanes_out: int, bits: int = 1) -> int:
    """Count the cells of a width converter: wires, a shift register, or a gearbox."""
    if lanes_in == lanes_out:
        return 0
    if max(lanes_in, lanes_out) % min(lanes_in, lanes_out) == 0:
        return 20 + 3 * max(lanes_in, lanes_out) * bits // 2
    return 40 + 8 * (lanes_in + lanes_out) * bits


def estimate(graph: Graph, folding: Folding, family: str) -> Estimate:
    """Estimate what `folding` takes on a device of `family`.

    Raises
    ------
    UsageError
        If the folding does not suit the graph, or no layer has weights.
    ValueError
        If there is no model of the family.
    """
    checked_family(family)
    folding.check(graph)
    lut4, ebr = LUT_LINK, EBR_LINK[family]
    layers = layers_of(graph)
    if not layers:
        raise UsageError(
            f"Network '{graph.name}' has no layer with weights to fold.", "Give a network with one."
        )
    first = layers[0]
    lanes = folding.input_lanes or min(folding.layers[first.name].simd, first.lanes_limit)
    # A converter takes no longer than its slower neighbour: its words are theirs.
    cycles = -(-graph.edges[graph.input.name].size // lanes)
    for layer in layers:
        one = layer_option(layer, folding.layers[layer.name], family)
        lut4 += one.lut4 + seam(lanes, one.fold.simd)
        ebr += one.ebr
        cycles = max(cycles, one.cycles)
        lanes = one.fold.pe
    if graph.argmax:
        # One class a clock.
        lut4 += seam(lanes, 1, graph.edges[layers[-1].name].grid.bits)
        cycles = max(cycles, graph.argmax.offset.size)
    return Estimate(lut4, ebr, cycles)
