"""Weights and thresholds of a layer as the words that its memories hold."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..bits import bits_for, pack_word
from ..graph import Dense, Grid, Threshold
from .blocks import ceil_div

__all__ = [
    "Counting",
    "Summing",
    "code_levels",
    "matrix_words",
    "row_words",
    "signed_bits",
    "signed_words",
    "threshold_words",
    "weight_words",
]

_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Counting:
    """How the values of a layer's sums follow from what its hardware counts.

    A lane adds its code where the weight is +1 and the complement of its code, ``top - code`` with
    ``top = 2**bits - 1``, where it is −1. With K lanes, n of them with weight −1, the count is
    ``S = sum(w * code) + top * n``, so that the sum of ``w * (low + step * code)`` is
    ``low * (K - 2 * n) + step * (S - top * n)``. On ±1 edges that is 2 S − K. With true zero
    padding, lanes count twice as much, and ``top`` if masked: codes lie around 0 then, with
    ``low = -step * top / 2``, and the value is ``low * K + step / 2 * S``, on ±1 edges S − K.

    Parameters
    ----------
    source : Grid
        Values of an activation.
    matrix : array of 0 and 1, shape (rows, columns)
        Bit 1 is +1.
    masked : bool
        Counts are in half steps.
    """

    source: Grid
    matrix: npt.NDArray[np.uint8]
    masked: bool = False

    @property
    def largest(self) -> int:
        """Largest count."""
        return int(self.matrix.shape[1]) * ((1 << self.source.bits) - 1) << self.masked

    def line(self) -> tuple[int, _Ints]:
        """Give slope and, for each row, offset: ``value = slope * S + offset``."""
        columns = int(self.matrix.shape[1])
        if self.masked:
            return self.source.step // 2, np.full(
                len(self.matrix), self.source.low * columns, np.int64
            )
        minus = columns - self.matrix.sum(axis=1, dtype=np.int64)
        top = (1 << self.source.bits) - 1
        grid = self.source
        return grid.step, grid.low * (columns - 2 * minus) - grid.step * top * minus

    def levels(self, threshold: Threshold) -> _Ints:
        """Turn thresholds on values into ``S >= T`` with T in 0 … largest + 1.

        Rows with direction −1 must be complemented in `matrix` already: their values are negated,
        and so are their thresholds here.

        Returns
        -------
        array of int, shape (rows, n)
            Ascending; 0 is always reached, largest + 1 never.
        """
        slope, offset = self.line()
        flip = (threshold.direction < 0)[:, None]
        # A threshold beyond all values may be any number of 64 bits.
        beyond = int(abs(offset).max()) + slope * self.largest + 1
        levels = np.clip(threshold.levels, -beyond, beyond)
        values = np.where(flip, -levels, levels)
        counts = -((offset[:, None] - values) // slope)
        return np.sort(np.clip(counts, 0, self.largest + 1), axis=1)

    def offsets(self, grid: Grid) -> _Ints | None:
        """Give what must be added to S so that it is the code of `grid`; None where nothing is.

        Raises
        ------
        ValueError
            If counts and codes have different steps.
        """
        slope, offset = self.line()
        if slope != grid.step or ((offset - grid.low) % grid.step).any():
            raise ValueError(f"counts of step {slope} are no codes of {grid}")
        moved: _Ints = (offset - grid.low) // grid.step
        return moved if moved.any() else None


@dataclass(frozen=True, eq=False)
class Summing:
    """How the codes of a layer's sums follow from products of codes and 8-bit weights.

    The sum of ``w * (low + step * code)`` has the code ``sum(w * step / s * code) + (low * sum(w) -
    l) / s`` on a grid that begins at l with the step s. Both quotients are whole: a grid of sums
    has no coarser step than that.

    Parameters
    ----------
    source : Grid
        Values of an activation.
    matrix : array of int, shape (rows, columns)
    grid : Grid
        Values of a sum.
    """

    source: Grid
    matrix: _Ints
    grid: Grid

    @property
    def weights(self) -> _Ints:
        """What codes are multiplied with, shape (rows, columns)."""
        found: _Ints = self.matrix * self.source.step // self.grid.step
        return found

    @property
    def offsets(self) -> _Ints:
        """What is added to the products of each row, shape (rows,)."""
        found: _Ints = (self.source.low * self.matrix.sum(1) - self.grid.low) // self.grid.step
        return found

    @property
    def weight_bits(self) -> int:
        """Width of the weights in two's complement."""
        return signed_bits(self.weights)


