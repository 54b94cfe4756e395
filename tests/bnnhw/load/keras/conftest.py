"""Keras models: written as Keras 2 and 3 write them, and computed in floats, channels last."""

import io
import json
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

Array = Any
SIGN = {
    "module": "larq.quantizers",
    "class_name": "SteSign",
    "config": {"name": "ste_sign", "trainable": True, "dtype": "float32", "clip_value": 1.0},
    "registered_name": "SteSign",
}
ORDER = {
    "BatchNormalization": ["gamma", "beta", "moving_mean", "moving_variance"],
    "QuantDepthwiseConv2D": ["depthwise_kernel", "bias"],
}


@dataclass
class Layer:
    kind: str
    name: str
    config: dict[str, Any]
    weights: dict[str, Array]
    sources: list[str]


@dataclass
class Net:
    """A model in the making; `add` returns the name of the layer.

    Batch norms get the statistics of random inputs within `span`, so that signs vary.
    """

    shape: tuple[int, ...]
    layers: list[Layer] = field(default_factory=list)
    seed: int = 0
    span: tuple[float, float] = (-1, 1)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.counts: dict[str, int] = {}
        self.samples = {"input": self.rng.uniform(*self.span, (20, *self.shape))}

    def add(self, kind: str, *sources: str, **config: Any) -> str:
        stem = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind).lower()
        number = self.counts[stem] = self.counts.get(stem, -1) + 1
        name = f"{stem}_{number}" if number else stem
        read = list(sources) or [self.layers[-1].name if self.layers else "input"]
        sample = self.samples[read[0]]
        weights = config.pop("weights", None)
        if weights is None:
            weights = self._weights(kind, sample, config)
        layer = Layer(kind, name, {"name": name, "trainable": True, "dtype": "float32"} | config,
                      weights, read)  # fmt: skip
        self.layers.append(layer)
        self.samples[name] = computed(layer, [self.samples[source] for source in read], [])
        return name

    def latent(self, *shape: int) -> Array:
        """Give latent weights, some of them 0 and some −0."""
        values = self.rng.uniform(-1, 1, shape)
        values[self.rng.random(shape) < 0.1] = 0.0
        values[self.rng.random(shape) < 0.1] = -0.0
        return values.astype(np.float32)

    def _weights(self, kind: str, sample: Array, config: dict[str, Any]) -> dict[str, Any]:
        if kind == "BatchNormalization":
            return self._norm(sample, config)
        shape = sample.shape[1:]
        count = 0
        result = {}
        if kind in ("QuantConv2D", "Conv2D"):
            count = config["filters"]
            size = config["kernel_size"]
            result["kernel"] = self.latent(*size, shape[-1] // config.get("groups", 1), count)
        elif kind == "QuantDepthwiseConv2D":
            count = shape[-1] * config.get("depth_multiplier", 1)
            result["depthwise_kernel"] = self.latent(
                *config["kernel_size"], shape[-1], config.get("depth_multiplier", 1)
            )
        elif kind == "QuantDense":
            count = config["units"]
            result["kernel"] = self.latent(shape[-1], count)
        if result and config.get("use_bias", True):
            result["bias"] = self.rng.normal(0, 3, count).astype(np.float32)
        return result

    def _norm(self, sample: Array, config: dict[str, Any]) -> dict[str, Array]:
        axes, count = tuple(range(sample.ndim - 1)), sample.shape[-1]
        found = {
            "gamma": self.rng.normal(0, 1, count),
            "beta": self.rng.normal(0, 0.1, count),
            "moving_mean": sample.mean(axis=axes) + self.rng.normal(0, 0.1, count),
            "moving_variance": sample.var(axis=axes) + 0.1,
        }
        for key, switch in (("gamma", "scale"), ("beta", "center")):
            if not config.get(switch, True):
                del found[key]
        return {key: value.astype(np.float32) for key, value in found.items()}

    def run(self, x: Array) -> tuple[Array, list[Array]]:
        """Give the output for images with the channels last, and what every quantiser gave."""
        values = {"input": x}
        taps: list[Array] = []
        for layer in self.layers:
            read = [values[source] for source in layer.sources]
            values[layer.name] = computed(layer, read, taps)
        return values[self.layers[-1].name], taps

    def model(self, keras: int, sequential: bool) -> dict[str, Any]:
        """Give the configuration as Keras 2 or 3 writes it."""
        key = "batch_input_shape" if keras == 2 else "batch_shape"
        first = {"class_name": "InputLayer", "config": {key: [None, *self.shape], "name": "input"}}
        listed: list[dict[str, Any]] = [first]
        for layer in self.layers:
            entry: dict[str, Any] = {"class_name": layer.kind, "config": layer.config}
            if keras == 3:
                where = "larq.layers" if layer.kind.startswith("Quant") else "keras.layers"
                entry |= {"module": where, "registered_name": None}
            listed.append(entry)
        if sequential:
            assert [layer.sources for layer in self.layers] == [
                ["input"], *([layer.name] for layer in self.layers[:-1])
            ]  # fmt: skip
            return {"class_name": "Sequential", "config": {"name": "net", "layers": listed}}
        first |= {"name": "input", "inbound_nodes": []}
        for layer, entry in zip(self.layers, listed[1:], strict=True):
            entry |= {"name": layer.name, "inbound_nodes": [self._node(layer, keras)]}
        ends = [["input", 0, 0]], [[self.layers[-1].name, 0, 0]]
        config = {"name": "net", "layers": listed, "input_layers": ends[0],
                  "output_layers": ends[1] if keras == 2 else ends[1][0]}  # fmt: skip
        return {"class_name": "Functional", "config": config}

    def _node(self, layer: Layer, keras: int) -> Any:
        if keras == 2:
            return [[source, 0, 0, {}] for source in layer.sources]
        parts = [
            {
                "class_name": "__keras_tensor__",
                "config": {"shape": [None], "dtype": "float32", "keras_history": [source, 0, 0]},
            }
            for source in layer.sources
        ]
        many = layer.kind in ("Add", "Concatenate")
        return {"args": [parts] if many else parts, "kwargs": {} if many else {"training": False}}

    def save(self, path: Path, keras: int = 2, sequential: bool = True) -> Path:
        """Write the model to a .h5 or a .keras file."""
        text = json.dumps(self.model(keras, sequential))
        if path.suffix == ".h5":
            with h5py.File(path, "w") as file:
                file.attrs["keras_version"] = f"{keras}.0.0"
                file.attrs["model_config"] = text if keras == 2 else text.encode()
                self.named(file.create_group("model_weights"), keras)
            return path
        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as file:
            self.numbered(file, keras)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("metadata.json", json.dumps({"keras_version": f"{keras}.0.0"}))
            archive.writestr("config.json", text)
            archive.writestr("model.weights.h5", buffer.getvalue())
        return path

    def named(self, group: Any, keras: int) -> None:
        group.attrs["layer_names"] = [layer.name for layer in self.layers]
        for layer in self.layers:
            part = group.create_group(layer.name)
            end = ":0" if keras == 2 else ""
            names = [f"{layer.name}/{weight}{end}" for weight in layer.weights]
            part.attrs["weight_names"] = names
            for name, value in zip(names, layer.weights.values(), strict=True):
                part.create_dataset(name, data=value)

    def numbered(self, file: Any, keras: int) -> None:
        counts: dict[str, int] = {}
        for layer in self.layers:
            stem = re.sub(r"([a-z])([A-Z])", r"\1_\2", layer.kind).lower()
            counts[stem] = counts.get(stem, -1) + 1
            end = f"_{counts[stem]}" if counts[stem] else ""
            group = file.create_group(f"layers/{stem}{end}/vars")
            if keras == 3:
                group.attrs["name"] = layer.name
            for number, value in enumerate(layer.weights.values()):
                group.create_dataset(str(number), data=value)


def computed(layer: Layer, read: list[Array], taps: list[Array]) -> Array:
    """Compute one layer as Keras documents it, in 64-bit floats."""
    x, c, w = read[0], layer.config, layer.weights
    if layer.kind in ("Add",):
        return sum(read)
    if layer.kind == "Concatenate":
        return np.concatenate(read, axis=-1)
    if layer.kind == "Flatten":
        return x.reshape(len(x), -1)
    if layer.kind == "Rescaling":
        return x * float(np.float32(c["scale"])) + float(np.float32(c["offset"]))
    if layer.kind == "ZeroPadding2D":
        return np.pad(x, ((0, 0), *map(tuple, c["padding"]), (0, 0)))
    if layer.kind == "GlobalAveragePooling2D":
        return x.mean(axis=(1, 2))
    if layer.kind == "GlobalMaxPooling2D":
        return x.max(axis=(1, 2))
    if layer.kind in ("MaxPooling2D", "AveragePooling2D"):
        size, stride = c["pool_size"], c["strides"] or c["pool_size"]
        fill = -np.inf if layer.kind == "MaxPooling2D" else np.nan
        parts = list(taken(x, size, stride, [1, 1], c["padding"], fill).values())
        return np.max(parts, axis=0) if layer.kind == "MaxPooling2D" else np.mean(parts, axis=0)
    if layer.kind == "BatchNormalization":
        gain = 1 / np.sqrt(w["moving_variance"].astype(float) + float(np.float32(c["epsilon"])))
        gain = gain * w.get("gamma", 1)
        return x * gain + (w.get("beta", 0) - w["moving_mean"] * gain)
    if layer.kind in ("Dropout", "GaussianNoise"):
        return x
    if layer.kind in ("Activation", "Softmax", "ReLU"):
        said = c.get("activation", layer.kind.lower())
        return quantised(x, said, taps)
    return summed(layer, x, taps)


def summed(layer: Layer, x: Array, taps: list[Array]) -> Array:
    c, w = layer.config, layer.weights
    x = quantised(x, c.get("input_quantizer"), taps)
    kernel: Any = w.get("depthwise_kernel", w.get("kernel"))
    said = c.get("depthwise_quantizer", c.get("kernel_quantizer"))
    if said == "magnitude_aware_sign":
        size = np.abs(kernel).mean(axis=tuple(range(kernel.ndim - 1)), dtype=float)
        kernel = quantised(kernel, SIGN, []) * size.astype(np.float32)
    else:
        kernel = quantised(kernel, said, [])
    if kernel.ndim == 2:
        result = x @ kernel
    else:
        fill, dilation = c.get("pad_values", 0.0), c.get("dilation_rate", [1, 1])
        parts = taken(x, c["kernel_size"], c["strides"], dilation, c["padding"], fill)
        result = sum(tapped(layer, part, kernel[tap]) for tap, part in parts.items())
    return quantised(result + w.get("bias", 0), c.get("activation", "linear"), taps)


def tapped(layer: Layer, part: Array, kernel: Array) -> Array:
    if layer.kind == "QuantDepthwiseConv2D":
        return (part[..., :, None] * kernel).reshape(*part.shape[:-1], -1)
    groups = layer.config.get("groups", 1)
    pairs = zip(np.split(part, groups, -1), np.split(kernel, groups, -1), strict=True)
    return np.concatenate([a @ b for a, b in pairs], axis=-1)


def taken(
    x: Array, size: Any, stride: Any, dilation: Any, padding: str, fill: float
) -> dict[tuple[int, int], Array]:
    """Give what each tap of a window sees; "same" as TensorFlow's documentation has it."""
    around = [(0, 0)]
    for n, k, s, d in zip(x.shape[1:3], size, stride, dilation, strict=True):
        reach = (k - 1) * d + 1
        total = max(reach - (s if n % s == 0 else n % s), 0) if padding == "same" else 0
        around.append((total // 2, total - total // 2))
    x = np.pad(x, (*around, (0, 0)), constant_values=fill)
    down, across = (
        (n - (k - 1) * d - 1) // s + 1
        for n, k, s, d in zip(x.shape[1:3], size, stride, dilation, strict=True)
    )
    return {
        (i, j): x[
            :,
            i * dilation[0] : i * dilation[0] + (down - 1) * stride[0] + 1 : stride[0],
            j * dilation[1] : j * dilation[1] + (across - 1) * stride[1] + 1 : stride[1],
        ]
        for i in range(size[0])
        for j in range(size[1])
    }


def quantised(x: Array, said: Any, taps: list[Array]) -> Array:
    name = said["class_name"] if isinstance(said, dict) else said
    if name == "function":
        name = said["config"]
    if name in (None, "linear"):
        return x
    if name == "relu":
        return np.maximum(x, 0)
    if name == "softmax":
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)
    if name in ("SteSign", "ste_sign", "ApproxSign", "swish_sign"):
        result = np.where(x >= 0, 1.0, -1.0)
    elif name in ("SteHeaviside", "ste_heaviside"):
        result = np.where(x > 0, 1.0, 0.0)
    else:
        assert name == "DoReFa"
        most = 2 ** said["config"]["k_bit"] - 1
        result = np.round(np.clip(x, 0, 1) * most) / most
    taps.append(result)
    return result


@pytest.fixture
def new_net() -> type[Net]:
    return Net


@pytest.fixture
def compute() -> Callable[..., Any]:
    return computed


@pytest.fixture
def layer_type() -> type[Layer]:
    return Layer


@pytest.fixture
def sign() -> dict[str, Any]:
    return SIGN


@pytest.fixture
def small(new_net: type[Net]) -> Net:
    """Give a model of a convolution and a dense layer."""
    net = new_net((5, 6, 2), seed=3)
    net.add("QuantConv2D", filters=4, kernel_size=[3, 3], strides=[1, 1], padding="valid",
            use_bias=False, kernel_quantizer=SIGN)  # fmt: skip
    net.add("BatchNormalization", axis=[3], epsilon=0.001, scale=False)
    net.add("Flatten", data_format="channels_last")
    net.add("QuantDense", units=3, use_bias=False, input_quantizer=SIGN, kernel_quantizer=SIGN)
    return net
