"""What folding sees of a network: its weighted layers, each as one matrix that meets vectors."""

from dataclasses import dataclass
from math import prod

from ..graph import Conv, Dense, Graph, IntConv, IntDense, Threshold

__all__ = ["Layer", "layers_of"]


@dataclass(frozen=True)
class Layer:
    """One dense or convolution layer.

    Parameters
    ----------
    name : str
    rows, columns : int
        Shape of its matrix, of one group where a convolution has groups.
    vectors : int
        Vectors of an image: 1 for a dense layer, the positions of the window for a convolution,
        times its groups.
    bits : int
        Width of an activation that it reads.
    levels : int
        Thresholds of a row behind it; 0 where sums leave.
    channels : int or None
        Channels of a group of a convolution's image, which SIMD must divide; PE must divide the
        rows then, so that no word holds parts of two pixels. None for a dense layer.
    pixels : int
        Pixels of the image that a convolution reads.
    span : int
        Pixels that the window's buffer holds.
    groups : int
        Matrices; vector number v meets matrix ``v % groups``.
    weight_bits : int
        Width of a weight: 1 for ±1.
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
    groups: int = 1
    weight_bits: int = 1

    @property
    def lanes_limit(self) -> int:
        """Most lanes that SIMD may have."""
        return self.columns if self.channels is None else self.channels

    def whole(self, simd: int) -> bool:
        """Tell whether so many lanes are a whole window, beyond the channels of a pixel."""
        return (
            self.channels is not None and self.groups == 1 and simd == self.columns > self.channels
        )

    def cycles(self, pe: int, simd: int) -> int:
        """Clocks an image: those of the unit, or of the window where pixels come in slower."""
        unit = self.vectors * -(-self.rows // pe) * -(-self.columns // simd)
        if self.channels is None:
            return unit
        return max(unit, self.pixels * self.groups * max(1, self.channels // simd))


def _dense(graph: Graph, node: Dense | IntDense, levels: int) -> Layer:
    bits = graph.edges[node.inputs[0]].grid.bits
    width = 8 if isinstance(node, IntDense) else 1
    return Layer(node.name, node.rows, node.columns, bits=bits, levels=levels, weight_bits=width)


def _conv(graph: Graph, node: Conv | IntConv, levels: int) -> Layer:
    source = graph.edges[node.inputs[0]]
    _, height, width = source.shape
    (high, wide), (down, across) = node.window.kernel, node.window.dilation
    trivial = node.window.taps == 1
    return Layer(
        node.name,
        node.rows // node.groups,
        node.columns,
        vectors=prod(graph.edges[node.name].shape[1:]) * node.groups,
        bits=source.grid.bits,
        levels=levels,
        channels=node.channels // node.groups,
        pixels=height * width,
        span=0 if trivial else (high - 1) * down * width + (wide - 1) * across + 1,
        groups=node.groups,
        weight_bits=8 if isinstance(node, IntConv) else 1,
    )


def layers_of(graph: Graph) -> tuple[Layer, ...]:
    """Give the weighted layers in order."""
    found = []
    for node in graph.nodes:
        readers = graph.consumers(node.name)
        alone = readers[0] if len(readers) == 1 else None
        levels = alone.levels.shape[1] if isinstance(alone, Threshold) else 0
        if isinstance(node, Dense):
            found.append(_dense(graph, node, levels))
        elif isinstance(node, IntDense):
            found.append(_dense(graph, node, 0))
        elif isinstance(node, Conv):
            found.append(_conv(graph, node, levels))
        elif isinstance(node, IntConv):
            found.append(_conv(graph, node, 0))
    return tuple(found)
