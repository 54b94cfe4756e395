"""PE and SIMD of every layer, as a user writes them down."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..files import read_capped
from ..graph import (
    Add,
    Affine,
    Concat,
    Graph,
    MaxPool,
    Shuffle,
    Slice,
    SumPool,
    Threshold,
)
from ..names import printable
from .layers import Layer, layers_of
from .memory import prefers_luts
from .pipeline import PIPELINES

__all__ = [
    "MOVES",
    "MULTIPLIERS",
    "STYLES",
    "WRITABLE",
    "Folding",
    "LayerFold",
    "full",
    "load_folding",
    "serial",
]

STYLES = ("auto", "lut", "block", "ram", "spram", "unrolled")
WRITABLE = ("ram", "spram")
"""Styles of layers whose weights and thresholds are loaded at run time."""
MULTIPLIERS = ("dsp", "lut")
MOVES = (Add, Affine, Concat, MaxPool, Shuffle, Slice, SumPool, Threshold)
"""Nodes without weights that have lanes."""
_KEYS = {"pe", "simd", "weights", "multiplier", "pipeline", "hold", "replay"}
_PIPELINES = {"ecp5": "speed", "ice40": "balanced"}


@dataclass(frozen=True)
class LayerFold:
    """How one layer with weights is folded.

    Parameters
    ----------
    pe : int
        Rows computed at once, 1 … rows; rows that do not fill the last fold are padded.
    simd : int
        Columns computed at once, 1 … columns; padded likewise. Of a convolution a divisor of its
        channels, or all columns: then a whole window is computed in one clock.
    weights : str
        Where weights lie: ``"lut"``, ``"block"`` (block RAM), ``"auto"``; ``"unrolled"`` (nowhere:
        they are constants in logic that rows share, see `bnnhw.fold.sharing`; PE is then all rows
        and SIMD all columns, so that a vector takes one clock); ``"ram"`` (block RAM that
        is loaded over the host link, and begins with the model's weights) or ``"spram"`` (the large
        memories of an iCE40 UP5K, empty until they are loaded).
    multiplier : str
        What multiplies with weights of 8 bits: ``"dsp"`` leaves it to synthesis, which takes the
        device's multipliers where it has some, ``"lut"`` keeps it out of them.
    pipeline : str
        How many registers stand in counts of ±1 layers: ``"area"``, ``"balanced"``, ``"speed"`` as
        in `bnnhw.fold.pipeline`, or ``"auto"``, which is what suits the device, see
        `Folding.on_family`, and ``"area"`` where none is known.
    hold : int
        Pixels of a ±1 convolution that share each word of weights: they take turns at it, so that
        its memory needs as many fewer bits a clock. A divisor of the pixels that leave; only
        weights in ROMs.
    replay : str
        Where vectors of a ±1 layer lie that are read repeatedly: ``"auto"``, or ``"lut"`` for LUT
        RAM, which spares a block RAM of ECP5 where they are short.
    """

    pe: int
    simd: int
    weights: str = "auto"
    multiplier: str = "dsp"
    pipeline: str = "auto"
    hold: int = 1
    replay: str = "auto"

    @property
    def every(self) -> int:
        """Levels of adders between registers, 0 for none."""
        return PIPELINES["area" if self.pipeline == "auto" else self.pipeline]

    def weight_style(self, rows: int, columns: int, bits: int = 1, groups: int = 1) -> str:
        """Resolve ``"auto"`` for `groups` matrices of weights of `bits` bits."""
        if self.weights != "auto":
            return self.weights
        depth = groups * -(-rows // self.pe) * -(-columns // self.simd) * self.hold
        width = -(-self.pe * self.simd * bits // self.hold)
        return "lut" if prefers_luts(width, depth) else "block"


@dataclass(frozen=True)
class Folding:
    """The folding of a whole network.

    Parameters
    ----------
    layers : mapping of str to LayerFold
        By the name of the dense node.
    input_lanes : int or None
        Elements of an input word; the first layer's SIMD where None.
    lanes : mapping of str to int
        Channels that a pool, a sum or another node without weights takes at once, by its name;
        those that are not named have as many as keep up with the slowest layer.
    """

    layers: Mapping[str, LayerFold]
    input_lanes: int | None = None
    lanes: Mapping[str, int] = field(default_factory=dict)

    def on_family(self, family: str) -> "Folding":
        """Resolve pipelines that are ``"auto"`` for a device family.

        On ECP5, where flip-flops cost no lookup tables and the clock is lost in wires, a register
        stands behind each level of adders; on iCE40, where most take a cell, behind every second.
        """
        layers = {
            name: replace(fold, pipeline=_PIPELINES[family]) if fold.pipeline == "auto" else fold
            for name, fold in self.layers.items()
        }
        return replace(self, layers=layers)

    def check(self, graph: Graph) -> None:
        """Hold the folding against a graph.

        Raises
        ------
        UsageError
            If a layer is missing, unknown, or has a PE, SIMD or style that does not suit it.
        """
        known = {layer.name: layer for layer in layers_of(graph)}
        for name in self.layers:
            if name not in known:
                raise UsageError(
                    f"The folding names a layer '{printable(name)}' that network '{graph.name}' "
                    "does not have.",
                    f"Its layers with weights are: {', '.join(known)}.",
                )
        for name, layer in known.items():
            if name not in self.layers:
                raise UsageError(
                    f"The folding says nothing of layer '{name}'.",
                    f"Add a table [layer.{name}] with pe and simd.",
                )
            fold = self.layers[name]
            of_group = " of a group" if layer.groups > 1 else ""
            _check_range(f"Layer '{name}'", "pe", fold.pe, layer.rows, f"rows{of_group}")
            if layer.channels is not None:
                _check_divides(name, "pe", fold.pe, layer.rows, f"rows{of_group}")
            _check_group(fold, layer)
            if layer.channels is None or not layer.whole(fold.simd):
                of = "columns" if layer.channels is None else f"channels{of_group}"
                _check_range(f"Layer '{name}'", "simd", fold.simd, layer.lanes_limit, of)
            if layer.channels is not None and not layer.whole(fold.simd):
                _check_divides(name, "simd", fold.simd, layer.channels, f"channels{of_group}")
            _check_words(fold, layer)
            _check_hold(fold, layer)
        if self.input_lanes is not None:
            _check_range(
                "The input",
                "input_lanes",
                self.input_lanes,
                graph.edges[graph.input.name].size,
                "elements",
            )
        _check_lanes(graph, self.lanes)


def _check_group(fold: LayerFold, layer: Layer) -> None:
    """Name the cause where the SIMD would be a whole window if there were no groups."""
    channels = layer.channels
    whole = (layer.columns, layer.columns * layer.groups)
    if layer.groups > 1 and channels is not None and channels < fold.simd in whole:
        raise UsageError(
            f"Layer '{layer.name}': simd = {fold.simd} is a whole window, which a convolution with "
            f"{layer.groups} groups cannot take in one clock.",
            f"Give simd a divisor of the {channels} channel{'s' * (channels > 1)} of a group.",
        )


def _check_unrolled(fold: LayerFold, layer: Layer) -> None:
    whole = (layer.rows, layer.columns)
    if layer.groups > 1 or layer.weight_bits > 1:
        kind = "weights of several bits" if layer.weight_bits > 1 else "groups"
        raise UsageError(
            f"Layer '{layer.name}': a layer with {kind} cannot be unrolled.",
            "Give it other weights, such as auto.",
        )
    if (fold.pe, fold.simd) != whole:
        raise UsageError(
            f"Layer '{layer.name}': pe = {fold.pe} and simd = {fold.simd} do not unroll its matrix "
            f"of {layer.rows} × {layer.columns}.",
            f"Give it pe = {layer.rows} and simd = {layer.columns}.",
        )


def _check_words(fold: LayerFold, layer: Layer) -> None:
    if fold.weights not in STYLES:
        raise UsageError(
            f"Layer '{layer.name}': weights = {printable(repr(fold.weights))} is not known.",
            f"Use one of {', '.join(STYLES)}.",
        )
    if fold.weights == "unrolled":
        _check_unrolled(fold, layer)
    if fold.multiplier not in MULTIPLIERS:
        raise UsageError(
            f"Layer '{layer.name}': multiplier = {printable(repr(fold.multiplier))} is not known.",
            f"Use one of {', '.join(MULTIPLIERS)}.",
        )
    if fold.pipeline not in ("auto", *PIPELINES):
        raise UsageError(
            f"Layer '{layer.name}': pipeline = {printable(repr(fold.pipeline))} is not known.",
            f"Use one of auto, {', '.join(PIPELINES)}.",
        )
    if fold.replay not in ("auto", "lut"):
        raise UsageError(
            f"Layer '{layer.name}': replay = {printable(repr(fold.replay))} is not known.",
            "Use auto or lut.",
        )


def _check_hold(fold: LayerFold, layer: Layer) -> None:
    _check_range(f"Layer '{layer.name}'", "hold", fold.hold, layer.vectors, "vectors of an image")
    if fold.hold == 1:
        return
    if layer.groups > 1 or layer.weight_bits > 1 or fold.weights in (*WRITABLE, "unrolled"):
        raise UsageError(
            f"Layer '{layer.name}': hold = {fold.hold} takes ±1 weights in a ROM, and no groups.",
            "Leave hold out.",
        )
    if layer.vectors % fold.hold:
        raise UsageError(
            f"Layer '{layer.name}': hold = {fold.hold} does not divide the {layer.vectors} vectors "
            "of an image.",
            f"Give hold a divisor of {layer.vectors}.",
        )


def _check_lanes(graph: Graph, lanes: Mapping[str, int]) -> None:
    named = {node.name: node for node in graph.nodes if isinstance(node, MOVES)}
    for name, count in lanes.items():
        if name not in named:
            raise UsageError(
                f"The folding gives lanes to '{printable(name)}', which is no pool, sum, join, "
                f"threshold, scale or move of channels of network '{graph.name}'.",
                f"Those are: {', '.join(named) or 'none'}.",
            )
        edges = [graph.edges[edge] for edge in named[name].inputs]
        most = min(edge.shape[0] for edge in edges)
        _check_range(f"Node '{name}'", "lanes", count, most, "channels")


def _check_divides(name: str, what: str, value: int, number: int, of: str) -> None:
    if number % value:
        raise UsageError(
            f"Layer '{name}': {what} = {value} does not divide the {number} {of} of a convolution.",
            f"Give {what} a divisor of {number}.",
        )


def _check_range(owner: str, what: str, value: object, limit: int, of: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= limit:
        raise UsageError(
            f"{owner}: {what} = {printable(repr(value))} does not fit its {limit} {of}.",
            f"Give {what} a whole number from 1 to {limit}.",
        )


def serial(graph: Graph) -> Folding:
    """Fold everything onto one lane: the smallest hardware."""
    return Folding({layer.name: LayerFold(1, 1) for layer in layers_of(graph)})


def full(graph: Graph) -> Folding:
    """Fold as little as possible: a vector a clock where a layer is dense."""
    return Folding({item.name: LayerFold(item.rows, item.lanes_limit) for item in layers_of(graph)})


def load_folding(path: Path) -> Folding:
    """Read a folding from TOML.

    The file holds a table ``[layer.NAME]`` with ``pe``, ``simd`` and optional ``weights`` for each
    layer, an optional ``input_lanes`` at the top, and an optional table ``[lanes]`` of numbers.

    Raises
    ------
    UsageError
        If the file is absent, no TOML, or holds anything else.
    """
    todo = (
        "Write [layer.NAME] tables with pe = …, simd = … and optionally "
        f"weights = one of {', '.join(STYLES)}."
    )
    try:
        content: dict[str, Any] = tomllib.loads(read_capped(path, 1 << 20).decode())
    except (ValueError, RecursionError) as error:
        raise UsageError(f"'{path}' is no TOML: {printable(str(error))}.", todo) from error
    unknown = set(content) - {"layer", "input_lanes", "lanes"}
    tables = content.get("layer", {})
    if unknown:
        names = ", ".join(f"'{printable(name)}'" for name in sorted(unknown))
        raise UsageError(f"'{path}' holds {names}, which a folding does not know.", todo)
    if not isinstance(tables, dict) or not tables:
        raise UsageError(f"'{path}' has no table [layer.NAME].", todo)
    layers = {}
    for name, table in tables.items():
        if not isinstance(table, dict) or not {"pe", "simd"} <= set(table) <= _KEYS:
            raise UsageError(
                f"'{path}': table [layer.{printable(name)}] does not hold pe and simd "
                f"(and {', '.join(sorted(_KEYS - {'pe', 'simd'}))}) alone.",
                todo,
            )
        layers[str(name)] = LayerFold(**table)
    lanes = content.get("lanes", {})
    if not isinstance(lanes, dict):
        raise UsageError(f"'{path}': lanes is no table.", todo)
    return Folding(layers, content.get("input_lanes"), lanes)
