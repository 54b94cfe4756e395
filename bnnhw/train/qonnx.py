"""Write trained binary layers as QONNX, straight from their arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ToolMissing
from ..files import write_atomic

__all__ = ["BnLayer", "write_qonnx"]

DOMAIN = "qonnx.custom_op.general"
OPSET = 13


@dataclass(frozen=True)
class BnLayer:
    """A binary layer with batch normalisation and sign behind it.

    Attributes
    ----------
    weight : np.ndarray
        Latent weights [outputs, inputs] or, of a 3x3 convolution, [outputs, inputs, 3, 3]; their
        signs are the weights, sign(0) = +1.
    gamma, beta, mean, var : np.ndarray
        Batch normalisation, per output.
    eps : float
        Its epsilon.
    pool : bool
        Whether a 2x2 maximum halves the picture: behind the sign, or with shortcuts in front of the
        normalisation, so that what is carried on is halved too.
    join : bool
        Whether the sums of the layer before, halved if that one pools, are added to this one's.
    """

    weight: np.ndarray
    gamma: np.ndarray
    beta: np.ndarray
    mean: np.ndarray
    var: np.ndarray
    eps: float
    pool: bool = False
    join: bool = False

    def normalised(self, sums: np.ndarray) -> np.ndarray:
        """Batch normalisation of sums [..., outputs], in float64."""
        scale = self.gamma.astype(np.float64) / np.sqrt(self.var.astype(np.float64) + self.eps)
        return (sums - self.mean.astype(np.float64)) * scale + self.beta.astype(np.float64)


def _onnx() -> Any:
    try:
        import onnx
        import onnx.checker
        import onnx.helper
        import onnx.numpy_helper
    except ImportError as error:
        raise ToolMissing(
            "Writing QONNX needs the package onnx, which is not installed.",
            'Install it: pip install "bnnhw[onnx]".',
        ) from error
    return onnx


class _Graph:
    """Collects nodes and constants; every method returns the name of what it made."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._onnx = _onnx()

    def constant(self, name: str, value: object, kind: type[Any] = np.float32) -> str:
        self.constants.append(
            self._onnx.numpy_helper.from_array(np.asarray(value, dtype=kind), name)
        )
        return name

    def node(
        self, kind: str, inputs: list[str], output: str, **attributes: float | list[int]
    ) -> str:
        helper = self._onnx.helper
        made = helper.make_node(kind, inputs, [output], name=f"{kind}_{output}")
        made.domain = DOMAIN if kind == "BipolarQuant" else ""
        made.attribute.extend(
            helper.make_attribute(name, value) for name, value in attributes.items()
        )
        self.nodes.append(made)
        return output

    def product(self, x: str, weight: np.ndarray, at: str) -> str:
        image = weight.ndim == 4
        latent = self.constant(f"{at}_weight", weight if image else weight.T)
        binary = self.node("BipolarQuant", [latent, "one"], f"{at}_binary_weight")
        if not image:
            return self.node("MatMul", [x, binary], f"{at}_sum")
        around = self.constant(f"{at}_pads", [0, 0, 1, 1, 0, 0, 1, 1], np.int64)
        outside = self.constant(f"{at}_outside", -1.0)
        x = self.node("Pad", [x, around, outside], f"{at}_padded")
        return self.node("Conv", [x, binary], f"{at}_sum", kernel_shape=[3, 3])

    def layers(self, x: str, hidden: Sequence[BnLayer], last: np.ndarray) -> str:
        carries = any(layer.join for layer in hidden)
        vector = False
        carried = ""
        for number, weight in enumerate([*(layer.weight for layer in hidden), last]):
            at = f"layer{number}"
            if weight.ndim == 2 and not vector:
                row = self.constant("row", [1, -1], np.int64)
                x = self.node("Reshape", [x, row], "features" if number else "pixels")
                vector = True
            x = self.product(x, weight, at)
            if number == len(hidden):
                break
            layer = hidden[number]
            if layer.join:
                x = self.node("Add", [x, carried], f"{at}_joined")
            if layer.pool and carries:
                x = self.halved(x, at)
            carried = x
            x = self.activation(x, layer, at, layer.pool and not carries)
        return x

    def activation(self, x: str, layer: BnLayer, at: str, pool: bool) -> str:
        names = [
            self.constant(f"{at}_{part}", getattr(layer, part))
            for part in ("gamma", "beta", "mean", "var")
        ]
        x = self.node("BatchNormalization", [x, *names], f"{at}_norm", epsilon=float(layer.eps))
        x = self.node("BipolarQuant", [x, "one"], f"{at}_bits")
        return self.halved(x, at) if pool else x

    def halved(self, x: str, at: str) -> str:
        return self.node("MaxPool", [x], f"{at}_pool", kernel_shape=[2, 2], strides=[2, 2])


def write_qonnx(
    path: Path,
    hidden: Sequence[BnLayer],
    last: np.ndarray,
    *,
    shape: tuple[int, int, int],
    levels: Sequence[float],
    scale: float,
    metadata: dict[str, str],
    producer: str = "bnnhw train",
) -> None:
    """Write a network whose every weight and activation is +1 or -1.

    Convolutions are padded with -1 and come before all dense layers.

    Parameters
    ----------
    path : Path
        File to write.
    hidden : sequence of BnLayer
        All layers but the last.
    last : np.ndarray
        Latent weights [classes, inputs] of the last one.
    shape : tuple of int
        (channels, height, width) of the input image, pixels 0...1.
    levels : sequence of float
        A pixel becomes one bit for each: +1 where it reaches the level; level by level. Several of
        them ask for one channel.
    scale : float
        Positive factor on all logits.
    metadata : dict[str, str]
        Goes into the file's metadata properties.
    producer : str
        What the file says it was written by.

    Raises
    ------
    ToolMissing
        If the `onnx` package is not installed.
    """
    graph = _Graph()
    graph.constant("one", 1.0)
    marks = np.asarray(levels, np.float32).reshape(1, -1, 1, 1)
    x = graph.node("Sub", ["image", graph.constant("levels", marks)], "centred")
    x = graph.node("BipolarQuant", [x, "one"], "bits")
    x = graph.layers(x, hidden, last)
    graph.node("Mul", [x, graph.constant("logit_scale", scale)], "logits")
    _save(path, graph, ([1, *shape], [1, len(last)]), metadata, producer)


def _save(
    path: Path,
    graph: _Graph,
    shapes: tuple[list[int], list[int]],
    metadata: dict[str, str],
    producer: str,
) -> None:
    shape_in, shape_out = shapes
    onnx = _onnx()
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    made = helper.make_graph(
        graph.nodes,
        path.stem,
        [helper.make_tensor_value_info("image", kind, shape_in)],
        [helper.make_tensor_value_info("logits", kind, shape_out)],
        graph.constants,
    )
    model = helper.make_model(
        made,
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)],
        ir_version=8,
        producer_name=producer,
    )
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    write_atomic(path, model.SerializeToString(deterministic=True))
