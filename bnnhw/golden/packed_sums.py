"""Sums of products, fast: from matches of planes, and in floats where these are exact."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..graph import Conv, Dense, Edge, Grid, IntConv, IntDense

__all__ = ["add_planes", "exact_products", "factors", "plane", "plane_sums", "to_codes"]

# Every partial sum below these is a whole number that a float of 32 or 64 bits holds exactly, and
# BLAS is many times faster than integers.
_EXACT_FLOATS = ((1 << 24, np.float32), (1 << 53, np.float64))


def plane(codes: npt.NDArray[Any], bit: int, bits: int) -> npt.NDArray[np.uint8]:
    """Give one bit of all codes."""
    if bits > 1:
        codes = codes >> bit & 1
    return codes.astype(np.uint8, copy=False)


def factors(node: Dense | Conv | IntDense | IntConv) -> npt.NDArray[np.int64]:
    """Give a layer's weights as numbers, one row each."""
    weight = node.weight.reshape(len(node.weight), -1).astype(np.int64)
    return 2 * weight - 1 if isinstance(node, Dense | Conv) else weight


def add_planes(matches: Iterable[npt.NDArray[np.int32]]) -> npt.NDArray[np.int32]:
    """Add up the matches of planes, the lowest first, each worth twice the one before."""
    total, *others = matches
    for bit, more in enumerate(others, 1):
        total = total + (more << bit)
    return total


def plane_sums(
    matches: npt.NDArray[Any], weight: npt.NDArray[Any], edge: Edge
) -> npt.NDArray[np.int64]:
    """Turn matches into sums of ±1 weights times values.

    Parameters
    ----------
    matches : array of ints, shape (rows, …)
        As `add_planes` gives them.
    weight : array of 0 and 1, shape (rows, columns)
    edge : Edge
        Where the codes come from.

    Returns
    -------
    array of int64, of the shape of `matches`
    """
    # With weight +1 a match is a 1, with −1 it is a 0: a plane's sum of weight times bit is the
    # number of matches without that of the weights −1.
    grid, shape = edge.grid, (-1,) + (1,) * (matches.ndim - 1)
    negative = (weight.shape[1] - weight.sum(axis=1, dtype=np.int64)).reshape(shape)
    lowest = grid.low * (weight.shape[1] - 2 * negative)
    codes = matches.astype(np.int64) - ((1 << grid.bits) - 1) * negative
    sums: npt.NDArray[np.int64] = lowest + grid.step * codes
    return sums


def exact_products(x: npt.NDArray[Any], weight: npt.NDArray[Any], largest: int) -> npt.NDArray[Any]:
    """Multiply rows of weights with vectors, in floats where these are exact.

    Parameters
    ----------
    x : array of ints, shape (…, columns, vectors)
    weight : array of ints, shape (…, rows, columns)
    largest : int
        No element of `x` is larger in size.

    Returns
    -------
    array of whole numbers, shape (…, rows, vectors)
        Floats of a kind that also holds the double of each exactly, or int64.
    """
    reach = 2 * largest * int(np.abs(weight).sum(axis=-1, dtype=np.int64).max())
    kind: Any = next((kind for limit, kind in _EXACT_FLOATS if reach < limit), np.int64)
    products: npt.NDArray[Any] = np.matmul(weight.astype(kind), x.astype(kind, copy=False))
    return products


def to_codes(values: npt.NDArray[Any], grid: Grid) -> npt.NDArray[Any]:
    """Turn values of a grid, int64 or exact floats, into codes; what is not on it is not seen."""
    offset: npt.NDArray[Any] = values - values.dtype.type(grid.low)
    if values.dtype != np.int64:
        # Exact: the codes are whole numbers. Those of the 24 bits of small floats fit 32.
        offset /= offset.dtype.type(grid.step)
        return offset.astype(np.int32 if values.dtype == np.float32 else np.int64)
    shift = grid.step.bit_length() - 1
    # Dividing takes ten times as long as shifting.
    return offset >> shift if grid.step == 1 << shift else offset // grid.step
