"""Images from outside: what is taken, and one clear sentence for everything else."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnhw.errors import UsageError
from bnnhw.graph import Graph, Grid
from bnnhw.images import checked_images, load_images

PIXELS = np.arange(45, dtype=np.uint8).reshape(3, 1, 3, 5)


@pytest.fixture
def graph(random_graph: Callable[..., Graph]) -> Graph:
    return random_graph(0)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    def save(**arrays: Any) -> Path:
        path = tmp_path / "images.npz"
        np.savez(path, **arrays)
        return path

    return save


def test_pixels_and_labels(graph: Graph, saved: Callable[..., Path]) -> None:
    images = load_images(saved(x=PIXELS, y=np.array([1, 2, 3])), graph)
    assert np.array_equal(images.x, PIXELS)
    assert images.x.dtype == np.uint8
    assert images.y is not None
    assert images.y.tolist() == [1, 2, 3]


def test_flat_pixels_of_another_integer_type_without_labels(
    graph: Graph, saved: Callable[..., Path]
) -> None:
    images = load_images(saved(x=PIXELS.reshape(3, 15).astype(np.int32)), graph)
    assert np.array_equal(images.x, PIXELS)
    assert images.x.dtype == np.uint8
    assert images.y is None


def test_limit(graph: Graph, saved: Callable[..., Path]) -> None:
    images = load_images(saved(x=PIXELS, y=np.array([1, 2, 3])), graph, limit=2)
    assert len(images.x) == 2
    assert images.y is not None
    assert images.y.tolist() == [1, 2]
    assert len(load_images(saved(x=PIXELS), graph, limit=99).x) == 3


def test_codes(random_graph: Callable[..., Graph]) -> None:
    node = random_graph(0, (4,), grid=Grid(0, 1, 300), lut=False).input
    codes = checked_images([[0, 299, 1, 2]], node)
    assert codes.tolist() == [[0, 299, 1, 2]]
    assert codes.dtype == np.int64
    message = (
        r"^The image array has values from 0 to 300; input codes go from 0 to 299 here\.\n"
        r"Convert the images to integers from 0 to 299\.$"
    )
    with pytest.raises(UsageError, match=message):
        checked_images([[0, 300, 1, 2]], node)


WRONG: list[tuple[Any, str]] = [
    (np.full((2, 15), 0.5), "holds float64 numbers; the network reads 8-bit pixels."),
    (np.full((2, 15), np.nan, np.float32), "has 30 values that are NaN or infinite."),
    (np.full((1, 15), np.inf), "has 15 values that are NaN or infinite."),
    (np.zeros((2, 15), bool), "holds bool instead of 8-bit pixels."),
    (np.zeros((2, 15), complex), "holds complex128 instead of 8-bit pixels."),
    (np.array(["a"]), "holds <U1 instead of 8-bit pixels."),
    (np.zeros(15, np.uint8), "has images of shape (); the network reads 1 × 3 × 5."),
    (np.zeros((), np.uint8), "has images of shape (); the network reads 1 × 3 × 5."),
    (np.zeros((2, 3, 5), np.uint8), "has images of shape (3, 5); the network reads 1 × 3 × 5."),
    (np.zeros((2, 16), np.uint8), "has images of shape (16,); the network reads 1 × 3 × 5."),
    (np.zeros((0, 15), np.uint8), "holds no image."),
    (np.full((1, 15), 256), "has values from 256 to 256; pixels go from 0 to 255 here."),
    (np.full((1, 15), -1), "has values from -1 to -1; pixels go from 0 to 255 here."),
]


@pytest.mark.parametrize(("x", "what"), WRONG)
def test_images_wrong(graph: Graph, saved: Callable[..., Path], x: Any, what: str) -> None:
    path = saved(x=x)
    start = re.escape(f"'{path}' {what}")
    with pytest.raises(UsageError, match=rf"^{start}\n"):
        load_images(path, graph)


def test_floats_say_how_to_convert(graph: Graph) -> None:
    with pytest.raises(UsageError) as caught:
        checked_images(np.zeros((1, 15)), graph.input)
    assert caught.value.todo == (
        "Convert images in [0, 1] with numpy.rint(x * 255).astype(numpy.uint8)."
    )


@pytest.mark.parametrize("y", [np.zeros(2, int), np.zeros(3), np.zeros((3, 1), int)])
def test_labels_wrong(graph: Graph, saved: Callable[..., Path], y: Any) -> None:
    message = rf"' has labels of type {y.dtype} and shape {re.escape(str(y.shape))} for 3 images\."
    with pytest.raises(UsageError, match=message):
        load_images(saved(x=PIXELS, y=y), graph)


def test_array_missing(graph: Graph, saved: Callable[..., Path]) -> None:
    with pytest.raises(UsageError, match=r"' has no array 'x' but 'pix\\nels'\.\nSave the "):
        load_images(saved(**{"pix\nels": PIXELS}), graph)


@pytest.mark.parametrize("limit", [0, -1])
def test_limit_wrong(graph: Graph, limit: int) -> None:
    with pytest.raises(UsageError, match=f"^The limit must be at least 1 image, not {limit}"):
        load_images(Path("images.npz"), graph, limit=limit)


def test_suffix_wrong(graph: Graph) -> None:
    with pytest.raises(UsageError, match=r"^'images\.png' is no \.npz file\.\nSave the images as"):
        load_images(Path("images.png"), graph)


def test_file_missing(graph: Graph, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"images\.npz' does not exist\.\nCheck the path\.$"):
        load_images(tmp_path / "images.npz", graph)
