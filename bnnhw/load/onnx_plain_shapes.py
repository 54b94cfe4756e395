"""Operators of ONNX in float networks that move shapes and constants about, and what they share."""

from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from .onnx_traced import Flow, Traced, Tracer
from .qonnx_values import Site
from .torch_floats import ELEMENTS_CAP

__all__ = [
    "cast", "concat", "constant", "filled", "flatten", "gather", "ints_of", "known", "number_of",
    "reshape", "shape_of", "slice_", "split", "squeeze", "transpose", "unsqueeze",
]  # fmt: skip

Attributes = dict[str, Any]
Array = npt.NDArray[Any]

_CASTS = {1: np.float32, 6: np.int32, 7: np.int64, 9: np.bool_, 11: np.float32}


def known(site: Site, value: Traced | None, role: str) -> Array:
    """Give an input that is a constant."""
    if value is None or isinstance(value, Flow):
        site.unsupported(f"has no constant as {role}")
    return value


def ints_of(site: Site, value: Traced | None, role: str) -> list[int]:
    """Give a constant input that is a short list of integers."""
    array = known(site, value, role)
    if array.dtype.kind not in "iu" or array.ndim > 1 or array.size > 64:
        site.fail(f"needs a list of integers as {role}, not {array.dtype} {array.shape}")
    return [int(element) for element in array.reshape(-1)]


def number_of(site: Site, value: Traced | None, role: str) -> float | None:
    """Give a constant input that is one number, or None."""
    if value is None:
        return None
    array = known(site, value, role)
    if array.size != 1:
        site.fail(f"has {array.size} numbers as {role} instead of one")
    return float(array.reshape(-1)[0])


