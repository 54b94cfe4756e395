"""The layers of a network of plain arrays, one after the other."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ..graph import Grid, MaxPool
from ..names import printable
from .arrays import Arrays
from .chain import Chain

__all__ = ["Layers"]

_KEYS = {
    "fc": {"kind", "W", "T", "dir", "act_min", "act_step", "in_shape", "out_shape"},
    "conv": {"kind", "W", "T", "dir", "act_min", "act_step", "in_shape", "out_shape", "stride",
             "pad"},
    "maxpool": {"kind", "size", "stride", "in_shape", "out_shape"},
}  # fmt: skip
_SIZE_CAP = 1 << 12


class Layers:
    """Adds layers to a chain."""

    def __init__(self, arrays: Arrays, chain: Chain) -> None:
        self._arrays = arrays
        self._chain = chain

    def add(self, number: int, layer: object, source: str, *, last: bool) -> str:
        """Add one layer with its activation and give the edge that leaves it.

        Parameters
        ----------
        number : int
            For messages.
        layer : object
            What the file says of it.
        source : str
            Edge that it reads.
        last : bool
            Whether its sums are the logits.
        """
        what = f"layer {number}"
        if not isinstance(layer, dict):
            self._arrays.fail(f"{what} is no object")
        kind = layer.get("kind")
        if not isinstance(kind, str) or kind not in _KEYS:
            self._arrays.fail(f"{what} has the unknown kind {printable(repr(kind))}")
        unknown = sorted(set(layer) - _KEYS[kind])
        if unknown:
            self._arrays.fail(f"{what} has the unknown key '{printable(unknown[0])}'")
        before = self._chain.edges[source].shape
        source = {"fc": self._dense, "conv": self._conv, "maxpool": self._pool}[kind](
            layer, what, source
        )
        self._check_shapes(layer, what, before, self._chain.edges[source].shape)
        if last and (kind != "fc" or "T" in layer):
            wrong = "has thresholds" if kind == "fc" else f"is a {kind}"
            self._arrays.fail(f"{what} is the last and {wrong}")
        if last or kind == "maxpool":
            return source
        if "T" not in layer:
            self._arrays.fail(f"{what} has no thresholds")
        return self._threshold(layer, what, source)

    def _dense(self, layer: dict[str, Any], what: str, source: str) -> str:
        columns = self._chain.edges[source].size
        weight = self._arrays.ints(layer.get("W"), f"the weight of {what}", (None, columns))
        self._check_weight(weight, what)
        return self._chain.dense(self._chain.flat(source), weight > 0)

    def _conv(self, layer: dict[str, Any], what: str, source: str) -> str:
        channels = self._image(what, source)[0]
        shape = (None, channels, None, None)
        weight = self._arrays.ints(layer.get("W"), f"the weight of {what}", shape)
        self._check_weight(weight, what)
        stride = self._size(layer, what, "stride", 1)
        pad = self._size(layer, what, "pad", 0)
        self._check_window(what, source, weight.shape[2:], pad)
        return self._chain.conv(source, weight > 0, stride=(stride,) * 2, padding=(pad,) * 4)

    def _pool(self, layer: dict[str, Any], what: str, source: str) -> str:
        self._image(what, source)
        size = self._size(layer, what, "size", 1)
        stride = self._size(layer, what, "stride", 1)
        self._check_window(what, source, (size, size), 0)
        name = self._chain.named("pool")
        return self._chain.add(MaxPool(name, (source,), (size, size), (stride, stride)))

    def _image(self, what: str, source: str) -> tuple[int, ...]:
        shape = self._chain.edges[source].shape
        if len(shape) != 3:
            self._arrays.fail(f"{what} needs an image but reads {list(shape)}")
        return shape

    def _size(self, layer: dict[str, Any], what: str, key: str, least: int) -> int:
        value = layer.get(key)
        if type(value) is not int or not least <= value <= _SIZE_CAP:
            shown = printable(repr(value))
            self._arrays.fail(f"{what} has the {key} {shown} instead of {least} to {_SIZE_CAP}")
        return value

    def _check_window(self, what: str, source: str, window: tuple[int, ...], pad: int) -> None:
        size = self._chain.edges[source].shape[1:]
        if any(extent + 2 * pad < need for extent, need in zip(size, window, strict=True)):
            self._arrays.fail(f"{what} moves a window of {window} over {list(size)}")

    def _check_weight(self, weight: npt.NDArray[np.int64], what: str) -> None:
        if not weight.all():
            self._arrays.unsupported(f"{what} has weights of 0 (ternary)")
        if np.abs(weight).max() != 1:
            self._arrays.unsupported(f"{what} has weights other than ±1")

    def _check_shapes(
        self, layer: dict[str, Any], what: str, before: tuple[int, ...], after: tuple[int, ...]
    ) -> None:
        for key, found in (("in_shape", before), ("out_shape", after)):
            said = layer.get(key, list(found))
            flat = layer["kind"] == "fc"
            sizes = isinstance(said, list) and all(type(extent) is int for extent in said)
            same = sizes and (
                np.prod(said, dtype=object) == np.prod(found) if flat else said == list(found)
            )
            if not same:
                have = f"{np.prod(found)} values" if flat else str(list(found))
                self._arrays.fail(f"{what} says {key} {printable(repr(said))} but has {have}")

    def _threshold(self, layer: dict[str, Any], what: str, source: str) -> str:
        rows = self._chain.edges[source].shape[0]
        levels = self._arrays.ints(layer["T"], f"the threshold of {what}", (rows, None))
        low, step = layer.get("act_min"), layer.get("act_step")
        if (
            type(low) is not int
            or type(step) is not int
            or not -_SIZE_CAP <= low <= _SIZE_CAP
            or not 1 <= step <= _SIZE_CAP
        ):
            shown = printable(f"act_min {low!r} and act_step {step!r}")
            self._arrays.fail(f"{what} has {shown} instead of whole numbers, the second positive")
        direction = self._arrays.ints(layer.get("dir"), f"the direction of {what}", (rows,))
        if not np.isin(direction, (-1, 1)).all():
            self._arrays.fail(f"the direction of {what} is not +1 or -1 everywhere")
        grid = Grid(low, step, levels.shape[1] + 1)
        return self._chain.threshold(source, levels, direction.astype(np.int8), grid)
