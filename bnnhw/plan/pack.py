"""Weights and thresholds of a dense layer as the words that its memories hold."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ..bits import bits_for, pack_word
from ..graph import Dense, Grid, Threshold
from .blocks import ceil_div

__all__ = ["integer_levels", "threshold_words", "weight_words"]


def integer_levels(
    threshold: Threshold, source: Grid
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Turn thresholds on values into ``code >= T`` with T in 0 … levels.

    Parameters
    ----------
    threshold : Threshold
    source : Grid
        Values of the edge that it reads; symmetric about 0, so that complementing a weight row
        mirrors the codes.

    Returns
    -------
    levels : array of int, shape (channels, n)
        Ascending, clipped to 0 (always) … `source.levels` (never).
    complemented : array of bool, shape (channels,)
        Channels whose weight row must be complemented: those with direction −1.
    """
    flip = threshold.direction < 0
    values = np.where(flip[:, None], -threshold.levels, threshold.levels)
    # A code c has the value low + step*c; the first code at or above a value is the ceiling of
    # their distance.
    codes = -((source.low - values) // source.step)
    return np.sort(np.clip(codes, 0, source.levels), axis=1), flip


def weight_words(dense: Dense, flip: npt.NDArray[np.bool_], pe: int, simd: int) -> tuple[int, ...]:
    """Pack the weight memory of one MVTU.

    Row r belongs to PE r mod PE, neuron fold r div PE. Lanes past the last column hold weight 1:
    their activation is 0, so that they add nothing. Rows past the last one hold 0; nothing reads
    what they count.

    Returns
    -------
    tuple of int
        One word of PE·SIMD bits for each (neuron fold, synapse fold), synapse fold fastest.
    """
    synapse, neuron = ceil_div(dense.columns, simd), ceil_div(dense.rows, pe)
    padded = np.ones((neuron * pe, synapse * simd), np.uint8)
    padded[dense.rows :, : dense.columns] = 0
    padded[: dense.rows, : dense.columns] = dense.weight ^ flip[:, None]
    # Axes: neuron fold, PE, synapse fold, lane.
    folded = (
        padded.reshape(neuron, pe, synapse, simd)
        .transpose(0, 2, 1, 3)
        .reshape(neuron * synapse, pe * simd)
    )
    packed = np.packbits(folded, axis=1, bitorder="little")
    return tuple(int.from_bytes(row.tobytes(), "little") for row in packed)


def threshold_words(levels: npt.NDArray[Any], columns: int, pe: int) -> tuple[int, ...]:
    """Pack the threshold memory of one MVTU.

    Rows past the last one never fire, so that padded lanes leave as 0.

    Returns
    -------
    tuple of int
        One word for each neuron fold, PE 0 in the low bits.
    """
    rows = levels.shape[0]
    padded = np.full(ceil_div(rows, pe) * pe, columns + 1, np.int64)
    padded[:rows] = levels[:, 0]
    bits = bits_for(columns + 2)
    return tuple(pack_word(padded[start : start + pe], bits) for start in range(0, padded.size, pe))
