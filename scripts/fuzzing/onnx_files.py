"""Changes to ONNX files that know what is in them."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx

from . import payloads
from .raw import mutated

__all__ = ["changed_model"]

_OPS = ("Conv", "Gemm", "MatMul", "Quant", "BipolarQuant", "MultiThreshold", "Reshape", "Flatten",
        "Add", "Mul", "Sub", "Div", "Sign", "BatchNormalization", "MaxPool", "AveragePool",
        "Concat",
        "Transpose", "TopK", "ArgMax", "Pad", "Slice", "Constant", "Identity", "Relu", "Clip",
        "Where", "Loop", "If", "Shape", "Gather", "Unsqueeze", "Trunc", "Softmax")  # fmt: skip
_DOMAINS = ("", "ai.onnx", "onnx.brevitas", "qonnx.custom_op.general", "finn.custom_op.general",
            "evil")  # fmt: skip
_ATTRIBUTES = ("axis", "axes", "perm", "transA", "transB", "alpha", "beta", "kernel_shape",
               "strides", "pads", "dilations", "group", "signed", "narrow", "rounding_mode",
               "out_dtype", "out_scale", "out_bias", "k", "to", "value", "epsilon", "auto_pad",
               "keepdims", "data_layout", "count_include_pad", "ceil_mode")  # fmt: skip
_DEEPEST = (40, 200, 5000)


def changed_model(rng: random.Random, seed: bytes, others: list[bytes]) -> bytes:
    """Change an ONNX file: its bytes, its fields, or both."""
    if rng.random() < 0.3:
        return mutated(rng, seed, others)
    model = onnx.ModelProto.FromString(seed)
    for _ in range(1 + int(4 * rng.random() ** 2)):
        rng.choice(_WAYS)(rng, model)
    data: bytes = model.SerializeToString()
    if rng.random() < 0.02:
        data += _nested(rng)
    return mutated(rng, data, others, most=2) if rng.random() < 0.1 else data


def _nested(rng: random.Random) -> bytes:
    """Give graphs in attributes of nodes of graphs, as bytes: the library makes none."""
    data = b""
    for _ in range(rng.choice(_DEEPEST)):
        for field in (6 << 3 | 2, 5 << 3 | 2, 1 << 3 | 2):
            data = bytes([field]) + _varint(len(data)) + data
    return bytes([7 << 3 | 2]) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _text(rng: random.Random) -> str:
    return payloads.text(rng).encode("utf-8", "replace").decode()


def _whole(rng: random.Random) -> int:
    return int(payloads.number(rng, floats=False))


def _one(rng: random.Random, entries: Any) -> Any:
    return rng.choice(entries) if len(entries) else None


def _edges(model: Any) -> list[str]:
    graph = model.graph
    found = [name for node in graph.node for name in (*node.input, *node.output)]
    return [*found, *(entry.name for entry in graph.initializer), ""]


def _dims(rng: random.Random, model: Any) -> None:
    tensor = _one(rng, model.graph.initializer)
    if tensor is None:
        return
    if len(tensor.dims) and rng.random() < 0.6:
        tensor.dims[rng.randrange(len(tensor.dims))] = _whole(rng)
    elif rng.random() < 0.5 and len(tensor.dims) > 1:
        dims = [*tensor.dims]
        rng.shuffle(dims)
        tensor.dims[:] = dims
    else:
        tensor.dims.extend(_whole(rng) for _ in range(rng.choice((1, 2, 9))))


def _values(rng: random.Random, model: Any) -> None:
    tensor = _one(rng, model.graph.initializer)
    if tensor is None or tensor.data_type not in (1, 7, 11) or not tensor.raw_data:
        return
    kind: Any = {1: np.float32, 7: np.int64, 11: np.float64}[tensor.data_type]
    values = np.frombuffer(tensor.raw_data[: len(tensor.raw_data) // 8 * 8], kind).copy()
    with np.errstate(all="ignore"):
        for _ in range(rng.choice((1, 1, 5))):
            if len(values):
                drawn = payloads.number(rng, floats=kind is not np.int64)
                values[rng.randrange(len(values))] = drawn
    if rng.random() < 0.2 and len(values):
        values[:] = values[0]
    tensor.raw_data = values.tobytes()


def _tensor(rng: random.Random, model: Any) -> None:
    tensor = _one(rng, model.graph.initializer)
    if tensor is None:
        return
    match rng.randrange(8):
        case 0:
            tensor.data_type = rng.choice((0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 16, 22, 99))
        case 1:
            tensor.raw_data = tensor.raw_data[: rng.randrange(len(tensor.raw_data) + 1)]
        case 2:
            tensor.raw_data += rng.randbytes(rng.choice((1, 4, 8, 400)))
        case 3:
            model.graph.initializer.remove(tensor)
        case 4:
            model.graph.initializer.append(tensor)
        case 5:
            tensor.name = rng.choice(_edges(model)) if rng.random() < 0.5 else _text(rng)
        case 6:
            tensor.data_location = 1
            tensor.external_data.add(key="location", value=_text(rng))
        case 7:
            tensor.float_data.extend([float(payloads.number(rng)) % 1e30] * rng.choice((1, 12)))


def _wiring(rng: random.Random, model: Any) -> None:
    node = _one(rng, model.graph.node)
    if node is None:
        return
    names = node.input if rng.random() < 0.7 else node.output
    match rng.randrange(4):
        case 0 if len(names):
            names[rng.randrange(len(names))] = rng.choice(_edges(model))
        case 1 if len(names):
            del names[rng.randrange(len(names))]
        case 2:
            names.extend([rng.choice(_edges(model))] * rng.choice((1, 1, 100)))
        case _ if len(names):
            old, new = rng.choice(names), _text(rng)
            # Everywhere: a network that is as good as before, with a name to beware of.
            for other in model.graph.node:
                for part in (other.input, other.output):
                    part[:] = [new if name == old else name for name in part]
            for entry in (*model.graph.initializer, *model.graph.input, *model.graph.output):
                entry.name = new if entry.name == old else entry.name


def _nodes(rng: random.Random, model: Any) -> None:
    nodes = model.graph.node
    if not len(nodes):
        return
    node = rng.choice(nodes)
    match rng.randrange(6):
        case 0:
            nodes.remove(node)
        case 1:
            nodes.extend([node] * rng.choice((1, 1, 50)))
        case 2:
            kept = [onnx.NodeProto.FromString(entry.SerializeToString()) for entry in nodes]
            rng.shuffle(kept)
            del nodes[:]
            nodes.extend(kept)
        case 3:
            node.op_type = rng.choice(_OPS) if rng.random() < 0.8 else _text(rng)
        case 4:
            node.domain = rng.choice(_DOMAINS)
        case 5:
            node.name = _text(rng)


def _attribute(rng: random.Random, model: Any) -> None:
    node = _one(rng, model.graph.node)
    if node is None:
        return
    entry = _one(rng, node.attribute) if rng.random() < 0.7 else None
    if entry is None:
        entry = node.attribute.add(name=rng.choice(_ATTRIBUTES), type=rng.choice((1, 2, 3, 6, 7)))
    match rng.randrange(7):
        case 0:
            entry.type = rng.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 14))
        case 1:
            entry.i = _whole(rng)
        case 2:
            entry.f = float(payloads.number(rng)) % 3e38
        case 3:
            entry.s = _text(rng).encode()
        case 4 if len(entry.ints):
            entry.ints[rng.randrange(len(entry.ints))] = _whole(rng)
        case 5:
            entry.ints.extend(_whole(rng) for _ in range(rng.choice((1, 2, 4, 70, 5000))))
        case _:
            entry.name = rng.choice(_ATTRIBUTES) if rng.random() < 0.7 else _text(rng)


def _ends(rng: random.Random, model: Any) -> None:
    graph = model.graph
    match rng.randrange(8):
        case 0 if len(graph.input):
            dims = rng.choice(graph.input).type.tensor_type.shape.dim
            if len(dims):
                dims[rng.randrange(len(dims))].dim_value = _whole(rng)
        case 1 if len(graph.input):
            rng.choice(graph.input).type.tensor_type.elem_type = rng.randrange(20)
        case 2 if len(graph.input):
            graph.input.append(rng.choice(graph.input))
        case 3 if len(graph.output):
            rng.choice(graph.output).name = rng.choice(_edges(model))
        case 4:
            del rng.choice((graph.input, graph.output))[:]
        case 5:
            graph.output.add(name=rng.choice(_edges(model)))
        case 6 if len(graph.input):
            rng.choice(graph.input).name = _text(rng)
        case _ if len(graph.input):
            rng.choice(graph.input).type.tensor_type.shape.dim.add().dim_value = _whole(rng)


def _about(rng: random.Random, model: Any) -> None:
    match rng.randrange(7):
        case 0:
            model.graph.name = _text(rng)
        case 1:
            model.producer_name = _text(rng)
        case 2 if len(model.opset_import):
            rng.choice(model.opset_import).version = _whole(rng)
        case 3:
            model.metadata_props.add(key="bnnhw.pixel_scale", value=_text(rng))
        case 4:
            model.metadata_props.add(key=_text(rng), value=_text(rng))
        case 5:
            note = model.graph.quantization_annotation.add(tensor_name=rng.choice(_edges(model)))
            kind = rng.choice(
                ("BIPOLAR", "INT999999", "UINT0", "TERNARY", "FIXED<8,9>", _text(rng))
            )
            note.quant_parameter_tensor_names.add(key="finn_datatype", value=kind)
        case _:
            rng.choice((model.functions, model.training_info, model.graph.sparse_initializer)).add()


def _rows(rng: random.Random, model: Any) -> None:
    """Make many of something that there is one of."""
    graph = model.graph
    entries = rng.choice((graph.node, graph.initializer, graph.input, graph.output,
                          graph.value_info, model.opset_import))  # fmt: skip
    if len(entries):
        entries.extend([rng.choice(entries)] * rng.choice((2, 70, 300)))


_WAYS: tuple[Callable[[random.Random, Any], None], ...] = (
    _dims, _values, _values, _tensor, _wiring, _wiring, _nodes, _attribute, _attribute, _ends,
    _about, _rows,
)  # fmt: skip
