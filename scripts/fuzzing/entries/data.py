"""Files beside the model: images, expected outputs, weights, foldings and manifests."""

import contextlib
import io
import json
import random
import zlib
from functools import cached_property
from typing import Any

import numpy as np

from bnnhw.driver.device import Device
from bnnhw.driver.model import GoldenBoard
from bnnhw.fold import Folding, LayerFold, load_folding, serial
from bnnhw.graph import Graph
from bnnhw.images import load_images
from bnnhw.link.payload import Packing
from bnnhw.load import load_model
from bnnhw.plan import make_plan, manifest

from ..archives import changed_array, changed_arrays, changed_zip, npy
from ..frame import CORPUS, Entry, Wrong
from ..raw import mutated
from ..trees import changed, json_bytes

__all__ = ["Check", "FoldingFile", "ImageFile", "ManifestFile", "Pictures", "WeightFile"]

_PICTURES = ("png", "jpg", "bmp", "pgm")
# Where their headers have width and height.
_EXTENTS = ((16, 20), (163, 165), (18, 22), (0,))


class ImageFile(Entry):
    """Images and labels."""

    name, title, suffix = "images", "images and labels (.npz)", ".npz"
    inputs = 5000

    @cached_property
    def _graph(self) -> Graph:
        return load_model(CORPUS / "conv.npz")

    def make(self, rng: random.Random) -> bytes:
        """Change pixels, labels or the archive."""
        size = self._graph.input.shape
        x = np.array([rng.randrange(256) for _ in range(3 * int(np.prod(size)))], np.uint8)
        arrays = {"x": x.reshape(3, *size), "y": np.array([0, 1, 1], np.uint8)}
        return changed_zip(rng, changed_arrays(rng, arrays), most=0.3)

    def handle(self, data: bytes) -> None:
        """Read them, for a network with a table and for one without."""
        load_images(self.put(data), self._graph)


class Pictures(Entry):
    """Folders of pictures, as `bnnhw train` reads them; the first byte says which format."""

    name, title = "pictures", "pictures (.png, .jpg, .bmp, .pgm)"
    inputs = 6000

    @cached_property
    def _seeds(self) -> list[bytes]:
        return [(CORPUS / f"noise.{kind}").read_bytes() for kind in _PICTURES]

    def make(self, rng: random.Random) -> bytes:
        """Change a picture, the extents in its header more often than the rest."""
        kind = rng.randrange(len(self._seeds))
        data = bytearray(self._seeds[kind])
        if rng.random() < 0.3:
            start = rng.choice(_EXTENTS[kind])
            number = rng.choice((0, 1, 255, 4096, 5793, 65535, 1 << 20, (1 << 31) - 1, 1 << 31))
            size = 2 if kind == 1 else 4
            text = b"P5\n%d %d\n255\n" % (number, rng.choice((1, 10, 4096, number)))
            field = (number & (1 << 8 * size) - 1).to_bytes(size, "little" if kind == 2 else "big")
            data = bytearray(text + data[13:]) if kind == 3 else data
            if kind < 3:
                data[start : start + size] = field
        changed = bytes(data) if rng.random() < 0.2 else mutated(rng, bytes(data), self._seeds)
        if kind == 0 and rng.random() < 0.7:
            changed = _checked_png(changed)
        return bytes([kind if rng.random() < 0.95 else rng.randrange(4)]) + changed

    def handle(self, data: bytes) -> None:
        """Read a folder of two classes, scaled and not."""
        from bnnhw.train.folder import read_folder

        folder = self.folder / "classes"
        for name in ("a", "b"):
            (folder / name).mkdir(parents=True, exist_ok=True)
            for kind in _PICTURES:
                (folder / name / f"x.{kind}").unlink(missing_ok=True)
            suffix = _PICTURES[data[0] % len(_PICTURES)] if data else _PICTURES[0]
            (folder / name / f"x.{suffix}").write_bytes(data[1:])
        found = read_folder(folder, side=8)
        if found.x.shape != (2, 1, 8, 8):
            raise Wrong(f"two pictures have the shape {found.x.shape}")
        read_folder(folder)


