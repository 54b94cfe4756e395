"""The graph on disk: `NAME.json` that people can read, and `NAME.npz` beside it with the arrays."""

import hashlib
import io
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UsageError
from ..files import read_capped, read_npz, write_atomic
from .arith import Affine, IntDense
from .graph import Graph, Readout
from .grid import Grid
from .joins import Add, Concat, Shuffle, Slice
from .nodes import Argmax, Dense, Flatten, Input, Node, Threshold, TopK
from .spatial import Conv, IntConv, MaxPool, SumPool

__all__ = ["FORMAT", "VERSION", "load_graph", "save_graph"]

FORMAT = "bnnhw-graph"
VERSION = 1

_KINDS: dict[str, type[Node]] = {
    kind.__name__: kind
    for kind in (
        *(Input, Flatten, Dense, Threshold, Argmax, TopK),
        *(Conv, MaxPool, SumPool, IntConv, IntDense, Affine),
        *(Add, Concat, Slice, Shuffle),
    )
}


def save_graph(graph: Graph, path: Path) -> None:
    """Write `graph` to `path` (ending in .json) and its arrays beside it; both or neither appear.

    Raises
    ------
    UsageError
        If `path` does not end in .json.
    """
    if path.suffix != ".json":
        raise UsageError(
            f"A graph is saved as a .json file, not as '{path.name}'.",
            "Choose a name that ends in .json.",
        )
    arrays: dict[str, Any] = {}
    nodes = []
    for node in graph.nodes:
        entry: dict[str, object] = {"kind": type(node).__name__}
        for item in fields(node):
            value = getattr(node, item.name)
            if isinstance(value, np.ndarray):
                key = f"{node.name}.{item.name}"
                arrays[key] = value
                entry[item.name] = {"array": key}
            elif isinstance(value, Grid):
                entry[item.name] = {"low": value.low, "step": value.step, "levels": value.levels}
            else:
                entry[item.name] = list(value) if isinstance(value, tuple) else value
        nodes.append(entry)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    data = buffer.getvalue()
    readout = graph.readout and {
        "scale": list(graph.readout.scale),
        "bias": list(graph.readout.bias),
    }
    head = {
        "format": FORMAT,
        "version": VERSION,
        "name": graph.name,
        "digest": graph.digest,
        "arrays": {
            "file": path.with_suffix(".npz").name,
            "sha256": hashlib.sha256(data).hexdigest(),
        },
        "nodes": nodes,
        "outputs": list(graph.outputs),
        "readout": readout,
        "meta": dict(graph.meta),
    }
    write_atomic(path.with_suffix(".npz"), data)
    write_atomic(path, (json.dumps(head, indent=1, ensure_ascii=False) + "\n").encode())


def load_graph(path: Path) -> Graph:
    """Read a graph that `save_graph` wrote.

    Raises
    ------
    UsageError
        If a file is missing, damaged, of another version, or does not describe a legal graph.
    """
    todo = "Save the graph again with this version of bnnhw."
    try:
        head = json.loads(read_capped(path))
        if head["format"] != FORMAT or head["version"] != VERSION:
            raise UsageError(
                f"'{path}' is {head['format']!r} version {head['version']!r}, "
                f"not {FORMAT} {VERSION}.",
                todo,
            )
        arrays = read_npz(path.with_suffix(".npz"), sha256=head["arrays"]["sha256"])
        nodes = tuple(_node(entry, arrays) for entry in head["nodes"])
        readout = head["readout"] and Readout(
            tuple(map(float, head["readout"]["scale"])), tuple(map(float, head["readout"]["bias"]))
        )
        graph = Graph(
            head["name"],
            nodes,
            tuple(head["outputs"]),
            readout,
            {str(k): str(v) for k, v in head["meta"].items()},
        )
        told = head["digest"]
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise UsageError(
            f"'{path}' is no graph of bnnhw: {type(error).__name__}: {error}.", todo
        ) from error
    if graph.digest != told:
        raise UsageError(f"'{path}' was changed after it was saved: its digest differs.", todo)
    return graph


def _node(entry: dict[str, Any], arrays: dict[str, Any]) -> Node:
    kind = _KINDS[entry["kind"]]
    values: dict[str, Any] = {}
    for item in fields(kind):
        value = entry[item.name]
        if isinstance(value, dict) and "array" in value:
            value = arrays[value["array"]]
        elif isinstance(value, dict):
            value = Grid(int(value["low"]), int(value["step"]), int(value["levels"]))
        elif isinstance(value, list):
            if not all(type(part) in (int, str) for part in value):
                raise TypeError(f"'{item.name}' holds more than integers and names")
            value = tuple(value)
        values[item.name] = value
    return kind(**values)
