"""Hostile and damaged ONNX files: each ends in one clear error, quickly and without much memory."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from bnnhw.errors import BnnhwError, ToolMissing, UsageError
from bnnhw.graph import Graph
from bnnhw.load import load_model
from bnnhw.load.onnx_file import read_onnx

Save = Callable[[Any], Path]
Small = Callable[..., Any]


def test_contents(small: Small, save: Save) -> None:
    def change(model: Any) -> None:
        helper.set_model_props(model, {"accuracy": "0.9"})
        note = model.graph.quantization_annotation.add(tensor_name="w")
        note.quant_parameter_tensor_names.add(key="finn_datatype", value="BIPOLAR")

    file = read_onnx(save(small(change)))
    assert file.name == "graph"
    assert file.producer == "tests"
    assert file.opsets == {"": 20, "qonnx.custom_op.general": 2}
    assert file.inputs == {"x": (1, (1, 1, 2, 3))}
    assert file.outputs == ("t4",)
    assert [node.op for node in file.nodes] == [
        "Reshape", "Sub", "BipolarQuant", "BipolarQuant", "Gemm",
    ]  # fmt: skip
    assert file.nodes[-1].attributes == {"transB": 1}
    assert file.initializers["w"].shape == (2, 6)
    assert file.annotations == {"w": {"finn_datatype": "BIPOLAR"}}
    assert file.props == {"accuracy": "0.9"}


@pytest.mark.parametrize("kind", ["raw", "typed"])
@pytest.mark.parametrize(
    "array",
    [
        np.array([1.5, -2], np.float32),
        np.array([[1.5, -2]], np.float64),
        np.array([1, -2], np.int64),
        np.array([1, -2], np.int32),
        np.array([1, -2], np.int8),
        np.array([1, 200], np.uint8),
        np.zeros((0, 3), np.float32),
        np.float32(7).reshape(()),
    ],
)
def test_data_types(small: Small, save: Save, kind: str, array: Any) -> None:
    number = helper.np_dtype_to_tensor_dtype(array.dtype)
    tensor = (
        numpy_helper.from_array(array, "extra")
        if kind == "raw"
        else helper.make_tensor("extra", number, array.shape, array.reshape(-1).tolist())
    )
    file = read_onnx(save(small(lambda model: model.graph.initializer.append(tensor))))
    assert np.array_equal(file.initializers["extra"], array)
    assert file.initializers["extra"].dtype == array.dtype
    assert file.initializers["extra"].shape == array.shape


def weight(model: Any) -> Any:
    return next(t for t in model.graph.initializer if t.name == "w")


def dims(*extents: int) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        del weight(model).dims[:]
        weight(model).dims.extend(extents)

    return change


def attribute(kind: int, **fields: Any) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        entry = model.graph.node[0].attribute.add(name="bad\n", type=kind)
        for name, value in fields.items():
            if isinstance(value, list):
                getattr(entry, name).extend(value)
            else:
                setattr(entry, name, value)

    return change


def not_finite(model: Any) -> None:
    weight(model).raw_data = np.full((2, 6), np.nan, np.float32).tobytes()


def overflow(model: Any) -> None:
    weight(model).data_type = TensorProto.INT8
    weight(model).raw_data = b""
    weight(model).int32_data.extend([300] * 12)


def external(model: Any) -> None:
    weight(model).data_location = TensorProto.EXTERNAL
    weight(model).external_data.add(key="location", value="../../etc/passwd")


def twice(model: Any) -> None:
    model.graph.initializer.append(model.graph.initializer[0])


BAD_ATTRIBUTE = r"the attribute 'bad\n' of the node 'Reshape_0' "
WRONG: list[tuple[Any, str]] = [
    (dims(1 << 60), "the tensor 'w' has the shape (1152921504606846976,), which is not supported"),
    (dims(-1, 12), "the tensor 'w' has the shape (-1, 12), which is not supported"),
    (dims(*[1] * 7), "the tensor 'w' has the shape (1, 1, 1, 1, 1, 1, 1), which is not supported"),
    (dims(1 << 13, 1 << 13, 2), "the tensor 'w' has the shape (8192, 8192, 2), which is not"),
    (dims(1 << 13, 1 << 13), "the tensor 'w' has the shape (8192, 8192) but holds other data"),
    (dims(13), "the tensor 'w' has the shape (13,) but holds other data"),
    (dims(0), "the tensor 'w' has the shape (0,) but holds other data"),
    (external, "the tensor 'w' lies in another file; external data is not read"),
    (lambda m: setattr(weight(m), "data_type", 8), "the tensor 'w' has the data type 8, which"),
    (lambda m: setattr(weight(m), "data_type", 0), "the tensor 'w' has the data type 0, which"),
    (lambda m: weight(m).float_data.append(1), "the tensor 'w' has the shape (2, 6) but holds"),
    (lambda m: setattr(weight(m).segment, "begin", 1), "the tensor 'w' has the data type 1, which"),
    (not_finite, "the tensor 'w' holds NaN or infinity"),
    (overflow, "the tensor 'w' holds values that do not fit its data type"),
    (twice, "two of its initializers have the same name"),
    (lambda m: setattr(weight(m), "name", "w" * 600), "the name of the tensor 'wwww"),
    (lambda m: setattr(m.graph.node[0], "op_type", "R" * 600), "the name of the operator 'RRR"),
    (lambda m: setattr(m.graph.node[0], "domain", "d" * 600), "the name of the domain 'ddd"),
    (lambda m: setattr(m.opset_import[0], "version", 3),
     "its opset is 3; 7 to 26 are supported"),
    (lambda m: m.opset_import.pop(0), "its opset is None; 7 to 26 are supported"),
    (lambda m: m.graph.sparse_initializer.add(), "it has sparse initializers, which are not"),
    (lambda m: m.functions.add(), "it has local functions, which are not supported"),
    (lambda m: m.training_info.add(), "it has training information, which are not supported"),
    (lambda m: m.graph.node.extend([m.graph.node[0]] * 10_000),
     "it has 10005 operations; 10000 are the limit"),
    (lambda m: m.graph.output.extend([m.graph.output[0]] * 70),
     "it has 71 outputs; 64 are the limit"),
    (lambda m: m.graph.node[0].input.extend(["x"] * 70),
     "the node 'Reshape_0' has more than 64 inputs or attributes"),
    (lambda m: m.graph.input[0].type.Clear(), "its input 'x' is no tensor of known shape"),
    (lambda m: m.graph.input[0].type.tensor_type.ClearField("shape"),
     "its input 'x' is no tensor of known shape"),
    (lambda m: m.graph.input[0].type.tensor_type.shape.dim.add().__class__ and
     m.graph.input[0].type.tensor_type.shape.dim.extend(
         [m.graph.input[0].type.tensor_type.shape.dim[0]] * 9), "its input 'x' has 14 axes"),
    (attribute(5), BAD_ATTRIBUTE + "has the type 5, which is not supported"),
    (attribute(2, ref_attr_name="y"), BAD_ATTRIBUTE + "refers to a function, which is not"),
    (attribute(7, ints=[1] * 5000), BAD_ATTRIBUTE + "has more than 4096 values"),
    (lambda m: m.graph.node[0].attribute.extend([m.graph.node[4].attribute[0]] * 2),
     "the node 'Reshape_0' has the attribute 'transB' twice"),
    (lambda m: m.graph.ClearField("node"), "it holds no operations, so it is no ONNX model"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "what"), WRONG)
def test_file_wrong(small: Small, save: Save, change: Any, what: str) -> None:
    path = save(small(change))
    with pytest.raises(UsageError, match=f"^{re.escape(f'{str(path)!r}: {what}')}"):
        load_model(path)


def test_name_is_shown_escaped_and_short(small: Small, save: Save) -> None:
    path = save(small(lambda m: setattr(weight(m), "name", "\x1b[2J" + "w" * 600)))
    with pytest.raises(UsageError) as caught:
        read_onnx(path)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_external_data_is_never_opened(small: Small, save: Save, tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(np.ones(12, np.float32).tobytes())

    def change(model: Any) -> None:
        weight(model).ClearField("raw_data")
        weight(model).external_data.add(key="location", value="w.bin")

    with pytest.raises(UsageError, match="external data is not read"):
        load_model(save(small(change)))


def test_empty_and_garbage(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    for data in (b"", b"\0" * 100, b"\xff" * 100, b"PK\x03\x04", b'{"format": 1}', b"\x0a" * 9999):
        path.write_bytes(data)
        with pytest.raises(UsageError, match=r"model\.onnx': it (is no ONNX file|holds no op)"):
            load_model(path)


def test_deep_nesting(small: Small, tmp_path: Path) -> None:
    # A graph in an attribute of a node in a graph in an attribute of a node …
    inner = small().graph.SerializeToString()
    for _ in range(400):
        attribute_field = b"\x32" + _length(inner) + inner
        node = b"\x2a" + _length(attribute_field) + attribute_field
        inner = b"\x0a" + _length(node) + node
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x3a" + _length(inner) + inner)
    with pytest.raises(UsageError, match="it is no ONNX file, or a damaged one"):
        load_model(path)


def _length(data: bytes) -> bytes:
    size, result = len(data), b""
    while size > 127:
        result += bytes([size & 127 | 128])
        size >>= 7
    return result + bytes([size])


def test_truncated_anywhere(small: Small, tmp_path: Path) -> None:
    data = small().SerializeToString()
    path = tmp_path / "model.onnx"
    for length in range(len(data)):
        path.write_bytes(data[:length])
        _load_or_refuse(path)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4)
)
def test_flipped_bytes(small: Small, tmp_path: Path, changes: list[tuple[int, int]]) -> None:
    data = bytearray(small().SerializeToString())
    for position, value in changes:
        data[position % len(data)] = value
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    _load_or_refuse(path)


def _load_or_refuse(path: Path) -> None:
    try:
        assert isinstance(load_model(path), Graph)
    except BnnhwError as error:
        assert isinstance(error, UsageError)
        assert error.what
        assert error.todo


def test_package_missing(small: Small, save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(small())
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ToolMissing) as caught:
        load_model(path)
    assert str(caught.value) == (
        "Reading .onnx files needs the Python package 'onnx'.\npip install \"bnnhw[onnx]\""
    )


def test_file_missing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"model\.onnx' does not exist\.\nCheck the path\.$"):
        load_model(tmp_path / "model.onnx")
