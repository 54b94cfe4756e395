"""Nodes that bring branches together, take them apart and move channels."""

from dataclasses import dataclass
from math import gcd

from ..names import checked
from .checks import bad, make_edge, whole
from .grid import Edge, Grid
from .nodes import Node

__all__ = ["Add", "Concat", "Shuffle", "Slice"]


@dataclass(frozen=True, eq=False)
class _Join(Node):
    """What joins have in common: two inputs or more."""

    def __post_init__(self) -> None:
        checked(self.name, "node name")
        if len(self.inputs) < 2:
            raise bad(self, f"has {len(self.inputs)} inputs instead of 2 or more")


@dataclass(frozen=True, eq=False)
class Add(_Join):
    """Sum of the inputs, element by element, in integers.

    Parameters
    ----------
    inputs : tuple of str
        Two or more, of the same shape; an input may stand twice.
    """

    def edge(self, *edges: Edge) -> Edge:
        """Give the shape of the inputs; the grid spans every sum."""
        shape = edges[0].shape
        for source, edge in zip(self.inputs, edges, strict=True):
            if edge.shape != shape:
                raise bad(self, f"adds '{source}' of shape {edge.shape} to {shape}")
        grids = [edge.grid for edge in edges]
        low, high = sum(grid.low for grid in grids), sum(grid.high for grid in grids)
        step = gcd(*(grid.step for grid in grids if grid.levels > 1)) or 1
        return make_edge(self, shape, Grid(low, step, (high - low) // step + 1))


@dataclass(frozen=True, eq=False)
class Concat(_Join):
    """The channels of the inputs, one input after the other.

    Parameters
    ----------
    inputs : tuple of str
        Two or more, equal in all extents but the first.
    """

    def edge(self, *edges: Edge) -> Edge:
        """Give all channels on the coarsest grid that holds the values of every input."""
        first = edges[0]
        for source, edge in zip(self.inputs, edges, strict=True):
            if not edge.shape or edge.shape[1:] != first.shape[1:]:
                raise bad(self, f"joins '{source}' of shape {edge.shape} to {first.shape}")
        grids = [edge.grid for edge in edges]
        low, high = min(grid.low for grid in grids), max(grid.high for grid in grids)
        steps = [grid.step for grid in grids if grid.levels > 1]
        step = gcd(*steps, *(grid.low - low for grid in grids)) or 1
        shape = (sum(edge.shape[0] for edge in edges), *first.shape[1:])
        return make_edge(self, shape, Grid(low, step, (high - low) // step + 1))


@dataclass(frozen=True, eq=False)
class Slice(Node):
    """The channels from `start` up to, not including, `stop`.

    Parameters
    ----------
    start, stop : int
    """

    start: int = 0
    stop: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        stop = whole(self, self.stop, "stop", least=1)
        object.__setattr__(self, "stop", stop)
        start = whole(self, self.start, "start", least=0, most=stop - 1)
        object.__setattr__(self, "start", start)

    def edge(self, *edges: Edge) -> Edge:
        """Give the channels on the same grid."""
        (source,) = edges
        if not source.shape or source.shape[0] < self.stop:
            raise bad(self, f"takes channels up to {self.stop} of {source.shape}")
        return Edge((self.stop - self.start, *source.shape[1:]), source.grid)


@dataclass(frozen=True, eq=False)
class Shuffle(Node):
    """Channels dealt out: output ``i * groups + g`` is input ``g * (channels / groups) + i``.

    Parameters
    ----------
    groups : int
        Divides the channels.
    """

    groups: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "groups", whole(self, self.groups, "groups", least=1))

    def edge(self, *edges: Edge) -> Edge:
        """Give the same type."""
        (source,) = edges
        if not source.shape or source.shape[0] % self.groups:
            raise bad(self, f"shuffles {source.shape}, which {self.groups} groups do not divide")
        return source