def _checked_png(data: bytes) -> bytes:
    """Mend the checksums of a PNG file, so that decoders go on behind them."""
    out, at = data[:8], 8
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        body = data[at + 4 : at + 8 + size]
        out += data[at : at + 4] + body + zlib.crc32(body).to_bytes(4, "big")
        at += 12 + size
    return out


class Check(Entry):
    """What a framework said, for `bnnhw import --check` and `bnnhw evaluate --expect`."""

    name, title, suffix = "check", "outputs of a framework (.npz)", ".npz"
    inputs = 2000

    def make(self, rng: random.Random) -> bytes:
        """Change images, scores, classes or taps."""
        arrays: dict[str, Any] = {
            "x": np.arange(6, dtype=np.uint8).reshape(2, 1, 1, 3),
            "y": np.array([0, 1]),
            "logits": np.array([[1.0, -1], [0, 2]], np.float32),
            "pred": np.array([0, 1], np.uint8),
            "tap_0": np.ones((2, 2), np.float32),
        }
        for name in ("logits", "pred", "tap_0"):
            if rng.random() < 0.3:
                del arrays[name]
        return changed_zip(rng, changed_arrays(rng, arrays), most=0.1)

    def handle(self, data: bytes) -> None:
        """Ask both commands."""
        from rtl_gen.cli.evaluate import evaluate
        from rtl_gen.cli.imports import import_model

        path, model = self.put(data), CORPUS / "dense.npz"
        with contextlib.redirect_stdout(io.StringIO()):
            evaluate(model, path, expect=path, as_json=True)
            import_model(model, check=path, as_json=True)


class WeightFile(Entry):
    """Matrices and thresholds of one array."""

    name, title, suffix = "weights", "weights of an array (.npy, .npz)", ".npy"
    inputs = 5000

    def make(self, rng: random.Random) -> bytes:
        """Change an .npy file, or an .npz file that holds both."""
        matrix = np.array([[rng.choice((-1, 1)) for _ in range(4)] for _ in range(3)], np.int8)
        if rng.random() < 0.4:
            arrays = {"weights": matrix, "thresholds": np.array([1, 2, 3])}
            return b"Z" + changed_zip(rng, changed_arrays(rng, arrays), most=0.1)
        array = matrix if rng.random() < 0.5 else np.array([1, 2, 3])
        if rng.random() < 0.4:
            return b"Y" + npy(changed_array(rng, array))
        if rng.random() < 0.5:
            return b"Y" + changed_arrays(rng, {"a": array}).get("a.npy", b"")
        return b"Y" + mutated(rng, npy(array))

    def handle(self, data: bytes) -> None:
        """Read it as weights, and as thresholds."""
        from rtl_gen.product.weights import load_thresholds, load_weights

        path = self.put(data[1:])
        if data[:1] == b"Z":
            path = path.rename(path.with_suffix(".npz"))
        asked = (load_weights, load_thresholds)
        asked[len(data) % 2](path)


class FoldingFile(Entry):
    """Foldings in TOML."""

    name, title, suffix = "folding", "foldings (.toml)", ".toml"
    inputs = 25_000
    sample = 60

    @cached_property
    def _graph(self) -> Graph:
        return load_model(CORPUS / "conv.npz")

    @cached_property
    def _seed(self) -> dict[str, Any]:
        names = [node.name for node in self._graph.nodes if hasattr(node, "weight")]
        table = {"pe": 1, "simd": 1, "weights": "lut", "multiplier": "lut", "pipeline": "area"}
        pools = [node.name for node in self._graph.nodes if hasattr(node, "kernel")]
        return {
            "input_lanes": 1,
            "layer": {name: dict(table) for name in names},
            "lanes": dict.fromkeys(pools, 1),
        }

    def make(self, rng: random.Random) -> bytes:
        """Change values and keys, or the text."""
        value = changed(rng, self._seed) if rng.random() < 0.75 else self._seed
        text = _toml(value) if isinstance(value, dict) else str(value)
        if rng.random() < 0.02:
            text += rng.choice(("a = " + "[" * 5000, "a" + ".a" * 3000 + " = 1", "[[layer]]\n",
                                "a = " + "{b=" * 3000, "a = " + "9" * 5000, "layer = 1\n",
                                "a = 1979-05-27T07:32:00Z\n", "x = " + "1_0" * 900))  # fmt: skip
        data = text.encode("utf-8", "surrogatepass")
        return mutated(rng, data) if rng.random() < 0.4 else data

    def handle(self, data: bytes) -> None:
        """Read it, and plan with it where it suits the network."""
        folding = load_folding(self.put(data))
        folding.check(self._graph)
        if len(data) % 8 == 0:
            make_plan(self._graph, folding)


