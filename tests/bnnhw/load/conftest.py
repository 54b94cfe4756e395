"""Small ONNX files, made node by node."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

GENERAL = "qonnx.custom_op.general"


class Onnx:
    """An ONNX graph in the making; `add` returns the name of the output."""

    def __init__(self, shape: Sequence[int | str] = (1, 1, 2, 3), kind: int = 1) -> None:
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.inputs = [helper.make_tensor_value_info("x", kind, list(shape))]
        self.outputs: list[Any] = []
        self.props: dict[str, str] = {}
        self.opset = 20

    def const(self, value: Any, name: str | None = None, as_input: bool = False) -> str:
        array = np.asarray(value)
        array = array.astype(np.float32) if array.dtype == np.float64 else array
        label = name or f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(array, label))
        if as_input:
            kind = helper.np_dtype_to_tensor_dtype(array.dtype)
            self.inputs.append(helper.make_tensor_value_info(label, kind, array.shape))
        return label

    def add(self, op: str, *inputs: str, domain: str = "", outputs: int = 1, **attrs: Any) -> str:
        number = len(self.nodes)
        names = [f"t{number}"] if outputs == 1 else [f"t{number}_{i}" for i in range(outputs)]
        node = helper.make_node(op, inputs, names, f"{op}_{number}", domain=domain, **attrs)
        self.nodes.append(node)
        return names[-1]

    def model(self, output: str) -> Any:
        outputs = self.outputs or [helper.make_tensor_value_info(output, 1, [1, 2])]
        graph = helper.make_graph(
            self.nodes, "graph", self.inputs, outputs, initializer=self.initializers
        )
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid(GENERAL, 2)]
        model = helper.make_model(graph, opset_imports=opsets, producer_name="tests")
        helper.set_model_props(model, self.props)
        return model


@pytest.fixture
def new_onnx() -> type[Onnx]:
    return Onnx


@pytest.fixture
def save(tmp_path: Path) -> Callable[[Any], Path]:
    def write(model: Any) -> Path:
        path = tmp_path / "model.onnx"
        path.write_bytes(model.SerializeToString())
        return path

    return write


@pytest.fixture
def small() -> Callable[..., Any]:
    """Give a function that makes a small network; `change` may alter the finished protobuf."""

    def make(change: Callable[[Any], object] | None = None, pixels: bool = True) -> Any:
        o = Onnx()
        one = o.const(np.float32(1))
        flat = o.add("Reshape", "x", o.const(np.array([1, -1])))
        centred = o.add("Sub", flat, o.const(np.float32(0.5)))
        bits = o.add("BipolarQuant", centred, one, domain=GENERAL)
        weight = o.const(np.array([[1, -1, 1, -1, 1, 1], [1, 1, 1, -1, -1, 1]], np.float32), "w")
        quantised = o.add("BipolarQuant", weight, one, domain=GENERAL)
        o.add("Gemm", bits, quantised, transB=1)
        model = o.model("t4")
        if change:
            change(model)
        return model

    return make


@pytest.fixture(scope="session")
def onnx_module() -> Any:
    return onnx
