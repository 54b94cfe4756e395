"""Which operators of a QONNX file are read, with which attributes, and by which handler."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..names import printable
from . import qonnx_joins as joins
from . import qonnx_layers as layers
from . import qonnx_math as maths
from . import qonnx_quant as quantisers
from . import qonnx_shapes as shapes
from . import qonnx_windows as windows
from .onnx_file import OnnxNode
from .qonnx_values import Site
from .support import SUPPORTED

__all__ = ["QUANTISERS", "Rule", "attributes_of", "is_known", "rule_of"]

QUANTISERS = {"onnx.brevitas", "qonnx.custom_op.general", "finn.custom_op.general"}
"""Domains in which quantisers stand."""

_EPSILON = float(np.float32(1e-5))


@dataclass(frozen=True)
class Rule:
    """How one operator is read.

    Parameters
    ----------
    run : callable
        Handler; gets the site, the attributes and the inputs.
    inputs : tuple of int
        Least and largest number of inputs.
    attributes : mapping of str to (type, default)
        Those that the handler reads.
    fixed : mapping of str to tuple
        Those that change nothing with these values, and are refused with others.
    ignored : tuple of str
        Those that say nothing about inference.
    outputs : int
        Largest number of outputs.
    """

    run: Callable[..., Any]
    inputs: tuple[int, int]
    attributes: Mapping[str, tuple[type, Any]] = field(default_factory=dict)
    fixed: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    outputs: int = 1


_WINDOW: dict[str, tuple[type, Any]] = {
    "kernel_shape": (tuple, None),
    "strides": (tuple, None),
    "pads": (tuple, None),
    "dilations": (tuple, None),
}

_ONNX: dict[str, Rule] = {
    "Add": Rule(maths.add, (2, 2)),
    "ArgMax": Rule(
        layers.argmax,
        (1, 1),
        {"axis": (int, 0)},
        {"keepdims": (0, 1), "select_last_index": (0,)},
    ),
    "AveragePool": Rule(
        windows.average_pool,
        (1, 1),
        _WINDOW | {"count_include_pad": (int, 0)},
        {"auto_pad": ("NOTSET",), "ceil_mode": (0,)},
    ),
    "BatchNormalization": Rule(
        maths.batch_normalization,
        (5, 5),
        {"epsilon": (float, _EPSILON)},
        {"training_mode": (0,), "spatial": (1,)},
        ("momentum",),
    ),
    "Concat": Rule(shapes.concat, (1, 16), {"axis": (int, 0)}),
    "Constant": Rule(
        shapes.constant,
        (0, 0),
        {
            "value": (np.ndarray, None),
            "value_float": (float, None),
            "value_int": (int, None),
            "value_floats": (tuple, None),
            "value_ints": (tuple, None),
        },
    ),
    "Conv": Rule(layers.conv, (2, 3), _WINDOW | {"group": (int, 1)}, {"auto_pad": ("NOTSET",)}),
    "Div": Rule(maths.div, (2, 2)),
    "Flatten": Rule(shapes.flatten, (1, 1), {"axis": (int, 1)}),
    "Gather": Rule(shapes.gather, (2, 2), {"axis": (int, 0)}),
    "Gemm": Rule(
        layers.gemm,
        (2, 3),
        {"alpha": (float, 1.0), "beta": (float, 1.0), "transB": (int, 0)},
        {"transA": (0,)},
    ),
    "GlobalAveragePool": Rule(windows.global_average_pool, (1, 1)),
    "Identity": Rule(shapes.identity, (1, 1)),
    "MatMul": Rule(layers.matmul, (2, 2)),
    "MaxPool": Rule(
        windows.max_pool,
        (1, 1),
        _WINDOW,
        {"auto_pad": ("NOTSET",), "ceil_mode": (0,), "storage_order": (0,)},
    ),
    "Mul": Rule(maths.mul, (2, 2)),
    "Pad": Rule(
        windows.pad,
        (1, 4),
        {"pads": (tuple, None), "value": (float, 0.0)},
        {"mode": ("constant",)},
    ),
    "Pow": Rule(maths.power, (2, 2)),
    "ReduceMean": Rule(windows.reduce_mean, (1, 2), {"axes": (tuple, None), "keepdims": (int, 1)}),
    "Relu": Rule(quantisers.relu, (1, 1)),
    "Reshape": Rule(shapes.reshape, (2, 2), {"allowzero": (int, 0)}),
    "Shape": Rule(shapes.shape_of, (1, 1), {}, {"start": (0,)}),
    "Sign": Rule(quantisers.sign, (1, 1)),
    "Slice": Rule(joins.slice_channels, (3, 5)),
    "Sqrt": Rule(maths.sqrt, (1, 1)),
    "Squeeze": Rule(shapes.squeeze, (1, 2), {"axes": (tuple, None)}),
    "Sub": Rule(maths.sub, (2, 2)),
    "TopK": Rule(
        layers.top_k,
        (2, 2),
        {"axis": (int, -1), "sorted": (int, 1)},
        {"largest": (1,)},
        outputs=2,
    ),
    "Transpose": Rule(shapes.transpose, (1, 1), {"perm": (tuple, None)}),
    "Unsqueeze": Rule(shapes.unsqueeze, (1, 2), {"axes": (tuple, None)}),
}

_CUSTOM: dict[str, Rule] = {
    "BipolarQuant": Rule(quantisers.bipolar_quant, (2, 2)),
    "MultiThreshold": Rule(
        quantisers.multi_threshold,
        (2, 2),
        {"out_scale": (float, 1.0), "out_bias": (float, 0.0), "out_dtype": (str, "")},
        {"data_layout": ("NCHW", "NC")},
    ),
    "Quant": Rule(
        quantisers.quant,
        (4, 4),
        {"signed": (int, 1), "narrow": (int, 0), "rounding_mode": (str, "ROUND")},
    ),
}


def is_known(node: OnnxNode) -> bool:
    """Tell whether there is a rule for a node."""
    if node.domain == "":
        return node.op in _ONNX
    return node.domain in QUANTISERS and node.op in _CUSTOM


def rule_of(site: Site) -> Rule:
    """Give the rule for a node.

    Raises
    ------
    UsageError
        If there is none.
    """
    node = site.node
    if node.domain == "" and node.op in _ONNX:
        return _ONNX[node.op]
    if node.domain in QUANTISERS and node.op in _CUSTOM:
        return _CUSTOM[node.op]
    domain = printable(node.domain or "ai.onnx")
    site.fail(
        f"is an operator of the domain '{domain}' that is not supported",
        SUPPORTED,
    )


def attributes_of(site: Site, rule: Rule) -> dict[str, Any]:
    """Give the attributes that the handler of a node reads.

    Raises
    ------
    UsageError
        If the node has one that is unknown, or of a kind or value that is not supported.
    """
    result = {name: default for name, (_, default) in rule.attributes.items()}
    for name, value in site.node.attributes.items():
        if name in rule.attributes:
            kind = rule.attributes[name][0]
            if not isinstance(value, kind):
                site.fail(f"has the attribute '{name}' of the wrong type")
            result[name] = value
        elif name in rule.fixed:
            if not isinstance(value, int | str) or value not in rule.fixed[name]:
                shown = printable(repr(value))
                site.fail(f"has the attribute {name} = {shown}, which is not supported")
        elif name not in rule.ignored:
            site.fail(f"has the attribute '{printable(name)}', which is not supported")
    return result