def _shaped(t: Tracer, site: Site, x: Traced, shape: list[int]) -> Traced:
    have = tuple(x.shape)
    known = prod(extent for extent in shape if extent != -1)
    if shape.count(-1) == 1 and known and prod(have) % known == 0:
        shape = [prod(have) // known if extent == -1 else extent for extent in shape]
    if min(shape, default=1) < 1 or prod(shape) != prod(have) or len(shape) > 8:
        site.fail(f"gives a tensor of {have} the shape {shape}")
    if isinstance(x, Flow):
        if shape[:1] != [1]:
            site.unsupported(f"gives a tensor of {have} the shape {shape}")
        shape = [len(x.array), *shape[1:]]
    return t.emit(site, "reshape", input=x, shape=shape)


def reshape(t: Tracer, site: Site, a: Attributes, x: Traced, to: Traced) -> Traced:
    """Reshape: -1 is what remains, 0 copies unless allowzero says otherwise."""
    have, shape = x.shape, ints_of(site, to, "the shape")
    if not a["allowzero"]:
        if any(extent == 0 and axis >= len(have) for axis, extent in enumerate(shape)):
            site.fail(f"copies an extent that {have} does not have")
        shape = [have[axis] if extent == 0 else extent for axis, extent in enumerate(shape)]
    return _shaped(t, site, x, shape)


def flatten(t: Tracer, site: Site, a: Attributes, x: Traced) -> Traced:
    """Flatten: two axes."""
    have, axis = x.shape, a["axis"]
    if not 0 <= axis <= len(have):
        site.unsupported(f"has the axis {axis} for a tensor of shape {have}")
    return _shaped(t, site, x, [prod(have[:axis]), prod(have[axis:])])


def _axes(site: Site, a: Attributes, axes: Traced | None, rank: int) -> set[int]:
    listed = list(a["axes"] or ()) if axes is None else ints_of(site, axes, "the axes")
    if not listed or any(not -rank <= axis < rank for axis in listed):
        site.fail(f"has the axes {listed} for {rank} axes")
    return {axis % rank for axis in listed}


def squeeze(t: Tracer, site: Site, a: Attributes, x: Traced, axes: Traced | None = None) -> Traced:
    """Squeeze: fewer axes of extent 1."""
    gone = _axes(site, a, axes, len(x.shape))
    return _shaped(t, site, x, [size for k, size in enumerate(x.shape) if k not in gone])


def unsqueeze(
    t: Tracer, site: Site, a: Attributes, x: Traced, axes: Traced | None = None
) -> Traced:
    """Unsqueeze: more axes of extent 1."""
    count = len(a["axes"] or ()) if axes is None else len(ints_of(site, axes, "the axes"))
    shape = list(x.shape)
    for axis in sorted(_axes(site, a, axes, len(shape) + count)):
        shape.insert(axis, 1)
    return _shaped(t, site, x, shape)


def transpose(t: Tracer, site: Site, a: Attributes, x: Traced) -> Traced:
    """Transpose: axes in another order."""
    order = list(a["perm"] or range(len(x.shape))[::-1])
    if sorted(order) != list(range(len(x.shape))) or isinstance(x, Flow) and order[0] != 0:
        site.unsupported(f"has the permutation {order} for a tensor of shape {x.shape}")
    return t.emit(site, "permute", input=x, dims=order)


def concat(t: Tracer, site: Site, a: Attributes, *parts: Traced | None) -> Traced:
    """Concat: lists, or channels side by side."""
    tensors = [part for part in parts if part is not None]
    rank = len(tensors[0].shape)
    if len(tensors) != len(parts) or not -rank <= a["axis"] < rank:
        site.fail(f"joins {len(tensors)} of {len(parts)} tensors along the axis {a['axis']}")
    return t.emit(site, "cat", tensors=tensors, dim=a["axis"] % rank)


def slice_(
    t: Tracer,
    site: Site,
    a: Attributes,
    x: Traced,
    starts: Traced,
    stops: Traced,
    axes: Traced | None = None,
    steps: Traced | None = None,
) -> Traced:
    """Slice: neighbouring channels, or any part of a constant."""
    ends = [ints_of(site, each, "a place") for each in (starts, stops)]
    places = list(range(len(ends[0]))) if axes is None else ints_of(site, axes, "the axes")
    strides = [1] * len(places) if steps is None else ints_of(site, steps, "the steps")
    if len({len(part) for part in (*ends, places, strides)}) != 1 or 0 in strides:
        site.fail("has lists of several lengths, or a step of 0")
    rank = len(x.shape)
    if any(not -rank <= axis < rank for axis in places):
        site.fail(f"has the axes {places} for a tensor of shape {x.shape}")
    for start, stop, axis, step in zip(*ends, places, strides, strict=True):
        axis, size = axis % rank, x.shape[axis]
        if not isinstance(x, Flow):
            # A step back from the first element goes on to before it, which only None says.
            last = None if step < 0 and stop < -size else stop
            x = x[(slice(None),) * axis + (slice(start, last, step),)]
            continue
        first, last, _ = slice(start, stop, 1).indices(size)
        if step != 1 or first >= last:
            site.unsupported(f"takes the elements {start} to {stop} in steps of {step}")
        if (first, last) != (0, size):
            x = t.emit(site, "narrow", input=x, dim=axis, start=first, length=last - first)
    return x


def split(
    t: Tracer, site: Site, a: Attributes, x: Traced, sizes: Traced | None = None
) -> list[Traced]:
    """Split: neighbouring channels, part by part."""
    count, axis = len(site.node.outputs), a["axis"] % max(1, len(x.shape))
    if not x.shape or not count:
        site.fail("parts a number")
    if sizes is None:
        lengths = [x.shape[axis] // count] * count
    else:
        lengths = ints_of(site, sizes, "the sizes")
    if min(lengths, default=0) < 1 or sum(lengths) != x.shape[axis]:
        site.unsupported(f"parts {x.shape[axis]} channels into {lengths}")
    starts = np.cumsum([0, *lengths]).tolist()
    return [
        t.emit(site, "narrow", input=x, dim=axis, start=start, length=length)
        for start, length in zip(starts, lengths, strict=False)
    ]


def cast(t: Tracer, site: Site, a: Attributes, x: Traced) -> Traced:
    """Cast: to another type."""
    kind = _CASTS.get(a["to"])
    if kind is None:
        site.unsupported(f"casts to the type {a['to']}")
    if not isinstance(x, Flow):
        return x.astype(kind)
    if kind is not np.float32 and x.array.dtype != kind:
        site.unsupported(f"casts what depends on the image to the type {a['to']}")
    return t.emit(site, "identity", input=x)


def constant(t: Tracer, site: Site, a: Attributes) -> Traced:
    """Constant: an array, or a number."""
    given = [value for value in a.values() if value is not None]
    if len(given) != 1:
        site.fail(f"has {len(given)} values instead of one")
    array = np.asarray(given[0])
    return array.astype(np.float32) if array.dtype == np.float64 else array


def filled(t: Tracer, site: Site, a: Attributes, shape: Traced) -> Traced:
    """ConstantOfShape: one number all over."""
    sizes, value = ints_of(site, shape, "the shape"), a["value"]
    value = np.zeros(1, np.float32) if value is None else value
    if min(sizes, default=1) < 0 or prod(sizes) > ELEMENTS_CAP or value.size != 1:
        site.fail(f"has the shape {sizes}")
    return np.full(sizes, value.reshape(-1)[0])


def shape_of(t: Tracer, site: Site, a: Attributes, x: Traced) -> Traced:
    """Shape: that of one image."""
    return np.array(x.shape, np.int64)


def gather(t: Tracer, site: Site, a: Attributes, x: Traced, index: Traced) -> Traced:
    """Gather: elements of a constant list."""
    data, where = known(site, x, "the data"), known(site, index, "the indices")
    if data.ndim != 1 or where.ndim > 1 or where.dtype.kind != "i" or a["axis"] != 0:
        site.unsupported(f"gathers {where.dtype} {where.shape} from {data.shape}")
    if where.size and not (-data.size <= where.min() and where.max() < data.size):
        site.fail(f"reads beyond the {data.size} elements of its data")
    return np.asarray(data[where])
