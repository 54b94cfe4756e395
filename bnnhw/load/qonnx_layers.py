"""Handlers of the operators that become nodes: products, quantisers, decisions."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import ceil, floor
from typing import Any

import numpy as np
import numpy.typing as npt

from ..graph import BIPOLAR
from .exact import find_switch, fractions_of
from .qonnx_values import Affine, Const, Decision, Pixels, Site, Value

__all__ = [
    "argmax",
    "bipolar_quant",
    "gemm",
    "matmul",
    "multi_threshold",
    "quant",
    "sign",
    "top_k",
]

Attributes = dict[str, Any]
_CHANNELS_CAP = 1 << 16
# The data types of MultiThreshold that have two values, and these values.
_VALUES = {"BIPOLAR": (Fraction(-1), Fraction(1)), "BINARY": (Fraction(0), Fraction(1))}
_ROUNDINGS: dict[str, Callable[[Fraction], int]] = {"ROUND": round, "CEIL": ceil, "FLOOR": floor}


def matmul(site: Site, attributes: Attributes, x: Value | None, weight: Value | None) -> Value:
    """MatMul: a layer whose weights are columns."""
    return _layer(site, x, site.const(weight, "the weights"), transposed=True)


def gemm(
    site: Site,
    attributes: Attributes,
    x: Value | None,
    weight: Value | None,
    bias: Value | None = None,
) -> Value:
    """Gemm: alpha * x @ weight + beta * bias."""
    matrix = site.const(weight, "the weights")
    sums = _layer(site, x, matrix, transposed=not attributes["transB"])
    rows = len(sums.scale)
    zero = np.zeros((), np.int64)
    added = site.channels(zero if bias is None else site.const(bias, "C"), (1, rows), "C")
    alpha, beta = Fraction(attributes["alpha"]), Fraction(attributes["beta"])
    return sums.changed([alpha] * rows, [beta * value for value in added])


def _layer(site: Site, x: Value | None, weight: npt.NDArray[Any], *, transposed: bool) -> Affine:
    if weight.ndim != 2:
        site.fail(f"has weights of shape {weight.shape} instead of a matrix")
    rows = weight.T if transposed else weight
    edge, scale, offset = _bits(site, x, rows.shape[1])
    if not rows.size or len(rows) > _CHANNELS_CAP:
        site.fail(f"has {len(rows)} outputs; 1 to {_CHANNELS_CAP} are supported")
    size = np.abs(rows)
    if not size.all():
        site.unsupported("has weights of 0")
    if (size != size[:, :1]).any():
        site.unsupported("has weights that are not ±1 times one scale for each output")
    bits = rows > 0
    gains = fractions_of(size[:, 0])
    # The offset of each input enters the sum once for each weight, with the sign of that weight.
    ones = (2 * bits.sum(axis=1, dtype=np.int64) - rows.shape[1]).tolist()
    return Affine(
        site.chain.dense(edge, bits),
        (1, len(rows)),
        tuple(gain * scale for gain in gains),
        tuple(gain * offset * one for gain, one in zip(gains, ones, strict=True)),
    )


def _bits(site: Site, x: Value | None, columns: int) -> tuple[str, Fraction, Fraction]:
    """Give the ±1 edge behind an input of a layer, and the scale and offset of its values."""
    if not isinstance(x, Pixels | Affine):
        site.refuse(x, "the tensor to multiply")
    if len(x.shape) != 2 or x.shape[1] != columns:
        site.fail(f"has {columns} weights for each output but reads a tensor of shape {x.shape}")
    if isinstance(x, Pixels):
        return _image_bits(site, x)
    if site.chain.grid(x.edge) != BIPOLAR:
        site.unsupported("reads sums that no activation has made 1 bit")
    if len(set(zip(x.scale, x.offset, strict=True))) != 1 or not x.scale[0]:
        site.unsupported("reads activations with a scale for each channel")
    return x.edge, x.scale[0], x.offset[0]


def _image_bits(site: Site, x: Pixels) -> tuple[str, Fraction, Fraction]:
    values = sorted({value for table in x.tables for value in table})
    if len(values) != 2:
        count = f"{len(values)} different value{'s' * (len(values) > 1)}"
        site.unsupported(f"reads an input of {count} instead of two")
    low, high = values
    lut = np.array([[value == high for value in table] for table in x.tables], np.int64)
    edge = site.chain.image(x.image, lut[0] if len(lut) == 1 else lut)
    if edge is None:
        site.unsupported("reads the input as other bits than an earlier layer")
    return site.chain.flat(edge), (high - low) / 2, (high + low) / 2


def _activation(site: Site, x: Affine, least: Sequence[Fraction]) -> str:
    """Add the 1-bit activation that is high where channel c of `x` reaches ``least[c]``."""
    grid = site.chain.grid(x.edge)
    levels, directions = [], []
    for scale, offset, bound in zip(x.scale, x.offset, least, strict=True):

        def reached(
            value: int, scale: Fraction = scale, offset: Fraction = offset, bound: Fraction = bound
        ) -> bool:
            return scale * value + offset >= bound

        switch = find_switch(reached, grid)
        levels.append(switch.level)
        directions.append(switch.direction)
    column = np.array(levels, np.int64).reshape(-1, 1)
    return site.chain.threshold(x.edge, column, np.array(directions, np.int8))


def bipolar_quant(
    site: Site, attributes: Attributes, x: Value | None, scale: Value | None
) -> Value:
    """BipolarQuant: +scale where x >= 0, else -scale."""
    factor = site.const(scale, "the scale")
    if not (factor > 0).all() or not factor.size:
        site.fail("has a scale that is not positive")
    if isinstance(x, Const):
        try:
            fits = np.broadcast_shapes(x.shape, factor.shape) == x.shape
        except ValueError:
            fits = False
        if not fits:
            site.fail(f"has a scale of shape {factor.shape} for weights of shape {x.shape}")
        # ±1 as integers: their products with floats and with fractions are exact.
        return Const(np.asarray(np.where(x.array >= 0, 1, -1) * factor))
    if isinstance(x, Pixels):
        size = site.scalar(factor, "the scale of the input")
        return x.mapped(lambda value: size if value >= 0 else -size)
    x = site.affine(x, "the tensor")
    zero = Fraction(0)
    sizes = site.channels(factor, x.shape, "a scale")
    edge = _activation(site, x, [zero] * len(sizes))
    return Affine(edge, x.shape, tuple(sizes), (zero,) * len(sizes))


def sign(site: Site, attributes: Attributes, x: Value | None) -> Value:
    """Sign, where its input is never 0 (it would give 0, a third value)."""
    if isinstance(x, Const):
        if not x.array.all():
            site.unsupported("reads a weight of 0 and gives 0")
        return Const(np.where(x.array > 0, 1, -1))
    if isinstance(x, Pixels):
        for table in x.tables:
            if 0 in table:
                site.unsupported(f"reads 0 for the pixel {table.index(Fraction(0))} and gives 0")
        return x.mapped(lambda value: Fraction(1 if value > 0 else -1))
    x = site.affine(x, "the tensor")
    grid = site.chain.grid(x.edge)
    for channel, (scale, offset) in enumerate(zip(x.scale, x.offset, strict=True)):
        root = -offset / scale if scale else Fraction(grid.low - 1 if offset else grid.low)
        code = (root - grid.low) / grid.step
        if code.denominator == 1 and 0 <= code < grid.levels:
            site.unsupported(f"can read 0 in channel {channel} and gives 0")
    zero, one = Fraction(0), Fraction(1)
    count = len(x.scale)
    return Affine(_activation(site, x, [zero] * count), x.shape, (one,) * count, (zero,) * count)


def multi_threshold(
    site: Site, attributes: Attributes, x: Value | None, thresholds: Value | None
) -> Value:
    """MultiThreshold with one threshold: bias where x is below it, bias + scale from there on."""
    array = site.const(thresholds, "the thresholds")
    if array.ndim != 2 or not array.size:
        site.fail(f"has thresholds of shape {array.shape} instead of a matrix")
    if array.shape[1] != 1:
        site.unsupported(f"has {array.shape[1]} thresholds for each channel")
    step, low = Fraction(attributes["out_scale"]), Fraction(attributes["out_bias"])
    kind = attributes["out_dtype"]
    if _VALUES.get(kind) != (low, low + step):
        values = f"{float(low)} and {float(low + step)}"
        site.unsupported(f"gives the values {values} as out_dtype '{kind}'")
    bounds = fractions_of(site.exact(array, "the thresholds"))
    if isinstance(x, Pixels):
        if len(set(bounds)) != 1:
            site.unsupported("treats the channels of the input differently")
        return x.mapped(lambda value: low + step if value >= bounds[0] else low)
    x = site.affine(x, "the tensor")
    count = len(x.scale)
    if len(bounds) not in (1, count):
        site.fail(f"has thresholds for {len(bounds)} channels but reads {count}")
    edge = _activation(site, x, bounds * count if len(bounds) == 1 else bounds)
    return Affine(edge, x.shape, (step / 2,) * count, (low + step / 2,) * count)


def quant(
    site: Site,
    attributes: Attributes,
    x: Value | None,
    scale: Value | None,
    zero: Value | None,
    width: Value | None,
) -> Value:
    """Quant of the input image, before its bits are taken; not of weights and activations."""
    bits = site.scalar(site.const(width, "the bit width"), "the bit width")
    if not isinstance(x, Pixels):
        what = "weights" if isinstance(x, Const) else "activations"
        site.unsupported(f"makes {float(bits):g}-bit {what}")
    if bits.denominator != 1 or not 2 <= bits <= 16:
        site.unsupported(f"has the bit width {float(bits):g}")
    size = site.scalar(site.const(scale, "the scale"), "the scale")
    shift = site.scalar(site.const(zero, "the zero point"), "the zero point")
    if size <= 0 or attributes["rounding_mode"] not in _ROUNDINGS:
        site.unsupported(
            f"has the scale {float(size):g} and the rounding mode '{attributes['rounding_mode']}'"
        )
    span = 1 << int(bits)
    narrow = attributes["narrow"]
    least = narrow - span // 2 if attributes["signed"] else 0
    most = span // 2 - 1 if attributes["signed"] else span - 1 - narrow
    nearest = _ROUNDINGS[attributes["rounding_mode"]]

    def quantised(value: Fraction) -> Fraction:
        return (min(max(nearest(value / size + shift), least), most) - shift) * size

    return x.mapped(quantised)


def _decision(site: Site, x: Value | None, axis: int) -> Decision:
    scores = site.affine(x, "the scores")
    if axis % len(scores.shape) != 1 or len(scores.shape) != 2:
        site.unsupported(f"decides along axis {axis} of a tensor of shape {scores.shape}")
    return Decision(scores)


def argmax(site: Site, attributes: Attributes, x: Value | None) -> Value:
    """ArgMax over the classes."""
    return _decision(site, x, attributes["axis"])


def top_k(
    site: Site, attributes: Attributes, x: Value | None, count: Value | None
) -> tuple[Value | None, Value]:
    """TopK with k = 1: its second output is the class; the first is not kept."""
    wanted = site.ints(count, "k")
    if wanted != [1]:
        site.unsupported(f"has k = {wanted}")
    return None, _decision(site, x, attributes["axis"])
