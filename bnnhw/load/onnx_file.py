"""ONNX files, read in a bounded way into plain dataclasses; no `onnx` object leaves here."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from ..errors import ToolMissing, UsageError
from ..files import read_capped
from ..names import printable
from .wire import Damaged, count_fields

__all__ = ["FLOAT", "OnnxFile", "OnnxNode", "read_onnx"]

_FIELDS_CAP = 1 << 19
_NODES_CAP = 10_000
_TENSORS_CAP = 50_000
_ELEMENTS_CAP = 1 << 26
_RANK_CAP = 6
_LINKS_CAP = 64
_NAME_CAP = 512
_OPSETS = range(7, 27)
_TODO = "Export the model again, to one file without external data, and try `onnx.checker` on it."

# TensorProto data types that are read: number to (NumPy type as it lies in raw_data, typed field).
_TYPES: dict[int, tuple[str, str]] = {
    1: ("<f4", "float_data"),
    2: ("|u1", "int32_data"),
    3: ("|i1", "int32_data"),
    6: ("<i4", "int32_data"),
    7: ("<i8", "int64_data"),
    11: ("<f8", "double_data"),
}
FLOAT = 1

Attribute = int | float | str | tuple[int, ...] | tuple[float, ...] | npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class OnnxNode:
    """One operation of the file.

    Parameters
    ----------
    name : str
        Its name, or that of its first output; printable, for messages only.
    domain : str
        Empty for ONNX's own operators.
    op : str
    inputs, outputs : tuple of str
        Empty strings stand for what is left out.
    attributes : mapping of str to value
    """

    name: str
    domain: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]


@dataclass(frozen=True, eq=False)
class OnnxFile:
    """What a file says.

    Parameters
    ----------
    path : Path
    name : str
        Name of the graph.
    producer : str
    opsets : mapping of str to int
    inputs : mapping of str to (number of the element type, shape)
        Graph inputs that are no initializers; None for an extent that is a symbol.
    outputs : tuple of str
    nodes : tuple of OnnxNode
    initializers : mapping of str to array
    annotations : mapping of str to mapping of str to str
        Quantisation annotations by tensor.
    props : mapping of str to str
        Metadata.
    """

    path: Path
    name: str
    producer: str
    opsets: Mapping[str, int]
    inputs: Mapping[str, tuple[int, tuple[int | None, ...]]]
    outputs: tuple[str, ...]
    nodes: tuple[OnnxNode, ...]
    initializers: Mapping[str, npt.NDArray[Any]]
    annotations: Mapping[str, Mapping[str, str]]
    props: Mapping[str, str]


def read_onnx(path: Path) -> OnnxFile:
    """Read an ONNX file without external data, within caps that are checked before copying.

    Parameters
    ----------
    path : Path

    Raises
    ------
    UsageError
        If the file is absent, damaged, too large, or uses what is not supported.
    ToolMissing
        If the `onnx` package is not installed.
    """
    data = read_capped(path)
    try:
        import onnx
    except ImportError as error:
        raise ToolMissing(
            "Reading .onnx files needs the Python package 'onnx'.", 'pip install "bnnhw[onnx]"'
        ) from error
    reader = _Reader(path)
    try:
        if count_fields(data, onnx.ModelProto.DESCRIPTOR, _FIELDS_CAP) > _FIELDS_CAP:
            reader.fail(f"it has more than {_FIELDS_CAP} fields, so it is no network or a trap")
    except Damaged:
        reader.fail("it is no ONNX file, or a damaged one")
    try:
        model = onnx.ModelProto.FromString(data)
    except Exception:
        # The class of this error depends on which of its back ends protobuf runs on.
        reader.fail("it is no ONNX file, or a damaged one")
    return reader.file(model)


class _Reader:
    """One file while it is read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def fail(self, what: str, todo: str = _TODO) -> NoReturn:
        raise UsageError(f"'{self._path}': {what}.", todo)

    def file(self, model: Any) -> OnnxFile:
        graph = model.graph
        if not graph.node:
            self.fail("it holds no operations, so it is no ONNX model or a damaged one")
        self._check_counts(model)
        opsets = self._opsets(model)
        initializers = {
            self._name(tensor.name, "tensor"): self._tensor(tensor, tensor.name)
            for tensor in graph.initializer
        }
        if len(initializers) != len(graph.initializer):
            self.fail("two of its initializers have the same name")
        inputs = {
            self._name(entry.name, "input"): self._input(entry)
            for entry in graph.input
            if entry.name not in initializers
        }
        producer = (self._text(model.producer_name), self._text(model.producer_version))
        return OnnxFile(
            path=self._path,
            name=printable(self._text(graph.name)),
            producer=printable(" ".join(filter(None, producer))),
            opsets=opsets,
            inputs=inputs,
            outputs=tuple(self._name(entry.name, "output") for entry in graph.output),
            nodes=tuple(self._node(node) for node in graph.node),
            initializers=initializers,
            annotations={
                self._text(entry.tensor_name): self._texts(entry.quant_parameter_tensor_names)
                for entry in graph.quantization_annotation
            },
            props=self._texts(model.metadata_props),
        )

    def _check_counts(self, model: Any) -> None:
        graph = model.graph
        for what, count, cap in (
            ("operations", len(graph.node), _NODES_CAP),
            ("initializers", len(graph.initializer), _TENSORS_CAP),
            ("inputs", len(graph.input), _TENSORS_CAP),
            ("outputs", len(graph.output), _LINKS_CAP),
            ("annotations", len(graph.quantization_annotation), _TENSORS_CAP),
            ("properties", len(model.metadata_props), _LINKS_CAP),
        ):
            if count > cap:
                self.fail(f"it has {count} {what}; {cap} are the limit")
        for what, entries in (
            ("sparse initializers", graph.sparse_initializer),
            ("local functions", model.functions),
            ("training information", model.training_info),
        ):
            if entries:
                self.fail(f"it has {what}, which are not supported")

    def _opsets(self, model: Any) -> dict[str, int]:
        opsets = {self._text(entry.domain): int(entry.version) for entry in model.opset_import}
        own = opsets.get("", opsets.get("ai.onnx"))
        if own not in _OPSETS:
            self.fail(
                f"its opset is {own}; {_OPSETS.start} to {_OPSETS.stop - 1} are supported",
                "Export the model with an opset in that range.",
            )
        return opsets

    def _text(self, text: object) -> str:
        # Not every back end of protobuf refuses a string that is no UTF-8; some give bytes.
        if not isinstance(text, str):
            self.fail("it holds a text that is no UTF-8, so it is damaged")
        return text

    def _texts(self, entries: Any) -> dict[str, str]:
        return {self._text(entry.key): self._text(entry.value) for entry in entries}

    def _name(self, name: object, what: str) -> str:
        name = self._text(name)
        if len(name) > _NAME_CAP:
            self.fail(f"the name of the {what} '{printable(name)}' is longer than {_NAME_CAP}")
        return name

    def _input(self, entry: Any) -> tuple[int, tuple[int | None, ...]]:
        kind = entry.type.tensor_type
        if not entry.type.HasField("tensor_type") or not kind.HasField("shape"):
            self.fail(f"its input '{printable(entry.name)}' is no tensor of known shape")
        if len(kind.shape.dim) > _RANK_CAP:
            self.fail(f"its input '{printable(entry.name)}' has {len(kind.shape.dim)} axes")
        return int(kind.elem_type), tuple(
            int(dim.dim_value) if dim.HasField("dim_value") else None for dim in kind.shape.dim
        )

    def _tensor(self, tensor: Any, name: str) -> npt.NDArray[Any]:
        what = f"the tensor '{printable(name)}'"
        if tensor.data_location == 1 or tensor.external_data:
            self.fail(
                f"{what} lies in another file; external data is not read",
                "Put everything into one file: onnx.save(onnx.load('old.onnx'), 'new.onnx').",
            )
        if tensor.data_type not in _TYPES or tensor.HasField("segment"):
            self.fail(f"{what} has the data type {tensor.data_type}, which is not supported")
        dims = tuple(int(extent) for extent in tensor.dims)
        if len(dims) > _RANK_CAP or min(dims, default=1) < 0 or prod(dims) > _ELEMENTS_CAP:
            self.fail(f"{what} has the shape {printable(str(dims))}, which is not supported")
        kind, field = _TYPES[tensor.data_type]
        dtype, count = np.dtype(kind), prod(dims)
        values = getattr(tensor, field)
        raw = tensor.raw_data
        if (len(raw), len(values)) not in ((count * dtype.itemsize, 0), (0, count)):
            self.fail(f"{what} has the shape {dims} but holds other data")
        try:
            array = np.frombuffer(raw, dtype) if raw else np.fromiter(values, dtype, count)
        except OverflowError:
            self.fail(f"{what} holds values that do not fit its data type")
        if dtype.kind == "f" and not np.isfinite(array).all():
            self.fail(f"{what} holds NaN or infinity")
        result: npt.NDArray[Any] = array.reshape(dims)
        return result

    def _node(self, node: Any) -> OnnxNode:
        label = printable(self._text(node.name or next(iter(node.output), "")))
        if max(len(node.input), len(node.output), len(node.attribute)) > _LINKS_CAP:
            self.fail(f"the node '{label}' has more than {_LINKS_CAP} inputs or attributes")
        attributes: dict[str, Attribute] = {}
        for entry in node.attribute:
            name = self._name(entry.name, "attribute")
            if name in attributes:
                self.fail(f"the node '{label}' has the attribute '{printable(name)}' twice")
            attributes[name] = self._attribute(entry, label)
        domain = "" if node.domain == "ai.onnx" else self._name(node.domain, "domain")
        return OnnxNode(
            name=label,
            domain=domain,
            op=self._name(node.op_type, "operator"),
            inputs=tuple(self._name(name, "tensor") for name in node.input),
            outputs=tuple(self._name(name, "tensor") for name in node.output),
            attributes=attributes,
        )

    def _attribute(self, entry: Any, label: str) -> Attribute:
        what = f"the attribute '{printable(entry.name)}' of the node '{label}'"
        if entry.ref_attr_name:
            self.fail(f"{what} refers to a function, which is not supported")
        if max(len(entry.ints), len(entry.floats)) > _LINKS_CAP * _LINKS_CAP:
            self.fail(f"{what} has more than {_LINKS_CAP * _LINKS_CAP} values")
        match entry.type:
            case 1:
                return float(entry.f)
            case 2:
                return int(entry.i)
            case 3:
                return str(entry.s.decode("utf-8", "backslashreplace"))
            case 4:
                return self._tensor(entry.t, f"{entry.name} of {label}")
            case 6:
                return tuple(map(float, entry.floats))
            case 7:
                return tuple(map(int, entry.ints))
        self.fail(f"{what} has the type {entry.type}, which is not supported")
