"""Networks of plain arrays: small ones by hand, and everything that can be wrong with one."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnhw.errors import UsageError
from bnnhw.golden import run
from bnnhw.graph import Threshold
from bnnhw.load import load_model

NOT_YET = (
    r", which is not supported yet\.\n"
    r"Layers with ±1 or 8-bit weights on integer activations are supported; docs/graph-format\.md "
    r"says which\.$"
)
MEND = r"\.\nMend the file or export it again\.$"


def network() -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the meta and the arrays of a network with two layers."""
    first = {"kind": "fc", "W": "W0", "T": "T0", "dir": "D0", "act_min": -1, "act_step": 2,
             "in_shape": [1, 1, 3], "out_shape": [2]}  # fmt: skip
    last = {"kind": "fc", "W": "W1"}
    meta = {"name": "two layers", "in_shape": [1, 1, 3], "layers": [first, last],
            "source": {"repo": "x"}, "accuracy": {"y": 1}}  # fmt: skip
    arrays = {
        "in_lut": np.where(np.arange(256) >= 128, 1, -1).astype(np.int16),
        "W0": np.array([[1, 1, 1], [1, -1, 1]], np.int8),
        "T0": np.array([[1], [-1]], np.int32),
        "D0": np.array([1, -1], np.int8),
        "W1": np.array([[1, -1], [-1, 1]], np.int8),
    }
    return meta, arrays


