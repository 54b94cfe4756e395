"""What is not supported in a model of Keras, or is damaged or hostile, is refused by name."""

import io
import json
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from bnnhw.errors import ToolMissing, UsageError
from bnnhw.files import FILE_CAP
from bnnhw.load import keras_h5, load_model
from bnnhw.load.keras_file import KerasFile
from bnnhw.load.keras_h5 import H5File
from bnnhw.load.keras_model import _Interpreter
from bnnhw.load.keras_wiring import wiring
from bnnhw.load.keras_worker import Refused, unpacked

Change = Callable[[dict[str, Any]], object]


def interpreted(net: Any, change: Change, keras: int = 2, sequential: bool = True) -> None:
    """Load a model from memory: what a file would give once it is unpacked."""
    model = net.model(keras, sequential)
    model = json.loads(json.dumps(model))
    change(model)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        net.named(file.create_group("model_weights"), keras)
    arrays = unpacked(buffer.getvalue())
    found = {key[1:]: value for key, value in arrays.items() if key.startswith("/")}
    h5 = H5File(None, frozenset({"model_weights"}), found, {})
    file = KerasFile(Path("net.h5"), model, h5, False)
    _Interpreter(file, wiring(file), "byte").graph("net")


def layer(number: int, **settings: Any) -> Change:
    """Change settings of a layer; the input is number 0."""
    return lambda model: model["config"]["layers"][number]["config"].update(settings)


def entry(number: int, **parts: Any) -> Change:
    return lambda model: model["config"]["layers"][number].update(parts)


def test_nothing_wrong(small: Any) -> None:
    for keras in (2, 3):
        for sequential in (True, False):
            interpreted(small, lambda model: None, keras, sequential)
    policy = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}}
    interpreted(small, layer(1, dtype=policy, lora_rank=None, groups=1), 3)


TERNARY = {"class_name": "SteTern", "config": {"threshold_value": 0.05}}
WRONG: list[tuple[str, Change]] = [
    ("Lambda 'quant_conv2d' is a layer that is not supported yet", entry(1, class_name="Lambda")),
    # Windows in three axes, and a scale that comes from the data.
    ("Conv3D 'quant_conv2d' is a layer that is not supported yet", entry(1, class_name="Conv3D")),
    ("QuantConv3D 'quant_conv2d' is a layer that is not", entry(1, class_name="QuantConv3D")),
    ("Multiply 'quant_conv2d' is a layer that is not", entry(1, class_name="Multiply")),
    ("LayerNormalization 'batch_normalization' is a layer that is not supported yet",
     entry(2, class_name="LayerNormalization")),
    ("is of the module 'os'", entry(1, module="os")),
    ("has data_format = 'channels_first'", layer(1, data_format="channels_first")),
    ("has padding = 'causal'", layer(1, padding="causal")),
    ("has SteTern as its kernel quantiser", layer(1, kernel_quantizer=TERNARY)),
    ("has SteTern as its input quantiser", layer(1, input_quantizer=TERNARY)),
    ("has weights of 0", layer(1, kernel_quantizer=None)),
    ("calculates in mixed_float16", layer(1, dtype="mixed_float16")),
    ("has tanh as its activation", layer(1, activation="tanh")),
    ("has strides = [0, 1]", layer(1, strides=[0, 1])),
    ("has strides = 'x'", layer(1, strides="x")),
    ("has kernel_size = [3]", layer(1, kernel_size=[3])),
    ("has a kernel of shape (3, 3, 2, 4) instead of (3, 3, 2, 5)", layer(1, filters=5)),
    ("larger than (1, 2, 5, 6)", layer(1, dilation_rate=[9, 9])),
    ("has the weights kernel instead of kernel, bias", layer(1, use_bias=True)),
    ("has use_bias = 1,", layer(1, use_bias=1)),
    ("has lora_rank = 4", layer(1, lora_rank=4)),
    ("clips to nothing in its kernel", layer(
        1, kernel_quantizer={"class_name": "SteSign", "config": {"clip_value": 0}})),
    ("normalises the axis [1]", layer(2, axis=[1])),
    ("has the weights beta, moving_mean, moving_variance instead of gamma", layer(2, scale=True)),
    ("has epsilon = 'a'", layer(2, epsilon="a")),
    ("has epsilon = 1e+300", layer(2, epsilon=1e300)),
    ("has the variance", layer(2, epsilon=-100)),
    ("reads a rearranged tensor as the image", entry(4, class_name="MaxPooling2D")),
    ("two of its layers are called 'flatten'", layer(4, name="flatten")),
    ("is of the class Transformer", lambda model: model.update(class_name="Transformer")),
    ("lists no layers", lambda model: model.update(config=7)),
    ("lists 10001 layers", lambda model: model["config"].update(layers=[{}] * 10001)),
    ("layer 1 of its configuration is none", lambda m: m["config"]["layers"].insert(1, 5)),
    ("layer 1 of its configuration has no class", entry(1, class_name=None)),
    ("input has the shape [None, 4, 4, 4, 2]", layer(0, batch_input_shape=[None, 4, 4, 4, 2])),
    ("input has the shape [None, None, 6, 2]", layer(0, batch_input_shape=[None, None, 6, 2])),
    ("input has the shape [None, 1099511627776]", layer(0, batch_input_shape=[None, 1 << 40])),
]  # fmt: skip


