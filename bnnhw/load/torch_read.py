"""From the description of a PyTorch module to the integer graph; needs no PyTorch."""

import json
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, NoReturn

import numpy as np

from ..errors import UsageError
from ..graph import Graph
from ..names import printable
from .chain import Chain, graph_name
from .finish import exact_pixels, finished
from .onnx_file import OnnxNode
from .pixels import UNSAID
from .qonnx_values import Affine, Arranged, Const, Pixels, Rectified, Site
from .support import SUPPORTED
from .torch_activation import is_relu, resolved
from .torch_description import Description, Operation, Reference
from .torch_layers import LAYERS
from .torch_math import ELEMENTWISE
from .torch_rounding import even
from .torch_values import Curve, Layer, Rounding, Squashed, TorchValue

__all__ = ["from_description"]

_HANDLERS = LAYERS | ELEMENTWISE
_TODO = "Change the module and record it again."


def from_description(
    description: Description,
    *,
    pixel: str = "unit",
    rounding: Rounding | None = None,
    exact: bool = False,
    name: str | None = None,
    source: str = "the module",
    table: tuple[tuple[Fraction, ...], str] | None = None,
) -> Graph:
    """Make the integer graph of a module that was written down.

    Parameters
    ----------
    description : Description
    pixel : str
        What the module expects for an 8-bit pixel p: "unit" (p / 255), "byte" (p) or "centred"
        (2 * p / 255 - 1).
    rounding : Rounding or None
        How what is float becomes integer; None is `Rounding()`.
    exact : bool
        Refuse whatever must be rounded.
    name : str or None
        Name of the graph; by default that of the module's class.
    source : str
        What messages call it.
    table : pair of 256 Fraction and str, or None
        The value of each pixel, and the rule in words, instead of `pixel`.

    Returns
    -------
    Graph
        ``meta["rounding"]`` says in words what was rounded, ``meta["taps"]`` as JSON which
        operation and which module the values of an edge are the output of, as
        ``scale * value + offset``.

    Raises
    ------
    UsageError
        If the module does what is not supported; the message names the operation.
    """
    why = UNSAID if pixel == "auto" else "as asked"
    way = exact_pixels("unit" if pixel == "auto" else pixel)
    if way is None:
        raise UsageError(
            f"Pixels are read as 'unit', 'byte', 'centred' or 'auto', not "
            f"{printable(repr(pixel))}.",
            "Choose one of them.",
        )
    how = None if exact else rounding or Rounding()
    reader = _Reader(description, table or (way[0], f"{way[1]} ({why})"), how, source)
    return reader.graph(name or graph_name(description.name))


