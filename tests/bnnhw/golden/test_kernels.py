"""The kernels of the packed path: the same integers as plain sums, and how one is chosen."""

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnnhw.bits import pack_rows
from bnnhw.errors import ToolMissing, UsageError
from bnnhw.golden import packed, packed_kernels, plain, run
from bnnhw.golden.packed_kernels import KERNELS, Kernel, choose_kernel
from bnnhw.graph import BIPOLAR, Conv, Dense, Flatten, Graph, Grid, Input

BOTH = pytest.mark.parametrize("name", KERNELS)
GRIDS = (BIPOLAR, Grid(0, 1, 2), Grid(-1, 1, 3), Grid(-7, 2, 8), Grid(0, 3, 16), Grid(5, 1, 1))


def every_plane(name: str) -> Kernel:
    """Give a kernel that takes all activations plane by plane, however many there are."""
    return replace(choose_kernel(name), planes=8)


@BOTH
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 21),
    vectors=st.integers(1, 40),
    columns=st.integers(1, 700),
)
def test_matches_are_counted(name: str, seed: int, rows: int, vectors: int, columns: int) -> None:
    rng = np.random.default_rng(seed)
    x, weight = rng.integers(0, 2, (vectors, columns)), rng.integers(0, 2, (rows, columns))
    counts = choose_kernel(name).count_matches(pack_rows(x).T, pack_rows(weight), columns)
    assert counts.dtype == np.int32
    assert np.array_equal(counts, (weight[:, None] == x).sum(axis=2))


@BOTH
def test_counts_beyond_16_bits(name: str) -> None:
    x, weight = np.zeros((1100, 1), np.uint64), np.full((1, 1100), ~np.uint64(0))
    count = choose_kernel(name).count_matches
    assert count(x, weight, 1100 * 64).tolist() == [[0]]
    assert count(x, x.T, 1100 * 64).tolist() == [[1100 * 64]]


@BOTH
@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 140), st.integers(1, 9)),
)
def test_channels_are_packed(name: str, seed: int, shape: tuple[int, int, int]) -> None:
    codes = np.random.default_rng(seed).integers(0, 2, shape, dtype=np.uint8)
    words = choose_kernel(name).pack_channels(codes)
    expected = pack_rows(codes.transpose(0, 2, 1)).transpose(2, 0, 1)
    assert words.dtype == np.uint64
    assert np.array_equal(words, expected)


def equal(graph: Graph, codes: npt.NDArray[Any], kernel: Kernel) -> None:
    """Hold all edges against the plain path."""
    fast = packed.evaluate(graph, codes, list(graph.edges), kernel)
    slow = plain.evaluate(graph, codes, list(graph.edges))
    for name, values in fast.items():
        assert np.array_equal(values, slow[name]), name


@BOTH
@settings(max_examples=120, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    grid=st.sampled_from(GRIDS),
    groups=st.integers(1, 3),
    channels=st.sampled_from([1, 2, 63, 64, 65, 130]),
    zero=st.booleans(),
)
def test_convolutions(
    name: str, seed: int, grid: Grid, groups: int, channels: int, zero: bool
) -> None:
    rng = np.random.default_rng(seed)
    size, kernel = rng.integers(3, 7, 2), rng.integers(1, 4, 2)
    weight = rng.integers(0, 2, (groups * int(rng.integers(1, 5)), channels, *kernel))
    node = Conv(
        "c", ("x",), weight, tuple(rng.integers(1, 3, 2).tolist()),
        tuple(rng.integers(0, 3, 4).tolist()), 0 if zero else grid.high, groups=groups,
    )  # fmt: skip
    shape = (groups * channels, *size.tolist())
    graph = Graph("net", (Input("x", (), shape, grid), node), ("c",))
    equal(graph, rng.integers(0, grid.levels, (3, *shape)), every_plane(name))