@pytest.mark.parametrize(("message", "change"), WRONG, ids=[wrong for wrong, _ in WRONG])
def test_configuration(small: Any, message: str, change: Change) -> None:
    with pytest.raises(UsageError) as caught:
        interpreted(small, change)
    assert message in caught.value.what
    assert caught.value.what.startswith("'net.h5'")


def history(name: str, *place: int) -> list[Any]:
    tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": [name, *place]}}
    return [{"args": [tensor], "kwargs": {}}]


CALLED: list[tuple[str, Change]] = [
    ("is called 2 times", entry(2, inbound_nodes=history("input", 0, 0) * 2)),
    ("reads ['input', 1, 0]", entry(2, inbound_nodes=history("input", 1, 0))),
    ("reads 'flatten', which nothing", entry(2, inbound_nodes=history("flatten", 0, 0))),
    ("with training = True", entry(2, inbound_nodes=[[["input", 0, 0, {"training": True}]]])),
    ("reads 0 tensors instead of one", entry(2, inbound_nodes=[])),
    ("reads 2 tensors instead of one", entry(2, inbound_nodes=[[["input", 0, 0, {}]] * 2])),
    ("reads 1 tensors instead of two", entry(2, class_name="Add")),
    ("more than one output", lambda model: model["config"].update(
        output_layers=[["quant_dense", 0, 0], ["flatten", 0, 0]])),
    ("has the shape (1, 4, 3, 4)", lambda model: model["config"].update(
        output_layers=[["quant_conv2d", 0, 0]])),
    ("has 2 inputs", lambda model: model["config"]["layers"].insert(
        1, {"class_name": "InputLayer", "name": "b", "config": {}, "inbound_nodes": []})),
]  # fmt: skip


@pytest.mark.parametrize(("message", "change"), CALLED, ids=[wrong for wrong, _ in CALLED])
def test_functional(small: Any, message: str, change: Change) -> None:
    with pytest.raises(UsageError) as caught:
        interpreted(small, change, 3, False)
    assert message in caught.value.what


def test_weights_that_are_no_numbers(small: Any) -> None:
    small.layers[1].weights["beta"][0] = np.nan
    with pytest.raises(UsageError, match="instead of finite 32-bit floats"):
        interpreted(small, lambda model: None)
    small.layers[1].weights["beta"] = np.zeros(4)
    with pytest.raises(UsageError, match="has float64 as beta"):
        interpreted(small, lambda model: None)


