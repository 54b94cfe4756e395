"""The plain reference: values, products, sums and comparisons; made to be read, not to be fast."""

from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import numpy.typing as npt

from ..graph import Argmax, Dense, Flatten, Graph, Input, Node, Threshold

__all__ = ["evaluate"]

_Values = npt.NDArray[np.int64]


def evaluate(graph: Graph, pixels: npt.NDArray[Any], kept: Collection[str]) -> dict[str, _Values]:
    """Give the values of the edges `kept` for a batch of pixels, or codes without a table."""
    edges: dict[str, _Values] = {}
    for node in graph.nodes:
        sources = [edges[name] for name in node.inputs]
        edges[node.name] = _TABLE[type(node)](node, *(sources or [pixels]))
    return {name: edges[name] for name in kept}


def _input(node: Input, pixels: npt.NDArray[Any]) -> _Values:
    return node.grid.low + node.grid.step * node.encode(pixels)


def _flatten(node: Flatten, x: _Values) -> _Values:
    return x.reshape(len(x), -1)


def _dense(node: Dense, x: _Values) -> _Values:
    weight = 2 * node.weight.astype(np.int64) - 1
    return x @ weight.T


def _threshold(node: Threshold, x: _Values) -> _Values:
    # Channels are axis 1; bring them to the end, so that thresholds meet them there.
    value = np.moveaxis(x, 1, -1)[..., None]
    reached = np.where(node.direction[:, None] > 0, value >= node.levels, value <= node.levels)
    n = reached.sum(axis=-1, dtype=np.int64)
    return np.moveaxis(node.grid.low + node.grid.step * n, -1, 1)


def _argmax(node: Argmax, x: _Values) -> _Values:
    return np.asarray(np.argmax(node.scale * x + node.offset, axis=1), dtype=np.int64)


_TABLE: dict[type[Node], Callable[..., _Values]] = {
    Input: _input,
    Flatten: _flatten,
    Dense: _dense,
    Threshold: _threshold,
    Argmax: _argmax,
}
