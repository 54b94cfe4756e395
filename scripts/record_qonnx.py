"""Write QONNX files, and what qonnx itself computes from them, for the tests.

    VENV/bin/python scripts/record_qonnx.py [-o DIR]

Run from the root of the checkout, in a Python of its own with ``pip install qonnx==1.0.0
onnx==1.19.1``; bnnhw is not needed. Each network is put together node by node of operators that
Brevitas exports; weights are drawn, some 0 and some −0. ``NAME.npz`` has pixels ``x`` of 0 … 255,
the output ``scores`` of `qonnx.core.onnx_exec` for ``x / 255`` and, as ``tap_00`` and so on, the
activations of every quantiser.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.infer_shapes import InferShapes

COUNT = 24
CUSTOM = "qonnx.custom_op.general"
MODES = ("ROUND", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN")


class Net:
    """A network in the making; methods give the name of the tensor that they add."""

    def __init__(self, shape: tuple[int, ...], seed: int) -> None:
        self.shape, self.rng = shape, np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.taps: list[str] = []

    def const(self, value: Any) -> str:
        """Add a constant, floats as 32 bits."""
        array = np.asarray(value)
        array = array.astype(np.float32) if array.dtype.kind == "f" else array
        self.constants.append(numpy_helper.from_array(array, f"c{len(self.constants)}"))
        return self.constants[-1].name

    def add(self, op: str, *inputs: str, tap: bool = False, **attributes: Any) -> str:
        """Add a node."""
        name = f"t{len(self.nodes)}"
        domain = CUSTOM if op in ("Quant", "BipolarQuant", "MultiThreshold") else ""
        self.nodes.append(helper.make_node(op, inputs, [name], domain=domain, **attributes))
        self.taps += [name] * tap
        return name

    def bits(self, x: str) -> str:
        """Add a sign as an activation."""
        return self.add("BipolarQuant", x, self.const(1.0), tap=True)

    def quant(self, x: str, scale: float, bits: float, *, tap: bool = True, **options: Any) -> str:
        """Add a quantiser of several levels."""
        settings = {"signed": 0, "narrow": 0, "rounding_mode": "ROUND"} | options
        terms = (self.const(scale), self.const(0.0), self.const(bits))
        return self.add("Quant", x, *terms, tap=tap, **settings)

    def latent(self, *shape: int) -> Any:
        """Draw latent weights, some of them 0 and some −0."""
        values = self.rng.uniform(-1, 1, shape)
        values[self.rng.random(shape) < 0.1] = 0.0
        values[self.rng.random(shape) < 0.1] = -0.0
        return values

    def conv(self, x: str, rows: int, columns: int, size: int, **attributes: Any) -> str:
        """Add a convolution with ±1 weights."""
        shape = (rows, columns // attributes.get("group", 1), size, size)
        weight = self.add("BipolarQuant", self.const(self.latent(*shape)), self.const(1.0))
        return self.add("Conv", x, weight, kernel_shape=[size, size], **attributes)

    def norm(self, x: str, channels: int, spread: float) -> str:
        """Add a batch norm, some gains negative, for sums of a size."""
        gain = self.rng.normal(0, 1, channels)
        terms = (gain, self.rng.normal(0, 0.3, channels), self.rng.normal(0, spread / 3, channels),
                 self.rng.uniform(0.5, 1.5, channels) * spread**2)  # fmt: skip
        return self.add("BatchNormalization", x, *map(self.const, terms), epsilon=1e-5)

    def dense(self, x: str, rows: int, columns: int, *, transposed: bool = True) -> str:
        """Add a dense layer with ±1 weights: Gemm, or MatMul."""
        shape = (rows, columns) if transposed else (columns, rows)
        weight = self.add("BipolarQuant", self.const(self.latent(*shape)), self.const(1.0))
        if transposed:
            return self.add("Gemm", x, weight, transB=1)
        return self.add("MatMul", x, weight)

    def image(self) -> str:
        """Add the quantiser of the image."""
        return self.quant("x", 1 / 255, 8.0, tap=False)

    def model(self, output: str, classes: int) -> Any:
        """Give the model."""
        ends = [helper.make_tensor_value_info(name, 1, shape)
                for name, shape in (("x", [1, *self.shape]), (output, [1, classes]))]  # fmt: skip
        graph = helper.make_graph(self.nodes, "net", ends[:1], ends[1:], self.constants)
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid(CUSTOM, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def windows() -> tuple[Net, str]:
    """Strides, dilations, groups, depthwise; paddings of 0, −1 and +1; largest of windows."""
    n = Net((3, 12, 11), 1)
    x = n.bits(n.norm(n.conv(n.image(), 8, 3, 3, pads=[1, 1, 1, 1]), 8, 3))
    x = n.bits(n.norm(n.conv(x, 8, 8, 3, group=2, pads=[1, 0, 1, 2]), 8, 6))
    pads = n.const(np.array([0, 0, 2, 2, 0, 0, 2, 2]))
    x = n.conv(n.add("Pad", x, pads, n.const(-1.0)), 8, 8, 3, dilations=[2, 2])
    x = n.bits(n.add("MaxPool", n.norm(x, 8, 9), kernel_shape=[2, 2], strides=[2, 1]))
    pads = n.const(np.array([0, 0, 1, 1, 0, 0, 1, 1]))
    x = n.conv(n.add("Pad", x, pads, n.const(1.0)), 16, 8, 3, group=8, strides=[2, 2])
    x = n.add("Flatten", n.bits(n.norm(x, 16, 3)))
    return n, n.dense(x, 5, 16 * 3 * 5)


def levels() -> tuple[Net, str]:
    """Activations of 2 bits in every rounding mode, halves included, and 8-bit weights."""
    n = Net((6, 5, 5), 2)
    x = n.image()
    for number, mode in enumerate(MODES):
        weight = n.const(n.latent(6, 6, 1, 1))
        if number % 2:
            weight = n.quant(weight, 1 / 128, 8.0, tap=False, signed=1)
        else:
            weight = n.add("BipolarQuant", weight, n.const(1.0))
        x = n.add("Conv", x, weight, kernel_shape=[1, 1])
        # Sums are multiples of 1/2 of the scale where weights are ±1: halves are met often.
        x = n.add("Relu", x) if number % 3 == 0 else x
        x = n.quant(x, 2.0 if number else 1.0, 2.0, signed=int(number % 3 != 0), rounding_mode=mode)
    x = n.add("Reshape", x, n.const(np.array([1, -1])))
    return n, n.dense(x, 4, 150, transposed=False)


def branches() -> tuple[Net, str]:
    """Branches: a sum, channels side by side, slices, a shuffle, averages."""
    n = Net((3, 8, 8), 3)
    x = n.bits(n.norm(n.conv(n.image(), 8, 3, 3, pads=[1, 1, 1, 1]), 8, 3))
    left, right = (n.conv(x, 8, 8, size, pads=[size // 2] * 4) for size in (3, 1))
    both = n.add("Add", left, right)
    new = n.conv(n.bits(n.norm(both, 8, 8)), 4, 8, 3, pads=[1, 1, 1, 1])
    wide = n.add("Concat", both, new, axis=1)
    ends = (n.const(np.array([k])) for k in (4, 12, 1))
    x = n.add("Slice", wide, *ends)
    x = n.bits(n.norm(x, 8, 8))
    for axes in ([1, 4, 2, 8, 8], [1, 8, 8, 8]):
        x = n.add("Reshape", x, n.const(np.array(axes)))
        x = n.add("Transpose", x, perm=[0, 2, 1, 3, 4]) if len(axes) == 5 else x
    x = n.conv(x, 8, 8, 3, group=4)
    x = n.add("AveragePool", n.bits(n.norm(x, 8, 4)), kernel_shape=[2, 2], strides=[2, 2])
    x = n.conv(n.bits(n.norm(x, 8, 1)), 5, 8, 1)
    mean = n.add("GlobalAveragePool", x)
    return n, n.add("Reshape", mean, n.const(np.array([1, 5])))


def thresholds() -> tuple[Net, str]:
    """FINN's form: MultiThreshold of 1 and 2 bits; batch norm written out; ±1 by Sign."""
    n = Net((1, 6, 6), 4)
    x = n.add("Flatten", n.add("Sign", n.add("Sub", "x", n.const(0.45)), tap=True))
    x = n.dense(x, 12, 36, transposed=False)
    one = n.const(np.sort(n.rng.integers(-9, 10, (12, 1)), axis=1).astype(np.float32))
    x = n.add("MultiThreshold", x, one, tap=True, out_scale=2.0, out_bias=-1.0, out_dtype="BIPOLAR")
    x = n.dense(x, 10, 12)
    x = n.add("Mul", n.add("Sub", x, n.const(n.rng.normal(0, 2, 10))), n.const(
        n.rng.choice([-0.5, 0.25, 1.0], 10)))  # fmt: skip
    two = n.const(np.sort(n.rng.normal(0, 1.5, (10, 3)), axis=1))
    x = n.add("MultiThreshold", x, two, tap=True, out_scale=1.0, out_bias=0.0, out_dtype="UINT2")
    return n, n.dense(x, 4, 10)


