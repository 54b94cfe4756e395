"""Windows over images: shapes, grids, and one message for each way to make a node wrong."""

import re
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

from bnnhw.errors import UsageError
from bnnhw.graph import BIPOLAR, Conv, Edge, Grid, IntConv, MaxPool, SumPool, Window

MEND = r"\.\nMend the model or the code that built this graph\.$"
ONES = np.ones((4, 2, 3, 3), np.uint8)
IMAGE = Edge((2, 6, 5), BIPOLAR)
BYTES = Grid(0, 1, 256)


def conv(weight: Any = ONES, **options: Any) -> Conv:
    return Conv("c", ("x",), weight, **options)


def test_window() -> None:
    window = Window((3, 2), (2, 1), (1, 0, 2, 3), (2, 4))
    assert window.taps == 6
    assert window.extent == (5, 5)
    assert window.padded
    assert not Window((1, 1)).padded
    assert window.positions((6, 9)) == (3, 8)
    assert Window((3, 3)).positions((2, 9)) == (0, 7)


@pytest.mark.parametrize(
    "window",
    [
        Window((3, 3), (2, 2), (1, 1, 1, 1)),
        Window((3, 2), (1, 3), (2, 1, 0, 1)),
        Window((2, 2), (1, 1), (1, 1, 1, 1)),
        Window((4, 1), (3, 1), (3, 0, 2, 0)),
        Window((1, 1)),
    ],
)
@pytest.mark.parametrize("size", [(5, 4), (1, 1), (7, 6), (2, 3)])
def test_fewest_cells(window: Window, size: tuple[int, int]) -> None:
    down, across = window.positions(size)
    if min(down, across) < 1:
        return
    top, left, bottom, right = window.padding
    real = np.zeros((size[0] + top + bottom, size[1] + left + right), int)
    real[top : top + size[0], left : left + size[1]] = 1
    counts = [
        real[y * window.stride[0] :, x * window.stride[1] :][: window.kernel[0], : window.kernel[1]]
        for y, x in product(range(down), range(across))
    ]
    assert window.fewest_cells(size) == min(int(cells.sum()) for cells in counts)


def test_conv_edges() -> None:
    node = conv()
    assert (node.rows, node.channels, node.columns) == (4, 2, 18)
    assert node.edge(IMAGE) == Edge((4, 4, 3), Grid(-18, 2, 19))
    assert conv(stride=(2, 1)).edge(IMAGE).shape == (4, 2, 3)
    assert conv(dilation=(2, 2)).edge(IMAGE).shape == (4, 2, 1)
    deep = conv(ONES[:, :1], groups=2)
    assert (deep.channels, deep.columns) == (2, 9)
    assert deep.edge(IMAGE) == Edge((4, 4, 3), Grid(-9, 2, 10))
    assert conv().edge(Edge((2, 6, 5), BYTES)).grid == Grid(-18 * 255, 1, 36 * 255 + 1)


