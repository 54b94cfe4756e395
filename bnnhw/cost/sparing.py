"""Ways to lay a layer that spare block RAMs: words that pixels share, and vectors in LUT RAM."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from ..fold import LayerFold
from ..fold.layers import Layer

__all__ = ["sparing"]

# Pixels that may share a word of weights, where a layer takes more block RAMs than a few.
_HOLDS = (2, 3, 4, 5, 6, 8, 9)
_FEW = 4
# Words of vectors that may lie in LUT RAM instead of a block RAM.
_SHORT = 64


def sparing(
    layer: Layer, fold: LayerFold, spent: int, spends: Callable[[LayerFold], int]
) -> Iterator[LayerFold]:
    """Give the ways that take fewer block RAMs than a folding, on as many lanes.

    Parameters
    ----------
    layer : Layer
    fold : LayerFold
        As it would be laid otherwise.
    spent : int
        Block RAMs that it takes.
    spends : callable
        Counts those of another one.
    """
    if layer.weight_bits > 1:
        return
    yield from _in_luts(layer, fold, spent, spends)
    if layer.channels is None or layer.groups > 1 or fold.weights == "lut" or spent < _FEW:
        return
    least = spent
    for hold in _HOLDS:
        if layer.vectors % hold:
            continue
        held = replace(fold, weights="block", hold=hold)
        count = spends(held)
        if count < least:
            least = count
            yield held
            yield from _in_luts(layer, held, count, spends)


def _in_luts(
    layer: Layer, fold: LayerFold, spent: int, spends: Callable[[LayerFold], int]
) -> Iterator[LayerFold]:
    if -(-layer.columns // fold.simd) * fold.hold <= _SHORT:
        other = replace(fold, replay="lut")
        if spends(other) < spent:
            yield other
