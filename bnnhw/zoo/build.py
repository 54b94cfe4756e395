"""Layers of the zoo's networks: parameters drawn by name become nodes of a graph."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from ..graph import (
    BIPOLAR,
    Add,
    Affine,
    Argmax,
    Conv,
    Dense,
    Edge,
    Flatten,
    Graph,
    Grid,
    Input,
    IntConv,
    IntDense,
    MaxPool,
    Node,
    SumPool,
    Threshold,
)
from .draws import INT8_VARIANCE, Draws
from .exact import Cut, fixed_point, norm_levels

__all__ = ["BYTE", "ENTRY_VARIANCE", "SIGN", "UNSIGNED", "Net"]

BYTE = (-128, 127)
"""Where a signed 8-bit number is clipped."""

UNSIGNED = (0, 255)
"""Where an unsigned 8-bit number is clipped."""

ENTRY_VARIANCE = 32 * 32
"""What 8-bit numbers vary by, about, where a carrier starts: clipped at four deviations."""

SIGN: tuple[Cut, ...] = ((Fraction(0), False),)
"""The cut of a sign: what reaches 0 is +1."""

_PIXELS = 5461


class Net:
    """Collects nodes, each with about how much its channels vary.

    Every method adds a node called `name` (some add more, with endings) and returns its name.
    Variances are estimates, in integers, that place random normalisations where values are.

    Parameters
    ----------
    name : str
    seed : int
    shape : tuple of int
        (channels, height, width) of the image; its pixels 0 … 255 are read as −128 … 127.
    bits : bool
        Read them as −1 and, from 128 on, +1 instead.
    """

    def __init__(
        self, name: str, seed: int, shape: tuple[int, int, int], *, bits: bool = False
    ) -> None:
        self.name = name
        self.seed = seed
        self.draws = Draws(seed)
        self.nodes: list[Node] = []
        self.edges: dict[str, Edge] = {}
        self.variance: dict[str, list[int]] = {}
        grid = BIPOLAR if bits else Grid(-128, 1, 256)
        codes = np.arange(256) // (128 if bits else 1)
        self.add(Input("image", (), shape, grid, codes), [1 if bits else _PIXELS] * shape[0])

    def add(self, node: Node, variance: Sequence[int]) -> str:
        """Add a node; `variance` is that of its channels."""
        self.edges[node.name] = node.edge(*(self.edges[source] for source in node.inputs))
        self.variance[node.name] = [max(1, value) for value in variance]
        self.nodes.append(node)
        return node.name

    def channels(self, source: str) -> int:
        """Count the channels of an edge."""
        return self.edges[source].shape[0]

    def graph(self, logits: str, **meta: Any) -> Graph:
        """Close the graph: decide the class with a bias for each, smaller where weights are ±1."""
        unit = 64 if isinstance(self.nodes[-1], IntDense) else 1
        bias = self.draws.int8("argmax", [self.edges[logits].size]).astype(np.int64) * unit
        last = self.add(Argmax("argmax", (logits,), bias), [1])
        notes = {key: str(value) for key, value in meta.items()} | {"seed": str(self.seed)}
        return Graph(self.name, tuple(self.nodes), (logits, last), meta=notes)

    def conv8(self, name: str, source: str, rows: int, *, kernel: int = 1, groups: int = 1) -> str:
        """Add a convolution with 8-bit weights, as large as its input, zeros around it."""
        columns = self.channels(source) // groups
        weight = self.draws.int8(name, (rows, columns, kernel, kernel))
        pad = (kernel // 2,) * 4
        spread = kernel * kernel * columns * INT8_VARIANCE
        total = spread * sum(self.variance[source]) // self.channels(source)
        return self.add(
            IntConv(name, (source,), weight, padding=pad, groups=groups), [total] * rows
        )

    def binary(
        self,
        name: str,
        source: str,
        rows: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        pad_value: int = -1,
        groups: int = 1,
    ) -> str:
        """Add a 3×3 convolution with ±1 weights and one ring of padding a step of dilation."""
        latent = self.draws.latent(name, (rows, self.channels(source) // groups, 3, 3))
        geometry = (stride,) * 2, (dilation,) * 4, pad_value, (dilation,) * 2, groups
        return self.signs_of(latent, name, source, *geometry)

    def signs_of(
        self, latent: npt.NDArray[np.float64], name: str, source: str, *geometry: Any
    ) -> str:
        """Add a convolution with the signs of real weights; `geometry` as `Conv` has it."""
        node = Conv(name, (source,), (latent >= 0).astype(np.uint8), *geometry)
        each = max(self.variance[source])
        return self.add(node, [node.columns * each] * node.rows)

    def dense(self, name: str, source: str, rows: int) -> str:
        """Add a dense layer with ±1 weights."""
        latent = self.draws.latent(name, (rows, self.edges[source].size))
        node = Dense(name, (source,), (latent >= 0).astype(np.uint8))
        return self.add(node, [node.columns * max(self.variance[source])] * rows)

    def quantise(
        self, name: str, source: str, cuts: Sequence[Cut] = SIGN, grid: Grid = BIPOLAR
    ) -> str:
        """Add a normalisation and the steps behind it, as one `Threshold`; a sign by default."""
        norm = self.draws.norm(name, self.variance[source])
        levels, direction = norm_levels(norm, self.edges[source].grid, cuts)
        square = max(grid.high * grid.high, grid.low * grid.low) // (1 + 3 * (grid.levels > 3))
        return self.add(
            Threshold(name, (source,), levels, direction, grid), [square] * len(direction)
        )

    def sign(self, name: str, source: str, levels: Sequence[int] | None = None) -> str:
        """Add a sign without a normalisation: +1 from `levels` on, or from 0 on."""
        channels = self.channels(source)
        table = np.array(levels or [0] * channels)[:, None]
        return self.add(
            Threshold(name, (source,), table, np.ones(channels, np.int8)), [1] * channels
        )

    def norm(
        self,
        name: str,
        source: str,
        *,
        exponent: int = 0,
        gain: float = 1.0,
        clip: tuple[int, int] = BYTE,
        alpha: Sequence[Fraction] | None = None,
    ) -> str:
        """Add a normalisation in fixed point, with results in steps of ``2**-exponent``.

        `gain` is the typical size of what leaves; `alpha` multiplies each channel in front of it.
        """
        norm = self.draws.norm(name, self.variance[source], gain)
        multiplier, offset, shift = fixed_point(norm, exponent, alpha)
        left = round(gain * gain) << (2 * exponent)
        return self.add(
            Affine(name, (source,), multiplier, offset, shift, clip), [left] * len(offset)
        )

    def shifted(
        self, name: str, source: str, shift: int, clip: tuple[int, int] | None = BYTE
    ) -> str:
        """Divide by ``2**shift``, rounded to the nearest, halves up, and clip."""
        ones = np.ones(self.channels(source), np.int64)
        half = 1 << (shift - 1) if shift else 0
        node = Affine(name, (source,), ones, half * ones, shift, clip)
        return self.add(node, [value >> (2 * shift) for value in self.variance[source]])

    def entry(self, name: str, source: str, target: int = ENTRY_VARIANCE) -> str:
        """Shift to 8 bits that vary by at most twice `target`: where a carrier starts."""
        shift = 0
        while max(self.variance[source]) > (2 * target) << (2 * shift):
            shift += 1
        return self.shifted(name, source, shift)

    def narrowed(self, name: str, source: str, *, relu: bool = False) -> str:
        """Shift until three deviations fit 8 bits, which are unsigned with `relu`."""
        clip = UNSIGNED if relu else BYTE
        shift = 0
        while 9 * max(self.variance[source]) > (clip[1] * clip[1]) << (2 * shift):
            shift += 1
        return self.shifted(name, source, shift, clip)

    def sum_pool(self, name: str, source: str, size: int) -> str:
        """Add up squares of size × size."""
        node = SumPool(name, (source,), (size, size), (size, size))
        variance = [value * size**4 for value in self.variance[source]]
        return self.add(node, variance)

    def max_pool(
        self, name: str, source: str, *, size: int = 2, stride: int = 2, pad: int = 0
    ) -> str:
        """Take the largest of squares."""
        node = MaxPool(name, (source,), (size, size), (stride, stride), (pad,) * 4)
        return self.add(node, self.variance[source])

    def total(self, name: str, *sources: str) -> str:
        """Add up branches that have the same unit."""
        columns = zip(*(self.variance[source] for source in sources), strict=True)
        return self.add(Add(name, sources), [sum(column) for column in columns])

    def head(self, source: str, classes: int, *, narrow: bool) -> str:
        """Add the global average and the 8-bit dense layer; `narrow`: on averages of 8 bits."""
        size = self.edges[source].shape[1]
        pooled = self.sum_pool("gap", source, size)
        if narrow:
            pooled = self.shifted("average", pooled, (size * size).bit_length() - 1, UNSIGNED)
        flat = self.add(Flatten("flat", (pooled,)), [1])
        weight = self.draws.int8("fc", (classes, self.edges[flat].size))
        return self.add(IntDense("fc", (flat,), weight), [1])