def test_averages_and_softmax_in_the_middle(new_net: Any, sign: Any) -> None:
    net = new_net((5, 5, 2))
    net.add("QuantConv2D", filters=2, kernel_size=[1, 1], strides=[1, 1], padding="valid",
            use_bias=False, kernel_quantizer=sign)  # fmt: skip
    net.add("AveragePooling2D", pool_size=[2, 2], strides=[2, 2], padding="same")
    with pytest.raises(UsageError, match="averages fewer cells at the border"):
        interpreted(net, lambda model: None)
    net = new_net((5,))
    net.add("QuantDense", units=3, use_bias=False, kernel_quantizer=sign)
    net.add("Softmax", axis=-1)
    net.add("QuantDense", units=3, use_bias=False, kernel_quantizer=sign)
    with pytest.raises(UsageError, match="stands behind a softmax"):
        interpreted(net, lambda model: None)


# Archives.


def repacked(net: Any, path: Path, **members: bytes | None) -> Path:
    net.save(path)
    with zipfile.ZipFile(path) as archive:
        parts: dict[str, bytes | None] = {name: archive.read(name) for name in archive.namelist()}
    parts |= members
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            if data is not None:
                archive.writestr(name, data)
    return path


def refused(path: Path, message: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(UsageError) as caught:
            load_model(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert message in caught.value.what
    # Reading a file at all takes as much as the largest that is read.
    assert peak < FILE_CAP + (8 << 20)


DEEP = b'{"class_name": "Sequential", "config": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"config.json": None}, "has no member 'config.json'"),
        ({"model.weights.h5": None}, "has no member 'model.weights.h5'"),
        ({"../evil": b"x"}, "member '../evil' leads out of it"),
        ({"/etc/passwd": b"x"}, "member '/etc/passwd' leads out of it"),
        ({"a\\..\\b": b"x"}, "leads out of it"),
        ({"config.json": b"\xff\xfe"}, "is no JSON"),
        ({"config.json": b'{"a": '}, "is no JSON"),
        ({"config.json": DEEP}, "is no JSON"),
        ({"config.json": b"[1]"}, "names no model"),
        ({"config.json": b'{"class_name": "Sequential", "config": NaN}'}, "it holds NaN"),
        ({"config.json": b'{"class_name": "Sequential"}'}, "lists no layers"),
        ({"config.json": b" " * (17 << 20)}, "member 'config.json' would unpack to 17825792"),
        ({"model.weights.h5": bytes(7 << 20)}, "member 'model.weights.h5' would unpack to"),
        ({"model.weights.h5": b"no HDF5"}, "it is no HDF5 file, or a damaged one"),
    ],
)
def test_archive(small: Any, tmp_path: Path, members: Any, message: str) -> None:
    refused(repacked(small, tmp_path / "net.keras", **members), message)


