"""Thresholds of functions in pieces: found by evaluating the module's own function, exactly."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from itertools import pairwise

from ..graph import Grid
from .pieces import Pieces
from .qonnx_quant import activation as thresholds
from .qonnx_values import Affine, Pixels, Rectified
from .squash import SQUASHES, decided
from .torch_values import Curve, Layer, Squashed, TorchValue

__all__ = ["activation", "is_relu", "lifted", "moved", "resolved", "rising"]

_LEVELS_CAP = 256
_FEW = 16
_RELU = Pieces().clamp(Fraction(0), None)
_SIGN = "write torch.where(x >= 0, 1.0, -1.0) instead of torch.sign(x)"


def resolved(layer: Layer, value: TorchValue | None) -> TorchValue | None:
    """Turn a curve into what it is: pixels, an activation, a ReLU; others stay."""
    if not isinstance(value, Curve):
        return value
    inner, pieces = value.inner, value.pieces
    if isinstance(inner, Pixels):
        return inner.mapped(pieces)
    if not pieces.bounds:
        ((slope, offset),) = pieces.lines
        count = len(inner.scale)
        return inner.changed([slope] * count, [offset] * count)
    if isinstance(inner, Affine) and is_relu(value):
        return Rectified(inner)
    if pieces.values is None:
        return value
    key = "activation", inner, pieces
    if key not in layer.known:
        layer.known[key] = activation(layer, inner, pieces)
    return layer.known[key]


def activation(layer: Layer, inner: Affine | Squashed, pieces: Pieces) -> Affine:
    """Add the thresholds of a function that is level in pieces.

    Raises
    ------
    UsageError
        If it is neither rising nor falling, if its values are uneven, or if a value can occur that
        it gives at one point only, such as 0 for a plain sign.
    """
    site = layer.site
    listed = pieces.values or ()
    values = sorted(set(listed))
    if not 2 <= len(values) <= _LEVELS_CAP:
        site.unsupported(f"has an activation of {len(values)} values")
    rises = all(a <= b for a, b in pairwise(listed))
    if not rises and not all(a >= b for a, b in pairwise(listed)):
        site.unsupported("has an activation that neither rises nor falls all the way")
    if len({b - a for a, b in pairwise(values)}) > 1:
        site.unsupported("has an activation whose values are not evenly spaced")
    _check_lonely(layer, inner, pieces)
    numbers = {value: number for number, value in enumerate(values)}
    numbers |= {point: numbers.get(point, 0) for point in pieces.points}

    def count(x: Fraction) -> int:
        return numbers[pieces(x)]

    if isinstance(inner, Affine):
        if _changes_nothing(layer, inner, pieces, values):
            step = values[1] - values[0]
            grid, channels = site.chain.grid(inner.edge), len(inner.scale)
            scale = step / grid.step
            offset = values[0] - scale * grid.low
            return Affine(inner.edge, inner.shape, (scale,) * channels, (offset,) * channels)
        return thresholds(site, inner, [count] * len(inner.scale), values)
    own: list[Callable[[Fraction], int]] = [
        partial(_squashed, inner.kind, scale, offset, count)
        for scale, offset in zip(inner.scale, inner.offset, strict=True)
    ]
    return thresholds(site, inner.inner, own, values)


def _changes_nothing(
    layer: Layer, inner: Affine, pieces: Pieces, values: Sequence[Fraction]
) -> bool:
    """Tell whether the steps of an edge become as many steps, as for the sign of a sign."""
    grid = layer.site.chain.grid(inner.edge)
    if grid.levels != len(values) or grid.levels > _FEW:
        return False
    return all(
        pieces(scale * (grid.low + grid.step * code) + offset) == value
        for scale, offset in set(zip(inner.scale, inner.offset, strict=True))
        for code, value in enumerate(values)
    )


def _squashed(
    kind: str, scale: Fraction, offset: Fraction, count: Callable[[Fraction], int], x: Fraction
) -> int:
    return decided(kind, x, lambda y: count(scale * y + offset))


def _check_lonely(layer: Layer, inner: Affine | Squashed, pieces: Pieces) -> None:
    """Refuse values that a function has at single points, where these can be met."""
    lonely = pieces.lonely()
    if not lonely:
        return
    edge = inner if isinstance(inner, Affine) else inner.inner
    grid = layer.site.chain.grid(edge.edge)
    steps = zip(inner.scale, inner.offset, edge.scale, edge.offset, strict=True)
    for channel, (scale, offset, before, term) in enumerate(steps):
        for bound in lonely:
            roots = _roots(scale, offset, bound)
            if isinstance(inner, Squashed) and roots:
                # Only at 0 has it a fraction as its value.
                middle = SQUASHES[inner.kind](Fraction(0), 1)[0]
                roots = _roots(before, term, Fraction(0)) if middle in roots else []
            if roots is None or any(_on(grid, root) for root in roots):
                layer.site.fail(
                    f"can read {float(bound):g} in channel {channel}, where its activation gives "
                    f"{float(pieces(bound)):g}, a value that it has nowhere else",
                    f"A sign must be ±1 everywhere: {_SIGN}.",
                )


def _roots(scale: Fraction, offset: Fraction, value: Fraction) -> Sequence[Fraction] | None:
    """Give where ``scale * x + offset`` is `value`; None is everywhere."""
    if scale:
        return [(value - offset) / scale]
    return None if offset == value else []


def _on(grid: Grid, value: Fraction) -> bool:
    code = (value - grid.low) / grid.step
    return code.denominator == 1 and 0 <= code < grid.levels


def lifted(value: TorchValue | None) -> Curve | None:
    """Give a tensor as a function of itself; None if it is none."""
    if isinstance(value, Curve):
        return value
    if isinstance(value, Rectified):
        return Curve(value.inner, _RELU)
    if isinstance(value, Affine | Squashed | Pixels):
        return Curve(value, Pieces())
    return None


def rising(value: Curve) -> bool:
    """Tell whether a curve never falls, so that the largest of several stays the largest."""
    pieces = value.pieces
    if any(slope < 0 for slope, _ in pieces.lines):
        return False
    lines = pairwise(pieces.lines)
    return all(
        a[0] * bound + a[1] <= point <= b[0] * bound + b[1]
        for bound, point, (a, b) in zip(pieces.bounds, pieces.points, lines, strict=True)
    )


def is_relu(value: Curve) -> bool:
    """Tell whether a curve is a ReLU of a layer's output."""
    return isinstance(value.inner, Affine) and value.pieces == _RELU


def moved(value: Curve, inner: Affine) -> Curve:
    """Give the same function of other elements."""
    return replace(value, inner=inner)
