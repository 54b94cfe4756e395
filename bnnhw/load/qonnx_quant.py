"""Handlers of the quantisers: weights become integers, activations thresholds, pixels tables."""

import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from ..graph import Grid
from .exact import Switch, find_switch
from .grids import common_grid
from .qonnx_values import Affine, Const, Pixels, Rectified, Site, Value
from .roundings import ARRAYS, FRACTIONS

__all__ = ["activation", "bipolar_quant", "multi_threshold", "quant", "relu", "sign"]

Attributes = dict[str, Any]
_Count = Callable[[Fraction], int]
# As many levels as an activation of 8 bits has.
_LEVELS_CAP = 256
_VALUES = {"BIPOLAR": (-1, 1), "BINARY": (0, 1), "TERNARY": (-1, 1)}


def activation(
    site: Site,
    x: Affine | Rectified,
    counts: Sequence[_Count],
    values: Sequence[Fraction],
    sizes: Sequence[Fraction] | None = None,
) -> Affine:
    """Add the activation that gives ``size[c] * values[counts[c](x)]`` for channel c.

    `counts` are monotone: each says how many of the evenly spaced `values` an x has passed.
    """
    inner = x.inner if isinstance(x, Rectified) else x
    grid, step, low = common_grid(values)
    source = site.chain.grid(inner.edge)
    levels = np.zeros((len(counts), len(values) - 1), np.int64)
    directions = np.ones(len(counts), np.int8)
    least = Fraction(0) if isinstance(x, Rectified) else None
    for channel, (scale, offset) in enumerate(zip(inner.scale, inner.offset, strict=True)):
        passed = _passed(counts[channel], scale, offset, least)
        switches = [
            find_switch(partial(_above, passed, level), source) for level in range(len(values) - 1)
        ]
        directions[channel] = min(switch.direction for switch in switches)
        found = sorted(_level(switch, directions[channel] < 0, source) for switch in switches)
        # The first level passed is the first listed, whichever way values go.
        levels[channel] = found[:: directions[channel]]
    edge = site.chain.threshold(inner.edge, levels, directions, grid)
    each = [Fraction(1)] * len(counts) if sizes is None else sizes
    return Affine(
        edge, inner.shape, tuple(step * size for size in each), tuple(low * size for size in each)
    )


def _passed(
    count: _Count, scale: Fraction, offset: Fraction, least: Fraction | None
) -> Callable[[int], int]:
    # The search for one level asks for values that those for the others have asked for.
    @cache
    def passed(value: int) -> int:
        x = scale * value + offset
        return count(x if least is None else max(x, least))

    return passed


def _above(passed: Callable[[int], int], level: int, value: int) -> bool:
    return passed(value) > level


def _reached(bounds: Sequence[Fraction], value: Fraction) -> int:
    return sum(value >= bound for bound in bounds)


def _level(switch: Switch, down: bool, source: Grid) -> int:
    """State a condition in the direction of its channel, also one that always or never holds."""
    if not down or switch.direction < 0:
        return switch.level
    return source.high if switch.level == source.low else source.low - source.step


def bipolar_quant(
    site: Site, attributes: Attributes, x: Value | None, scale: Value | None
) -> Value:
    """BipolarQuant: +scale where x >= 0, else -scale."""
    factor = site.const(scale, "the scale")
    if not (factor > 0).all() or not factor.size:
        site.fail("has a scale that is not positive")
    if isinstance(x, Const):
        _check_broadcast(site, x, factor)
        # ±1 as integers: their products with floats and with fractions are exact.
        return Const(np.asarray(np.where(x.array >= 0, 1, -1) * factor))
    if isinstance(x, Pixels):
        size = site.scalar(factor, "the scale of the input")
        return x.mapped(lambda value: size if value >= 0 else -size)
    x = _tensor(site, x)
    sizes = site.channels(factor, _inner(x).shape, "a scale")
    ends = (Fraction(-1), Fraction(1))
    return activation(site, x, [lambda value: int(value >= 0)] * len(sizes), ends, sizes)


def _check_broadcast(site: Site, x: Const, factor: npt.NDArray[Any]) -> None:
    try:
        fits = np.broadcast_shapes(x.shape, factor.shape) == x.shape
    except ValueError:
        fits = False
    if not fits:
        site.fail(f"has a scale of shape {factor.shape} for weights of shape {x.shape}")


def _tensor(site: Site, x: Value | None) -> Affine | Rectified:
    return x if isinstance(x, Rectified) else site.affine(x, "the tensor")


def _inner(x: Affine | Rectified) -> Affine:
    return x.inner if isinstance(x, Rectified) else x


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
    ends = (Fraction(-1), Fraction(1))
    return activation(site, x, [lambda value: int(value >= 0)] * len(x.scale), ends)


def relu(site: Site, attributes: Attributes, x: Value | None) -> Value:
    """Relu before a quantiser."""
    if isinstance(x, Pixels):
        return x.mapped(lambda value: max(value, Fraction(0)))
    return Rectified(site.affine(x, "the tensor"))


