"""Convolutions, pools, joins, fixed point: by hand, by loops, both paths on random graphs."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnnhw.golden import packed, packed_numpy, packed_sums, packed_windows, run
from bnnhw.graph import (
    BIPOLAR,
    Add,
    Affine,
    Concat,
    Conv,
    Dense,
    Flatten,
    Graph,
    Grid,
    Input,
    IntConv,
    IntDense,
    MaxPool,
    Node,
    Shuffle,
    Slice,
    SumPool,
    Threshold,
)

MakeGraph = Callable[..., Graph]
PATHS = pytest.mark.parametrize("path", ["packed", "plain"])
GRIDS = st.sampled_from([BIPOLAR, BIPOLAR, Grid(-1, 1, 3), Grid(0, 1, 256), Grid(-7, 2, 8)])


def small(*nodes: Node, shape: tuple[int, ...] = (1, 3, 3), grid: Grid = BIPOLAR) -> Graph:
    return Graph("net", (Input("x", (), shape, grid), *nodes), (nodes[-1].name,))


def bits(*rows: list[int]) -> npt.NDArray[np.uint8]:
    return np.array(rows, np.uint8)


def last(graph: Graph, codes: Any, path: str) -> Any:
    """Give the values of the output for one image of codes."""
    result = run(graph, np.asarray(codes)[None], path=path, trace=True)
    values = result.edges[graph.outputs[0]][0]
    graph.edges[graph.outputs[0]].grid.codes(values)
    return values.tolist()


IMAGE = [[[1, 0, 1], [1, 1, 0], [0, 0, 0]]]
ROW = bits([1, 0]).reshape(1, 1, 1, 2)


@PATHS
@pytest.mark.parametrize(
    ("value", "expected"),
    # Values 1 −1 1 / 1 1 −1 / −1 −1 −1, times (+1, −1), one column of padding on both sides.
    [
        (-1, [[-2, 2, -2, 2], [-2, 0, 2, 0], [0, 0, 0, 0]]),
        (1, [[0, 2, -2, 0], [0, 0, 2, -2], [2, 0, 0, -2]]),
        (0, [[-1, 2, -2, 1], [-1, 0, 2, -1], [1, 0, 0, -1]]),
    ],
)
def test_padding_by_hand(path: str, value: int, expected: list[list[int]]) -> None:
    node = Conv("c", ("x",), ROW, padding=(0, 1, 0, 1), pad_value=value)
    assert last(small(node), IMAGE, path) == [expected]


@PATHS
def test_stride_and_dilation_by_hand(path: str) -> None:
    image = np.arange(15).reshape(1, 3, 5)
    node = IntConv("c", ("x",), np.array([[[[1, 100]]]]), stride=(2, 1), dilation=(1, 3))
    graph = small(node, shape=(1, 3, 5), grid=Grid(0, 1, 16))
    assert last(graph, image, path) == [[[300, 401], [1310, 1411]]]


@PATHS
def test_max_pool_overlaps_and_drops_the_rest(path: str) -> None:
    image = [[[1, 2, 3, 4], [8, 7, 6, 5], [0, 9, 0, 0], [0, 0, 0, 9]]]
    graph = small(MaxPool("p", ("x",), (3, 3), (2, 2)), shape=(1, 4, 4), grid=Grid(-9, 1, 19))
    assert last(graph, image, path) == [[[0]]]
    graph = small(MaxPool("p", ("x",), (2, 2), (1, 2)), shape=(1, 4, 4), grid=Grid(-9, 1, 19))
    assert last(graph, image, path) == [[[-1, -3], [0, -3], [0, 0]]]


@PATHS
def test_padding_of_a_max_pool_never_wins(path: str) -> None:
    graph = small(MaxPool("p", ("x",), (2, 2), (2, 2), (1, 1, 0, 0)), grid=Grid(-5, 1, 3))
    assert last(graph, [[[0, 1, 0], [0, 0, 2], [0, 0, 1]]], path) == [[[-5, -4], [-5, -3]]]


@PATHS
def test_sum_pool_by_hand(path: str) -> None:
    graph = small(SumPool("p", ("x",), (2, 2), (2, 2), (1, 1, 0, 0)))
    assert last(graph, IMAGE, path) == [[[1, 0], [0, -2]]]
    assert last(small(SumPool("p", ("x",), (3, 3))), IMAGE, path) == [[[-1]]]


@PATHS
def test_fixed_point_rounds_down_and_clips(path: str) -> None:
    arguments = np.array([3, -3]), np.array([0, 4])
    graph = small(Affine("a", ("x",), *arguments, 3), shape=(2, 1, 4), grid=Grid(-3, 2, 8))
    codes = [[[0, 1, 6, 7]]] * 2
    # Values −3, −1, 9, 11: −9, −3, 27, 33 and 13, 7, −23, −29 before the shift.
    assert last(graph, codes, path) == [
        [[-2, -1, 3, 4]],
        [[1, 0, -3, -4]],
    ]
    clipped = Affine("a", ("x",), *arguments, 3, (-1, 3))
    graph = small(clipped, shape=(2, 1, 4), grid=Grid(-3, 2, 8))
    assert last(graph, codes, path) == [[[-1, -1, 3, 3]], [[1, 0, -1, -1]]]


@PATHS
def test_joins_by_hand(path: str) -> None:
    shape, codes = (4, 1, 1), np.array([0, 1, 1, 0]).reshape(4, 1, 1)
    assert last(small(Add("j", ("x", "x", "x")), shape=shape), codes, path) == [
        [[-3]], [[3]], [[3]], [[-3]],
    ]  # fmt: skip
    nodes = (
        Slice("s", ("x",), 1, 3),
        Affine("a", ("s",), np.array([5, 7]), np.array([1, 1])),
        Concat("j", ("x", "a", "s")),
    )
    expected = [-1, 1, 1, -1, 6, 8, 1, 1]
    assert np.ravel(last(small(*nodes, shape=shape), codes, path)).tolist() == expected
    counted = np.arange(6).reshape(6, 1, 1)
    graph = small(Shuffle("s", ("x",), 2), shape=(6, 1, 1), grid=Grid(0, 1, 6))
    assert np.ravel(last(graph, counted, path)).tolist() == [0, 3, 1, 4, 2, 5]


@PATHS
def test_int_dense_by_hand(path: str) -> None:
    nodes = Flatten("f", ("x",)), IntDense("d", ("f",), np.array([[1, -128, 127]]))
    graph = small(*nodes, shape=(3, 1, 1), grid=Grid(-1, 1, 256))
    assert last(graph, np.array([1, 2, 255]).reshape(3, 1, 1), path) == [0 - 128 + 254 * 127]


def by_loops(node: Any, x: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Convolve one image as the definition has it."""
    weight = node.weight.astype(int) * 2 - 1 if isinstance(node, Conv) else node.weight.astype(int)
    top, left, bottom, right = node.padding
    (_, high, wide), (rows, channels, kh, kw) = x.shape, weight.shape
    down = (high + top + bottom - (kh - 1) * node.dilation[0] - 1) // node.stride[0] + 1
    across = (wide + left + right - (kw - 1) * node.dilation[1] - 1) // node.stride[1] + 1
    result = np.zeros((rows, down, across), np.int64)
    for row, i, j in product(range(rows), range(down), range(across)):
        for c, y, z in product(range(channels), range(kh), range(kw)):
            cell_y = i * node.stride[0] + y * node.dilation[0] - top
            cell_x = j * node.stride[1] + z * node.dilation[1] - left
            inside = 0 <= cell_y < high and 0 <= cell_x < wide
            source = row // (rows // node.groups) * channels + c
            cell = int(x[source, cell_y, cell_x]) if inside else node.pad_value
            result[row, i, j] += int(weight[row, c, y, z]) * cell
    return result