def test_damaged_archive(small: Any, tmp_path: Path) -> None:
    data = small.save(tmp_path / "net.keras").read_bytes()
    for place in (0, 100, len(data) // 2, len(data) - 10):
        path = tmp_path / "cut.keras"
        path.write_bytes(data[:place])
        refused(path, "is no readable .keras file")
    # A directory that lies about how much a member unpacks to.
    path = repacked(small, tmp_path / "lie.keras", **{"config.json": b" " * 100_000})
    data = path.read_bytes()
    assert data.count((100_000).to_bytes(4, "little")) == 2
    path.write_bytes(data.replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    refused(path, "")


# HDF5: in this process, as the worker does it.


def h5_bytes(fill: Callable[[Any], object]) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        group = file.create_group("model_weights/a")
        group["kernel:0"] = np.ones((2, 3), np.float32)
        fill(file)
    return buffer.getvalue()


def created(**arguments: Any) -> Callable[[Any], object]:
    return lambda file: file.create_dataset("model_weights/bad", **arguments)


def virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((2,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (2,))
    file.create_virtual_dataset("model_weights/bad", layout)


def nested(file: Any) -> None:
    file.create_group("model_weights" + "/a" * 12)


def around(file: Any) -> None:
    file["model_weights/a/loop"] = file["model_weights"]


HOSTILE: list[tuple[str, Callable[[Any], object]]] = [
    ("is a link", lambda f: f["model_weights"].__setitem__("bad", h5py.SoftLink("/etc"))),
    ("is a link", lambda f: f["model_weights"].__setitem__(
        "bad", h5py.ExternalLink("/etc/passwd", "/"))),
    ("'model_weights/bad' holds object", created(data=["text"], dtype=h5py.string_dtype())),
    ("'model_weights/bad' holds [('a'", created(shape=(2,), dtype=[("a", "f4")])),
    ("'model_weights/bad' holds |S4", created(data=np.array([b"text"]))),
    ("claims 1099511627776 numbers", created(shape=(1 << 40,), dtype="f4")),
    ("does not hold what its header says", created(shape=(1 << 25,), dtype="f4")),
    ("is stored in chunks", created(shape=(1 << 20,), dtype="f4", chunks=True, compression=9)),
    ("has the shape (1, 1, 1, 1, 1, 1, 1)", created(shape=(1,) * 7, dtype="f4")),
    ("has the shape None", created(data=h5py.Empty("f4"))),
    ("is stored in another file", created(
        shape=(4,), dtype="f4", external=[("/etc/passwd", 0, 16)])),
    ("is stored in chunks or elsewhere", virtual),
    ("deeper than 8", nested),
    ("deeper than 8", around),
    ("is neither a group nor a dataset", lambda f: f["model_weights"].__setitem__(
        "bad", np.dtype("f4"))),
    ("impossible name", lambda f: f["model_weights"].create_group("x" * 600)),
    ("attribute 'model_config' is no text", lambda f: f.attrs.__setitem__("model_config", 5)),
    ("attribute 'model_config' is no text", lambda f: f.attrs.__setitem__(
        "model_config", ["a", "b"])),
]  # fmt: skip


@pytest.mark.parametrize(("message", "fill"), HOSTILE)
def test_hdf5(message: str, fill: Callable[[Any], object]) -> None:
    data = h5_bytes(fill)
    tracemalloc.start()
    try:
        with pytest.raises(Refused) as caught:
            unpacked(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert message in str(caught.value)
    assert peak < 8 << 20


def test_hdf5_file(tmp_path: Path) -> None:
    path = tmp_path / "net.h5"
    path.write_bytes(h5_bytes(HOSTILE[0][1]))
    refused(path, f"'{path}': its 'model_weights/bad' is a link")
    path.write_bytes(h5_bytes(lambda file: None))
    refused(path, "holds no model")


def test_weights_of_another_layer(small: Any, tmp_path: Path) -> None:
    path = small.save(tmp_path / "net.keras", 3)
    with zipfile.ZipFile(path) as archive:
        config = archive.read("config.json").replace(b'"quant_dense"', b'"other"')
        weights = archive.read("model.weights.h5")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", config)
        archive.writestr("model.weights.h5", weights)
    refused(path, "layer 'other' has the weights of 'quant_dense'")


def test_a_crash_or_a_hang_of_the_library(
    small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = small.save(tmp_path / "net.h5")
    real = subprocess.run

    def crash(words: list[str], **options: Any) -> Any:
        code = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
        return real([sys.executable, "-c", code], **options)

    monkeypatch.setattr(keras_h5.subprocess, "run", crash)
    refused(path, "it is a damaged HDF5 file")

    def hang(words: list[str], **options: Any) -> Any:
        code = "import time; time.sleep(60)"
        return real([sys.executable, "-c", code], **options | {"timeout": 0.2})

    monkeypatch.setattr(keras_h5.subprocess, "run", hang)
    refused(path, "took more than 60 seconds")


def test_without_h5py(small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = small.save(tmp_path / "net.h5")
    monkeypatch.setattr(keras_h5.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolMissing, match="bnnhw\\[keras\\]"):
        load_model(path)


def test_pixel(small: Any, tmp_path: Path) -> None:
    path = small.save(tmp_path / "net.h5")
    with pytest.raises(UsageError, match="not 'bits'"):
        load_model(path, pixel="bits")
