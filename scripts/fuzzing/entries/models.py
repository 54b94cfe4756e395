"""Model files: each is loaded, and what is accepted is used."""

import contextlib
import hashlib
import io
import json
import random
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np

from bnnhw import data, golden
from bnnhw.fold import serial
from bnnhw.graph import Graph, store
from bnnhw.load import keras_h5, load_model
from bnnhw.names import is_safe
from bnnhw.plan import make_plan, manifest

from ..archives import arrays_of, changed_arrays, changed_zip, members_of, npy, zipped
from ..frame import CORPUS, ROOT, Entry, Wrong
from ..hdf5_files import changed_h5, changed_h5_bytes
from ..onnx_files import changed_model
from ..trees import json_bytes

__all__ = ["Canonical", "KerasH5", "KerasZip", "Onnx", "Recorded", "SavedGraph", "used"]

_WORK = 300_000
_TORCH = ROOT / "tests" / "data" / "torch"


def used(graph: Graph, data: bytes) -> None:
    """Do with an accepted graph what commands do: print, compute in two ways, plan.

    Graphs that would take long are only printed: size alone is no defect.

    Raises
    ------
    Wrong
        If a name is not safe, or both paths of the golden model differ.
    """
    str(graph)
    _ = graph.digest
    unsafe = [node.name for node in graph.nodes if not is_safe(node.name)]
    if unsafe or not is_safe(graph.name):
        raise Wrong(f"a graph has the names {ascii([graph.name, *unsafe])}")
    if _work(graph) > _WORK:
        return
    mark = zlib.crc32(data)
    top = 255 if graph.input.lut is not None else graph.input.grid.levels - 1
    dice = np.random.default_rng(mark)
    x = dice.integers(0, top + 1, (2, *graph.input.image_shape))
    results = [golden.run(graph, x, path=path, kernel="numpy") for path in ("packed", "plain")]
    if not np.array_equal(results[0].logits, results[1].logits):
        raise Wrong("both paths of the golden model differ")
    if mark % 8 == 0:
        json.dumps(manifest(make_plan(graph, serial(graph))))