@settings(max_examples=400, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), grid=GRIDS)
def test_convolutions_by_loops(random_conv_graph: MakeGraph, seed: int, grid: Grid) -> None:
    graph = random_conv_graph(seed, 3, grid)
    top = 256 if graph.input.lut is not None else grid.levels
    images = np.random.default_rng(seed).integers(0, top, (2, *graph.input.shape))
    edges = run(graph, images, trace=True).edges
    for node in graph.nodes:
        if isinstance(node, Conv | IntConv):
            for x, y in zip(edges[node.inputs[0]], edges[node.name], strict=True):
                assert np.array_equal(by_loops(node, x), y)


@settings(max_examples=700, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), steps=st.integers(0, 9), grid=GRIDS)
def test_both_paths_agree(random_conv_graph: MakeGraph, seed: int, steps: int, grid: Grid) -> None:
    graph = random_conv_graph(seed, steps, grid)
    top = 256 if graph.input.lut is not None else grid.levels
    images = np.random.default_rng(seed).integers(0, top, (3, *graph.input.shape))
    fast, slow = (run(graph, images, path=path, trace=True) for path in ("packed", "plain"))
    for name, values in fast.edges.items():
        assert np.array_equal(values, slow.edges[name]), name
        assert values.dtype == np.int64
        assert values.shape[1:] == graph.edges[name].shape
        graph.edges[name].grid.codes(values)


