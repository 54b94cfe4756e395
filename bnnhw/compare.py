"""A graph held against the framework that its model comes from: whole, and layer by layer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import UsageError
from .golden import packed, run
from .golden.packed_kernels import choose_kernel
from .graph import Affine, Graph, Input, IntConv, IntDense, Threshold
from .names import printable

__all__ = ["Agreement", "LayerAgreement", "compare", "compare_layers", "known_taps"]

_Floats = npt.NDArray[np.float64]
_FLOAT = 1e-5
"""What 32-bit floats may differ by, as a part of the largest number."""


@dataclass(frozen=True)
class LayerAgreement:
    """One edge against what the framework has there.

    Parameters
    ----------
    edge : str
    module : str
        What the framework calls it.
    exact : bool
        Whether nothing in this layer is rounded.
    values : int
        Compared.
    differing : int
        Apart by more than 32-bit floats explain.
    worst : float
        Largest deviation, in numbers of the framework.
    bound : float
        What rounding explains, in the same numbers; 0 where nothing is rounded, and infinite where
        a sign of a rounded number may be the other one.
    """

    edge: str
    module: str
    exact: bool
    values: int
    differing: int
    worst: float
    bound: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether it is equal, or within what rounding explains."""
        return self.differing == 0 if self.exact else self.worst <= self.bound


@dataclass(frozen=True)
class Agreement:
    """A graph against its framework.

    Parameters
    ----------
    images : int
    rounded : str
        What the import has rounded, in words; empty where it says nothing.
    scores : bool
        Whether scores could be compared.
    differing : int
        Scores apart by more than 32-bit floats explain.
    deviation, spread : float
        Root mean square of the difference of scores, and their standard deviation.
    worst : float
        Largest difference of scores.
    same_class : float
        Part of the images with the same class.
    layers : tuple of LayerAgreement
        In the order of the graph.
    """

    images: int
    rounded: str
    scores: bool
    differing: int
    deviation: float
    spread: float
    worst: float
    same_class: float
    layers: tuple[LayerAgreement, ...] = field(default_factory=tuple)

    @property
    def first(self) -> LayerAgreement | None:
        """The first layer that differs."""
        return next((layer for layer in self.layers if layer.differing), None)

    @property
    def passed(self) -> bool:
        """Whether scores and layers are equal, or, where something is rounded, the classes."""
        if self.rounded:
            return self.same_class == 1.0
        return not self.differing and self.first is None and self.same_class == 1.0


def known_taps(graph: Graph) -> dict[str, dict[str, Any]]:
    """Give the edges of which it is known what the framework calls them, and in which unit."""
    try:
        found = json.loads(graph.meta.get("taps", "{}"))
    except ValueError:
        return {}
    return {str(edge): dict(tap) for edge, tap in found.items() if edge in graph.edges}


