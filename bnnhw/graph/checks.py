"""How nodes of the integer graph check their parameters and the edges that they drive."""

from operator import index
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import UsageError
from .grid import Edge, Grid

if TYPE_CHECKING:
    from .nodes import Node

__all__ = ["CAP", "bad", "frozen", "make_edge", "whole"]

CAP = 1 << 26
"""Most elements of an array or an edge."""

_VALUE_CAP = 1 << 62


def frozen(array: npt.ArrayLike, dtype: npt.DTypeLike) -> npt.NDArray[np.generic]:
    """Copy an array so that nobody can change it any more."""
    result = np.array(array, dtype=dtype, order="C")
    result.setflags(write=False)
    return result


def bad(node: "Node", what: str) -> UsageError:
    """Make the error that names a node; `what` is the rest of the sentence."""
    return UsageError(
        f"{type(node).__name__} '{node.name}': {what}.",
        "Mend the model or the code that built this graph.",
    )


def whole(node: "Node", value: object, what: str, *, least: int, most: int = 1 << 20) -> int:
    """Give `value` as a plain int.

    Raises
    ------
    UsageError
        If it is none between `least` and `most`.
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        number = index(value)  # type: ignore[arg-type]
    except TypeError:
        number = least - 1
    if not least <= number <= most:
        raise bad(node, f"needs a whole number from {least} to {most} as {what}, not {value!r}")
    return number


def make_edge(node: "Node", shape: tuple[int, ...], grid: Grid) -> Edge:
    """Give an edge.

    Raises
    ------
    UsageError
        If it has too many elements, or values that do not fit 64 bits.
    """
    edge = Edge(shape, grid)
    if edge.size > CAP:
        raise bad(node, f"gives the shape {shape}, which is too large")
    if max(abs(grid.low), abs(grid.high)) >= _VALUE_CAP:
        raise bad(node, f"gives values from {grid.low} to {grid.high}, which is beyond 62 bits")
    return edge
