"""The fast path: codes; XNOR and popcount on packed words where an edge is ±1."""

from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import numpy.typing as npt

from ..bits import pack_rows
from ..graph import BIPOLAR, Argmax, Dense, Edge, Flatten, Graph, Input, Node, Threshold

__all__ = ["evaluate"]

_Codes = npt.NDArray[np.int64]
# One block of matches stays within the second-level cache of a common core.
_BLOCK_BYTES = 1 << 20
_EXACT_FLOAT = 1 << 53


def evaluate(graph: Graph, pixels: npt.NDArray[Any], kept: Collection[str]) -> dict[str, _Codes]:
    """Give the values of the edges `kept` for a batch of pixels, or codes without a table."""
    codes: dict[str, _Codes] = {}
    for node in graph.nodes:
        sources = [codes[name] for name in node.inputs]
        edges = [graph.edges[name] for name in node.inputs]
        codes[node.name] = _TABLE[type(node)](node, *edges, *(sources or [pixels]))
    return {name: graph.edges[name].grid.values(codes[name]) for name in kept}


def _input(node: Input, pixels: npt.NDArray[Any]) -> _Codes:
    return node.encode(pixels)


def _flatten(node: Flatten, edge: Edge, codes: _Codes) -> _Codes:
    return codes.reshape(len(codes), edge.size)


def _dense(node: Dense, edge: Edge, codes: _Codes) -> _Codes:
    if edge.grid == BIPOLAR:
        return _matches(pack_rows(codes), pack_rows(node.weight), node.columns)
    return _sums(node, edge, codes)


def _matches(x: npt.NDArray[np.uint64], weight: npt.NDArray[np.uint64], columns: int) -> _Codes:
    # A match is a bit where x equals w. Bits that pad the last word are 0 in both, hence never a
    # difference: counting differences and subtracting from the true width needs no mask.
    counts = np.empty((len(x), len(weight)), np.int64)
    block = max(1, _BLOCK_BYTES // (8 * len(weight)))
    for start in range(0, len(x), block):
        rows = x[start : start + block]
        differ = np.zeros((len(rows), len(weight)), np.int32)
        for word in range(x.shape[1]):
            differ += np.bitwise_count(rows[:, word, None] ^ weight[None, :, word])
        counts[start : start + block] = columns - differ
    return counts


def _sums(node: Dense, edge: Edge, codes: _Codes) -> _Codes:
    # The generic path for every other grid: sum(w * (low + step * k)), the constant part taken out.
    # Float products are exact while every partial sum stays below 2**53, and BLAS is many times
    # faster than integers.
    grid, out = edge.grid, node.edge(edge).grid
    sign = 2 * node.weight.astype(np.int64) - 1
    if node.columns * grid.levels < _EXACT_FLOAT:
        dots = (codes.astype(np.float64) @ sign.T.astype(np.float64)).astype(np.int64)
    else:
        dots = codes @ sign.T
    values = grid.step * dots + grid.low * sign.sum(axis=1)
    result: _Codes = (values - out.low) // out.step
    return result


def _threshold(node: Threshold, edge: Edge, codes: _Codes) -> _Codes:
    # value >= T  <=>  code >= ceil((T - low) / step);
    # value <= T  <=>  code <= floor((T - low) / step).
    grid = edge.grid
    offset = node.levels - grid.low
    shape = (1, -1) + (1,) * (codes.ndim - 2)
    up = (node.direction > 0).reshape(shape)
    least, most = -(-offset // grid.step), offset // grid.step
    n = np.zeros(codes.shape, np.int64)
    for level in range(node.levels.shape[1]):
        above = codes >= least[:, level].reshape(shape)
        below = codes <= most[:, level].reshape(shape)
        n += np.where(up, above, below)
    return n


def _argmax(node: Argmax, edge: Edge, codes: _Codes) -> _Codes:
    scores = node.scale * edge.grid.step * codes + node.offset
    return np.asarray(np.argmax(scores, axis=1), dtype=np.int64)


_TABLE: dict[type[Node], Callable[..., _Codes]] = {
    Input: _input,
    Flatten: _flatten,
    Dense: _dense,
    Threshold: _threshold,
    Argmax: _argmax,
}
