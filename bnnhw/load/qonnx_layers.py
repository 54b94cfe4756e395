"""Handlers of the operators that become layers: products with weights, and the class at the end."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from ..graph import Grid
from .exact import fractions_of
from .qonnx_values import Affine, Arranged, Best, Const, Decision, Padded, Pixels, Site, Value

__all__ = ["argmax", "conv", "gemm", "matmul", "top_k"]

Attributes = dict[str, Any]
_CHANNELS_CAP = 1 << 16


@dataclass(frozen=True, eq=False)
class _Weights:
    """Rows of small integers, each times a gain.

    Parameters
    ----------
    rows : array of int, in the shape of the tensor with the rows first
        Bits where `binary`.
    binary : bool
    gains : list of Fraction
    sums : list of int
        Of the weights of each row.
    """

    rows: npt.NDArray[Any]
    binary: bool
    gains: list[Fraction]
    sums: list[int]


def matmul(site: Site, attributes: Attributes, x: Value | None, weight: Value | None) -> Value:
    """MatMul: a layer whose weights are columns."""
    return _dense(site, x, weight, transposed=True)


def gemm(
    site: Site,
    attributes: Attributes,
    x: Value | None,
    weight: Value | None,
    bias: Value | None = None,
) -> Value:
    """Gemm: alpha * x @ weight + beta * bias."""
    sums = _dense(site, x, weight, transposed=not attributes["transB"])
    rows = len(sums.scale)
    zero = np.zeros((), np.int64)
    added = site.channels(zero if bias is None else site.const(bias, "C"), (1, rows), "C")
    alpha, beta = Fraction(attributes["alpha"]), Fraction(attributes["beta"])
    return sums.changed([alpha] * rows, [beta * value for value in added])


def _dense(site: Site, x: Value | None, weight: Value | None, *, transposed: bool) -> Affine:
    matrix = site.const(weight, "the weights")
    if matrix.ndim != 2:
        site.fail(f"has weights of shape {matrix.shape} instead of a matrix")
    assert isinstance(weight, Const)
    unit = weight.unit
    rows = matrix.T if transposed else matrix
    if not isinstance(x, Pixels | Affine | Arranged):
        site.refuse(x, "the tensor to multiply")
    if len(x.shape) != 2 or x.shape[1] != rows.shape[1]:
        site.fail(
            f"has {rows.shape[1]} weights for each output but reads a tensor of shape {x.shape}"
        )
    if isinstance(x, Arranged):
        rows, x = x.columns(rows), x.inner
    source = site.edge(x, "the tensor to multiply")
    scale, offset = _uniform(site, source)
    found = _weights(site, rows, unit.T if transposed and unit is not None else unit)
    edge = site.chain.dense(site.chain.flat(source.edge), found.rows, binary=found.binary)
    return _result(found, (1, len(found.gains)), edge, scale, offset)


def _uniform(site: Site, x: Affine) -> tuple[Fraction, Fraction]:
    if len(set(zip(x.scale, x.offset, strict=True))) != 1 or not x.scale[0]:
        site.unsupported("reads activations with a scale for each channel")
    return x.scale[0], x.offset[0]


def _result(
    weights: _Weights, shape: tuple[int, ...], edge: str, scale: Fraction, offset: Fraction
) -> Affine:
    # The offset of each input enters the sum once for each weight, times that weight.
    return Affine(
        edge,
        shape,
        tuple(gain * scale for gain in weights.gains),
        tuple(
            gain * offset * total for gain, total in zip(weights.gains, weights.sums, strict=True)
        ),
    )


def _weights(site: Site, tensor: npt.NDArray[Any], unit: npt.NDArray[Any] | None) -> _Weights:
    """Find bits and a gain for each row, or small integers where a quantiser made the weights."""
    if not tensor.size or len(tensor) > _CHANNELS_CAP:
        site.fail(f"has {len(tensor)} outputs; 1 to {_CHANNELS_CAP} are supported")
    rows = tensor.reshape(len(tensor), -1)
    size = np.abs(rows)
    if (size == size[:, :1]).all() and size.all():
        bits = rows > 0
        sums = 2 * bits.sum(axis=1, dtype=np.int64) - rows.shape[1]
        return _Weights(bits.reshape(tensor.shape), True, fractions_of(size[:, 0]), sums.tolist())
    if unit is None:
        if not size.all():
            site.unsupported("has weights of 0")
        site.unsupported("has weights that are not ±1 times one scale for each output")
    if unit.size not in (1, len(tensor)) or unit.shape[0] != unit.size:
        site.unsupported("has weights with more than one scale for each output")
    gains = fractions_of(unit)
    codes = np.rint(rows / unit.reshape(-1, 1).astype(np.float64)).astype(np.int64)
    if np.abs(codes).max() <= 1:
        site.unsupported("has weights of 0")
    if codes.min() < -128 or codes.max() > 127:
        site.unsupported(f"has weights of {codes.min()} to {codes.max()} times their scale")
    return _Weights(
        codes.reshape(tensor.shape),
        False,
        gains * len(tensor) if unit.size == 1 else gains,
        codes.sum(axis=1).tolist(),
    )


def conv(
    site: Site,
    attributes: Attributes,
    x: Value | None,
    weight: Value | None,
    bias: Value | None = None,
) -> Value:
    """Conv: cross-correlation over two axes; padding by itself or by a Pad before it."""
    tensor = site.const(weight, "the weights")
    if tensor.ndim != 4:
        site.unsupported(f"is a convolution over {tensor.ndim - 2} axes")
    assert isinstance(weight, Const)
    padding, value = _pads(site, attributes["pads"]), Fraction(0)
    if isinstance(x, Padded):
        if any(padding) and x.value != 0:
            site.unsupported("pads with 0 what is padded with something else already")
        padding, value = tuple(a + b for a, b in zip(padding, x.padding, strict=True)), x.value
    source = site.picture(x.inner if isinstance(x, Padded) else x, "the image")
    scale, offset = _uniform(site, source)
    geometry = _geometry(site, attributes, tensor, source)
    if any(padding):
        grid = site.chain.grid(source.edge)
        geometry |= {"padding": padding, "pad_value": _pad_value(site, grid, value, scale, offset)}
    _check_fits(site, geometry, tensor, source)
    found = _weights(site, tensor, weight.unit)
    edge = site.chain.conv(source.edge, found.rows, binary=found.binary, **geometry)
    sums = _result(found, (1, *site.chain.edges[edge].shape), edge, scale, offset)
    rows = len(found.gains)
    added = np.zeros(rows, np.int64) if bias is None else site.const(bias, "the bias")
    if added.shape != (rows,):
        site.fail(f"has a bias of shape {added.shape} for {rows} outputs")
    return sums.changed([Fraction(1)] * rows, fractions_of(added))


def _pads(site: Site, pads: tuple[int, ...] | None) -> tuple[int, ...]:
    found = pads or (0, 0, 0, 0)
    if len(found) != 4 or min(found) < 0:
        site.unsupported(f"has the padding {found}")
    return found


def _geometry(
    site: Site, attributes: Attributes, tensor: npt.NDArray[Any], source: Affine
) -> dict[str, Any]:
    kernel = attributes["kernel_shape"] or tensor.shape[2:]
    stride, dilation = attributes["strides"] or (1, 1), attributes["dilations"] or (1, 1)
    groups, channels = attributes["group"], source.shape[1]
    if tuple(kernel) != tensor.shape[2:]:
        site.fail(f"has the kernel {kernel} but weights of shape {tensor.shape}")
    if len(stride) != 2 or len(dilation) != 2 or min(*stride, *dilation) < 1:
        site.fail(f"has the strides {stride} and the dilations {dilation}")
    if groups < 1 or len(tensor) % groups or tensor.shape[1] * groups != channels:
        site.fail(f"has {groups} groups of weights {tensor.shape} for {channels} channels")
    return {"stride": tuple(stride), "dilation": tuple(dilation), "groups": groups}


def _check_fits(
    site: Site, geometry: dict[str, Any], tensor: npt.NDArray[Any], source: Affine
) -> None:
    padding = geometry.get("padding", (0, 0, 0, 0))
    for axis in (0, 1):
        have = source.shape[2 + axis] + padding[axis] + padding[axis + 2]
        if have <= (tensor.shape[2 + axis] - 1) * geometry["dilation"][axis]:
            site.fail(f"has weights of shape {tensor.shape}, larger than {source.shape}")


def _pad_value(site: Site, grid: Grid, value: Fraction, scale: Fraction, offset: Fraction) -> int:
    """Give the integer that `value` is on the edge."""
    found = (value - offset) / scale
    if found.denominator == 1:
        whole = int(found)
        code = whole - grid.low
        if whole == 0 or (code % grid.step == 0 and 0 <= code // grid.step < grid.levels):
            return whole
    site.unsupported(f"pads with {float(value):g}, which no value of its input stands for")


def _decision(site: Site, x: Value | None, axis: int, k: int | None = None) -> Decision:
    scores = site.affine(x, "the scores")
    if axis % len(scores.shape) != 1 or len(scores.shape) != 2:
        site.unsupported(f"decides along axis {axis} of a tensor of shape {scores.shape}")
    return Decision(scores, k)


def argmax(site: Site, attributes: Attributes, x: Value | None) -> Value:
    """ArgMax over the classes."""
    return _decision(site, x, attributes["axis"])


def top_k(
    site: Site, attributes: Attributes, x: Value | None, count: Value | None
) -> tuple[Value, Value]:
    """TopK over the classes: their scores, which the answer carries as logits, and their numbers.

    ONNX puts the lower of two equal classes first, and so does `bnnhw.graph.TopK`; k = 1 is an
    argmax.
    """
    wanted = site.ints(count, "k")
    if len(wanted) != 1 or wanted[0] < 1:
        site.fail(f"has k = {wanted}")
    (k,) = wanted
    if k > 1 and not attributes["sorted"]:
        site.unsupported("has sorted = 0, any order of the classes")
    decision = _decision(site, x, attributes["axis"], k if k > 1 else None)
    if k > len(decision.scores.scale):
        site.fail(f"has k = {k} for {len(decision.scores.scale)} classes")
    return Best(decision), decision
