"""Plain NumPy arrays, as `bnnhw.from_arrays` takes them."""

import json
import random
from typing import Any

import numpy as np

from bnnhw.errors import UsageError
from bnnhw.load.from_arrays import BatchNorm, ConvLayer, DenseLayer, PoolLayer, from_arrays

from ..frame import Entry
from ..trees import changed
from .models import used

__all__ = ["FromArrays"]

_KINDS: dict[str, Any] = {"dense": DenseLayer, "conv": ConvLayer, "pool": PoolLayer}
_TUPLES = ("stride", "padding", "dilation", "size", "shape")
_NORM = {"mean": [0.5, -1.0], "variance": [1.0, 2.0], "gamma": [1.0, -2.0], "beta": [0.1, 0.0],
         "epsilon": 1e-5}  # fmt: skip
_SEEDS: list[dict[str, Any]] = [
    {
        "shape": [1, 4, 4],
        "pixels": "unit",
        "name": "net",
        "top": None,
        "layers": [
            {"kind": "conv", "weight": [[[[1, -1], [1, 1]]], [[[-1, -1], [1, -1]]]],
             "norm": _NORM, "stride": [1, 1], "padding": [0, 0, 0, 0], "pad_value": 0,
             "dilation": [1, 1], "groups": 1},
            {"kind": "pool", "size": [3, 3], "stride": [1, 1], "padding": [0, 0, 0, 0]},
            {"kind": "dense", "weight": [[1, -1], [1, 1], [-1, 1]], "order": "CHW"},
        ],
    },
    {
        "shape": [3],
        "pixels": "byte",
        "name": "flat",
        "top": 2,
        "layers": [
            {"kind": "dense", "weight": [[0.3, -1.0, 0.0], [1.5, 2.0, -0.1]], "latent": True,
             "thresholds": [[10, 20, 30], [-5, 0, 5]], "direction": [1, -1]},
            {"kind": "dense", "weight": [[1, -1], [1, 1]], "norm": _NORM},
        ],
    },
]  # fmt: skip


class FromArrays(Entry):
    """Arguments of `from_arrays`, written down as JSON: types of Python, too, are tried."""

    name, title, suffix = "arrays", "arguments of from_arrays", ".json"
    inputs = 3000

    def make(self, rng: random.Random) -> bytes:
        """Change arguments, not their names."""
        value = changed(rng, rng.choice(_SEEDS))
        return json.dumps(value).encode()

    def handle(self, data: bytes) -> None:
        """Make the arguments and call."""
        try:
            told = json.loads(data)
            layers = [_layer(entry) for entry in told["layers"]]
            shape = tuple(told["shape"])
            options = {key: told[key] for key in ("pixels", "name", "top")}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            # Python itself refuses what has other names: no input of ours.
            raise UsageError("These are no arguments.", "Give some.") from error
        if not isinstance(options["name"], str):
            raise UsageError("This name is no text.", "Give one.")
        used(from_arrays(layers, shape=shape, **options), data)


def _layer(entry: dict[str, Any]) -> Any:
    told = dict(entry)
    kind = _KINDS[told.pop("kind")]
    for key, value in told.items():
        if key in _TUPLES and isinstance(value, list):
            told[key] = tuple(value)
        elif key == "norm" and isinstance(value, dict):
            told[key] = BatchNorm(**{part: _array(number) for part, number in value.items()})
        elif key in ("weight", "thresholds", "direction"):
            told[key] = _array(value)
    return kind(**told)


def _array(value: Any) -> Any:
    """Make an array where NumPy can."""
    try:
        return np.array(value) if isinstance(value, list) else value
    except (ValueError, OverflowError):
        return value
