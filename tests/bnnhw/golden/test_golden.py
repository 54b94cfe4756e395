"""The golden model against answers worked out by hand, and its two paths against each other."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnnhw.errors import UsageError
from bnnhw.golden import packed, packed_numpy, packed_sums, plain, run
from bnnhw.graph import BIPOLAR, Argmax, Dense, Flatten, Graph, Grid, Input, Threshold

PATHS = pytest.mark.parametrize("path", ["packed", "plain"])
GRIDS = st.sampled_from([BIPOLAR, Grid(0, 1, 2), Grid(-1, 1, 3), Grid(0, 1, 256), Grid(-7, 2, 8)])
THREE = np.array([[0, 0, 0], [255, 0, 0], [255, 255, 0], [255, 255, 255]], np.uint8)


def tiny(**changes: Any) -> Graph:
    """Give three ±1 inputs, two rows, thresholds in both directions, two classes."""
    lut = (np.arange(256) >= 128).astype(np.int64)
    nodes = (
        Input("image", (), (3,), BIPOLAR, lut),
        Dense("fc1", ("image",), np.array([[1, 1, 1], [1, 0, 1]], np.uint8)),
        Threshold(
            "sign1",
            ("fc1",),
            np.array(changes.get("levels", [[1], [-1]])),
            np.array(changes.get("direction", [1, -1])),
        ),
        Dense("fc2", ("sign1",), np.array([[1, 0], [0, 1]], np.uint8)),
        Argmax("argmax", ("fc2",), np.array(changes.get("offset", [0, 0]))),
    )
    return Graph("tiny", nodes, ("fc2", "argmax"))


@PATHS
def test_by_hand(path: str) -> None:
    result = run(tiny(), THREE, path=path, trace=True)
    assert result.edges["image"].tolist() == [[-1, -1, -1], [1, -1, -1], [1, 1, -1], [1, 1, 1]]
    assert result.edges["fc1"].tolist() == [[-3, -1], [-1, 1], [1, -1], [3, 1]]
    assert result.edges["sign1"].tolist() == [[-1, 1], [-1, -1], [1, 1], [1, -1]]
    assert result.logits.tolist() == [[-2, 2], [0, 0], [0, 0], [2, -2]]
    assert result.classes is not None
    assert result.classes.tolist() == [1, 0, 0, 0]
    assert result.logits.dtype == result.classes.dtype == np.int64


@PATHS
@pytest.mark.parametrize(
    ("direction", "level", "expected"),
    [
        (1, 0, [-1, -1, 1, 1]),
        (1, 1, [-1, -1, 1, 1]),
        (1, 2, [-1, -1, -1, 1]),
        (-1, -2, [1, -1, -1, -1]),
        (-1, -1, [1, 1, -1, -1]),
        (-1, 0, [1, 1, -1, -1]),
        (1, -4, [1, 1, 1, 1]),
        (1, 4, [-1, -1, -1, -1]),
        (-1, 4, [1, 1, 1, 1]),
        (-1, -4, [-1, -1, -1, -1]),
    ],
)
def test_threshold_at_its_level_and_beside(
    path: str, direction: int, level: int, expected: list[int]
) -> None:
    graph = tiny(levels=[[level], [0]], direction=[direction, 1])
    edges = run(graph, THREE, path=path, trace=True).edges
    assert edges["sign1"][:, 0].tolist() == expected


@PATHS
def test_offsets_decide_and_first_of_equals_wins(path: str) -> None:
    graph = tiny(offset=[0, 1])
    result = run(graph, THREE, path=path)
    assert result.classes is not None
    assert result.classes.tolist() == [1, 1, 1, 0]
    assert result.edges == {}


@PATHS
def test_channels_of_images_have_their_own_thresholds(path: str) -> None:
    graph = Graph(
        "chw",
        (
            Input("image", (), (2, 1, 2), Grid(0, 1, 256), np.arange(256)),
            Threshold("act", ("image",), np.array([[10, 20], [5, 3]]), np.array([1, -1]),
                      Grid(-1, 1, 3)),
            Flatten("flat", ("act",)),
        ),
        ("flat",),
    )  # fmt: skip
    images = np.array([[[[9, 10]], [[5, 6]]], [[[20, 0]], [[3, 4]]]], np.uint8)
    result = run(graph, images, path=path)
    assert result.logits.tolist() == [[-1, 0, 0, -1], [1, -1, 1, 0]]
    assert result.classes is None


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.integers(1, 140),
    widths=st.lists(st.integers(1, 70), min_size=1, max_size=4),
    grid=GRIDS,
    hidden=GRIDS.filter(lambda grid: grid.levels <= 8),
    lut=st.booleans(),
)
def test_both_paths_agree(
    random_graph: Callable[..., Graph],
    seed: int,
    size: int,
    widths: list[int],
    grid: Grid,
    hidden: Grid,
    lut: bool,
) -> None:
    graph = random_graph(seed, (size,), widths, grid, hidden, lut)
    top = 256 if lut else grid.levels
    images = np.random.default_rng(seed).integers(0, top, (5, size))
    fast, slow = (run(graph, images, path=path, trace=True) for path in ("packed", "plain"))
    assert fast.edges.keys() == slow.edges.keys() == graph.edges.keys()
    for name, values in fast.edges.items():
        assert np.array_equal(values, slow.edges[name]), name
        assert values.dtype == np.int64
        graph.edges[name].grid.codes(values)


def test_generic_path_without_floats(
    random_graph: Callable[..., Graph], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed_sums, "_EXACT_FLOATS", ())
    graph = random_graph(3, (20,), (6, 5), Grid(0, 1, 256))
    images = np.random.default_rng(3).integers(0, 256, (9, 20))
    assert np.array_equal(run(graph, images).logits, run(graph, images, path="plain").logits)


@pytest.mark.parametrize("size", [1, 3, 1 << 20])
def test_batches_change_nothing(
    random_graph: Callable[..., Graph], monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    graph = random_graph(1)
    images = np.random.default_rng(1).integers(0, 256, (10, 1, 3, 5))
    whole = run(graph, images, trace=True)
    monkeypatch.setattr("bnnhw.golden.runner._BATCH_BYTES", size * 8 * 30)
    monkeypatch.setattr(packed_numpy, "_BLOCK_BYTES", size)
    parts = run(graph, images.reshape(10, 15), trace=True)
    for name, values in whole.edges.items():
        assert np.array_equal(values, parts.edges[name])


def test_a_flipped_weight_is_seen(random_graph: Callable[..., Graph]) -> None:
    graph = random_graph(5, (70,), (3,))
    dense = graph.nodes[1]
    assert isinstance(dense, Dense)
    weight = dense.weight.copy()
    weight[0, 69] ^= 1
    other = Graph("random", (graph.nodes[0], Dense("fc1", ("image",), weight)), ("fc1",))
    images = np.random.default_rng(5).integers(0, 256, (4, 70))
    good, bad = run(graph, images).logits, run(other, images).logits
    assert (np.abs(good - bad) == [[2, 0, 0]] * 4).all()


def test_paths_share_no_code() -> None:
    for path in (packed, plain):
        own = {function.__module__ for function in path._TABLE.values()}
        assert all(module.startswith(path.__name__) for module in own)
    assert packed._TABLE.keys() == plain._TABLE.keys()


def test_path_wrong() -> None:
    with pytest.raises(UsageError, match=r"^The golden model has the paths packed, plain, not 'x'"):
        run(tiny(), THREE, path="x")


def test_images_wrong() -> None:
    with pytest.raises(UsageError, match=r"^The image array has images of shape \(4,\)"):
        run(tiny(), np.zeros((2, 4), np.uint8))
