"""What folding sees of a network: its weighted layers, each as one matrix that meets vectors."""

from dataclasses import dataclass
from math import prod

from ..graph import Conv, Dense, Graph, Threshold

__all__ = ["Layer", "layers_of"]


@dataclass(frozen=True)
class Layer:
    """One dense or convolution layer.

    Parameters
    ----------
    name : str
    rows, columns : int
        Shape of its matrix.
    vectors : int
        Vectors of an image: 1 for a dense layer, the positions of the window for a convolution.
    bits : int
        Width of an activation that it reads.
    levels : int
        Thresholds of a row behind it; 0 where sums leave.
    channels : int or None
        Channels of a convolution's image, which SIMD must divide; PE must divide the rows then, so
        that no word holds parts of two pixels. None for a dense layer.
    pixels : int
        Pixels of the image that a convolution reads.
    span : int
        Pixels that the window's buffer holds.
    """

    name: str
    rows: int
    columns: int
    vectors: int = 1
    bits: int = 1
    levels: int = 0
    channels: int | None = None
    pixels: int = 0
    span: int = 0

    @property
    def lanes_limit(self) -> int:
        """Most lanes that SIMD may have."""
        return self.columns if self.channels is None else self.channels


def _dense(graph: Graph, node: Dense, levels: int) -> Layer:
    bits = graph.edges[node.inputs[0]].grid.bits
    return Layer(node.name, node.rows, node.columns, bits=bits, levels=levels)


def _conv(graph: Graph, node: Conv, levels: int) -> Layer:
    source = graph.edges[node.inputs[0]]
    _, height, width = source.shape
    (high, wide), (down, across) = node.window.kernel, node.window.dilation
    trivial = node.window.taps == 1
    return Layer(
        node.name,
        node.rows,
        node.columns,
        vectors=prod(graph.edges[node.name].shape[1:]),
        bits=source.grid.bits,
        levels=levels,
        channels=node.channels,
        pixels=height * width,
        span=0 if trivial else (high - 1) * down * width + (wide - 1) * across + 1,
    )


def layers_of(graph: Graph) -> tuple[Layer, ...]:
    """Give the weighted layers in order."""
    found = []
    for node in graph.nodes:
        readers = graph.consumers(node.name)
        levels = next((r.levels.shape[1] for r in readers if isinstance(r, Threshold)), 0)
        if isinstance(node, Dense):
            found.append(_dense(graph, node, levels))
        elif isinstance(node, Conv):
            found.append(_conv(graph, node, levels))
    return tuple(found)
