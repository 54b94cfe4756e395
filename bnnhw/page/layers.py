"""What happens in a network, layer by layer, as numbers that the page paints."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ..golden import Result, run
from ..graph import Argmax, Flatten, Graph

__all__ = ["look_inside"]

_MOST = 1 << 14
"""So many values of a layer are shown; of larger ones the first channels."""


def look_inside(graph: Graph, image: npt.NDArray[Any]) -> tuple[Result, list[dict[str, Any]]]:
    """Compute one image with the golden model and keep what each layer said.

    Parameters
    ----------
    graph : Graph
    image : array of ints, shape (1, size)

    Returns
    -------
    result : Result
    layers : list of dict
        JSON values: `name`, `kind`, `shape` (channels, height, width), `channels` (how many of them
        `values` has), `low` and `high` of the layer's grid, `levels`, and `values`.
    """
    result = run(graph, image, trace=True, kernel="numpy")
    shown = [node for node in graph.nodes if not isinstance(node, Argmax | Flatten)]
    return result, [
        _layer(graph, node.name, type(node).__name__, result.edges[node.name][0]) for node in shown
    ]


def _layer(graph: Graph, name: str, kind: str, values: npt.NDArray[np.int64]) -> dict[str, Any]:
    grid = graph.edges[name].grid
    # A vector is one channel for each element, of one pixel.
    table = values.reshape(len(values), -1)
    channels = max(1, min(len(table), _MOST // table.shape[1]))
    height, width = values.shape[1:] if values.ndim == 3 else (1, table.shape[1])
    return {
        "name": name,
        "kind": kind,
        "shape": [len(table), height, width],
        "channels": channels,
        "low": grid.low,
        "high": grid.high,
        "levels": grid.levels,
        "values": table[:channels].reshape(-1).tolist(),
    }
