"""Handlers of the operators that join branches or take channels."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from ..graph import Add, Concat, Slice
from ..graph import Affine as AffineNode
from .grids import common_unit
from .qonnx_values import Affine, Const, Pixels, Site, Value

__all__ = ["add_branches", "concat_channels", "is_tensor", "slice_channels"]

_MULTIPLE_CAP = 1 << 12


def is_tensor(value: Value | None) -> bool:
    """Tell whether a value is a tensor of the network, and not a constant."""
    return isinstance(value, Affine | Pixels)


def add_branches(site: Site, a: Value | None, b: Value | None, sign: int) -> Affine:
    """Add two branches, or subtract the second, in a unit that divides both scales."""
    first, second = site.edge(a, "a branch"), site.edge(b, "a branch")
    shapes = [site.chain.edges[branch.edge].shape for branch in (first, second)]
    if first.shape != second.shape or shapes[0] != shapes[1]:
        site.unsupported(f"joins branches of the shapes {first.shape} and {second.shape}")
    second = second.changed([Fraction(sign)] * len(second.scale), [Fraction(0)] * len(second.scale))
    units = [
        common_unit([x, y]) or Fraction(1) for x, y in zip(first.scale, second.scale, strict=True)
    ]
    edges = tuple(_in_units(site, branch, units) for branch in (first, second))
    edge = site.chain.add(Add(site.chain.named("add"), edges))
    offset = tuple(x + y for x, y in zip(first.offset, second.offset, strict=True))
    return Affine(edge, first.shape, tuple(units), offset)


def _in_units(site: Site, branch: Affine, units: list[Fraction]) -> str:
    """Give the edge whose values, times the unit of each channel, are the branch's scaled ones."""
    multiples = [scale / unit for scale, unit in zip(branch.scale, units, strict=True)]
    if all(multiple == 1 for multiple in multiples):
        return branch.edge
    if max(map(abs, multiples)) > _MULTIPLE_CAP:
        site.unsupported("joins branches whose scales are no small multiples of one unit")
    numbers = np.array([int(multiple) for multiple in multiples], np.int64)
    name = site.chain.named("scale")
    return site.chain.add(AffineNode(name, (branch.edge,), numbers, np.zeros_like(numbers)))


def concat_channels(site: Site, axis: int, parts: tuple[Value | None, ...]) -> Affine:
    """Put the channels of several branches one after the other."""
    branches = [site.edge(part, "a branch") for part in parts]
    first = branches[0]
    if axis % len(first.shape) != 1:
        site.unsupported(f"joins branches along axis {axis}")
    for branch in branches:
        if (
            branch.shape[2:] != first.shape[2:]
            or site.chain.edges[branch.edge].shape != branch.shape[1:]
        ):
            site.unsupported(f"joins branches of the shapes {first.shape} and {branch.shape}")
    if len(branches) == 1:
        return first
    name = site.chain.named("concat")
    edge = site.chain.add(Concat(name, tuple(branch.edge for branch in branches)))
    return Affine(
        edge,
        (1, *site.chain.edges[edge].shape),
        tuple(scale for branch in branches for scale in branch.scale),
        tuple(offset for branch in branches for offset in branch.offset),
    )


def slice_channels(
    site: Site,
    attributes: dict[str, Any],
    x: Value | None,
    starts: Value | None,
    ends: Value | None,
    axes: Value | None = None,
    steps: Value | None = None,
) -> Value:
    """Slice: neighbouring elements of a constant list, or neighbouring channels."""
    begin, end = site.ints(starts, "the starts"), site.ints(ends, "the ends")
    along = [0] if axes is None else site.ints(axes, "the axes")
    stride = [1] if steps is None else site.ints(steps, "the steps")
    if not len(begin) == len(end) == len(along) == len(stride) == 1:
        site.unsupported("slices along several axes")
    span = slice(begin[0], end[0], stride[0] or None)
    if isinstance(x, Const):
        if x.array.ndim != 1 or along[0] not in (0, -1) or stride[0] == 0:
            site.unsupported(f"slices a constant of shape {x.shape}")
        return Const(x.array[span])
    source = site.edge(x, "the tensor")
    if along[0] % len(source.shape) != 1 or stride[0] != 1:
        site.unsupported(f"slices axis {along[0]} in steps of {stride[0]}")
    if site.chain.edges[source.edge].shape != source.shape[1:]:
        site.unsupported(f"slices a tensor of shape {source.shape}")
    start, stop, _ = span.indices(source.shape[1])
    if start >= stop:
        site.fail(f"takes the channels {begin[0]} to {end[0]} of {source.shape[1]}")
    edge = site.chain.add(Slice(site.chain.named("slice"), (source.edge,), start, stop))
    return replace(
        source,
        edge=edge,
        shape=(1, stop - start, *source.shape[2:]),
        scale=source.scale[start:stop],
        offset=source.offset[start:stop],
    )
