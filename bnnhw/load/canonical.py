"""Networks as plain arrays in one .npz: integer weights, thresholds and a table for pixels."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from ..errors import UsageError
from ..files import read_npz
from ..graph import Graph
from ..names import printable
from .chain import Chain, graph_name
from .decide import Undecidable, class_offsets

__all__ = ["load_canonical"]

_NOT_YET = ("conv", "maxpool")
_KEYS = {"kind", "W", "T", "dir", "act_min", "act_step", "in_shape", "out_shape"}
_META = ("source", "accuracy")


def load_canonical(path: Path, *, name: str | None = None) -> Graph:
    """Load a fully connected network of 1-bit weights and activations from plain arrays.

    Parameters
    ----------
    path : Path
        Holds ``meta`` (JSON with ``in_shape`` and ``layers``), ``in_lut``, the arrays that the
        layers name, and ``final_T`` or ``final_scale`` with ``final_bias`` if the class needs them.
    name : str or None
        Name of the graph; by default that in the file, made safe.

    Raises
    ------
    UsageError
        If the file cannot be read, is inconsistent, or holds what is not supported.
    """
    return _Reader(path, read_npz(path)).graph(name)


class _Reader:
    """One file while it is read; remembers which arrays were used."""

    def __init__(self, path: Path, arrays: dict[str, Any]) -> None:
        self._path = path
        self._arrays = arrays
        self._used = {"meta"}
        self._chain = Chain()
        self._meta = self._parsed_meta()

    def _fail(self, what: str, todo: str = "Mend the file or export it again.") -> NoReturn:
        raise UsageError(f"'{self._path}': {what}.", todo)

    def _unsupported(self, what: str) -> NoReturn:
        self._fail(
            f"{what}, which is not supported yet",
            "Fully connected networks with 1-bit inputs, weights and activations are supported.",
        )

    def _parsed_meta(self) -> dict[str, Any]:
        if "meta" not in self._arrays:
            self._fail("it has no array 'meta', so it is no network")
        try:
            meta = json.loads(str(self._arrays["meta"]))
        except (ValueError, RecursionError) as error:
            self._fail(f"its 'meta' is no JSON: {error}")
        if not isinstance(meta, dict) or not isinstance(meta.get("layers"), list):
            self._fail("its 'meta' names no list of layers, so it is no network")
        return meta

    def _ints(self, key: object, what: str, shape: tuple[int | None, ...]) -> npt.NDArray[np.int64]:
        """Give an array of integers whose shape matches; None stands for any extent."""
        if not isinstance(key, str) or key not in self._arrays:
            self._fail(f"{what} names the array {printable(repr(key))}, which is not there")
        self._used.add(key)
        array: npt.NDArray[Any] = self._arrays[key]
        fits = len(array.shape) == len(shape) and all(
            want in (None, have) for want, have in zip(shape, array.shape, strict=True)
        )
        if not np.issubdtype(array.dtype, np.integer) or not fits or not array.size:
            wanted = " × ".join("n" if want is None else str(want) for want in shape)
            self._fail(f"{what} is {array.dtype} {array.shape} instead of integers {wanted}")
        if array.dtype == np.uint64 and int(array.max()) >= 1 << 63:
            self._fail(f"{what} has values beyond 64 bits")
        return array.astype(np.int64)

    def graph(self, name: str | None) -> Graph:
        """Read everything, in order."""
        layers = self._meta["layers"]
        if not layers:
            self._fail("it has no layers")
        source = self._chain.flat(self._input())
        for number, layer in enumerate(layers):
            source = self._layer(number, layer, source, last=number == len(layers) - 1)
        decision, scores = self._final(source)
        unused = sorted(set(self._arrays) - self._used)
        if unused:
            self._fail(f"nothing is known about its array '{printable(unused[0])}'")
        meta = {key: json.dumps(self._meta[key]) for key in _META if key in self._meta}
        own = self._meta.get("name")
        found = name or graph_name(own if isinstance(own, str) else None, self._path.stem)
        return self._chain.graph(found, source, decision, scores, {"format": "npz", **meta})

    def _input(self) -> str:
        shape = self._meta.get("in_shape")
        if (
            not isinstance(shape, list)
            or not 1 <= len(shape) <= 3
            or not all(type(extent) is int and 1 <= extent <= 1 << 26 for extent in shape)
        ):
            self._fail(f"its in_shape is {printable(repr(shape))} instead of 1 to 3 sizes")
        values = self._ints("in_lut", "the table 'in_lut'", (256,))
        found = sorted(set(values.tolist()))
        if found == [-1, 0, 1]:
            self._unsupported("its input is ternary (in_lut gives -1, 0 and +1)")
        if found != [-1, 1]:
            self._unsupported(
                f"its in_lut gives {len(found)} values from {found[0]} to {found[-1]} instead of ±1"
            )
        return self._chain.input(tuple(shape), (values > 0).astype(np.int64))

    def _layer(self, number: int, layer: object, source: str, *, last: bool) -> str:
        what = f"layer {number}"
        if not isinstance(layer, dict):
            self._fail(f"{what} is no object")
        kind = layer.get("kind")
        if kind in _NOT_YET:
            self._unsupported(f"{what} is a {kind}")
        if kind != "fc":
            self._fail(f"{what} has the unknown kind {printable(repr(kind))}")
        unknown = sorted(set(layer) - _KEYS)
        if unknown:
            self._fail(f"{what} has the unknown key '{printable(unknown[0])}'")
        columns = self._chain.edges[source].size
        weight = self._ints(layer.get("W"), f"the weight of {what}", (None, columns))
        self._check_weight(weight, what)
        self._check_shapes(layer, what, columns, len(weight))
        source = self._chain.dense(source, weight > 0)
        if ("T" not in layer) != last:
            self._fail(
                f"{what} is the last and has thresholds" if last else f"{what} has no thresholds"
            )
        return source if last else self._threshold(layer, what, source)

    def _check_weight(self, weight: npt.NDArray[np.int64], what: str) -> None:
        if not weight.all():
            self._unsupported(f"{what} has weights of 0 (ternary)")
        if np.abs(weight).max() != 1:
            self._unsupported(f"{what} has weights other than ±1")

    def _check_shapes(self, layer: dict[str, Any], what: str, columns: int, rows: int) -> None:
        for key, size in (("in_shape", columns), ("out_shape", rows)):
            shape = layer.get(key, [size])
            if (
                not isinstance(shape, list)
                or not all(type(extent) is int and 1 <= extent <= size for extent in shape)
                or np.prod(shape, dtype=object) != size
            ):
                self._fail(f"{what} says {key} {printable(repr(shape))} but has {size} values")

    def _threshold(self, layer: dict[str, Any], what: str, source: str) -> str:
        rows = self._chain.edges[source].size
        levels = self._ints(layer["T"], f"the threshold of {what}", (rows, None))
        if levels.shape[1] != 1:
            self._unsupported(f"{what} has {levels.shape[1]} thresholds for each channel")
        if (layer.get("act_min"), layer.get("act_step")) != (-1, 2):
            shown = f"act_min {layer.get('act_min')!r} and act_step {layer.get('act_step')!r}"
            self._unsupported(f"{what} has {printable(shown)} instead of -1 and 2")
        direction = self._ints(layer.get("dir"), f"the direction of {what}", (rows,))
        if not np.isin(direction, (-1, 1)).all():
            self._fail(f"the direction of {what} is not +1 or -1 everywhere")
        return self._chain.sign(source, levels, direction.astype(np.int8))

    def _final(
        self, logits: str
    ) -> tuple[tuple[int, npt.NDArray[np.int64]], tuple[list[Fraction], list[Fraction]] | None]:
        classes = self._chain.edges[logits].size
        if "final_scale" in self._arrays or "final_bias" in self._arrays:
            scale = self._fractions("final_scale", classes)
            bias = self._fractions("final_bias", classes)
            if "final_T" in self._arrays:
                self._fail("it has final_T as well as final_scale")
            try:
                decision = class_offsets(self._chain.grid(logits), scale, bias)
            except Undecidable as error:
                self._unsupported(f"its class cannot be decided in integers: {error}")
            return decision, (scale, bias)
        if "final_T" in self._arrays:
            return (1, -self._ints("final_T", "the array 'final_T'", (classes,))), None
        return (1, np.zeros(classes, np.int64)), None

    def _fractions(self, key: str, classes: int) -> list[Fraction]:
        if key not in self._arrays:
            self._fail(f"it has no array '{key}' beside the other of final_scale and final_bias")
        self._used.add(key)
        array = self._arrays[key]
        if (
            array.dtype not in (np.float64, np.float32)
            or array.shape != (classes,)
            or not np.isfinite(array).all()
        ):
            found = f"{array.dtype} {array.shape}"
            self._fail(f"the array '{key}' is {found} instead of {classes} finite floats")
        return [Fraction(float(value)) for value in array]
