"""Convolutions and pools as plain arrays: a small network by hand, and what can be wrong."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnhw.errors import UsageError
from bnnhw.golden import run
from bnnhw.graph import Grid
from bnnhw.load import load_model

MEND = r"\.\nMend the file or export it again\.$"
ACT = {"act_min": -1, "act_step": 1}


def network() -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the meta and the arrays of a network with three layers."""
    conv = {"kind": "conv", "W": "W0", "T": "T0", "dir": "D0", "stride": 2, "pad": 1, **ACT,
            "in_shape": [1, 5, 5], "out_shape": [2, 3, 3]}  # fmt: skip
    pool = {"kind": "maxpool", "size": 2, "stride": 1, "out_shape": [2, 2, 2]}
    last = {"kind": "fc", "W": "W2", "in_shape": [2, 2, 2]}
    meta = {"in_shape": [1, 5, 5], "layers": [conv, pool, last]}
    arrays = {
        "in_lut": np.arange(256) // 64 - 1,
        "W0": np.array([[[[1, 1, 1], [1, 1, 1], [1, 1, 1]]], [[[-1, 1, 1], [1, 1, 1], [1, 1, 1]]]]),
        "T0": np.array([[2, 8], [-1, -3]]),
        "D0": np.array([1, -1]),
        "W2": np.array([[1] * 8, [-1] * 4 + [1] * 4]),
    }
    return meta, arrays


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    def write(meta: dict[str, Any], arrays: dict[str, Any]) -> Path:
        np.savez(tmp_path / "net.npz", **{"meta": np.array(json.dumps(meta)), **arrays})
        return tmp_path / "net.npz"

    return write


@pytest.mark.parametrize("path", ["packed", "plain"])
def test_network_by_hand(save: Any, path: str) -> None:
    graph = load_model(save(*network()))
    assert graph.input.grid == Grid(-1, 1, 4)
    image = np.zeros((1, 1, 5, 5), np.uint8)
    image[0, 0, 2, 2] = 255
    edges = run(graph, image, path=path, trace=True).edges
    # Padding is 0: a corner sees four pixels of −1, an edge six, the middle eight and a 2.
    assert edges["conv1"][0].tolist() == [
        [[-4, -6, -4], [-6, -6, -6], [-4, -6, -4]],
        [[-4, -6, -4], [-6, -4, -4], [-4, -4, -2]],
    ]
    assert edges["act1"][0].tolist() == [[[-1] * 3] * 3, [[1] * 3, [1] * 3, [1, 1, 0]]]
    assert edges["fc1"].tolist() == [[0, 8]]


Change = Callable[[dict[str, Any], dict[str, Any]], object]


def say(key: str, value: Any, layer: int = 0) -> Change:
    return lambda meta, arrays: meta["layers"][layer].__setitem__(key, value)


def put(key: str, value: Any) -> Change:
    return lambda meta, arrays: arrays.__setitem__(key, value)


def dense_first(meta: dict[str, Any], arrays: dict[str, Any]) -> None:
    meta["layers"].insert(0, {"kind": "fc", "W": "W9", "T": "T0", "dir": "D0", **ACT})
    arrays["W9"] = np.ones((2, 25), int)


WRONG: list[tuple[Change, str]] = [
    (say("stride", 0), "layer 0 has the stride 0 instead of 1 to 4096"),
    (say("stride", [1, 1]), "layer 0 has the stride [1, 1] instead of 1 to 4096"),
    (say("pad", -1), "layer 0 has the pad -1 instead of 0 to 4096"),
    (say("size", True, 1), "layer 1 has the size True instead of 1 to 4096"),
    (say("size", 4, 1), "layer 1 moves a window of (4, 4) over [3, 3]"),
    (put("W0", np.ones((2, 1, 8, 3), int)), "layer 0 moves a window of (8, 3) over [5, 5]"),
    (put("W0", np.ones((2, 3, 3, 3), int)),
     "the weight of layer 0 is int64 (2, 3, 3, 3) instead of integers n × 1 × n × n"),
    # Windows in three axes.
    (put("W0", np.ones((2, 1, 3, 3, 3), int)),
     "the weight of layer 0 is int64 (2, 1, 3, 3, 3) instead of integers n × 1 × n × n"),
    (say("out_shape", [2, 9]), "layer 0 says out_shape [2, 9] but has [2, 3, 3]"),
    (say("in_shape", [2, 3, 4], 1), "layer 1 says in_shape [2, 3, 4] but has [2, 3, 3]"),
    (say("dilation", 2), "layer 0 has the unknown key 'dilation'"),
    (say("W", "W2", 1), "layer 1 has the unknown key 'W'"),
    (lambda meta, arrays: meta["layers"].pop(), "layer 1 is the last and is a maxpool"),
    (lambda meta, arrays: meta["layers"].__setitem__(1, meta["layers"][2]),
     "the weight of layer 1 is int64 (2, 8) instead of integers n × 18"),
    (dense_first, "layer 1 needs an image but reads [2]"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "what"), WRONG, ids=[what for _, what in WRONG])
def test_layer_wrong(save: Any, change: Change, what: str) -> None:
    meta, arrays = network()
    change(meta, arrays)
    path = save(meta, arrays)
    with pytest.raises(UsageError, match=f"^{re.escape(f'{str(path)!r}: {what}')}{MEND}"):
        load_model(path)


def test_weights_of_zero_wrong(save: Any) -> None:
    meta, arrays = network()
    arrays["W0"] = arrays["W0"] * [[[[1, 0, 1]]], [[[1, 1, 1]]]]
    with pytest.raises(UsageError, match=r": layer 0 has weights of 0 \(ternary\), which is not"):
        load_model(save(meta, arrays))


def test_last_layer_without_logits_wrong(save: Any) -> None:
    meta, arrays = network()
    meta["layers"] = meta["layers"][:1]
    with pytest.raises(UsageError, match=r": layer 0 is the last and is a conv\.\nMend"):
        load_model(save(meta, arrays))
