"""The fast path: codes; XNOR and popcount on packed words where an edge is ±1."""

from collections.abc import Callable, Collection, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ..bits import pack_rows
from ..graph import (
    BIPOLAR,
    Add,
    Affine,
    Argmax,
    Concat,
    Conv,
    Dense,
    Edge,
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
from .packed_joins import add, affine, concat, shuffle, take
from .packed_kernels import Kernel
from .packed_sums import add_planes, exact_products, factors, plane, plane_sums, to_codes
from .packed_windows import conv, max_pool, sum_pool

__all__ = ["evaluate", "word_operations"]

_Codes = npt.NDArray[Any]


def evaluate(
    graph: Graph,
    pixels: npt.NDArray[Any],
    kept: Collection[str],
    kernel: Kernel,
    told: Mapping[str, npt.NDArray[np.int64]] | None = None,
) -> dict[str, npt.NDArray[np.int64]]:
    """Give the values of the edges `kept` for a batch of pixels, or codes without a table.

    Nodes behind an edge that is `told` read what was told, as in `plain.evaluate`.
    """
    codes: dict[str, _Codes] = {}
    given = {
        name: to_codes(values, graph.edges[name].grid) for name, values in (told or {}).items()
    }
    # What nobody reads any more is given back, and its memory used again while it is in the cache.
    last = {name: node.name for node in graph.nodes for name in node.inputs if name not in kept}
    for node in graph.nodes:
        sources = [given[name] if name in given else codes[name] for name in node.inputs]
        edges = [graph.edges[name] for name in node.inputs]
        extra = (kernel,) if type(node) in _COUNTING else ()
        codes[node.name] = _TABLE[type(node)](
            node, graph.edges[node.name], edges, sources or [pixels], *extra
        )
        del sources
        for name in set(node.inputs):
            if last.get(name) == node.name:
                del codes[name]
    return {name: graph.edges[name].grid.values(codes[name]) for name in kept}


def word_operations(graph: Graph) -> int:
    """Count the XNORs of 64-bit words that one image takes, if narrow activations go by planes."""
    work = 0
    for node in graph.nodes:
        if isinstance(node, Dense | Conv):
            places = prod(graph.edges[node.name].shape[1:])
            work += node.weight.size * places * graph.edges[node.inputs[0]].grid.bits // 64
    return work


def _input(node: Input, out: Edge, edges: Sequence[Edge], codes: Sequence[_Codes]) -> _Codes:
    return node.encode(codes[0])


def _flatten(node: Flatten, out: Edge, edges: Sequence[Edge], codes: Sequence[_Codes]) -> _Codes:
    return codes[0].reshape(len(codes[0]), edges[0].size)


def _dense(
    node: Dense | IntDense,
    out: Edge,
    edges: Sequence[Edge],
    codes: Sequence[_Codes],
    kernel: Kernel,
) -> _Codes:
    (edge,), (x,) = edges, codes
    bits = edge.grid.bits
    if isinstance(node, Dense) and bits <= kernel.planes:
        packed = pack_rows(node.weight)
        words = (pack_rows(plane(x, bit, bits)).T for bit in range(bits))
        matches = add_planes(kernel.count_matches(x, packed, node.columns) for x in words)
        # Matches of ±1 are the code already.
        return (
            matches if edge.grid == BIPOLAR
            else to_codes(plane_sums(matches, node.weight, edge), out.grid)
        ).T  # fmt: skip
    largest = max(abs(edge.grid.low), abs(edge.grid.high))
    return to_codes(exact_products(edge.grid.values(x).T, factors(node), largest), out.grid).T


def _threshold(
    node: Threshold, out: Edge, edges: Sequence[Edge], codes: Sequence[_Codes]
) -> _Codes:
    # value >= T  <=>  code >= ceil((T - low) / step);
    # value <= T  <=>  not code >= floor((T - low) / step) + 1.
    (edge,), (x,) = edges, codes
    offset = node.levels - edge.grid.low
    shape = (-1,) + (1,) * (x.ndim - 2)
    down = node.direction < 0
    first = np.where(down[:, None], offset // edge.grid.step + 1, -(-offset // edge.grid.step))
    first = np.minimum(np.maximum(first, 0), edge.grid.levels)
    first = first.astype(np.int32 if x.dtype == np.int32 else np.int64)
    n: _Codes | None = None
    for level in range(node.levels.shape[1]):
        reached = x >= first[:, level].reshape(shape)
        if down.any():
            np.not_equal(reached, down.reshape(shape), out=reached)
        one = reached.view(np.uint8)
        if n is None:
            n = one if out.grid.levels <= 256 else one.astype(np.int64)
        else:
            n += one
    return np.zeros(x.shape, np.uint8) if n is None else n


def _argmax(node: Argmax, out: Edge, edges: Sequence[Edge], codes: Sequence[_Codes]) -> _Codes:
    scores = node.scale * edges[0].grid.values(codes[0]) + node.offset
    return np.asarray(np.argmax(scores, axis=1), dtype=np.int64)


def _top_k(node: TopK, out: Edge, edges: Sequence[Edge], codes: Sequence[_Codes]) -> _Codes:
    scores = node.scale * edges[0].grid.values(codes[0]) + node.offset
    # A stable sort keeps equal scores in the order of their classes.
    best: _Codes = np.argsort(-scores, axis=1, kind="stable")[:, : node.k]
    return best


# These take a kernel too.
_COUNTING = (Dense, IntDense, Conv, IntConv)

_TABLE: dict[type[Node], Callable[..., _Codes]] = {
    Input: _input,
    Flatten: _flatten,
    Dense: _dense,
    IntDense: _dense,
    Conv: conv,
    IntConv: conv,
    MaxPool: max_pool,
    SumPool: sum_pool,
    Threshold: _threshold,
    Affine: affine,
    Add: add,
    Concat: concat,
    Slice: take,
    Shuffle: shuffle,
    Argmax: _argmax,
    TopK: _top_k,
}