Save = Callable[[dict[str, Any], dict[str, Any]], Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def write(meta: dict[str, Any], arrays: dict[str, Any]) -> Path:
        path = tmp_path / "net.npz"
        np.savez(path, **{"meta": np.array(json.dumps(meta)), **arrays})
        return path

    return write


def test_network_by_hand(save: Save) -> None:
    graph = load_model(save(*network()))
    assert [node.name for node in graph.nodes] == [
        "image", "flat", "fc1", "sign1", "fc2", "argmax",
    ]  # fmt: skip
    assert graph.name == "two_layers"
    assert graph.outputs == ("fc2", "argmax")
    assert graph.readout is None
    assert dict(graph.meta) == {
        "format": "npz", "source": '{"repo": "x"}', "accuracy": '{"y": 1}',
    }  # fmt: skip
    images = np.array([[0, 0, 0], [255, 0, 0], [255, 255, 0], [128, 127, 128]], np.uint8)
    assert run(graph, images).logits.tolist() == [[-2, 2], [0, 0], [0, 0], [2, -2]]


def test_names(save: Save) -> None:
    path = save(*network())
    assert load_model(path, name="other").name == "other"
    meta, arrays = network()
    del meta["name"]
    assert load_model(save(meta, arrays)).name == "net"
    meta["name"] = "a;touch pwned\n"
    assert load_model(save(meta, arrays)).name == "a_touch_pwned"
    with pytest.raises(UsageError, match=r"^The network name 'a b' is not usable"):
        load_model(path, name="a b")


def test_final_thresholds_decide(save: Save) -> None:
    meta, arrays = network()
    arrays["final_T"] = np.array([4, -3], np.int32)
    graph = load_model(save(meta, arrays))
    assert graph.argmax is not None
    assert graph.argmax.offset.tolist() == [-4, 3]


def test_final_scores(save: Save) -> None:
    meta, arrays = network()
    arrays["final_scale"], arrays["final_bias"] = np.array([0.5, 0.5]), np.array([0.0, 1.5])
    graph = load_model(save(meta, arrays))
    assert graph.readout is not None
    assert graph.readout.scale == (0.5, 0.5)
    assert graph.readout.bias == (0.0, 1.5)
    logits = np.array([[a, b] for a in (-2, 0, 2) for b in (-2, 0, 2)])
    assert graph.argmax is not None
    ours = np.argmax(logits + graph.argmax.offset, axis=1)
    assert np.array_equal(ours, np.argmax(logits * 0.5 + [0.0, 1.5], axis=1))


def test_top(save: Save) -> None:
    meta, arrays = network()
    arrays["final_T"] = np.array([1, 0], np.int32)
    graph = load_model(save(meta | {"top": 2}, arrays))
    images = np.array([[0, 0, 0], [255, 0, 0], [255, 255, 0], [128, 127, 128]], np.uint8)
    top = run(graph, images).top
    assert top is not None and top.tolist() == [[1, 0], [1, 0], [1, 0], [0, 1]]


def test_ends_of_what_is_taken(save: Save) -> None:
    """One class of the top; pixels as large as may be, and all the same; steps likewise."""
    meta, arrays = network()
    graph = load_model(save(meta | {"top": 1}, arrays))
    found = run(graph, np.array([[0, 0, 0]], np.uint8)).top
    assert found is not None and found.tolist() == [[1]]
    arrays["in_lut"] = np.where(np.arange(256) >= 128, 1 << 16, -(1 << 16))
    pixels = load_model(save(meta, arrays)).input.grid
    assert (pixels.low, pixels.step, pixels.levels) == (-(1 << 16), 1 << 17, 2)
    arrays["in_lut"] = np.full(256, 7)
    assert load_model(save(meta, arrays)).input.grid.levels == 1
    meta, arrays = network()
    meta["layers"][0] |= {"act_min": -4096, "act_step": 4096}
    nodes = load_model(save(meta, arrays)).nodes
    (sign,) = (node for node in nodes if isinstance(node, Threshold))
    assert (sign.grid.low, sign.grid.step) == (-4096, 4096)


Change = Callable[[dict[str, Any], dict[str, Any]], object]


def put(key: str, value: Any) -> Change:
    return lambda meta, arrays: arrays.__setitem__(key, value)


def drop(key: str) -> Change:
    return lambda meta, arrays: arrays.pop(key)


def say(key: str, value: Any, layer: int | None = 0) -> Change:
    return lambda meta, arrays: (meta if layer is None else meta["layers"][layer]).__setitem__(
        key, value
    )


WRONG: list[tuple[Change, str, str]] = [
    (say("kind", "lstm"), "layer 0 has the unknown kind 'lstm'", MEND),
    (say("kind", ["fc"]), "layer 0 has the unknown kind ['fc']", MEND),
    (say("bias", "B0"), "layer 0 has the unknown key 'bias'", MEND),
    (say("W", "nope"), "the weight of layer 0 names the array 'nope', which is not there", MEND),
    (say("W", 3), "the weight of layer 0 names the array 3, which is not there", MEND),
    (put("W0", np.ones((2, 4), np.int8)),
     "the weight of layer 0 is int8 (2, 4) instead of integers n × 3", MEND),
    (put("W0", np.ones((2, 3))),
     "the weight of layer 0 is float64 (2, 3) instead of integers n × 3", MEND),
    (put("W0", np.ones((0, 3), int)),
     "the weight of layer 0 is int64 (0, 3) instead of integers n × 3", MEND),
    (put("W0", np.array([[1, 0, 1], [1, 1, 1]])), "layer 0 has weights of 0 (ternary)", NOT_YET),
    (put("W0", np.array([[1, 2, 1], [1, 1, 1]])), "layer 0 has weights other than ±1", NOT_YET),
    (put("W0", np.full((2, 3), 1 << 63, np.uint64)),
     "the weight of layer 0 has values beyond 64 bits", MEND),
    (say("in_shape", [4]), "layer 0 says in_shape [4] but has 3 values", MEND),
    (say("in_shape", "3"), "layer 0 says in_shape '3' but has 3 values", MEND),
    (say("out_shape", [2, 2]), "layer 0 says out_shape [2, 2] but has 2 values", MEND),
    (say("T", "T9"), "the threshold of layer 0 names the array 'T9', which is not there", MEND),
    (put("T0", np.zeros((3, 1), int)),
     "the threshold of layer 0 is int64 (3, 1) instead of integers 2 × n", MEND),
    (say("act_min", 0.5),
     "layer 0 has act_min 0.5 and act_step 2 instead of whole numbers, the second positive", MEND),
    (say("act_min", None),
     "layer 0 has act_min None and act_step 2 instead of whole numbers, the second positive", MEND),
    *(
        (say("act_min", low),
         f"layer 0 has act_min {low} and act_step 2 instead of whole numbers, the second positive",
         MEND)
        for low in (-4097, 4097)
    ),
    (say("act_step", 4097),
     "layer 0 has act_min -1 and act_step 4097 instead of whole numbers, the second positive",
     MEND),
    (say("act_step", 0),
     "layer 0 has act_min -1 and act_step 0 instead of whole numbers, the second positive", MEND),
    (put("D0", np.array([1, 0])), "the direction of layer 0 is not +1 or -1 everywhere", MEND),
    (put("D0", np.array([1])),
     "the direction of layer 0 is int64 (1,) instead of integers 2", MEND),
    (say("T", "T0", 1), "layer 1 is the last and has thresholds", MEND),
    (lambda meta, arrays: meta["layers"][0].pop("T"), "layer 0 has no thresholds", MEND),
    (say("layers", [], None), "it has no layers", MEND),
    (say("layers", [3], None), "layer 0 is no object", MEND),
    (say("layers", 3, None), "its 'meta' names no list of layers, so it is no network", MEND),
    (put("meta", np.array("{")), "its 'meta' is no JSON: ", ""),
    (put("meta", np.array("[" * 100_000)), "its 'meta' is no JSON: ", ""),
    (say("in_shape", [None, 1, 3], None),
     "its in_shape is [None, 1, 3] instead of 1 to 3 sizes", MEND),
    (say("in_shape", [-1, 1, 3], None),
     "its in_shape is [-1, 1, 3] instead of 1 to 3 sizes", MEND),
    (say("scale_from", "x"), "layer 0 has the unknown key 'scale_from'", MEND),
    (say("kind", "conv3d"), "layer 0 has the unknown kind 'conv3d'", MEND),
    (say("in_shape", [0], None), "its in_shape is [0] instead of 1 to 3 sizes", MEND),
    (say("in_shape", [1 << 60], None),
     "its in_shape is [1152921504606846976] instead of 1 to 3 sizes", MEND),
    (say("top", 3, None), "its 'top' is 3 instead of 1 to 2 classes", MEND),
    (say("top", 0, None), "its 'top' is 0 instead of 1 to 2 classes", MEND),
    (say("top", True, None), "its 'top' is True instead of 1 to 2 classes", MEND),
    (say("in_shape", 3, None), "its in_shape is 3 instead of 1 to 3 sizes", MEND),
    (say("in_shape", [1 << 20] * 3, None), "", ""),
    (drop("in_lut"), "the table 'in_lut' names the array 'in_lut', which is not there", MEND),
    (put("in_lut", np.ones(255, int)),
     "the table 'in_lut' is int64 (255,) instead of integers 256", MEND),
    (put("in_lut", np.arange(256) * 1000), "its in_lut gives values from 0 to 255000", NOT_YET),
    (put("extra\n", np.zeros(1)), r"nothing is known about its array 'extra\n'", MEND),
    (put("final_T", np.zeros(3, int)),
     "the array 'final_T' is int64 (3,) instead of integers 2", MEND),
    (put("final_scale", np.ones(2)),
     "it has no array 'final_bias' beside the other of final_scale and final_bias", MEND),
    (put("final_bias", np.ones(2)),
     "it has no array 'final_scale' beside the other of final_scale and final_bias", MEND),
]  # fmt: skip


@pytest.mark.parametrize(("change", "what", "end"), WRONG)
def test_network_wrong(save: Save, change: Change, what: str, end: str) -> None:
    meta, arrays = network()
    change(meta, arrays)
    path = save(meta, arrays)
    start = re.escape(f"'{path}': {what}") if what else ""
    with pytest.raises(UsageError, match=f"^{start}{end}"):
        load_model(path)


@pytest.mark.parametrize(
    ("scale", "bias", "what", "end"),
    [
        ([1.0, -1.0], [0.0, 0.0], "class 1 has a scale that is not positive", NOT_YET),
        ([1.0, 2.0**-50], [0.0, 0.0], "its scales need more than 44 bits", NOT_YET),
    ],
)  # fmt: skip
def test_class_that_integers_cannot_decide(
    save: Save, scale: list[float], bias: list[float], what: str, end: str
) -> None:
    meta, arrays = network()
    arrays["final_scale"], arrays["final_bias"] = np.array(scale), np.array(bias)
    message = f": its class cannot be decided in integers: {what}{end}"
    with pytest.raises(UsageError, match=message):
        load_model(save(meta, arrays))


@pytest.mark.parametrize("scale", [np.array([1.0, np.nan]), np.ones(3), np.ones(2, int)])
def test_final_scale_wrong(save: Save, scale: Any) -> None:
    meta, arrays = network()
    arrays["final_scale"], arrays["final_bias"] = scale, np.zeros(2)
    what = re.escape(f"{scale.dtype} {scale.shape} instead of 2 finite floats")
    with pytest.raises(UsageError, match=f": the array 'final_scale' is {what}{MEND}"):
        load_model(save(meta, arrays))


def test_final_threshold_beside_scale_wrong(save: Save) -> None:
    meta, arrays = network()
    arrays |= {"final_scale": np.ones(2), "final_bias": np.ones(2), "final_T": np.ones(2, int)}
    with pytest.raises(UsageError, match=f": it has final_T as well as final_scale{MEND}"):
        load_model(save(meta, arrays))


def test_meta_missing(tmp_path: Path) -> None:
    np.savez(tmp_path / "net.npz", x=np.zeros(3))
    with pytest.raises(UsageError, match=f": it has no array 'meta', so it is no network{MEND}"):
        load_model(tmp_path / "net.npz")


def test_pixel_option_wrong(save: Save) -> None:
    with pytest.raises(UsageError, match=r"net\.npz' says itself how it reads pixels\.\nLeave"):
        load_model(save(*network()), pixel="byte")


@pytest.mark.parametrize("name", ["net.pt", "net", "net.pkl"])
def test_suffix_wrong(name: str) -> None:
    what = "has no suffix" if name == "net" else rf"has the suffix '\{name[3:]}'"
    message = (
        f"^'{re.escape(name)}' {what}, which names no known format\\.\n"
        r"Give a \.onnx file \(QONNX\), a \.h5 or \.keras file \(Larq, Keras\), a network as "
        r"\.npz, or a saved graph as \.json\.$"
    )
    with pytest.raises(UsageError, match=message):
        load_model(Path(name))