def multi_threshold(
    site: Site, attributes: Attributes, x: Value | None, thresholds: Value | None
) -> Value:
    """MultiThreshold: bias + scale times the number of thresholds that x reaches."""
    array = site.const(thresholds, "the thresholds")
    if array.ndim != 2 or not array.size:
        site.fail(f"has thresholds of shape {array.shape} instead of a matrix")
    if array.shape[1] >= _LEVELS_CAP:
        site.unsupported(f"has {array.shape[1]} thresholds for each channel")
    values = _outputs(site, attributes, array.shape[1])
    bounds = site.exact(array, "the thresholds").tolist()
    counts: list[_Count] = [partial(_reached, row) for row in bounds]
    if isinstance(x, Pixels):
        if any(row != bounds[0] for row in bounds):
            site.unsupported("treats the channels of the input differently")
        return x.mapped(lambda value: values[counts[0](value)])
    x = _tensor(site, x)
    channels = len(_inner(x).scale)
    if len(counts) not in (1, channels):
        site.fail(f"has thresholds for {len(counts)} channels but reads {channels}")
    return activation(site, x, counts * channels if len(counts) == 1 else counts, values)


def _ends(kind: str) -> tuple[int, int] | None:
    """Give the least and the largest number of a data type."""
    match = re.fullmatch(r"(U?)INT([2-9]|[12]\d|3[0-2])", kind)
    if match is None:
        return _VALUES.get(kind)
    span = 1 << int(match[2])
    return (0, span - 1) if match[1] else (-span // 2, span // 2 - 1)


def _outputs(site: Site, attributes: Attributes, count: int) -> list[Fraction]:
    step, low = Fraction(attributes["out_scale"]), Fraction(attributes["out_bias"])
    kind, high = attributes["out_dtype"], low + step * count
    ends = _ends(kind)
    even = low.denominator == step.denominator == 1 and step > 0
    fits = ends is not None and even and ends[0] <= low and high <= ends[1]
    if kind in ("BIPOLAR", "BINARY"):
        fits = count == 1 and ends is not None and (low == ends[0]) and (high == ends[1])
    if not fits:
        between = "and" if count == 1 else "to"
        values = f"{float(low)} {between} {float(high)}"
        site.unsupported(f"gives the values {values} as out_dtype '{kind}'")
    return [low + step * number for number in range(count + 1)]


def quant(
    site: Site,
    attributes: Attributes,
    x: Value | None,
    scale: Value | None,
    zero: Value | None,
    width: Value | None,
) -> Value:
    """Quant: scale times the nearest of 2**width integers, kept in range."""
    bits = site.scalar(site.const(width, "the bit width"), "the bit width")
    signed, mode = attributes["signed"], attributes["rounding_mode"].upper()
    if bits.denominator != 1 or not 1 + bool(signed) <= bits <= 16:
        site.unsupported(f"has the bit width {float(bits):g}")
    sizes = site.const(scale, "the scale")
    if not sizes.size or not (sizes > 0).all() or mode not in FRACTIONS:
        shown = float(sizes.reshape(-1)[0]) if sizes.size else 0.0
        site.unsupported(f"has the scale {shown:g} and the rounding mode '{mode}'")
    shift = site.scalar(site.const(zero, "the zero point"), "the zero point")
    span, narrow = 1 << int(bits), attributes["narrow"]
    if {signed, narrow} - {0, 1}:
        site.fail(f"has signed = {signed} and narrow = {narrow} instead of 0 or 1")
    least = narrow - span // 2 if signed else 0
    most = span // 2 - 1 if signed else span - 1 - narrow
    if least == most:
        site.unsupported("has one value")
    if isinstance(x, Const):
        if shift:
            site.unsupported("has weights with a zero point")
        return _whole_weights(site, x, sizes, (least, most), mode)
    nearest = FRACTIONS[mode]

    def code(size: Fraction, value: Fraction) -> int:
        return min(max(nearest(value / size + shift), least), most)

    def passed(size: Fraction, value: Fraction) -> int:
        return code(size, value) - least

    if isinstance(x, Pixels):
        size = site.scalar(sizes, "the scale")
        return x.mapped(lambda value: (code(size, value) - shift) * size)
    x = _tensor(site, x)
    if most - least >= _LEVELS_CAP:
        site.unsupported(f"makes {float(bits):g}-bit activations")
    each = site.channels(sizes, _inner(x).shape, "a scale")
    values = [number - shift for number in range(least, most + 1)]
    return activation(site, x, [partial(passed, size) for size in each], values, each)


def _whole_weights(
    site: Site, x: Const, sizes: npt.NDArray[Any], ends: tuple[int, int], mode: str
) -> Const:
    _check_broadcast(site, x, sizes)
    if x.array.dtype.kind not in "fiu":
        site.unsupported("quantises weights that were calculated")
    # 32-bit floats divided in 64 bits: a quotient that is no tie cannot be rounded to one.
    unit = np.asarray(sizes).astype(np.float64)
    codes = ARRAYS[mode](x.array.astype(np.float64) / unit).clip(*ends)
    unit = unit.reshape((1,) * (codes.ndim - unit.ndim) + unit.shape)
    return Const(codes * unit, unit)
