"""Handlers of the operators that move shapes and constants about and calculate nothing."""

from math import prod
from typing import Any

import numpy as np

from .qonnx_joins import concat_channels, is_tensor
from .qonnx_values import Affine, Arranged, Const, Pixels, Site, Value

__all__ = [
    "concat",
    "constant",
    "flatten",
    "gather",
    "identity",
    "reshape",
    "shape_of",
    "squeeze",
    "transpose",
    "unsqueeze",
]

Attributes = dict[str, Any]


def _shape(site: Site, value: Value | None) -> tuple[int, ...]:
    if not isinstance(value, Const | Pixels | Affine | Arranged):
        site.refuse(value, "the tensor")
    return value.shape


def identity(site: Site, attributes: Attributes, x: Value | None) -> Value:
    """Identity: the tensor itself."""
    if x is None:
        site.refuse(x, "the tensor")
    return x


def constant(site: Site, attributes: Attributes) -> Value:
    """Constant: a tensor, or a number."""
    given = [value for value in attributes.values() if value is not None]
    if len(given) != 1:
        site.fail(f"has {len(given)} values instead of one")
    return Const(np.asarray(given[0]))


def shape_of(site: Site, attributes: Attributes, x: Value | None) -> Value:
    """Shape: a constant, since only one image is interpreted."""
    return Const(np.array(_shape(site, x), np.int64))


def gather(site: Site, attributes: Attributes, x: Value | None, index: Value | None) -> Value:
    """Gather: elements of a constant list."""
    data, where = site.const(x, "the data"), site.const(index, "the indices")
    if data.ndim != 1 or where.ndim > 1 or where.dtype.kind != "i" or attributes["axis"] != 0:
        site.unsupported(f"gathers {where.dtype} {where.shape} from {data.shape}")
    if where.size and not (-data.size <= where.min() and where.max() < data.size):
        site.fail(f"reads beyond the {data.size} elements of its data")
    return Const(data[where])


def concat(site: Site, attributes: Attributes, *parts: Value | None) -> Value:
    """Concat: lists of constants, or channels, one after the other."""
    if any(map(is_tensor, parts)):
        return concat_channels(site, attributes["axis"], parts)
    arrays = [site.const(part, "a part") for part in parts]
    if any(array.ndim != 1 for array in arrays) or attributes["axis"] not in (0, -1):
        site.unsupported("joins other things than lists")
    return Const(np.concatenate(arrays))


def transpose(site: Site, attributes: Attributes, x: Value | None) -> Value:
    """Transpose: of a constant, or of the axes of an image, until a layer or a reshape ends it."""
    if isinstance(x, Affine | Arranged):
        index = site.order(x)
        moved = attributes["perm"] or tuple(reversed(range(index.ndim)))
        if sorted(moved) != list(range(index.ndim)) or moved[0] != 0:
            site.unsupported(f"has the permutation {moved} for a tensor of shape {x.shape}")
        return site.ordered(x, index.transpose(moved))
    array = site.const(x, "the tensor")
    order = attributes["perm"] or tuple(reversed(range(array.ndim)))
    if sorted(order) != list(range(array.ndim)):
        site.fail(f"has the permutation {order} for a tensor of shape {array.shape}")
    assert isinstance(x, Const)
    return Const(array.transpose(order), None if x.unit is None else x.unit.transpose(order))


def reshape(site: Site, attributes: Attributes, x: Value | None, to: Value | None) -> Value:
    """Reshape: -1 is what remains, 0 copies unless allowzero says otherwise."""
    have, want = _shape(site, x), site.ints(to, "the shape")
    if not attributes["allowzero"]:
        if any(extent == 0 and axis >= len(have) for axis, extent in enumerate(want)):
            site.fail(f"copies an extent that {have} does not have")
        want = [have[axis] if extent == 0 else extent for axis, extent in enumerate(want)]
    known = prod(extent for extent in want if extent != -1)
    if want.count(-1) == 1 and known and prod(have) % known == 0:
        want = [prod(have) // known if extent == -1 else extent for extent in want]
    if min(want, default=1) < 1 or prod(want) != prod(have):
        site.fail(f"gives a tensor of {have} the shape {want}")
    return site.reshaped(x, want)


def flatten(site: Site, attributes: Attributes, x: Value | None) -> Value:
    """Flatten: two axes, split before `axis`."""
    have, axis = _shape(site, x), attributes["axis"]
    if not -len(have) <= axis <= len(have):
        site.fail(f"has the axis {axis} for a tensor of shape {have}")
    axis %= len(have) if axis < 0 else len(have) + 1
    return site.reshaped(x, [prod(have[:axis]), prod(have[axis:])])


def _axes(site: Site, attributes: Attributes, given: Value | None, rank: int) -> list[int]:
    if given is not None and attributes["axes"] is not None:
        site.fail("has its axes twice")
    listed = attributes["axes"] if given is None else site.ints(given, "the axes")
    if listed is None or any(not -rank <= axis < rank for axis in listed):
        site.fail(f"has the axes {listed} for {rank} axes")
    axes = sorted(axis % rank for axis in listed)
    if len(set(axes)) != len(axes):
        site.fail(f"has an axis twice in {listed}")
    return axes


def unsqueeze(
    site: Site, attributes: Attributes, x: Value | None, axes: Value | None = None
) -> Value:
    """Unsqueeze: more axes of extent 1."""
    shape = list(_shape(site, x))
    listed = attributes["axes"] if axes is None else site.ints(axes, "the axes")
    for axis in _axes(site, attributes, axes, len(shape) + len(listed or ())):
        shape.insert(axis, 1)
    return site.reshaped(x, shape)


def squeeze(
    site: Site, attributes: Attributes, x: Value | None, axes: Value | None = None
) -> Value:
    """Squeeze: fewer axes of extent 1."""
    shape = _shape(site, x)
    gone = _axes(site, attributes, axes, len(shape))
    if any(shape[axis] != 1 for axis in gone):
        site.fail(f"drops an axis of {shape} that is not of extent 1")
    return site.reshaped(x, [extent for axis, extent in enumerate(shape) if axis not in gone])