@pytest.mark.parametrize(("value", "step"), [(-1, 2), (1, 2), (0, 1)])
def test_padding_and_half_steps(value: int, step: int) -> None:
    edge = conv(padding=(1, 2, 0, 1), pad_value=value).edge(IMAGE)
    assert edge.shape == (4, 5, 6)
    assert edge.grid == Grid(-18, step, 36 // step + 1)


def test_zero_without_padding_changes_nothing() -> None:
    assert conv(pad_value=0).edge(IMAGE).grid.step == 2
    assert conv(pad_value=5).edge(IMAGE).grid.step == 2


@pytest.mark.parametrize("grid", [BIPOLAR, Grid(-1, 1, 3), Grid(2, 3, 2), Grid(4, 1, 1)])
@pytest.mark.parametrize("padded", [True, False])
def test_conv_grids_hold_every_sum(grid: Grid, padded: bool) -> None:
    values = grid.values(np.arange(grid.levels)).tolist() + [0] * padded
    padding = (0, 1, 0, 1) if padded else (0, 0, 0, 0)
    source = Edge((1, 1, 3), grid)
    weights = np.array([[-3, 2, 2], [1, 0, -128], [0, 4, -2]], np.int8).reshape(3, 1, 1, 3)
    whole = IntConv("c", ("x",), weights, padding=padding).edge(source).grid
    bits = conv(ONES[:1, :1, :1], padding=padding).edge(source).grid
    for chosen in product(values, repeat=3):
        whole.codes(weights.reshape(3, 3).astype(int) @ chosen)
        bits.codes([np.dot(signs, chosen) for signs in product((-1, 1), repeat=3)])
    # The ends are reached.
    assert whole.low == min(sum(min(w * v for v in values) for w in row) for row in
                            weights.reshape(3, 3).tolist())  # fmt: skip


def test_pool_edges() -> None:
    pool = MaxPool("p", ("x",), (3, 2), (2, 1), (1, 0, 1, 1))
    assert pool.edge(IMAGE) == Edge((2, 3, 5), BIPOLAR)
    assert SumPool("p", ("x",), (2, 2), (2, 2)).edge(IMAGE) == Edge((2, 3, 2), Grid(-4, 2, 5))
    padded = SumPool("p", ("x",), (2, 2), (2, 2), (1, 1, 0, 0)).edge(IMAGE)
    assert padded == Edge((2, 3, 3), Grid(-4, 1, 9))
    whole = SumPool("p", ("x",), (6, 5)).edge(Edge((2, 6, 5), Grid(3, 2, 4)))
    assert whole == Edge((2, 1, 1), Grid(90, 2, 91))
    low = SumPool("p", ("x",), (2, 2), (1, 1), (1, 1, 1, 1)).edge(Edge((1, 2, 2), Grid(3, 2, 4)))
    assert low.grid == Grid(3, 1, 4 * 9 - 3 + 1)


def wrong_weight(array: Any) -> Callable[[], Any]:
    return lambda: IntConv("c", ("x",), array)


HUGE = Edge((1, 1 << 12, 1 << 13), Grid(0, 1, 1 << 61))
WRONG: list[tuple[Callable[[], Any], str]] = [
    (lambda: conv(ONES[0]),
     "needs weights of shape (rows, channels, height, width), not (2, 3, 3)"),
    (lambda: conv(ONES[:0]),
     "needs weights of shape (rows, channels, height, width), not (0, 2, 3, 3)"),
    (lambda: conv(ONES * 2), "has a weight that is neither bit 0 (−1) nor bit 1 (+1)"),
    (wrong_weight(ONES * 128.5), "has a weight that is no whole number from -128 to 127"),
    (wrong_weight(ONES.astype(int) * 128), "has a weight that is no whole number from -128 to 127"),
    (lambda: conv(stride=(0, 1)), "needs a whole number from 1 to 4096 as stride, not 0"),
    (lambda: conv(stride=2), "needs 2 whole numbers as stride, not 2"),
    (lambda: conv(stride=(1.0, 1)), "needs a whole number from 1 to 4096 as stride, not 1.0"),
    (lambda: conv(stride=(True, 1)), "needs a whole number from 1 to 4096 as stride, not True"),
    (lambda: conv(padding=(1, 1)), "needs 4 whole numbers as padding, not (1, 1)"),
    (lambda: conv(padding=(0, -1, 0, 0)),
     "needs a whole number from 0 to 4096 as padding, not -1"),
    (lambda: conv(dilation=(1, 0)), "needs a whole number from 1 to 4096 as dilation, not 0"),
    (lambda: conv(pad_value=0.5),
     "needs a whole number from -1099511627776 to 1099511627776 as pad_value, not 0.5"),
    (lambda: conv(groups=0), "needs a whole number from 1 to 4 as groups, not 0"),
    (lambda: conv(groups=3), "has 4 rows, which 3 groups do not divide"),
    (lambda: conv().edge(Edge((2, 30), BIPOLAR)),
     "reads (2, 30) instead of (channels, height, width)"),
    (lambda: conv().edge(Edge((3, 6, 5), BIPOLAR)), "reads 3 channels but has weights for 2"),
    (lambda: conv().edge(Edge((2, 2, 5), BIPOLAR)),
     "has a window of (3, 3) that does not fit (2, 2, 5)"),
    (lambda: conv(padding=(1, 0, 0, 0), pad_value=2).edge(IMAGE),
     "pads with 2, which is neither 0 nor on {-1, 1}"),
    (lambda: conv(ONES[:, :1, :1, :1]).edge(HUGE),
     "gives the shape (4, 4096, 8192), which is too large"),
    (lambda: conv(ONES[:1, :1, :2, :2]).edge(HUGE),
     "gives values from -9223372036854775804 to 9223372036854775804, which is beyond 62 bits"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "what"), WRONG, ids=[what for _, what in WRONG])
def test_conv_wrong(make: Callable[[], Any], what: str) -> None:
    with pytest.raises(UsageError, match=f"^(Int)?Conv 'c': {re.escape(what)}{MEND}"):
        make()


@pytest.mark.parametrize("kind", [MaxPool, SumPool])
@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"kernel": (0, 1)}, "needs a whole number from 1 to 4096 as kernel, not 0"),
        ({"kernel": 2}, "needs 2 whole numbers as kernel, not 2"),
        ({"stride": (1, 0)}, "needs a whole number from 1 to 4096 as stride, not 0"),
        ({"kernel": (3, 2), "padding": (2, 1, 3, 1)},
         "has the padding (2, 1, 3, 1) around windows of (3, 2)"),
        ({"kernel": (7, 1)}, "has a window of (7, 1) that does not fit (2, 6, 5)"),
    ],
)  # fmt: skip
def test_pool_wrong(kind: Any, options: Any, what: str) -> None:
    with pytest.raises(UsageError, match=f"^{kind.__name__} 'p': {re.escape(what)}{MEND}"):
        kind("p", ("x",), **options).edge(IMAGE)