def _places(graph: Graph, expected: Mapping[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Give (edge, array, unit) for every tap that an expectation has."""
    known, found = known_taps(graph), []
    plain_unit: dict[str, Any] = {"scale": 1.0, "offset": 0.0, "module": ""}
    names: set[str] = set()
    for edge in graph.edges:
        tap = known.get(edge, plain_unit)
        for name in (f"tap_{edge}", f"tap_{tap.get('tap', '')}", f"tap_{tap['module']}"):
            if name in expected and name != "tap_" and name not in names:
                names.add(name)
                found.append((edge, name, plain_unit if name == f"tap_{edge}" else tap))
                break
    unknown = [name for name in expected if name.startswith("tap_") and name not in names]
    if unknown and not found:
        raise UsageError(
            f"The expectation has '{printable(unknown[0])}', which is no layer of '{graph.name}'.",
            f"Its layers are {', '.join(list(graph.edges)[:20])}.",
        )
    return found


def _unit(tap: Mapping[str, Any], rank: int) -> tuple[Any, Any]:
    def spread(value: Any) -> Any:
        return np.asarray(value, float).reshape((-1,) + (1,) * (rank - 2)) if isinstance(
            value, list) else float(value)  # fmt: skip

    return spread(tap["scale"]), spread(tap["offset"])


def _array(expected: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> _Floats:
    array = np.asarray(expected[name])
    if array.dtype.kind not in "fiub" or array.shape[1:] not in (shape, (int(np.prod(shape)),)):
        raise UsageError(
            f"The expectation has '{printable(name)}' of type {array.dtype} and shape "
            f"{array.shape}; each image has {shape}.",
            "Give numbers, images first, channels before height and width.",
        )
    return array.reshape(len(array), *shape).astype(np.float64)


def _far(found: _Floats, told: _Floats) -> npt.NDArray[np.bool_]:
    size = float(np.abs(told).max(initial=0.0)) or 1.0
    return np.abs(found - told) > _FLOAT * size


def compare(graph: Graph, images: Any, expected: Mapping[str, Any]) -> Agreement:
    """Hold the answers of a graph, and of its layers, against a framework's.

    Parameters
    ----------
    graph : Graph
    images : array of pixels, shape (n, ...)
    expected : mapping of str to array
        ``logits`` (n, classes): scores of the framework, or integer logits where the graph has no
        readout; ``pred`` (n,); ``tap_NAME`` by the name of an edge (its integers) or of a module or
        operation (numbers of the framework), for all images or the first ones.

    Raises
    ------
    UsageError
        If there is nothing to compare, or a shape does not fit.
    """
    if not {"logits", "pred"} & set(expected):
        raise UsageError(
            "The expectation has neither 'logits' nor 'pred'.",
            "Save the framework's outputs: numpy.savez('check.npz', x=pixels, logits=scores).",
        )
    taps = _places(graph, expected)
    result = run(graph, images, trace=bool(taps))
    layers = []
    for edge, name, tap in taps:
        told = _array(expected, name, graph.edges[edge].shape)
        scale, offset = _unit(tap, told.ndim)
        found = result.edges[edge][: len(told)] * scale + offset
        far = _far(found, told[: len(found)])
        worst = float(np.abs(found - told[: len(found)]).max(initial=0.0))
        label = str(tap["module"] or name[4:])
        layers.append(LayerAgreement(edge, label, True, far.size, int(far.sum()), worst))
    return _agreement(graph, result, expected, tuple(layers))


def _agreement(
    graph: Graph, result: Any, expected: Mapping[str, Any], layers: tuple[LayerAgreement, ...]
) -> Agreement:
    count, classes = len(result.logits), graph.edges[graph.logits].size
    scores: _Floats = result.logits.astype(np.float64)
    integers = "logits" in expected and np.asarray(expected["logits"]).dtype.kind in "iu"
    if graph.readout and not integers:
        scores = scores * np.array(graph.readout.scale) + np.array(graph.readout.bias)
    told = _array(expected, "logits", (classes,)) if "logits" in expected else scores
    if not integers:
        scores = _like(scores, told)
    if "pred" in expected:
        pred = np.asarray(expected["pred"]).reshape(-1)
    else:
        pred = told.argmax(axis=1)
    if len(told) < count or len(pred) < count:
        raise UsageError(
            f"The expectation is for {min(len(told), len(pred))} images instead of {count}.",
            "Give the framework's outputs for every image.",
        )
    told, own = told[:count], result.classes
    own = scores.argmax(axis=1) if own is None else own
    rounded = graph.meta.get("rounding", "")
    return Agreement(
        count,
        "" if rounded == "nothing" else rounded,
        "logits" in expected,
        int(_far(scores, told).sum()),
        float(np.sqrt(np.mean((scores - told) ** 2))),
        float(told.std(axis=0).mean()),
        float(np.abs(scores - told).max(initial=0.0)),
        float(np.mean(own == pred[:count])),
        layers,
    )


def _like(scores: _Floats, told: _Floats) -> _Floats:
    """Put scores through the softmax, or its logarithm, that the told ones have been through."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    logarithms = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    if told.shape[1] > 1 and told.min(initial=0) >= 0 and np.allclose(told.sum(axis=1), 1):
        return np.asarray(np.exp(logarithms))
    if told.max(initial=-1) <= 0 and np.allclose(np.exp(told).sum(axis=1), 1):
        return np.asarray(logarithms)
    return scores


def compare_layers(
    graph: Graph, images: Any, expected: Mapping[str, Any]
) -> tuple[LayerAgreement, ...]:
    """Hold every layer against the framework's, each on the framework's own inputs.

    A rounding then shows only where it happens, and not in all that comes behind it. Layers with
    ±1 weights and thresholds on their sums must be equal; what layers with 8-bit weights and
    normalisations in fixed point may be apart is computed from their weights.

    Parameters
    ----------
    graph : Graph
        Of a module of PyTorch: its ``meta["taps"]`` names the edges.
    images : array of pixels, shape (n, ...)
    expected : mapping of str to array, shape (n, ...)
        ``tap_NAME`` of all operations, as `bnnhw.load.torch.trace` gives them.
    """
    told: dict[str, npt.NDArray[np.int64]] = {}
    floats: dict[str, _Floats] = {}
    places = [(e, n, t) for e, n, t in _places(graph, expected) if t.get("tap")]
    for edge, name, tap in places:
        kind = graph.edges[edge]
        floats[edge] = _array(expected, name, kind.shape)
        scale, offset = _unit(tap, floats[edge].ndim)
        inner = (floats[edge] - offset) / np.where(np.asarray(scale) == 0, 1.0, scale)
        code = np.rint((inner - kind.grid.low) / kind.grid.step).clip(0, kind.grid.levels - 1)
        told[edge] = kind.grid.values(code)
    kernel = choose_kernel(work=packed.word_operations(graph) * len(images))
    found = packed.evaluate(graph, np.asarray(images), list(told), kernel, told)
    rounded = _rounded(graph, floats)
    layers = []
    for edge, name, tap in places:
        scale, offset = _unit(tap, floats[edge].ndim)
        values = found[edge] * scale + offset
        far = _far(values, floats[edge])
        bound = _bound(graph, edge, told, rounded, np.abs(np.asarray(scale)).max(initial=0.0))
        if isinstance(graph.node(edge), Affine):
            # What is clipped is at the end of its grid.
            grid = graph.edges[edge].grid
            kept = (found[edge] > grid.low) & (found[edge] < grid.high)
            values = np.where(kept, values, floats[edge])
        worst = float(np.abs(values - floats[edge]).max(initial=0.0))
        label = str(tap["module"] or name[4:])
        exact, bound = bool(bound == 0), float(bound)
        layers.append(LayerAgreement(edge, label, exact, far.size, int(far.sum()), worst, bound))
    return tuple(layers)


def _rounded(graph: Graph, floats: Mapping[str, _Floats]) -> dict[str, float]:
    """Give how many units at most the told integers of an edge are apart from its numbers."""
    taps, found = known_taps(graph), {}
    for edge, values in floats.items():
        scale, offset = _unit(taps[edge], values.ndim)
        inner = (values - offset) / np.where(np.asarray(scale) == 0, 1.0, scale)
        grid = graph.edges[edge].grid
        nearest = grid.low + grid.step * np.rint((inner - grid.low) / grid.step)
        apart = float(np.abs(inner - nearest).max(initial=0.0))
        found[edge] = apart if apart > 1e-2 else 0.0
    return found


def _bound(
    graph: Graph,
    edge: str,
    told: Mapping[str, npt.NDArray[np.int64]],
    rounded: Mapping[str, float],
    scale: float,
) -> float:
    """Give what rounding explains at an edge, in numbers of the framework; 0 where nothing does."""
    node = graph.node(edge)
    own = _off(graph, edge, told, rounded)
    if isinstance(node, Threshold):
        if rounded.get(edge):
            # A function of its own, such as tanh, rounded to the nearest step.
            return (0.5 * node.grid.step + own) * scale * (1 + 1e-6)
        return np.inf if own else 0.0
    return own * scale * (1 + 1e-6)


def _off(
    graph: Graph,
    edge: str,
    told: Mapping[str, npt.NDArray[np.int64]],
    rounded: Mapping[str, float],
) -> float:
    """Give by how many units rounding can move an edge that is computed from what is told."""
    node = graph.node(edge)
    if isinstance(node, Input):
        return 0.5 * node.grid.step if "-bit pixels" in graph.meta.get("rounding", "") else 0.0
    before = [
        rounded.get(name, 0.0) if name in told else _off(graph, name, told, rounded)
        for name in node.inputs
    ]
    spans = [_span(graph, name, told) for name in node.inputs]
    if isinstance(node, IntConv | IntDense):
        weight = np.abs(node.weight.astype(np.int64)).reshape(len(node.weight), -1)
        taps = weight.shape[1]
        # Each weight is half a unit away at most, each value as much as it was rounded.
        return 0.5 * taps * spans[0] + before[0] * float(weight.sum(axis=1).max() + 0.5 * taps)
    if isinstance(node, Affine):
        unit = 2.0**-node.shift
        most = float(np.abs(node.multiplier).max()) * unit
        if not node.shift:
            return before[0] * most
        return 0.5 + unit + 0.5 * unit * spans[0] + before[0] * (most + 0.5 * unit)
    if isinstance(node, Threshold):
        return 1.0 if before[0] else 0.0
    weight_of = getattr(node, "weight", None)
    if weight_of is not None:
        return before[0] * float(np.prod(weight_of.shape[1:]))
    kernel = getattr(node, "kernel", None)
    sums = type(node).__name__ == "SumPool" and kernel is not None
    return sum(before) * (float(np.prod(kernel)) if sums and kernel else 1.0)


def _span(graph: Graph, edge: str, told: Mapping[str, npt.NDArray[np.int64]]) -> float:
    if edge in told:
        return float(np.abs(told[edge]).max(initial=0))
    grid = graph.edges[edge].grid
    return float(max(abs(grid.low), abs(grid.high)))