@pytest.mark.parametrize("channels", [1, 63, 64, 65, 130])
@pytest.mark.parametrize("value", [-1, 0, 1])
def test_many_channels(channels: int, value: int) -> None:
    rng = np.random.default_rng(channels)
    weight = rng.integers(0, 2, (6, channels, 3, 2))
    node = Conv("c", ("x",), weight, (2, 1), (1, 2, 1, 0), value)
    graph = small(node, shape=(channels, 5, 4))
    images = rng.integers(0, 2, (3, channels, 5, 4))
    fast = run(graph, images, trace=True).edges["c"]
    assert np.array_equal(fast, run(graph, images, path="plain", trace=True).edges["c"])
    assert np.array_equal(fast[1], by_loops(node, 2 * images[1] - 1))


@pytest.mark.parametrize("size", [1, 1000])
def test_blocks_change_nothing(
    random_conv_graph: MakeGraph, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    graph = random_conv_graph(8, 9)
    images = np.random.default_rng(1).integers(0, 2, (7, *graph.input.shape))
    whole = run(graph, images, trace=True)
    monkeypatch.setattr(packed_windows, "_COLUMNS_BYTES", size)
    monkeypatch.setattr(packed_numpy, "_BLOCK_BYTES", size)
    monkeypatch.setattr(packed_sums, "_EXACT_FLOATS", ())
    parts = run(graph, images, trace=True)
    for name, values in whole.edges.items():
        assert np.array_equal(values, parts.edges[name])


@pytest.mark.parametrize("limit", [1 << 24, 1 << 53])
def test_floats_are_used_only_where_they_are_exact(limit: int) -> None:
    x = np.array([[limit // 2 - 1, limit // 2, 3]])
    weight = np.array([[1, 1, 1]])
    assert packed_sums.exact_products(x.T, weight, limit // 2).tolist() == [[limit + 2]]


@pytest.mark.parametrize("levels", [1 << 8, 1 << 20, 1 << 45])
def test_groups_of_small_and_of_large_sums(levels: int) -> None:
    weight = np.ones((4, 1, 2, 2), np.int64)
    weight[2:] = [[[[127, -128], [101, 77]]], [[[3, 0], [-128, 1]]]]
    node = IntConv("c", ("x",), weight, pad_value=0, padding=(1, 0, 0, 0), groups=2)
    graph = small(node, shape=(2, 3, 3), grid=Grid(1 - levels // 2, 1, levels))
    images = np.random.default_rng(levels).integers(0, levels, (3, 2, 3, 3))
    fast = run(graph, images, trace=True).edges["c"]
    assert np.array_equal(fast, run(graph, images, path="plain", trace=True).edges["c"])


@PATHS
def test_a_flipped_weight_is_seen(path: str) -> None:
    weight = np.ones((1, 2, 2, 2), np.uint8)
    other = weight.copy()
    other[0, 1, 1, 0] = 0
    images = np.ones((1, 2, 2, 2), int)
    first, second = (
        run(small(Conv("c", ("x",), w), shape=(2, 2, 2)), images, path=path).logits
        for w in (weight, other)
    )
    assert (first.tolist(), second.tolist()) == ([[8]], [[6]])


def test_work_of_an_image() -> None:
    """Words of 64 XNORs: 2 bits a pixel, 3 x 2 places, 5 rows of 64 x 2 x 1; then 4 of 30 bits."""
    grid = Grid(0, 1, 4)
    graph = Graph(
        "net",
        (
            Input("x", (), (64, 4, 2), grid),
            Conv("c", ("x",), np.ones((5, 64, 2, 1), int)),
            Threshold("t", ("c",), np.zeros((5, 1), int), np.ones(5, int), BIPOLAR),
            Flatten("f", ("t",)),
            Dense("d", ("f",), np.ones((32, 30), np.uint8)),
        ),
        ("d",),
    )
    assert packed.word_operations(graph) == 6 * 5 * 128 * 2 // 64 + 30 * 32 // 64