def _work(graph: Graph) -> int:
    work = sum(edge.size for edge in graph.edges.values())
    for node in graph.nodes:
        weight = getattr(node, "weight", None)
        if weight is not None:
            work += weight.size * max(1, graph.edges[node.name].size // len(weight))
        kernel = getattr(node, "kernel", (1, 1))
        work += graph.edges[node.name].size * kernel[0] * kernel[1]
    return work


class _ModelFile(Entry):
    """What the loaders of files have in common."""

    model = True
    inputs = 1000
    sample = 40

    def handle(self, data: bytes) -> None:
        used(load_model(self.put(data)), data)


class Onnx(_ModelFile):
    """QONNX files."""

    name, title, suffix = "onnx", "QONNX files (.onnx)", ".onnx"
    inputs = 5000

    @cached_property
    def _seeds(self) -> list[bytes]:
        own = [path.read_bytes() for path in sorted(CORPUS.glob("*.onnx"))]
        # Large ones are slow, and most of what is changed in them is a weight.
        return own * 30 + [data.path(f"digits_{kind}.onnx").read_bytes() for kind in ("cnn", "mlp")]

    def make(self, rng: random.Random) -> bytes:
        """Give a changed QONNX file, of the bundled ones now and then."""
        return changed_model(rng, rng.choice(self._seeds), self._seeds)


class _Arrays(_ModelFile):
    """Files of arrays of which one is a text of JSON."""

    suffix = ".npz"
    text = ""

    def _files(self) -> list[Path]:
        raise NotImplementedError

    @cached_property
    def _seeds(self) -> list[dict[str, Any]]:
        return [arrays_of(path.read_bytes()) for path in self._files()]

    def make(self, rng: random.Random) -> bytes:
        """Change the JSON, the arrays, or the archive."""
        arrays = dict(rng.choice(self._seeds))
        if rng.random() < 0.5:
            told = json_bytes(rng, json.loads(str(arrays[self.text])))
            arrays[self.text] = np.array(told.decode("utf-8", "replace").replace("\x00", " "))
            members = {f"{name}.npy": npy(array) for name, array in arrays.items()}
        else:
            members = changed_arrays(rng, arrays)
        return changed_zip(rng, members, most=0.15)


class Canonical(_Arrays):
    """Networks as plain arrays."""

    name, title, text = "npz", "networks as plain arrays (.npz)", "meta"
    inputs = 7000

    def _files(self) -> list[Path]:
        return [CORPUS / "dense.npz", CORPUS / "conv.npz"]


class Recorded(_Arrays):
    """Recorded modules of PyTorch."""

    name, title, text = "torch", "recorded PyTorch modules (.npz)", "torch"

    def _files(self) -> list[Path]:
        return [_TORCH / f"{name}.npz" for name in ("sign_of_even", "sign_of_odd", "tiny_bitorch")]


class _Agreeing(Graph):
    """A graph whose digest agrees with any other, so that changed ones get further."""

    @property
    def digest(self) -> Any:
        """Give what equals everything."""
        return mock.ANY


class SavedGraph(_ModelFile):
    """Saved graphs: the JSON, and the arrays beside it.

    An input holds both, the length of the JSON first. Where its last byte is odd, the digest of
    the graph is taken for right, as if whoever changed it had computed it again.
    """

    name, title, suffix = "graph", "saved graphs (.json with .npz)", ".json"
    inputs = 6000

    @cached_property
    def _seeds(self) -> list[tuple[Any, dict[str, Any]]]:
        paths = [CORPUS / "chain.json", CORPUS / "joins.json"]
        return [
            (json.loads(path.read_text()), arrays_of(path.with_suffix(".npz").read_bytes()))
            for path in paths
        ]

    def make(self, rng: random.Random) -> bytes:
        """Change the JSON, or the arrays under a digest that fits."""
        head, arrays = rng.choice(self._seeds)
        members = {f"{name}.npy": npy(array) for name, array in arrays.items()}
        if rng.random() < 0.3:
            members = changed_arrays(rng, arrays)
        packed = changed_zip(rng, members, most=0.05)
        head = head | {"arrays": {"file": "x", "sha256": hashlib.sha256(packed).hexdigest()}}
        told = json_bytes(rng, head) if rng.random() < 0.75 else json.dumps(head).encode()
        return struct.pack("<I", len(told)) + told + packed + bytes([rng.randrange(2)])

    def handle(self, data: bytes) -> None:
        """Take the input apart and load it."""
        (size,) = struct.unpack("<I", data[:4].ljust(4, b"\0"))
        path = self.put(data[4 : 4 + size])
        path.with_suffix(".npz").write_bytes(data[4 + size : -1])
        if data[-1:] != b"\x01":
            used(load_model(path), data)
            return
        with mock.patch.object(store, "Graph", _Agreeing):
            graph = load_model(path)
        used(Graph(graph.name, graph.nodes, graph.outputs, graph.readout, graph.meta), data)


class KerasH5(_ModelFile):
    """Keras' HDF5 files."""

    name, title, suffix = "h5", "Larq and Keras (.h5)", ".h5"
    inputs = 700

    @cached_property
    def _seeds(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted(CORPUS.glob("*.h5"))]

    @cached_property
    def _configs(self) -> list[Any]:
        import h5py

        found = []
        for seed in self._seeds:
            with h5py.File(io.BytesIO(seed), "r") as file:
                found.append(json.loads(file.attrs["model_config"]))
        return found

    def make(self, rng: random.Random) -> bytes:
        """Change the configuration, what the file holds, or its bytes."""
        which = rng.randrange(len(self._seeds))
        return changed_h5(rng, self._seeds[which], self._seeds, self._configs[which])

    def handle(self, data: bytes) -> None:
        """Load it, with the work of the child process done here unless `careful`."""
        with contextlib.nullcontext() if self.careful else _inside():
            super().handle(data)


class KerasZip(KerasH5):
    """Keras' archives."""

    name, title, suffix = "keras", "Larq and Keras (.keras)", ".keras"

    @cached_property
    def _members(self) -> list[dict[str, bytes]]:
        return [members_of(path.read_bytes()) for path in sorted(CORPUS.glob("*.keras"))]

    def make(self, rng: random.Random) -> bytes:
        """Change the configuration, the weights, or the archive."""
        members = dict(rng.choice(self._members))
        kind = rng.random()
        if kind < 0.45:
            members["config.json"] = json_bytes(rng, json.loads(members["config.json"]))
        elif kind < 0.75:
            weights = [entry["model.weights.h5"] for entry in self._members]
            members["model.weights.h5"] = changed_h5_bytes(
                rng, members["model.weights.h5"], weights
            )
        else:
            return changed_zip(rng, members, most=1)
        return zipped(members, packed=rng.random() < 0.5)


@contextlib.contextmanager
def _inside() -> Iterator[None]:
    """Let the child process that reads HDF5 be this one: half a second less for each input."""
    from bnnhw.load import keras_worker

    def run(words: list[str], *, input: bytes, **options: Any) -> Any:
        out = io.BytesIO()
        told = io.StringIO()
        streams: dict[str, Any] = {
            "stdin": SimpleNamespace(buffer=io.BytesIO(input)),
            "stdout": SimpleNamespace(buffer=out),
            "stderr": told,
        }
        with mock.patch.multiple(sys, **streams):
            code = keras_worker._main()
        return subprocess.CompletedProcess(words, code, out.getvalue(), told.getvalue().encode())

    fake = SimpleNamespace(run=run, TimeoutExpired=subprocess.TimeoutExpired)
    with (
        mock.patch.object(keras_h5, "subprocess", fake),
        mock.patch.object(keras_worker, "_limited", lambda: None),
    ):
        yield
