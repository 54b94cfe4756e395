"""Networks as plain arrays in one .npz: integer weights, thresholds and a table for pixels."""

import json
from fractions import Fraction
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np

from ..files import read_npz
from ..graph import Graph, Grid
from ..names import printable
from .arrays import Arrays
from .canonical_layers import Layers
from .chain import Chain, graph_name
from .decide import Undecidable
from .scores import Verdict, decided

__all__ = ["load_canonical"]

_META = ("source", "accuracy")
_INPUT_CAP = 1 << 16


def load_canonical(path: Path, *, name: str | None = None) -> Graph:
    """Load a network of ±1 weights and integer activations from plain arrays.

    Parameters
    ----------
    path : Path
        Holds ``meta`` (JSON with ``in_shape`` and ``layers``), ``in_lut``, the arrays that the
        layers name, and ``final_T`` or ``final_scale`` with ``final_bias`` if the class needs them.
        A number ``top`` in ``meta`` asks for so many classes, best first.
    name : str or None
        Name of the graph; by default that in the file, made safe.

    Raises
    ------
    UsageError
        If the file cannot be read, is inconsistent, or holds what is not supported.
    """
    arrays = Arrays(path, read_npz(path))
    meta = _parsed_meta(arrays)
    if not meta["layers"]:
        arrays.fail("it has no layers")
    chain = Chain()
    source = _input(arrays, meta, chain)
    layers = Layers(arrays, chain)
    for number, layer in enumerate(meta["layers"]):
        source = layers.add(number, layer, source, last=number == len(meta["layers"]) - 1)
    k = _top(arrays, meta, chain.edges[source].size)
    verdict, scores = _final(arrays, chain, source, k)
    arrays.check_all_used()
    said = {key: json.dumps(meta[key]) for key in _META if key in meta}
    own = meta.get("name")
    found = name or graph_name(own if isinstance(own, str) else None, path.stem)
    return chain.graph(found, source, verdict, scores, {"format": "npz", **said})


def _parsed_meta(arrays: Arrays) -> dict[str, Any]:
    if "meta" not in arrays:
        arrays.fail("it has no array 'meta', so it is no network")
    try:
        meta = json.loads(arrays.text("meta"))
    except (ValueError, RecursionError) as error:
        arrays.fail(f"its 'meta' is no JSON: {error}")
    if not isinstance(meta, dict) or not isinstance(meta.get("layers"), list):
        arrays.fail("its 'meta' names no list of layers, so it is no network")
    return meta


def _input(arrays: Arrays, meta: dict[str, Any], chain: Chain) -> str:
    shape = meta.get("in_shape")
    if (
        not isinstance(shape, list)
        or not 1 <= len(shape) <= 3
        or not all(type(extent) is int and 1 <= extent <= 1 << 26 for extent in shape)
    ):
        arrays.fail(f"its in_shape is {printable(repr(shape))} instead of 1 to 3 sizes")
    values = arrays.ints("in_lut", "the table 'in_lut'", (256,))
    low, high = int(values.min()), int(values.max())
    step = gcd(*(int(value) - low for value in values)) or 1
    grid = Grid(low, step, (high - low) // step + 1)
    if max(abs(low), abs(high)) > _INPUT_CAP:
        arrays.unsupported(f"its in_lut gives values from {low} to {high}")
    return chain.input(tuple(shape), grid.codes(values), grid)


def _top(arrays: Arrays, meta: dict[str, Any], classes: int) -> int | None:
    k = meta.get("top")
    if k is not None and not (type(k) is int and 1 <= k <= classes):
        arrays.fail(f"its 'top' is {printable(repr(k))} instead of 1 to {classes} classes")
    return k


def _final(
    arrays: Arrays, chain: Chain, logits: str, k: int | None
) -> tuple[Verdict, tuple[list[Fraction], list[Fraction]] | None]:
    classes = chain.edges[logits].size
    given = [key for key in ("final_scale", "final_bias") if key in arrays]
    if len(given) == 1:
        (other,) = {"final_scale", "final_bias"} - set(given)
        arrays.fail(f"it has no array '{other}' beside the other of final_scale and final_bias")
    if given:
        scale, bias = (arrays.fractions(key, classes) for key in given)
        if "final_T" in arrays:
            arrays.fail("it has final_T as well as final_scale")
        try:
            return decided(chain.grid(logits), scale, bias, k=k), (scale, bias)
        except Undecidable as error:
            arrays.unsupported(f"its class cannot be decided in integers: {error}")
    if "final_T" in arrays:
        return Verdict(-arrays.ints("final_T", "the array 'final_T'", (classes,)), k=k), None
    return Verdict(np.zeros(classes, np.int64), k=k), None
