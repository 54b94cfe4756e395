"""What the page must know of a design before the first image: one JSON document."""

from collections.abc import Mapping
from math import isqrt
from typing import Any

import numpy as np

from ..errors import UsageError
from ..graph import Graph, Input
from ..images import Images

__all__ = ["design", "picture_shape"]

_SAMPLES = 10
_LARGEST = 256
# What the page shows, and what it needs to speak to a board without a server.
_KEPT = ("identity", "name", "network", "input", "output", "cycles_per_image", "bottleneck")


def picture_shape(node: Input) -> tuple[int, int, int]:
    """Give channels, height and width of an image that can be drawn for `node`.

    Raises
    ------
    UsageError
        If nothing can be drawn that the network reads.
    """
    shape = node.image_shape
    side = isqrt(shape[0])
    if len(shape) == 1 and side * side == shape[0]:
        shape = (1, side, side)
    if len(shape) != 3 or shape[0] not in (1, 3) or max(shape[1:]) > _LARGEST:
        read = " × ".join(map(str, node.image_shape))
        raise UsageError(
            f"The page draws grey or colour pictures; this network reads {read}.",
            "Take a network that reads pictures, or ask the board with bnnhw run.",
        )
    return shape[0], shape[1], shape[2]


def design(
    graph: Graph,
    manifest: Mapping[str, Any],
    *,
    board: str,
    clock_hz: int,
    baud: int,
    samples: Images | None = None,
) -> dict[str, Any]:
    """Describe a design for the page.

    Parameters
    ----------
    graph : Graph
    manifest : dict
        The manifest of the build that the board runs.
    board : str
        What people call the board.
    clock_hz, baud : int
        Of that board.
    samples : Images or None
        Real images that the page offers: the first of each label, or the first ones.

    Raises
    ------
    UsageError
        If nothing can be drawn that the network reads.
    """
    weights = manifest.get("weights")
    return {
        "manifest": {key: manifest[key] for key in _KEPT}
        | {"weights": None if weights is None else {"crc32": weights["crc32"]}},
        "board": board,
        "clock_hz": clock_hz,
        "baud": baud,
        "picture": list(picture_shape(graph.input)),
        "top": 255 if graph.input.lut is not None else graph.input.grid.levels - 1,
        "layers": len([node for node in graph.nodes if hasattr(node, "weight")]),
        "samples": _samples(samples),
    }


def _samples(images: Images | None) -> list[dict[str, Any]]:
    if images is None:
        return []
    if images.y is None:
        chosen = list(range(min(_SAMPLES, len(images.x))))
    else:
        labels, first = np.unique(images.y, return_index=True)
        chosen = [int(index) for index in first[:_SAMPLES]]
    return [
        {
            "label": None if images.y is None else int(images.y[index]),
            "image": images.x[index].reshape(-1).tolist(),
        }
        for index in chosen
    ]
