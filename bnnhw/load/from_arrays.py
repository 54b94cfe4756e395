"""Networks from plain NumPy arrays, for people who have matrices and no file of a framework."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from ..errors import UsageError
from ..graph import Graph
from ..names import checked, printable
from .chain import Chain
from .finish import exact_pixels, finished
from .keras_layers import padded
from .keras_shapes import flat
from .onnx_file import OnnxNode
from .qonnx_layers import conv, matmul
from .qonnx_math import batch_normalization
from .qonnx_quant import bipolar_quant, multi_threshold
from .qonnx_values import Affine, Arranged, Const, Decision, Pixels, Site, Value
from .qonnx_windows import max_pool

__all__ = ["BatchNorm", "ConvLayer", "DenseLayer", "Layer", "PoolLayer", "from_arrays"]

_LAYERS_CAP = 10_000
_PIXELS_CAP = 1 << 26
_THRESHOLDS_CAP = 255
_WINDOW_CAP = 1 << 12
# Within these sizes, the square roots of `exact` decide every sign for 64-bit floats too.
_SIZE_CAP = 1e30
_TODO = "Mend the arguments of from_arrays."


@dataclass(frozen=True, eq=False, kw_only=True)
class BatchNorm:
    """``gamma * (x - mean) / sqrt(variance + epsilon) + beta``, one of each for every channel.

    Parameters
    ----------
    mean, variance : array of float, shape (rows,)
    gamma, beta : array of float, shape (rows,), or None
        Left out, gamma is 1 and beta is 0.
    epsilon : float
        Used as it stands: PyTorch's default is 1e-5, Keras' is 1e-3.
    """

    mean: npt.ArrayLike
    variance: npt.ArrayLike
    gamma: npt.ArrayLike | None = None
    beta: npt.ArrayLike | None = None
    epsilon: float = 1e-5


@dataclass(frozen=True, eq=False, kw_only=True)
class DenseLayer:
    """A fully connected layer.

    Every layer but the last ends in thresholds if it has some, else in the sign, of which 0 is +1.
    The last one ends in scores: its sums, through its `norm` if it has one.

    Parameters
    ----------
    weight : array of +1 and −1, shape (rows, columns)
    latent : bool
        Whether `weight` holds latent numbers, of which the signs count; 0 is +1.
    norm : BatchNorm or None
        Between the sums and what the layer ends in.
    thresholds : array of numbers, shape (rows,) or (rows, n), or None
        What the sums, or the normalised ones, must reach. One for each row gives −1 or +1, n > 1
        in rising order give the count of those reached, 0 … n.
    direction : array of +1 and −1, shape (rows,), or None
        −1 turns a row around: its thresholds are reached from above, by ``x <= threshold``.
    order : str
        How an image becomes `columns`: "CHW" (PyTorch) or "HWC" (Keras).
    """

    weight: npt.ArrayLike
    latent: bool = False
    norm: BatchNorm | None = None
    thresholds: npt.ArrayLike | None = None
    direction: npt.ArrayLike | None = None
    order: str = "CHW"


@dataclass(frozen=True, eq=False, kw_only=True)
class ConvLayer:
    """A convolution (cross-correlation: the kernel is not flipped).

    Parameters
    ----------
    weight : array of +1 and −1, shape (rows, channels / groups, height, width)
    latent, norm, thresholds, direction
        As `DenseLayer` has them.
    stride, dilation : pair of int
        (down, right).
    padding : four int
        Cells (top, left, bottom, right) around the image.
    pad_value : int
        What they hold, as a value of the input: −1, 0 or +1 around ±1, for example.
    groups : int
    """

    weight: npt.ArrayLike
    latent: bool = False
    norm: BatchNorm | None = None
    thresholds: npt.ArrayLike | None = None
    direction: npt.ArrayLike | None = None
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    pad_value: int = 0
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1


@dataclass(frozen=True, eq=False, kw_only=True)
class PoolLayer:
    """The largest of each window, for each channel.

    Parameters
    ----------
    size : pair of int
        (height, width).
    stride : pair of int or None
        (down, right); left out, windows stand side by side.
    padding : four int
        Cells (top, left, bottom, right), which never win.
    """

    size: tuple[int, int]
    stride: tuple[int, int] | None = None
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)


Layer = DenseLayer | ConvLayer | PoolLayer


def from_arrays(
    layers: Sequence[Layer],
    *,
    shape: tuple[int, ...],
    pixels: str | npt.ArrayLike = "unit",
    name: str = "network",
    top: int | None = None,
) -> Graph:
    """Make a checked integer graph out of weights and thresholds.

    Thresholds are found by evaluating each layer in fractions; floats are taken as they are.

    Parameters
    ----------
    layers : sequence of DenseLayer, ConvLayer and PoolLayer
        In the order in which they calculate; the last is no pool.
    shape : tuple of int
        Of one image: (channels, height, width), or (features,).
    pixels : str or array of 256 numbers
        What the first layer gets for an 8-bit pixel p: "unit" (p / 255), "byte" (p), "centred"
        (2 * p / 255 − 1), or a table of its own, such as ±1.
    name : str
        Of the graph; passes `bnnhw.names.checked`.
    top : int or None
        Classes of a TopK, best first, of equals the lower number first; None: an Argmax.

    Raises
    ------
    UsageError
        If shapes do not fit, weights are not ±1, or something is not supported; the message names
        the layer.
    """
    checked(name, "network name")
    listed = list(layers)
    _check(listed, shape)
    table, words = _table(pixels)
    chain = Chain()
    value: Value = Pixels((table,), tuple(shape), (1, *shape))
    for number, layer in enumerate(listed):
        node = OnnxNode(f"layer {number}", "", type(layer).__name__, (), (), {})
        site = Site("from_arrays", node, chain)
        if isinstance(layer, PoolLayer):
            value = _pooled(site, layer, value)
            continue
        value = _normed(site, layer, _sums(site, layer, value))
        last = number == len(listed) - 1
        if last and (layer.thresholds is not None or layer.direction is not None):
            site.fail("is the last and has thresholds", _TODO)
        if not last:
            value = _activated(site, layer, site.affine(value, "the sums"))

    def fail(what: str, todo: str) -> NoReturn:
        raise UsageError(f"from_arrays: {what}.", todo)

    if top is not None:
        value = _ranked(top, value, fail)
    return finished(chain, value, name, {"format": "arrays", "pixel": words}, fail)


def _ranked(top: int, scores: Value, fail: Callable[[str, str], NoReturn]) -> Decision:
    assert isinstance(scores, Affine)
    if type(top) is not int or not 1 <= top <= len(scores.scale):
        fail(f"top is {printable(repr(top))} instead of 1 to {len(scores.scale)} classes", _TODO)
    return Decision(scores, top)


def _check(layers: list[Layer], shape: tuple[int, ...]) -> None:
    for number, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            raise UsageError(f"Layer {number} must be a layer, not {type(layer).__name__}.", _TODO)
    if not 1 <= len(layers) <= _LAYERS_CAP or isinstance(layers[-1], PoolLayer):
        raise UsageError("A network must end in a layer with weights.", _TODO)
    if not 1 <= len(shape) <= 3 or not all(type(size) is int and size > 0 for size in shape):
        raise UsageError(f"The shape of an image must be 1 to 3 sizes, not {shape!r}.", _TODO)
    if prod(shape) > _PIXELS_CAP:
        raise UsageError(f"An image must have up to {_PIXELS_CAP} pixels, not {shape!r}.", _TODO)


def _table(pixels: str | npt.ArrayLike) -> tuple[tuple[Fraction, ...], str]:
    if isinstance(pixels, str):
        way = exact_pixels(pixels)
        if way is None:
            shown = printable(repr(pixels))
            raise UsageError(
                f"Pixels must be 'unit', 'byte', 'centred' or a table, not {shown}.", _TODO
            )
        return way
    array = _asarray(pixels)
    if array.shape != (256,) or array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        raise UsageError(
            f"A table of pixels must be 256 finite numbers, not {array.dtype} {array.shape}.", _TODO
        )
    return tuple(Fraction(value) for value in array.tolist()), "a table"


def _asarray(given: npt.ArrayLike) -> npt.NDArray[Any]:
    try:
        return np.asarray(given)
    except (ValueError, TypeError, OverflowError):
        # Rows of different lengths, among others: what NumPy has no array for is no number.
        return np.empty((), object)


def _numbers(site: Site, given: npt.ArrayLike, what: str) -> npt.NDArray[Any]:
    array = _asarray(given)
    if array.dtype.kind not in "iuf" or not array.size or not np.isfinite(array).all():
        site.fail(f"has {array.dtype} {array.shape} as {what} instead of finite numbers", _TODO)
    size = np.abs(array[array != 0].astype(np.float64))
    if (size < 1 / _SIZE_CAP).any() or (size > _SIZE_CAP).any():
        site.fail(f"has {what} beyond 10 to the power of ±30", _TODO)
    return array


def _counts(site: Site, given: object, what: str, count: int, least: int) -> tuple[int, ...]:
    found = tuple(given) if isinstance(given, tuple | list) else ()
    whole = all(type(size) is int and least <= size <= _WINDOW_CAP for size in found)
    if len(found) != count or not whole:
        shown = printable(repr(given))
        site.fail(f"has the {what} {shown} instead of {count} whole numbers from {least} on", _TODO)
    return found


def _signs(site: Site, layer: DenseLayer | ConvLayer, rank: int) -> Const:
    weight = _numbers(site, layer.weight, "weights")
    if weight.ndim != rank:
        site.fail(f"has weights of shape {weight.shape} instead of {rank} axes", _TODO)
    if not layer.latent and not (np.abs(weight) == 1).all():
        # The most frequent way to lose a network is to take signs that it did not mean.
        site.fail(
            "has weights other than +1 and -1", "Say latent=True if it is their signs that count."
        )
    return Const(np.where(weight >= 0, 1, -1))


def _sums(site: Site, layer: DenseLayer | ConvLayer, x: Value) -> Value:
    if isinstance(layer, ConvLayer):
        attributes = {
            "kernel_shape": None,
            "strides": _counts(site, layer.stride, "stride", 2, 1),
            "dilations": _counts(site, layer.dilation, "dilation", 2, 1),
            "pads": None,
            "group": _counts(site, (layer.groups,), "groups", 1, 1)[0],
        }
        if any(_counts(site, layer.padding, "padding", 4, 0)):
            x = _padded(site, layer, x)
        return conv(site, attributes, x, _signs(site, layer, 4))
    if layer.order not in ("CHW", "HWC"):
        site.fail(f"has the order {printable(repr(layer.order))} instead of CHW or HWC", _TODO)
    shape = x.shape if isinstance(x, Pixels | Affine | Arranged) else ()
    if len(shape) > 2:
        x = flat(site, x) if layer.order == "HWC" else site.reshaped(x, [1, prod(shape)])
    weight = _signs(site, layer, 2)
    return matmul(site, {}, x, Const(weight.array.T))


def _padded(site: Site, layer: ConvLayer, x: Value) -> Value:
    top, left, bottom, right = _counts(site, layer.padding, "padding", 4, 0)
    if type(layer.pad_value) is not int:
        site.fail(f"pads with {printable(repr(layer.pad_value))} instead of an int", _TODO)
    result = padded(site, x, (top, left, bottom, right), Fraction(layer.pad_value))
    assert result is not None
    return result


def _pooled(site: Site, layer: PoolLayer, x: Value) -> Value:
    size = _counts(site, layer.size, "size", 2, 1)
    attributes = {
        "kernel_shape": size,
        "strides": size if layer.stride is None else _counts(site, layer.stride, "stride", 2, 1),
        "pads": _counts(site, layer.padding, "padding", 4, 0),
        "dilations": None,
    }
    return max_pool(site, attributes, x)


def _normed(site: Site, layer: DenseLayer | ConvLayer, x: Value) -> Value:
    norm = layer.norm
    if norm is None:
        return x
    if not isinstance(norm, BatchNorm):
        site.fail(f"has {printable(repr(norm))} as norm instead of a BatchNorm", _TODO)
    mean = _numbers(site, norm.mean, "mean")
    ones = np.ones(mean.shape, np.int64)
    parts = [
        ones if norm.gamma is None else _numbers(site, norm.gamma, "gamma"),
        0 * ones if norm.beta is None else _numbers(site, norm.beta, "beta"),
        mean,
        _numbers(site, norm.variance, "variance"),
    ]
    rows = (site.affine(x, "the sums").shape[1],)
    for role, part in zip(("gamma", "beta", "mean", "variance"), parts, strict=True):
        if part.shape != rows:
            site.fail(f"has {role} of shape {part.shape} for {rows[0]} rows", _TODO)
    epsilon = _numbers(site, norm.epsilon, "epsilon")
    if epsilon.ndim:
        site.fail(f"has epsilon of shape {epsilon.shape}", _TODO)
    return batch_normalization(site, {"epsilon": float(epsilon)}, x, *map(Const, parts))


def _activated(site: Site, layer: DenseLayer | ConvLayer, x: Affine) -> Value:
    rows = len(x.scale)
    if layer.direction is not None:
        direction = _numbers(site, layer.direction, "direction")
        if direction.shape != (rows,) or not (np.abs(direction) == 1).all():
            site.fail(f"needs {rows} directions of +1 and -1", _TODO)
        if layer.thresholds is None:
            site.fail("has directions and no thresholds", _TODO)
    if layer.thresholds is None:
        return bipolar_quant(site, {}, x, Const(np.array(1)))
    bounds = _numbers(site, layer.thresholds, "thresholds")
    bounds = bounds.reshape(-1, 1) if bounds.ndim == 1 else bounds
    if bounds.ndim != 2 or len(bounds) != rows or bounds.shape[1] > _THRESHOLDS_CAP:
        site.fail(f"has thresholds of shape {bounds.shape} for {rows} rows", _TODO)
    exact = site.exact(bounds, "thresholds")
    if layer.direction is not None:
        signs = [Fraction(int(sign)) for sign in direction]
        x = x.changed(signs, [Fraction(0)] * rows)
        exact = exact * np.array(signs, object)[:, None]
        exact.sort(axis=1)
    elif (exact[:, 1:] < exact[:, :-1]).any():
        site.fail("has thresholds that do not rise", _TODO)
    count = bounds.shape[1]
    attributes = {"out_scale": 1.0, "out_bias": 0.0, "out_dtype": "UINT8"}
    if count == 1:
        attributes = {"out_scale": 2.0, "out_bias": -1.0, "out_dtype": "BIPOLAR"}
    return multi_threshold(site, attributes, x, Const(exact))
