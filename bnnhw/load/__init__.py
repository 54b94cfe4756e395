"""Loaders: one file in, one checked integer graph out, or one clear error."""

from pathlib import Path

from ..errors import UsageError
from ..graph import Graph, load_graph
from ..names import printable
from .canonical import load_canonical
from .torch_description import is_recorded

__all__ = ["load_model"]

_ACCEPTED = (
    "Give a .onnx file (QONNX), a .h5 or .keras file (Larq, Keras), a network as .npz, or a saved "
    "graph as .json."
)


def load_model(path: Path, *, name: str | None = None, pixel: str = "auto") -> Graph:
    """Load a network; the suffix of the file says how.

    Parameters
    ----------
    path : Path
        QONNX as .onnx, a model of Larq or Keras as .h5, .hdf5 or .keras, a network of plain arrays
        or a recorded module of PyTorch as .npz, or a saved graph as .json.
    name : str or None
        Name of the graph; by default what the file or its name suggests, made safe.
    pixel : str
        What a model of a framework expects as input: "unit" (0 … 1), "byte" (0 … 255), "centred"
        (−1 … 1) or "auto".

    Raises
    ------
    UsageError
        If the file cannot be read, or holds what is not supported; nothing is guessed.
    ToolMissing
        If the file needs a package that is not installed.
    """
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        from .qonnx import load_qonnx

        return load_qonnx(path, name=name, pixel=pixel)
    if suffix in (".h5", ".hdf5", ".keras"):
        from .keras_model import load_keras

        return load_keras(path, name=name, pixel=pixel)
    if suffix == ".npz" and is_recorded(path):
        from .torch import load_recorded

        return load_recorded(path, name=name, pixel=pixel)
    if pixel != "auto":
        raise UsageError(
            f"'{printable(str(path))}' says itself how it reads pixels.",
            "Leave the option out; it is for models of frameworks.",
        )
    if suffix == ".npz":
        return load_canonical(path, name=name)
    if suffix == ".json":
        return _renamed(load_graph(path), name)
    what = f"has the suffix '{printable(path.suffix)}'" if path.suffix else "has no suffix"
    raise UsageError(f"'{printable(str(path))}' {what}, which names no known format.", _ACCEPTED)


def _renamed(graph: Graph, name: str | None) -> Graph:
    if name is None or name == graph.name:
        return graph
    return Graph(name, graph.nodes, graph.outputs, graph.readout, graph.meta)
