"""Where branches of a PyTorch module meet: sums in one unit, and channels side by side."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

from ..graph import Slice
from . import qonnx_joins
from .grids import common_unit
from .qonnx_values import Affine, Pixels
from .torch_activation import resolved
from .torch_rounding import even, fixed, is_even, limits, narrow
from .torch_values import Curve, Layer, Squashed, TorchValue

__all__ = ["add_branches", "concat", "slice_channels"]

_MULTIPLE_CAP = 16


def add_branches(layer: Layer, left: Any, right: Any, sign: int) -> Affine:
    """Add two branches: exactly in a unit that is common to both, else in fixed point."""
    names = ("input", "other")
    values = [resolved(layer, value) for value in (left, right)]
    sides = [
        value if isinstance(value, Affine) else even(layer, value, name)
        for value, name in zip(values, names, strict=True)
    ]
    grids = [layer.site.chain.grid(side.edge) for side in sides]
    if all(grid.bits <= 16 for grid in grids) and _multiples(*sides):
        return qonnx_joins.add_branches(layer.site, sides[0], sides[1], sign)
    rounding = layer.allow("adds branches in fixed point")
    unit = _unit(layer, sides)
    rounded = []
    for side, name in zip(sides, names, strict=True):
        if is_even(side) and side.scale[0] == unit:
            rounded.append(side)
            continue
        low, high = layer.seen[name]
        bits, most = rounding.carriers, max(-low, high)
        while (1 << (bits - 1)) - 1 < most / float(unit):
            bits += 1
        top = (1 << (bits - 1)) - 1
        rounded.append(fixed(layer, side, unit, (-top - 1, top), rounding.multipliers))
        layer.known.setdefault(("rounded", side), rounded[-1])
    return qonnx_joins.add_branches(layer.site, rounded[0], rounded[1], sign)


def _multiples(a: Affine, b: Affine) -> bool:
    """Tell whether both scales of every channel are small multiples of a unit."""
    for x, y in zip(a.scale, b.scale, strict=True):
        unit = common_unit([x, y]) if max(x.denominator, y.denominator) < 1 << 256 else Fraction(0)
        if not unit or max(abs(x / unit), abs(y / unit)) > _MULTIPLE_CAP:
            return bool(not x and not y)
    return True


def _unit(layer: Layer, sides: list[Affine]) -> Fraction:
    """Give the unit of a sum: that of a branch which is a carrier already, or a new one."""
    for side in sides:
        grid = layer.site.chain.grid(side.edge)
        if is_even(side) and side.edge.rstrip("0123456789") in ("norm", "add") and grid.bits <= 16:
            return side.scale[0]
    most = max(max(-low, high) for low, high in (layer.seen["input"], layer.seen["other"]))
    return limits(-most, most, layer.rounding.carriers if layer.rounding else 8)[0]


def concat(layer: Layer, a: dict[str, Any]) -> TorchValue:
    """Put channels side by side; the beginning may be there from an earlier one."""
    parts, axis = a["tensors"], a.get("dim", 0)
    if axis not in (1, 1 - len(a["shape"])):
        layer.site.unsupported(f"joins branches along axis {axis}")
    sides: list[Affine] = []
    for number, part in enumerate(parts):
        name = f"tensors.{number}"
        value = resolved(layer, part)
        plain = not isinstance(value, Curve | Squashed | Pixels)
        sides.append(narrow(layer, value, name) if plain else even(layer, value, name))
    if len(sides) == 1:
        return sides[0]
    keys = [(side.edge, side.scale, side.offset) for side in sides]
    count = next((n for n in range(len(sides), 1, -1) if tuple(keys[:n]) in layer.known), 1)
    first = layer.known[tuple(keys[:count])] if count > 1 else sides[0]
    for number in range(count, len(sides)):
        first = qonnx_joins.concat_channels(layer.site, 1, (first, sides[number]))
        layer.known[tuple(keys[: number + 1])] = first
    return first


def slice_channels(layer: Layer, x: TorchValue | None, start: int, stop: int) -> TorchValue:
    """Take neighbouring channels."""
    source = x if isinstance(x, Affine) else even(layer, x, "input")
    chain = layer.site.chain
    if chain.edges[source.edge].shape != source.shape[1:]:
        layer.site.unsupported(f"slices a tensor of shape {source.shape}")
    edge = chain.add(Slice(chain.named("slice"), (source.edge,), start, stop))
    return replace(
        source,
        edge=edge,
        shape=(1, stop - start, *source.shape[2:]),
        scale=source.scale[start:stop],
        offset=source.offset[start:stop],
    )