NETWORKS = {
    "windows": (windows, 5),
    "levels": (levels, 4),
    "branches": (branches, 5),
    "thresholds": (thresholds, 4),
}
"""By name, with the number of classes."""


def write(folder: Path, name: str) -> None:
    """Write one network and what qonnx computes."""
    make, classes = NETWORKS[name]
    net, output = make()
    model = ModelWrapper(net.model(output, classes))
    onnx.save(model.model, folder / f"{name}.onnx")
    model = model.transform(InferShapes())
    pixels = np.random.default_rng(0).integers(0, 256, (COUNT, *net.shape), np.uint8)
    found: dict[str, list[Any]] = {key: [] for key in (output, *net.taps)}
    for image in pixels:
        x = (image[None] / 255).astype(np.float32)
        context = execute_onnx(model, {"x": x}, return_full_exec_context=True)
        for key, values in found.items():
            values.append(context[key][0])
    taps: dict[str, Any] = {
        f"tap_{k:02}": np.array(found[key], np.float32) for k, key in enumerate(net.taps)
    }
    np.savez_compressed(folder / f"{name}.npz", x=pixels, scores=np.array(found[output]), **taps)
    print(f"{name}: {len(net.nodes)} nodes, {len(taps)} quantisers of activations")


def main() -> int:
    """Write them all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    root = Path(__file__).resolve().parent.parent
    parser.add_argument("-o", "--output", type=Path, default=root / "tests/data/qonnx")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    for name in NETWORKS:
        write(args.output, name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
