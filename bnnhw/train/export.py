"""From a trained network to files, and whether they compute what PyTorch computes."""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import golden
from ..errors import CheckFailed
from ..files import write_atomic
from ..graph import Graph, save_graph
from ..load import load_model
from .data import Split
from .qonnx import BnLayer, write_qonnx

__all__ = ["Results", "Trained", "check", "export", "save_results", "slack"]


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained network as arrays, however it was trained.

    Parameters
    ----------
    hidden : tuple of BnLayer
    last : np.ndarray
        Latent weights [classes, inputs] of the last layer.
    shape : tuple of int
        (channels, height, width) of an image.
    levels : tuple of float
    scale : float
        Positive factor on all logits.
    """

    hidden: tuple[BnLayer, ...]
    last: np.ndarray
    shape: tuple[int, int, int]
    levels: tuple[float, ...]
    scale: float


@dataclass(frozen=True, eq=False)
class Results:
    """What the training framework computes for some images.

    Parameters
    ----------
    logits : array of int32, shape (n, classes)
    classes : array of int64, shape (n,)
    """

    logits: np.ndarray
    classes: np.ndarray


def slack(layer: BnLayer) -> float:
    """How near a threshold comes to a sum that occurs, in steps between sums; 0.5 at most.

    A framework that computes in 32-bit floats may decide otherwise where it is 0.00001 or less;
    the integer graph is exact there, too.
    """
    taps = layer.weight[0].size
    values = layer.normalised(np.arange(-taps, taps + 1, 2)[:, None])
    steps = np.abs(values[1] - values[0])
    alive = steps > 0
    if not alive.any():
        return 0.5
    return float((np.abs(values[:, alive]) / steps[alive]).min())


def export(
    trained: Trained, folder: Path, name: str, notes: dict[str, str], *, producer: str
) -> Graph:
    """Write NAME.onnx (QONNX), and NAME.json with NAME.npz, the integer graph that is read from it.

    Raises
    ------
    ToolMissing
        If the `onnx` package is not installed.
    UsageError
        If a file cannot be written.
    """
    path = folder / f"{name}.onnx"
    write_qonnx(
        path, trained.hidden, trained.last, shape=trained.shape, levels=trained.levels,
        scale=trained.scale, metadata=notes, producer=producer,
    )  # fmt: skip
    graph = load_model(path, name=name)
    save_graph(graph, folder / f"{name}.json")
    return graph


def save_results(
    folder: Path, name: str, test: Split, results: Results, notes: dict[str, str]
) -> None:
    """Write NAME_test.npz, images with labels, and NAME_expected.npz, what PyTorch says of them."""
    meta = np.array(json.dumps(notes, sort_keys=True))
    arrays: dict[str, dict[str, Any]] = {
        "test": {"x": test.x, "y": test.y},
        "expected": {"logits": results.logits, "pred": results.classes},
    }
    for kind, found in arrays.items():
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **found, meta=meta)
        write_atomic(folder / f"{name}_{kind}.npz", buffer.getvalue())


def check(graph: Graph, split: Split, results: Results) -> dict[str, int]:
    """Hold the golden model of a graph against the framework: all logits, all classes.

    Returns
    -------
    dict
        ``images`` and ``logits`` that were compared, and how many of them were ``right``.

    Raises
    ------
    CheckFailed
        If anything differs.
    """
    found = golden.run(graph, split.x)
    logits = int(np.sum(found.logits != results.logits))
    classes = int(np.sum(found.classes != results.classes))
    if logits or classes:
        raise CheckFailed(
            f"The integer graph and PyTorch differ in {logits} of {results.logits.size} logits and "
            f"{classes} of {len(split)} classes.",
            "Please report the defect, with the file.",
        )
    return {
        "images": len(split),
        "logits": int(results.logits.size),
        "right": int(np.sum(found.classes == split.y)),
    }
