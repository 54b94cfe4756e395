"""Node kinds: the types of their outputs, and one message for each way to make one wrong."""

import re
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

from bnnhw.errors import UsageError
from bnnhw.graph import BIPOLAR, Argmax, Dense, Edge, Flatten, Grid, Input, Node, Threshold, TopK

MEND = r"\.\nMend the model or the code that built this graph\.$"
ONE = np.ones((2, 3), np.uint8)
UP = np.array([1, 1])
FLOATS: Any = np.zeros((2, 1))


def test_edges() -> None:
    assert Input("i", (), (1, 2, 3)).edge() == Edge((1, 2, 3), BIPOLAR)
    assert Flatten("f", ("i",)).edge(Edge((2, 3, 4), Grid(0, 1, 9))) == Edge((24,), Grid(0, 1, 9))
    dense = Dense("d", ("i",), ONE)
    assert (dense.rows, dense.columns) == (2, 3)
    assert dense.edge(Edge((3,), BIPOLAR)) == Edge((2,), Grid(-3, 2, 4))
    node = Threshold("t", ("d",), np.zeros((2, 2), int), UP, Grid(-1, 1, 3))
    assert node.edge(Edge((2, 5), BIPOLAR)) == Edge((2, 5), Grid(-1, 1, 3))
    assert Argmax("a", ("d",), np.zeros(2, int)).edge(Edge((2,), BIPOLAR)) == Edge(
        (), Grid(0, 1, 2)
    )
    top = TopK("a", ("d",), np.zeros(3, int), k=2)
    assert top.edge(Edge((3,), BIPOLAR)) == Edge((2,), Grid(0, 1, 3))


@pytest.mark.parametrize(
    "grid", [BIPOLAR, Grid(0, 1, 2), Grid(-1, 1, 3), Grid(0, 1, 4), Grid(-3, 2, 4), Grid(1, 4, 2)]
)
def test_dense_grid_holds_every_sum(grid: Grid) -> None:
    edge = Dense("d", ("i",), ONE).edge(Edge((3,), grid))
    values = grid.values(np.arange(grid.levels))
    for signs in product((-1, 1), repeat=3):
        for chosen in product(values, repeat=3):
            edge.grid.codes(np.dot(signs, chosen))


def test_arrays_are_copied_and_frozen() -> None:
    weight = ONE.copy()
    dense = Dense("d", ("i",), weight)
    weight[0, 0] = 0
    assert dense.weight[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        dense.weight[0, 0] = 0


WRONG: list[tuple[Callable[[], Any], str]] = [
    (lambda: Flatten("f"), "Flatten 'f': has 0 inputs instead of 1"),
    (lambda: Input("i", ("x",), (3,)), "Input 'i': has 1 inputs instead of 0"),
    (lambda: Input("i", (), ()), "Input 'i': has 0 axes instead of 1 to 3"),
    (lambda: Input("i", (), (1, 1, 1, 1)), "Input 'i': has 4 axes instead of 1 to 3"),
    (lambda: Input("i", (), (0,)), "Input 'i': has the shape (0,), which is empty or too large"),
    (lambda: Input("i", (), (1 << 20, 1 << 20)),
     "Input 'i': has the shape (1048576, 1048576), which is empty or too large"),
    (lambda: Input("i", (), (3,), BIPOLAR, np.zeros(255, int)),
     "Input 'i': needs a table of 256 codes below 2"),
    (lambda: Input("i", (), (3,), BIPOLAR, np.full(256, 2)),
     "Input 'i': needs a table of 256 codes below 2"),
    (lambda: Input("i", (), (3,), BIPOLAR, np.full(256, -1)),
     "Input 'i': needs a table of 256 codes below 2"),
    (lambda: Dense("d", ("i",)),
     "Dense 'd': needs weights of shape (rows, columns), not (0, 0)"),
    (lambda: Dense("d", ("i",), np.ones(3, np.uint8)),
     "Dense 'd': needs weights of shape (rows, columns), not (3,)"),
    (lambda: Dense("d", ("i",), 2 * ONE),
     "Dense 'd': has a weight that is neither bit 0 (−1) nor bit 1 (+1)"),
    (lambda: Dense("d", ("i",), ONE).edge(Edge((4,), BIPOLAR)),
     "Dense 'd': reads (4,) but its rows have 3 weights"),
    (lambda: Threshold("t", ("d",), np.zeros(2, int), UP),
     "Threshold 't': needs integer thresholds of shape (channels, n), not int64 (2,)"),
    (lambda: Threshold("t", ("d",), FLOATS, UP),
     "Threshold 't': needs integer thresholds of shape (channels, n), not float64 (2, 1)"),
    (lambda: Threshold("t", ("d",), np.zeros((2, 1), int), np.array([1, 0])),
     "Threshold 't': needs one direction, +1 or −1, for each channel"),
    (lambda: Threshold("t", ("d",), np.zeros((2, 1), int), np.array([1])),
     "Threshold 't': needs one direction, +1 or −1, for each channel"),
    (lambda: Threshold("t", ("d",), np.zeros((2, 2), int), UP),
     "Threshold 't': has 2 thresholds for 2 output levels"),
    (lambda: Threshold("t", ("d",), np.zeros((2, 1), int), UP).edge(Edge((3,), BIPOLAR)),
     "Threshold 't': has thresholds for 2 channels but reads (3,)"),
    (lambda: TopK("a", ("d",), np.zeros(2, int), k=3), "TopK 'a': sends 3 of 2 classes"),
    (lambda: TopK("a", ("d",), np.zeros(2, int), k=0), "TopK 'a': sends 0 of 2 classes"),
    (lambda: Argmax("a", ("d",), np.zeros((2, 1), int)),
     "Argmax 'a': needs one integer offset for each class, not int64 (2, 1)"),
    (lambda: Argmax("a", ("d",), FLOATS[:, 0]),
     "Argmax 'a': needs one integer offset for each class, not float64 (2,)"),
    (lambda: Argmax("a", ("d",), np.zeros(2, int)).edge(Edge((3,), BIPOLAR)),
     "Argmax 'a': has 2 offsets but reads (3,)"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "what"), WRONG)
def test_node_wrong(make: Callable[[], Any], what: str) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(what)}{MEND}"):
        make()


def test_name_wrong() -> None:
    with pytest.raises(UsageError, match=r"^The node name 'wire' is not usable in Verilog"):
        Flatten("wire", ("i",))


def test_a_bare_node_computes_nothing() -> None:
    with pytest.raises(NotImplementedError):
        Node("n", ("i",)).edge(Edge((1,), BIPOLAR))