def _toml(table: dict[str, Any]) -> str:
    lines = [f"{_key(key)} = {_value(entry)}" for key, entry in table.items()
             if not isinstance(entry, dict)]  # fmt: skip
    for key, entry in table.items():
        if isinstance(entry, dict):
            for part, inner in entry.items():
                if isinstance(inner, dict):
                    lines.append(f"[{_key(key)}.{_key(part)}]")
                    lines += [f"{_key(name)} = {_value(each)}" for name, each in inner.items()]
            plain = {part: inner for part, inner in entry.items() if not isinstance(inner, dict)}
            if plain or not entry:
                lines.append(f"[{_key(key)}]")
                lines += [f"{_key(part)} = {_value(inner)}" for part, inner in plain.items()]
    return "\n".join(lines) + "\n"


def _key(key: str) -> str:
    plain = key.isascii() and key.replace("_", "a").replace("-", "a").isalnum()
    return key if plain else json.dumps(key, ensure_ascii=False)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)} = {_value(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if value is None:
        return '""'
    return json.dumps(value, ensure_ascii=False).replace("NaN", "nan").replace("Infinity", "inf")


class ManifestFile(Entry):
    """Manifests, of a design with fixed weights and of one whose weights are loaded."""

    name, title, suffix = "manifest", "manifests (.json)", ".json"
    inputs = 8_000
    sample = 40

    @cached_property
    def _graph(self) -> Graph:
        return load_model(CORPUS / "dense.npz")

    @cached_property
    def _seeds(self) -> list[dict[str, Any]]:
        writable = Folding({name: LayerFold(1, 1, "ram") for name in serial(self._graph).layers})
        plans = [make_plan(self._graph, folding) for folding in (serial(self._graph), writable)]
        # Lists of a table would be changed nine times in ten.
        return [json.loads(json.dumps(manifest(plan))) for plan in plans]

    def make(self, rng: random.Random) -> bytes:
        """Change one."""
        seed = rng.choice(self._seeds)
        if rng.random() < 0.8:
            short = seed | {"input": seed["input"] | {"lut": None}}
            seed = changed(rng, short)
            if isinstance(seed.get("input"), dict) and seed["input"].get("lut", 0) is None:
                seed["input"]["lut"] = self._seeds[0]["input"]["lut"]
            return json.dumps(seed).encode()
        return json_bytes(rng, seed)

    def handle(self, data: bytes) -> None:
        """Open a board that suits the seed with it, send an image and weights."""
        from bnnhw import driver

        path = self.put(data)
        with contextlib.closing(_Reached(self._graph, self._seeds[1])) as board:
            with board.as_line():
                device: Device = driver.open("socket://fuzz:1", manifest=path, timeout=0.01)
            with device:
                told = json.loads(data)
                Packing.from_manifest(told)
                if told.get("weights"):
                    device.load_weights(self._graph)
                device.predict(np.zeros((1, *self._graph.input.image_shape), np.uint8))


class _Reached:
    """Puts a golden board at the end of every address."""

    def __init__(self, graph: Graph, told: dict[str, Any]) -> None:
        self._board = GoldenBoard(graph, told)

    def as_line(self) -> Any:
        from unittest import mock

        return mock.patch("bnnhw.driver.places.connect", lambda url, timeout: self._board)

    def close(self) -> None:
        self._board.close()
