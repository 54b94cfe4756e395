"""Operators of ONNX in float networks, spelled as the functions that descriptions are made of."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from . import onnx_plain_shapes as shapes
from .onnx_plain_shapes import ints_of, known, number_of
from .onnx_traced import Traced, Tracer
from .qonnx_rules import Rule
from .qonnx_values import Site

__all__ = ["PLAIN"]

Attributes = dict[str, Any]
Array = npt.NDArray[Any]

_EPSILON = float(np.float32(1e-5))


def _same(op: str) -> Callable[..., Traced]:
    def run(t: Tracer, site: Site, a: Attributes, x: Traced) -> Traced:
        return t.emit(site, op, input=x)

    return run


def _pair(op: str) -> Callable[..., Traced]:
    def run(t: Tracer, site: Site, a: Attributes, x: Traced, y: Traced) -> Traced:
        return t.emit(site, op, input=x, other=y)

    return run


def _where(t: Tracer, site: Site, a: Attributes, mask: Traced, yes: Traced, no: Traced) -> Traced:
    return t.emit(site, "where", condition=mask, input=yes, other=no)


def _clip(
    t: Tracer,
    site: Site,
    a: Attributes,
    x: Traced,
    low: Traced | None = None,
    high: Traced | None = None,
) -> Traced:
    ends = {"min": number_of(site, low, "the least"), "max": number_of(site, high, "the most")}
    return t.emit(site, "clamp", input=x, **ends)


def _window(site: Site, a: Attributes, kernel: tuple[int, ...]) -> dict[str, list[int]]:
    pads, stride = a["pads"] or (0, 0, 0, 0), a["strides"] or (1, 1)
    dilation = a["dilations"] or (1, 1)
    if not len(kernel) == len(stride) == len(dilation) == 2 or len(pads) != 4:
        site.unsupported(f"has the kernel {kernel}, which is no window of an image")
    if min(*kernel, *stride, *dilation) < 1 or min(pads) < 0 or pads[:2] != pads[2:]:
        site.unsupported(f"has the padding {pads} and the strides {stride}")
    return {"stride": list(stride), "padding": list(pads[:2]), "dilation": list(dilation)}


def _conv(
    t: Tracer, site: Site, a: Attributes, x: Traced, w: Traced, b: Traced | None = None
) -> Traced:
    weight = known(site, w, "the weights")
    bias = None if b is None else known(site, b, "the bias")
    if a["kernel_shape"] not in (None, weight.shape[2:]) or a["group"] < 1:
        site.fail(f"has the kernel {a['kernel_shape']} and weights of shape {weight.shape}")
    window = _window(site, a, weight.shape[2:])
    return t.emit(site, "conv2d", input=x, weight=weight, bias=bias, groups=a["group"], **window)


def _dense(t: Tracer, site: Site, x: Traced, rows: Array, bias: Array | None) -> Traced:
    if rows.ndim != 2 or bias is not None and bias.size not in (1, len(rows)):
        site.unsupported(f"has weights of shape {rows.shape}")
    if bias is not None:
        bias = np.broadcast_to(bias.reshape(-1), (len(rows),))
    return t.emit(site, "linear", input=x, weight=rows, bias=bias)


def _gemm(
    t: Tracer, site: Site, a: Attributes, x: Traced, w: Traced, b: Traced | None = None
) -> Traced:
    weight = known(site, w, "the weights")
    if (a["alpha"], a["beta"]) != (1, 1):
        site.unsupported(f"has alpha = {a['alpha']:g} and beta = {a['beta']:g}")
    rows = weight if a["transB"] else weight.T
    return _dense(t, site, x, rows, None if b is None else known(site, b, "the bias"))


def _matmul(t: Tracer, site: Site, a: Attributes, x: Traced, w: Traced) -> Traced:
    return _dense(t, site, x, known(site, w, "the weights").T, None)


def _batch_norm(t: Tracer, site: Site, a: Attributes, x: Traced, *terms: Traced) -> Traced:
    names = ("weight", "bias", "running_mean", "running_var")
    arrays = {n: known(site, term, n) for n, term in zip(names, terms, strict=True)}
    return t.emit(site, "batch_norm", input=x, eps=a["epsilon"], **arrays)


def _pool(op: str) -> Callable[..., Traced]:
    def run(t: Tracer, site: Site, a: Attributes, x: Traced) -> Traced:
        more = {"kernel_size": list(a["kernel_shape"] or ())}
        more |= _window(site, a, tuple(more["kernel_size"]))
        if op == "avg_pool2d":
            if more.pop("dilation") != [1, 1]:
                site.unsupported("averages cells that are apart")
            more["count_include_pad"] = a["count_include_pad"]
        return t.emit(site, op, input=x, **more)

    return run


def _global_mean(t: Tracer, site: Site, a: Attributes, x: Traced) -> Traced:
    return t.emit(site, "mean", input=x, dim=[2, 3], keepdim=True)


def _mean(t: Tracer, site: Site, a: Attributes, x: Traced, axes: Traced | None = None) -> Traced:
    listed = list(a["axes"] or ()) if axes is None else ints_of(site, axes, "the axes")
    if not listed or max(map(abs, listed)) > len(x.shape):
        site.unsupported(f"averages over the axes {listed}")
    dim = [axis % len(x.shape) for axis in listed]
    return t.emit(site, "mean", input=x, dim=dim, keepdim=bool(a["keepdims"]))


def _pad(
    t: Tracer,
    site: Site,
    a: Attributes,
    x: Traced,
    pads: Traced | None = None,
    value: Traced | None = None,
) -> Traced:
    sizes = list(a["pads"] or ()) if pads is None else ints_of(site, pads, "the padding")
    if len(sizes) != 8 or min(sizes) < 0 or any(sizes[:2] + sizes[4:6]):
        site.unsupported(f"has the padding {sizes}")
    fill = number_of(site, value, "the padding value")
    fill = a["value"] if fill is None else fill
    return t.emit(site, "pad", input=x, pad=[sizes[3], sizes[7], sizes[2], sizes[6]], value=fill)


def _softmax(op: str) -> Callable[..., Traced]:
    def run(t: Tracer, site: Site, a: Attributes, x: Traced) -> Traced:
        if len(x.shape) != 2 or a["axis"] not in (1, -1):
            site.unsupported(f"decides along axis {a['axis']} of {x.shape}")
        return t.emit(site, op, input=x, dim=1)

    return run


_WINDOW: dict[str, tuple[type, Any]] = dict.fromkeys(
    ("kernel_shape", "strides", "pads", "dilations"), (tuple, None)
)
_NO_PADS = {"auto_pad": ("NOTSET",), "ceil_mode": (0,)}
_UNARY = {
    "Abs": "abs", "Ceil": "ceil", "Floor": "floor", "Identity": "identity", "Neg": "neg",
    "Not": "logical_not", "Relu": "relu", "Round": "round", "Sigmoid": "sigmoid", "Sign": "sign",
    "Tanh": "tanh",
}  # fmt: skip
_BINARY = {
    "Add": "add", "And": "logical_and", "Div": "div", "Equal": "eq", "Greater": "gt",
    "GreaterOrEqual": "ge", "Less": "lt", "LessOrEqual": "le", "Mul": "mul", "Or": "logical_or",
    "Sub": "sub",
}  # fmt: skip
_AXES: dict[str, tuple[type, Any]] = {"axes": (tuple, None)}

PLAIN: dict[str, Rule] = {
    **{op: Rule(_same(own), (1, 1)) for op, own in _UNARY.items()},
    **{op: Rule(_pair(own), (2, 2)) for op, own in _BINARY.items()},
    "AveragePool": Rule(
        _pool("avg_pool2d"), (1, 1), _WINDOW | {"count_include_pad": (int, 0)}, _NO_PADS
    ),
    "BatchNormalization": Rule(
        _batch_norm,
        (5, 5),
        {"epsilon": (float, _EPSILON)},
        {"training_mode": (0,), "spatial": (1,)},
        ("momentum",),
    ),
    "Cast": Rule(shapes.cast, (1, 1), {"to": (int, 0)}, {}, ("saturate",)),
    "Clip": Rule(_clip, (1, 3)),
    "Concat": Rule(shapes.concat, (1, 64), {"axis": (int, 0)}),
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
    "ConstantOfShape": Rule(shapes.filled, (1, 1), {"value": (np.ndarray, None)}),
    "Conv": Rule(_conv, (2, 3), _WINDOW | {"group": (int, 1)}, {"auto_pad": ("NOTSET",)}),
    "Dropout": Rule(lambda t, site, a, x, *_: t.emit(site, "identity", input=x), (1, 3)),
    "Flatten": Rule(shapes.flatten, (1, 1), {"axis": (int, 1)}),
    "Gather": Rule(shapes.gather, (2, 2), {"axis": (int, 0)}),
    "Gemm": Rule(
        _gemm,
        (2, 3),
        {"alpha": (float, 1.0), "beta": (float, 1.0), "transB": (int, 0)},
        {"transA": (0,)},
    ),
    "GlobalAveragePool": Rule(_global_mean, (1, 1)),
    "LogSoftmax": Rule(_softmax("log_softmax"), (1, 1), {"axis": (int, -1)}),
    "MatMul": Rule(_matmul, (2, 2)),
    "MaxPool": Rule(_pool("max_pool2d"), (1, 1), _WINDOW, _NO_PADS | {"storage_order": (0,)}),
    "Pad": Rule(
        _pad, (1, 3), {"pads": (tuple, None), "value": (float, 0.0)}, {"mode": ("constant",)}
    ),
    "ReduceMean": Rule(_mean, (1, 2), _AXES | {"keepdims": (int, 1)},
                       {"noop_with_empty_axes": (0,)}),
    "Reshape": Rule(shapes.reshape, (2, 2), {"allowzero": (int, 0)}),
    "Shape": Rule(shapes.shape_of, (1, 1), {}, {"start": (0,)}),
    "Slice": Rule(shapes.slice_, (3, 5)),
    "Softmax": Rule(_softmax("softmax"), (1, 1), {"axis": (int, -1)}),
    "Split": Rule(shapes.split, (1, 2), {"axis": (int, 0)}, {}, ("num_outputs",), outputs=64),
    "Squeeze": Rule(shapes.squeeze, (1, 2), _AXES),
    "Transpose": Rule(shapes.transpose, (1, 1), {"perm": (tuple, None)}),
    "Unsqueeze": Rule(shapes.unsqueeze, (1, 2), _AXES),
    "Where": Rule(_where, (3, 3)),
}  # fmt: skip
