"""The fast path of joins, channel moves and fixed point."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..graph import Add, Affine, Concat, Edge, Shuffle, Slice

__all__ = ["add", "affine", "concat", "shuffle", "take"]

_Codes = npt.NDArray[Any]


def add(node: Add, out: Edge, edges: Sequence[Edge], codes: Sequence[_Codes]) -> _Codes:
    """Add codes, each in steps of the result: the lowest values add up to the lowest sum."""
    total: _Codes = np.zeros((), np.int64)
    for edge, part in zip(edges, codes, strict=True):
        ratio = edge.grid.step // out.grid.step if edge.grid.levels > 1 else 0
        total = total + ratio * part.astype(np.int64)
    return total


def concat(node: Concat, out: Edge, edges: Sequence[Edge], codes: Sequence[_Codes]) -> _Codes:
    """Put the channels one after the other, as codes of the common grid."""
    grid = out.grid
    parts = [
        (edge.grid.values(part) - grid.low) // grid.step
        for edge, part in zip(edges, codes, strict=True)
    ]
    return np.concatenate(parts, axis=1)


def take(node: Slice, out: Edge, edges: Sequence[Edge], codes: Sequence[_Codes]) -> _Codes:
    """Take the channels of a `Slice`."""
    return codes[0][:, node.start : node.stop]


def shuffle(node: Shuffle, out: Edge, edges: Sequence[Edge], codes: Sequence[_Codes]) -> _Codes:
    """Read the channels in their new order."""
    order = np.arange(out.shape[0]).reshape(node.groups, -1).T.reshape(-1)
    return codes[0][:, order]


def affine(node: Affine, out: Edge, edges: Sequence[Edge], codes: Sequence[_Codes]) -> _Codes:
    """Scale, add, shift and clip values."""
    shape = (-1,) + (1,) * (len(out.shape) - 1)
    values = edges[0].grid.values(codes[0]) * node.multiplier.reshape(shape)
    values = (values + node.offset.reshape(shape)) >> node.shift
    if node.clip is not None:
        values = values.clip(*node.clip)
    result: _Codes = (values - out.grid.low) // out.grid.step
    return result