class _Reader:
    """Runs the operations over tensors that are known only in their form."""

    def __init__(
        self,
        description: Description,
        way: tuple[tuple[Fraction, ...], str],
        rounding: Rounding | None,
        source: str,
    ) -> None:
        self._description, self._rounding, self._source = description, rounding, source
        self._chain = Chain()
        table, self._pixel = way
        image = description.shape[1:]
        self._values: dict[str, TorchValue] = {"input": Pixels((table,), image, (1, *image))}
        low, high = float(table[0]), float(table[-1])
        self._seen: dict[str, tuple[float, float]] = {"input": (low, high)}
        self._notes: list[str] = []
        self._known: dict[Any, Affine] = {}
        self._taps: dict[str, dict[str, Any]] = {}

    def _fail(self, what: str, todo: str = _TODO) -> NoReturn:
        raise UsageError(f"{self._source}: {what}.", todo)

    def graph(self, name: str) -> Graph:
        """Read every operation and close the graph."""
        for operation in self._description.operations:
            if operation.name in self._values:
                self._fail(f"two operations are called '{printable(operation.name)}'")
            self._values[operation.name] = self._run(operation)
            self._seen[operation.name] = operation.seen
        result: Any = self._values.get(self._description.output)
        if isinstance(result, Curve | Squashed | Rectified | Arranged):
            layer = self._layer(self._description.operations[-1], {})
            result = resolved(layer, result)
            if isinstance(result, Curve | Squashed | Rectified):
                result = even(layer, result, "")
        self._note_taps()
        notes = list(dict.fromkeys(self._notes))
        meta = {"format": "torch", "pixel": self._pixel, "module": self._description.name}
        meta |= {"torch": printable(self._description.notes.get("torch", "?"))}
        meta["rounding"] = "; ".join(notes) if notes else "nothing"
        meta["taps"] = json.dumps(self._taps)
        return finished(self._chain, result, name, meta, self._fail)

    def _layer(self, operation: Operation, seen: Mapping[str, tuple[float, float]]) -> Layer:
        label = printable(operation.module or operation.name)
        node = OnnxNode(label, "", operation.op, (), (), {})
        site = Site(self._source, node, self._chain)
        return Layer(site, self._rounding, seen, self._notes, self._known)

    def _run(self, operation: Operation) -> TorchValue:
        arguments: dict[str, Any] = {}
        seen = {"": operation.seen}
        for key, value in operation.arguments.items():
            parts = value if isinstance(value, list) else [value]
            for number, part in enumerate(parts):
                if isinstance(part, Reference) and part.kind == "node":
                    label = f"{key}.{number}" if isinstance(value, list) else key
                    seen[label] = self._seen.get(part.name, (-1.0, 1.0))
            read = [self._read(operation, part) for part in parts]
            arguments[key] = read if isinstance(value, list) else read[0]
        layer = self._layer(operation, seen)
        if operation.op not in _HANDLERS:
            layer.site.fail("is a function that is not supported yet", SUPPORTED)
        arguments["shape"] = operation.shape
        try:
            return _HANDLERS[operation.op](layer, arguments)
        except (
            KeyError, TypeError, ValueError, IndexError, AttributeError, ArithmeticError,
            StopIteration,
        ) as error:  # fmt: skip
            shown = printable(f"{type(error).__name__}: {error}")
            layer.site.fail(f"has arguments that are not understood ({shown})", SUPPORTED)

    def _read(self, operation: Operation, value: Any) -> Any:
        if not isinstance(value, Reference):
            return value
        if value.kind == "array":
            if value.name not in self._description.arrays:
                self._fail(f"the array '{printable(value.name)}' is not there")
            array = np.asarray(self._description.arrays[value.name])
            if array.dtype.kind not in "fiub" or not np.isfinite(array).all():
                self._fail(f"the array '{printable(value.name)}' holds no finite numbers")
            return Const(array.astype(np.int64) if array.dtype.kind == "b" else array)
        if value.name not in self._values:
            shown = printable(value.name)
            self._fail(f"'{printable(operation.name)}' reads '{shown}', which nothing gives")
        return self._values[value.name]

    def _note_taps(self) -> None:
        """Note which edges stand for the outputs of operations, in the order of the edges."""
        found: dict[str, dict[str, Any]] = {}
        for operation in self._description.operations:
            for value in self._edges_of(self._values[operation.name]):
                if value.edge not in found and len(value.scale) == value.shape[1]:
                    found[value.edge] = {
                        "tap": operation.name,
                        "module": operation.module,
                        "scale": _few(value.scale),
                        "offset": _few(value.offset),
                    }
        self._taps = {edge: found[edge] for edge in self._chain.edges if edge in found}

    def _edges_of(self, value: TorchValue | None) -> list[Affine]:
        """Give the edges that a value has become, or has been rounded to."""
        if isinstance(value, Curve):
            made = self._known.get(("activation", value.inner, value.pieces))
            relu = is_relu(value) and isinstance(value.inner, Affine)
            value = made or (Rectified(value.inner) if relu else value)  # type: ignore[arg-type]
        own = [value] if isinstance(value, Affine) else []
        rounded = self._known.get(("rounded", value))
        return own + ([rounded] if rounded else [])


def _few(values: tuple[Fraction, ...]) -> float | list[float]:
    """Give numbers as they are written down: one where all are the same."""
    numbers = list(map(float, values))
    return numbers[0] if len(set(numbers)) == 1 else numbers
