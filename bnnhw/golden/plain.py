"""The plain reference: values, products, sums and comparisons; made to be read, not to be fast."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..graph import (
    Add,
    Affine,
    Argmax,
    Concat,
    Conv,
    Dense,
    Flatten,
    Graph,
    Input,
    IntConv,
    IntDense,
    MaxPool,
    Node,
    Shuffle,
    Slice,
    SumPool,
    Threshold,
    TopK,
)
from .plain_windows import conv, max_pool, sum_pool

__all__ = ["evaluate"]

_Values = npt.NDArray[np.int64]


def evaluate(
    graph: Graph,
    pixels: npt.NDArray[Any],
    kept: Collection[str],
    told: Mapping[str, _Values] | None = None,
) -> dict[str, _Values]:
    """Give the values of the edges `kept` for a batch of pixels, or codes without a table.

    Nodes behind an edge that is `told` read what was told, whatever came out there: so each layer
    can be held against another model's on that model's own inputs.
    """
    told = told or {}
    edges: dict[str, _Values] = {}
    for node in graph.nodes:
        sources = [told.get(name, edges[name]) for name in node.inputs]
        edges[node.name] = _TABLE[type(node)](node, *(sources or [pixels]))
    return {name: edges[name] for name in kept}


def _input(node: Input, pixels: npt.NDArray[Any]) -> _Values:
    return node.grid.low + node.grid.step * node.encode(pixels)


def _flatten(node: Flatten, x: _Values) -> _Values:
    return x.reshape(len(x), -1)


def _dense(node: Dense, x: _Values) -> _Values:
    weight = 2 * node.weight.astype(np.int64) - 1
    return x @ weight.T


def _int_dense(node: IntDense, x: _Values) -> _Values:
    return x @ node.weight.astype(np.int64).T


def _threshold(node: Threshold, x: _Values) -> _Values:
    # Channels are axis 1; bring them to the end, so that thresholds meet them there.
    value = np.moveaxis(x, 1, -1)[..., None]
    reached = np.where(node.direction[:, None] > 0, value >= node.levels, value <= node.levels)
    n = reached.sum(axis=-1, dtype=np.int64)
    return np.moveaxis(node.grid.low + node.grid.step * n, -1, 1)


def _argmax(node: Argmax, x: _Values) -> _Values:
    return np.asarray(np.argmax(node.scale * x + node.offset, axis=1), dtype=np.int64)


def _top_k(node: TopK, x: _Values) -> _Values:
    scores = node.scale * x + node.offset
    # By score, largest first, and where scores are equal by class.
    classes = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    return np.lexsort((classes, -scores), axis=1)[:, : node.k]


def _affine(node: Affine, x: _Values) -> _Values:
    value: _Values = np.moveaxis(x, 1, -1) * node.multiplier + node.offset
    # Shifting a negative number to the right rounds down as well: floor.
    value = np.moveaxis(value >> node.shift, -1, 1)
    if node.clip is None:
        return value
    low, high = node.clip
    return np.minimum(np.maximum(value, low), high)


def _add(node: Add, *branches: _Values) -> _Values:
    return np.asarray(sum(branches))


def _concat(node: Concat, *branches: _Values) -> _Values:
    return np.concatenate(branches, axis=1)


def _slice(node: Slice, x: _Values) -> _Values:
    return x[:, node.start : node.stop]


def _shuffle(node: Shuffle, x: _Values) -> _Values:
    # Channels as a table of groups × channels of a group, read column by column.
    table = x.reshape(len(x), node.groups, -1, *x.shape[2:])
    return np.swapaxes(table, 1, 2).reshape(x.shape)


_TABLE: dict[type[Node], Callable[..., _Values]] = {
    Input: _input,
    Flatten: _flatten,
    Dense: _dense,
    IntDense: _int_dense,
    Conv: conv,
    IntConv: conv,
    MaxPool: max_pool,
    SumPool: sum_pool,
    Threshold: _threshold,
    Affine: _affine,
    Add: _add,
    Concat: _concat,
    Slice: _slice,
    Shuffle: _shuffle,
    Argmax: _argmax,
    TopK: _top_k,
}
