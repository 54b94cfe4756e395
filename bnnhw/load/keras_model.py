"""Models of Larq and Keras: layers are interpreted one after the other, without TensorFlow."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ..errors import UsageError
from ..graph import Graph
from ..names import printable
from . import keras_layers as layers
from . import keras_shapes as shapes
from .chain import Chain, graph_name
from .finish import exact_pixels, finished
from .keras_file import KerasFile, read_keras
from .keras_settings import Settings
from .keras_wiring import KerasLayer, Wiring, wiring
from .onnx_file import OnnxNode
from .pixels import UNSAID
from .qonnx_values import Decision, Pixels, Site, Value
from .support import SUPPORTED

__all__ = ["load_keras"]

_PIXELS = ("auto", "unit", "byte", "centred")
_NORM = ("gamma", "beta", "moving_mean", "moving_variance")


@dataclass(frozen=True)
class _Kind:
    """How a class of layers is read: its handler, what weights it has, and how many inputs."""

    run: Callable[..., Any]
    weights: tuple[str, ...] = ()
    many: bool = False


_LAYERS = ("kernel", "bias")
_KINDS: dict[str, _Kind] = {
    "Activation": _Kind(shapes.activation),
    "Add": _Kind(shapes.add, many=True),
    "AveragePooling2D": _Kind(shapes.average),
    "BatchNormalization": _Kind(layers.batch_norm, _NORM),
    "Concatenate": _Kind(shapes.concatenate, many=True),
    "Conv2D": _Kind(layers.convolution, _LAYERS),
    "Dense": _Kind(layers.dense, _LAYERS),
    "DepthwiseConv2D": _Kind(layers.depthwise, _LAYERS),
    "Dropout": _Kind(shapes.same),
    "Flatten": _Kind(shapes.flatten),
    "GaussianDropout": _Kind(shapes.same),
    "GaussianNoise": _Kind(shapes.same),
    "GlobalAveragePooling2D": _Kind(shapes.global_average),
    "GlobalMaxPooling2D": _Kind(shapes.global_largest),
    "MaxPooling2D": _Kind(shapes.largest),
    "QuantConv2D": _Kind(layers.convolution, _LAYERS),
    "QuantDense": _Kind(layers.dense, _LAYERS),
    "QuantDepthwiseConv2D": _Kind(layers.depthwise, _LAYERS),
    "ReLU": _Kind(shapes.relu),
    "Rescaling": _Kind(shapes.rescaling),
    "Softmax": _Kind(shapes.softmax),
    "SpatialDropout2D": _Kind(shapes.same),
    "ZeroPadding2D": _Kind(shapes.zero_padding),
}
# Weights that a layer has only where a setting says so; all are on unless it does not.
_SWITCHES = {"bias": "use_bias", "gamma": "scale", "beta": "center"}


def load_keras(path: Path, *, name: str | None = None, pixel: str = "auto") -> Graph:
    """Load a network with ±1 weights from a model that Keras 2 or 3 saved, Larq's layers included.

    The graph reads images with the channels first, as all graphs do. Pixels enter as the fractions
    that they are, where a framework rounds p / 255 to 32 bits; sums of ±1 and thresholds are exact.

    Parameters
    ----------
    path : Path
        A whole model: .h5 or .hdf5 as ``model.save("name.h5")`` writes it, or .keras.
    name : str or None
        Name of the graph; by default that of the file, made safe.
    pixel : str
        What the model expects for an 8-bit pixel p: "unit" (p / 255), "byte" (p), "centred"
        (2 * p / 255 - 1), or "auto": "byte" if its first layer is a Rescaling, else "unit".

    Raises
    ------
    UsageError
        If the file cannot be read, or holds what is not supported; the message names the layer.
    ToolMissing
        If the `h5py` package is not installed.
    """
    if pixel not in _PIXELS:
        raise UsageError(
            f"Pixels are read as 'unit', 'byte', 'centred' or 'auto', not "
            f"{printable(repr(pixel))}.",
            "Choose one of them.",
        )
    file = read_keras(path)
    return _Interpreter(file, wiring(file), pixel).graph(name or graph_name(path.stem))


class _Interpreter:
    """Runs the layers of one file over tensors that are known only in their form."""

    def __init__(self, file: KerasFile, found: Wiring, pixel: str) -> None:
        self._file = file
        self._wiring = found
        self._chain = Chain()
        why = "as asked"
        if pixel == "auto":
            scaled = bool(found.layers) and found.layers[0].kind == "Rescaling"
            pixel = "byte" if scaled else "unit"
            why = "its first layer rescales" if scaled else UNSAID
        way = exact_pixels(pixel)
        assert way is not None
        table, words = way
        *size, channels = found.shape if len(found.shape) == 3 else (*found.shape, 0)
        image = (channels, *size) if channels else tuple(size)
        self._values: dict[str, Value | None] = {found.source: Pixels((table,), image, (1, *image))}
        self._pixel = f"{words} ({why})"

    def graph(self, name: str) -> Graph:
        """Interpret every layer and close the graph."""
        for layer in self._wiring.layers:
            self._values[layer.name] = self._run(layer)

        def fail(what: str, todo: str) -> NoReturn:
            self._file.fail(what, todo)

        result = self._values.get(self._wiring.output)
        meta = {"format": "keras", "pixel": self._pixel}
        if self._wiring.name:
            meta["model"] = json.dumps(printable(self._wiring.name), ensure_ascii=False)
        return finished(self._chain, result, name, meta, fail)

    def _run(self, layer: KerasLayer) -> Value | None:
        shown = printable(layer.name)
        node = OnnxNode(shown, "", layer.kind, (), (), {})
        site = Site(printable(str(self._file.path)), node, self._chain)
        kind = _KINDS.get(layer.kind)
        if kind is None:
            site.fail("is a layer that is not supported yet", SUPPORTED)
        inputs = [self._read(site, source) for source in layer.sources]
        if not inputs or (len(inputs) > 1) != kind.many:
            wanted = "two or more" if kind.many else "one"
            site.fail(f"reads {len(inputs)} tensors instead of {wanted}")
        settings = Settings(site, layer.config)
        result = self._applied(kind, layer, site, settings, inputs)
        settings.close()
        return result

    def _applied(
        self,
        kind: _Kind,
        layer: KerasLayer,
        site: Site,
        settings: Settings,
        inputs: list[Value | None],
    ) -> Value | None:
        result: Value | None
        if not kind.weights:
            result = kind.run(site, settings, *inputs)
            return result
        names = [
            weight
            for weight in kind.weights
            if weight not in _SWITCHES or settings.flag(_SWITCHES[weight], True)
        ]
        weights = self._file.weights(layer.name, layer.group, names)
        result = kind.run(site, settings, weights, *inputs)
        return result

    def _read(self, site: Site, source: str) -> Value | None:
        if source not in self._values:
            site.fail(f"reads '{printable(source)}', which nothing before it gives")
        value = self._values[source]
        if isinstance(value, Decision):
            site.unsupported("stands behind a softmax")
        return value
