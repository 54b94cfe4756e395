"""Images from outside: read in a bounded way and checked against the input of a graph."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import UsageError
from .files import read_npz
from .graph import Graph, Input
from .names import printable

__all__ = ["Images", "checked_images", "load_images"]


@dataclass(frozen=True, eq=False)
class Images:
    """Images that suit a graph.

    Parameters
    ----------
    x : array of uint8 pixels, or of int64 codes without a table; shape (n, *input shape)
    y : array of int64 labels, shape (n,), or None
    """

    x: npt.NDArray[Any]
    y: npt.NDArray[np.int64] | None = None


def load_images(path: Path, graph: Graph, *, limit: int | None = None) -> Images:
    """Read images from the array ``x`` of an .npz file, and labels from ``y`` if it has one.

    Parameters
    ----------
    path : Path
    graph : Graph
    limit : int or None
        Take only the first `limit` images.

    Raises
    ------
    UsageError
        If the file cannot be read, has no images, or they do not suit the input of the graph.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"The limit must be at least 1 image, not {limit!r}.", "Leave it out.")
    if path.suffix != ".npz":
        raise UsageError(
            f"'{printable(str(path))}' is no .npz file.",
            "Save the images as uint8 pixels: numpy.savez('images.npz', x=pixels, y=labels).",
        )
    arrays = read_npz(path)
    if "x" not in arrays:
        shown = "', '".join(map(printable, list(arrays)[:8]))
        raise UsageError(
            f"'{path}' has no array 'x' but '{shown}'.",
            "Save the images under the name x: numpy.savez('images.npz', x=pixels, y=labels).",
        )
    x = checked_images(arrays["x"], graph.input, f"'{path}'")
    y = _labels(arrays["y"], len(x), path) if "y" in arrays else None
    return Images(x[:limit], None if y is None else y[:limit])


def _labels(y: npt.NDArray[Any], count: int, path: Path) -> npt.NDArray[np.int64]:
    if y.dtype.kind not in "iu" or y.shape != (count,):
        raise UsageError(
            f"'{path}' has labels of type {y.dtype} and shape {y.shape} for {count} images.",
            "Give one integer label for each image, or leave 'y' out.",
        )
    return y.astype(np.int64)


def checked_images(
    x: npt.ArrayLike, node: Input, source: str = "The image array"
) -> npt.NDArray[Any]:
    """Return `x` as pixels (uint8) or codes (int64), in the shape of the input.

    Parameters
    ----------
    x : array of integers, shape (n, channels, height, width) or (n, size)
    node : Input
    source : str
        How to call it in a message.

    Raises
    ------
    UsageError
        If kind, shape or range do not suit `node`; floats are refused: their scale is unknown.
    """
    array = np.asarray(x)
    _check_kind(array, source)
    wanted = node.image_shape
    size = int(np.prod(wanted))
    if array.ndim < 2 or (array.shape[1:] != wanted and array.shape[1:] != (size,)):
        shape = " × ".join(map(str, wanted))
        raise UsageError(
            f"{source} has images of shape {array.shape[1:]}; the network reads {shape}.",
            f"Give an array of shape (n, {', '.join(map(str, wanted))}) or (n, {size}).",
        )
    if not len(array):
        raise UsageError(f"{source} holds no image.", "Give at least one.")
    top = 255 if node.lut is not None else node.grid.levels - 1
    least, most = int(array.min()), int(array.max())
    if least < 0 or most > top:
        what = "pixels" if node.lut is not None else "input codes"
        raise UsageError(
            f"{source} has values from {least} to {most}; {what} go from 0 to {top} here.",
            f"Convert the images to integers from 0 to {top}.",
        )
    kind = np.uint8 if node.lut is not None else np.int64
    return array.reshape(len(array), *wanted).astype(kind, copy=False)


def _check_kind(array: npt.NDArray[Any], source: str) -> None:
    if np.issubdtype(array.dtype, np.floating):
        bad = int(np.count_nonzero(~np.isfinite(array)))
        if bad:
            raise UsageError(
                f"{source} has {bad} values that are NaN or infinite.", "Mend or drop those images."
            )
        raise UsageError(
            f"{source} holds {array.dtype} numbers; the network reads 8-bit pixels.",
            "Convert images in [0, 1] with numpy.rint(x * 255).astype(numpy.uint8).",
        )
    if array.dtype.kind not in "iu":
        raise UsageError(
            f"{source} holds {array.dtype} instead of 8-bit pixels.",
            "Give uint8 pixels.",
        )