def signed_bits(numbers: _Ints) -> int:
    """Give the width that two's complement needs for all of `numbers`."""
    least, most = int(numbers.min()), int(numbers.max())
    return 1 + max((~least if least < 0 else least).bit_length(), max(most, 0).bit_length())


def matrix_words(matrix: npt.NDArray[np.uint8], pe: int, simd: int) -> tuple[int, ...]:
    """Pack the weight memory of one MVTU.

    Row r belongs to PE r mod PE, neuron fold r div PE. Lanes past the last column hold weight 1:
    their activation is 0, so that they add nothing. Rows past the last one hold 0; nothing reads
    what they count.

    Returns
    -------
    tuple of int
        One word of PE·SIMD bits for each (neuron fold, synapse fold), synapse fold fastest.
    """
    rows, columns = matrix.shape
    synapse, neuron = ceil_div(columns, simd), ceil_div(rows, pe)
    padded = np.ones((neuron * pe, synapse * simd), np.uint8)
    padded[rows:, :columns] = 0
    padded[:rows, :columns] = matrix
    # Axes: neuron fold, PE, synapse fold, lane.
    folded = (
        padded.reshape(neuron, pe, synapse, simd)
        .transpose(0, 2, 1, 3)
        .reshape(neuron * synapse, pe * simd)
    )
    packed = np.packbits(folded, axis=1, bitorder="little")
    return tuple(int.from_bytes(row.tobytes(), "little") for row in packed)


def signed_words(matrix: _Ints, pe: int, simd: int, bits: int) -> tuple[int, ...]:
    """Pack signed weights as `matrix_words` packs bits: `bits` bits each; absent ones are 0."""
    rows, columns = matrix.shape
    synapse, neuron = ceil_div(columns, simd), ceil_div(rows, pe)
    padded = np.zeros((neuron * pe, synapse * simd), np.int64)
    padded[:rows, :columns] = matrix
    folded = padded.reshape(neuron, pe, synapse, simd).transpose(0, 2, 1, 3)
    mask = (1 << bits) - 1
    return tuple(pack_word(word.reshape(-1) & mask, bits) for word in folded.reshape(-1, pe, simd))


def code_levels(threshold: Threshold, source: Grid) -> tuple[_Ints, _Ints]:
    """Turn thresholds on values into thresholds on codes, or on complements of codes.

    Where the direction is −1, a value is low enough if the complement ``top - code``, with ``top``
    all ones, is high enough.

    Parameters
    ----------
    threshold : Threshold
    source : Grid
        Values of the edge that it reads.

    Returns
    -------
    levels : array of int, shape (channels, n)
        0 (always reached) … ``top + 1`` (never).
    flips : array of 0 and 1, shape (channels,)
        1 where complements are compared.
    """
    top = (1 << source.bits) - 1
    flips = threshold.direction < 0
    # A threshold beyond all values may be any number of 64 bits.
    distance = np.clip(threshold.levels, source.low - 1, source.high + 1) - source.low
    rising, falling = -(-distance // source.step), top - distance // source.step
    levels = np.where(flips[:, None], falling, rising)
    return np.clip(levels, 0, top + 1), flips.astype(np.int64)


def threshold_words(levels: npt.NDArray[Any], columns: int, pe: int) -> tuple[int, ...]:
    """Pack one threshold 0 … columns + 1 for each row; rows past the last one never fire."""
    return row_words(levels[:, 0], pe, columns + 1, columns + 1)


def weight_words(dense: Dense, flip: npt.NDArray[np.bool_], pe: int, simd: int) -> tuple[int, ...]:
    """Pack the weights of a dense layer with the rows of `flip` complemented."""
    return matrix_words(dense.weight ^ flip[:, None].astype(np.uint8), pe, simd)


def row_words(numbers: npt.NDArray[Any], pe: int, top: int, spare: int) -> tuple[int, ...]:
    """Pack numbers that belong to rows, such as thresholds.

    Parameters
    ----------
    numbers : array of int, shape (rows,) or (rows, n)
        0 … top.
    pe : int
    top : int
        Largest number; it sets the width.
    spare : int
        Stands for rows past the last one.

    Returns
    -------
    tuple of int
        One word for each neuron fold, PE 0 in the low bits, its numbers one after the other.
    """
    table = numbers.reshape(len(numbers), -1)
    padded = np.full((ceil_div(len(table), pe) * pe, table.shape[1]), spare, np.int64)
    padded[: len(table)] = table
    bits = bits_for(top + 1)
    return tuple(
        pack_word(padded[start : start + pe].reshape(-1), bits)
        for start in range(0, len(padded), pe)
    )
