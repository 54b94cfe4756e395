"""A plain ONNX file as a description of operations: the file is run on images made here."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from .qonnx_values import Site
from .torch_description import Operation, Reference
from .torch_floats import TooMuch, compute, products

__all__ = ["Flow", "Traced", "Tracer", "example_pixels"]

Array = npt.NDArray[Any]

_WORK_CAP = 1 << 35
_SMOOTH = (1, 2, 3, 5)


@dataclass(frozen=True, eq=False)
class Flow:
    """A tensor that depends on the image: the name of its operation, and its example."""

    name: str
    array: Array

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape for one image."""
        return (1, *self.array.shape[1:])


Traced = Flow | Array


def example_pixels(shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Make images, always the same: noise, and smooth ones of a few patches; black and white too.

    Nobody has shown a typical image, so the ranges of these stand for those of others.
    """
    rng = np.random.default_rng(0)
    count = max(4, min(32, (1 << 18) // max(1, int(np.prod(shape)))))
    found = rng.integers(0, 256, (count, *shape), np.uint8)
    for number in range(0, count, 2):
        coarse = [min(_SMOOTH[number // 2 % len(_SMOOTH)], size) for size in shape[1:]]
        patches = rng.integers(0, 256, (shape[0], *coarse), np.uint8)
        for axis, size in enumerate(shape[1:], 1):
            places = np.arange(size) * patches.shape[axis] // size
            patches = patches.take(places, axis)
        found[number] = patches
    found[0], found[2] = 0, 255
    return found


class Tracer:
    """Collects operations while a file is run.

    Parameters
    ----------
    pixels : array of bytes, shape (n, ...)
    table : tuple of 256 Fraction
        What the model gets for a pixel.
    taps : bool
        Keep the output of every operation as the array ``tap_NAME``.
    """

    def __init__(
        self, pixels: npt.NDArray[np.uint8], table: tuple[Fraction, ...], *, taps: bool = False
    ) -> None:
        values = np.array(list(map(float, table)), np.float32)
        self.input = Flow("input", values[pixels])
        self.operations: list[Operation] = []
        self.arrays: dict[str, Array] = {}
        self._count, self._work, self._taps = len(pixels), 0, taps

    def emit(self, site: Site, op: str, **arguments: Any) -> Traced:
        """Compute an operation, and write it down if it reads what depends on the image."""
        arrays = {key: _array(value) for key, value in arguments.items()}
        try:
            found = compute(op, arrays)
        except TooMuch as error:
            site.unsupported(f"cannot be run: {error}")
        if not any(isinstance(part, Flow) for part in _parts(arguments)):
            return found
        self._work += products(op, arrays, found)
        if self._work > _WORK_CAP:
            site.unsupported("computes more than a network does")
        if found.ndim < 2 or len(found) != self._count:
            site.unsupported(f"gives the shape {found.shape} for {self._count} images")
        seen = float(found.min()), float(found.max())
        if not np.isfinite(seen).all():
            site.fail("gives values that are not finite")
        name = f"{op}_{len(self.operations) + 1}"
        written = {key: self._written(value) for key, value in arguments.items()}
        shape = (1, *found.shape[1:])
        self.operations.append(Operation(name, op, site.node.name, written, shape, seen))
        if self._taps:
            self.arrays[f"tap_{name}"] = found
        return Flow(name, found)

    def _written(self, value: Any) -> Any:
        if isinstance(value, Flow):
            return Reference("node", value.name)
        if isinstance(value, np.ndarray):
            name = f"c{len(self.arrays)}"
            self.arrays[name] = value
            return Reference("array", name)
        if isinstance(value, list | tuple):
            return [self._written(part) for part in value]
        return value


def _array(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_array(part) for part in value]
    return value.array if isinstance(value, Flow) else value


def _parts(arguments: dict[str, Any]) -> Iterator[Any]:
    for value in arguments.values():
        yield from value if isinstance(value, list | tuple) else [value]