@BOTH
def test_words_that_do_not_lie_side_by_side(name: str) -> None:
    """Every other vector and row of larger arrays, and arrays that lie the other way."""
    rng = np.random.default_rng(3)
    wide, tall = (rng.integers(0, 1 << 63, shape, dtype=np.uint64) for shape in ((6, 40), (18, 6)))
    for x, weight in (
        (wide[:, ::2], tall[::2]),
        (np.asfortranarray(wide), np.asfortranarray(tall)),
    ):
        counts = choose_kernel(name).count_matches(x, weight, 6 * 64)
        wanted = [
            [sum(64 - (int(a) ^ int(b)).bit_count() for a, b in zip(row, vector, strict=True))
             for vector in x.T]
            for row in weight
        ]  # fmt: skip
        assert counts.tolist() == wanted


@BOTH
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    grid=st.sampled_from(GRIDS),
    columns=st.integers(1, 200),
    rows=st.integers(1, 20),
)
def test_dense_layers(name: str, seed: int, grid: Grid, columns: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    dense = Dense("d", ("x",), rng.integers(0, 2, (rows, columns), dtype=np.uint8))
    graph = Graph("net", (Input("x", (), (columns,), grid), dense), ("d",))
    equal(graph, rng.integers(0, grid.levels, (4, columns)), every_plane(name))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), steps=st.integers(1, 9), grid=st.sampled_from(GRIDS[:4]))
def test_whole_networks(
    random_conv_graph: Callable[..., Graph], seed: int, steps: int, grid: Grid
) -> None:
    graph = random_conv_graph(seed, steps, grid)
    top = 256 if graph.input.lut is not None else grid.levels
    images = np.random.default_rng(seed).integers(0, top, (3, *graph.input.shape))
    fast = run(graph, images, trace=True, kernel="numba").edges
    slow = run(graph, images, path="plain", trace=True).edges
    for name, values in slow.items():
        assert np.array_equal(fast[name], values), name


def test_a_wrong_count_is_seen() -> None:
    good = choose_kernel("numpy")
    bad = replace(good, count_matches=lambda x, w, n: good.count_matches(x, w, n - 1))
    weight = np.ones((2, 3, 1, 1), np.uint8)
    nodes = (Input("x", (), (3, 1, 1), BIPOLAR), Conv("c", ("x",), weight), Flatten("f", ("c",)))
    with pytest.raises(AssertionError, match=r"^c"):
        equal(Graph("net", nodes, ("f",)), np.ones((1, 3, 1, 1), int), bad)


def test_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BNNHW_KERNEL", raising=False)
    assert choose_kernel().name == choose_kernel(work=1 << 20).name == "numpy"
    assert choose_kernel(work=1 << 31).name == choose_kernel("numba").name == "numba"
    monkeypatch.setenv("BNNHW_KERNEL", "numba")
    assert (choose_kernel().name, choose_kernel("numpy").name) == ("numba", "numpy")
    monkeypatch.setenv("BNNHW_KERNEL", "numpy")
    assert choose_kernel(work=1 << 60).name == "numpy"


def test_work_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def choose(name: str | None, work: int) -> Kernel:
        seen.append(work)
        return choose_kernel("numpy")

    monkeypatch.setattr("bnnhw.golden.runner.choose_kernel", choose)
    nodes = (
        Input("x", (), (64, 5, 4), Grid(0, 1, 4)),
        Conv("c", ("x",), np.ones((3, 64, 2, 1), int)),
    )
    run(Graph("net", nodes, ("c",)), np.zeros((7, 64, 5, 4), int))
    # Images, rows, words of a tap, taps, positions, planes.
    assert seen == [7 * 3 * 1 * 2 * (4 * 4) * 2]


def test_without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BNNHW_KERNEL", raising=False)
    find = importlib.util.find_spec
    monkeypatch.setattr(
        packed_kernels.importlib.util, "find_spec", lambda n: None if n == "numba" else find(n)
    )
    assert choose_kernel(work=1 << 60).name == "numpy"
    with pytest.raises(ToolMissing, match=r"^The compiled kernel needs .*'numba'.\npip install"):
        choose_kernel("numba")


def test_kernel_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    message = r"^The golden model has the kernels numpy, numba, not 'c'\.\nChoose one"
    with pytest.raises(UsageError, match=message):
        choose_kernel("c")
    monkeypatch.setenv("BNNHW_KERNEL", "c")
    with pytest.raises(UsageError, match=message):
        choose_kernel()


def test_numba_is_imported_only_where_it_is_used() -> None:
    code = "import sys, bnnhw.golden, bnnhw.driver; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
