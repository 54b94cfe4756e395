"""Run a graph over images, in batches that fit a memory cap."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import UsageError
from ..graph import Graph, TopK
from ..images import checked_images
from . import packed, plain
from .packed_kernels import choose_kernel

__all__ = ["Result", "run"]

_PATHS = ("packed", "plain")
_BATCH_BYTES = 24 << 20


@dataclass(frozen=True, eq=False)
class Result:
    """Answers of a graph.

    Parameters
    ----------
    logits : array of int64, shape (n, classes)
        Values, not codes, of the first output.
    classes : array of int64, shape (n,), or None
        What the `Argmax` decides, or the best class of a `TopK`; None where the graph has neither.
    edges : dict of str to array of int64, shape (n, *edge shape)
        Values of every edge, by the name of the node that drives it; empty without a trace.
    top : array of int64, shape (n, k), or None
        The classes that a `TopK` sends, best first; None where the graph has none.
    """

    logits: npt.NDArray[np.int64]
    classes: npt.NDArray[np.int64] | None
    edges: dict[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    top: npt.NDArray[np.int64] | None = None


def run(
    graph: Graph,
    images: npt.ArrayLike,
    *,
    path: str = "packed",
    trace: bool = False,
    kernel: str | None = None,
) -> Result:
    """Compute what `graph` answers to `images`.

    Parameters
    ----------
    graph : Graph
    images : array of ints, shape (n, *input shape) or (n, size)
        Pixels 0 … 255 where the input has a table, else codes.
    path : str
        "packed" (XNOR and popcount on 64-bit words) or "plain" (products and sums of values);
        equal on everything.
    trace : bool
        Keep the values of every edge.
    kernel : str or None
        What counts bits on the packed path: "numpy", or "numba" (extra ``fast``), which takes about
        two seconds to start and compile in each process and is then some ten times quicker. Where
        None the variable BNNHW_KERNEL says it, and without that the work ahead does.

    Raises
    ------
    UsageError
        If the images do not suit the graph, or there is no such path or kernel.
    ToolMissing
        If a kernel was chosen that is not installed.
    """
    if path not in _PATHS:
        raise UsageError(
            f"The golden model has the paths {', '.join(_PATHS)}, not {path!r}.", "Choose one."
        )
    pixels = checked_images(images, graph.input)
    decided = graph.argmax
    wanted = [graph.logits] if decided is None else [graph.logits, decided.name]
    kept = list(graph.edges) if trace else list(dict.fromkeys(wanted))
    parts: dict[str, list[npt.NDArray[np.int64]]] = {name: [] for name in kept}
    if path == "packed":
        work = len(pixels) * packed.word_operations(graph)
        evaluate = partial(packed.evaluate, kernel=choose_kernel(kernel, work=work))
    else:
        evaluate = partial(plain.evaluate)
    for batch in _batches(graph, pixels):
        for name, values in evaluate(graph, batch, frozenset(kept)).items():
            parts[name].append(values)
    edges = {name: np.concatenate(values) for name, values in parts.items()}
    classes = None if decided is None else edges[decided.name]
    top = classes if isinstance(decided, TopK) else None
    return Result(
        edges[graph.logits].reshape(len(pixels), -1),
        classes if top is None else top[:, 0],
        edges if trace else {},
        top,
    )


def _batches(graph: Graph, pixels: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    # All edges of one image are alive at once in the worst case, as 64-bit numbers.
    each = 8 * sum(edge.size for edge in graph.edges.values())
    count = max(1, _BATCH_BYTES // each)
    for start in range(0, len(pixels), count):
        yield pixels[start : start + count]
