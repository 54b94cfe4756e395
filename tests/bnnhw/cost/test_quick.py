"""Without a frame rate, a folding that place and route finishes in minutes."""

import numpy as np

from bnnhw.cost import estimate, solve
from bnnhw.graph import Argmax, Dense, Graph, Input, Threshold
from bnnhw.target import Budget

ECP5 = Budget(lut4=83_640, ff=83_640, ebr=208, ebr_bits=18_432)


def wide() -> Graph:
    dice = np.random.default_rng(1)
    nodes = (
        Input("x", (), (1024,)),
        Dense("a", ("x",), dice.integers(0, 2, (1024, 1024)).astype(np.uint8)),
        Threshold("s", ("a",), np.zeros((1024, 1), int), np.ones(1024, int)),
        Dense("b", ("s",), dice.integers(0, 2, (10, 1024)).astype(np.uint8)),
        Argmax("top", ("b",), np.zeros(10, int)),
    )
    return Graph("wide", nodes, ("b", "top"))


def test_a_large_device_is_not_filled_unasked() -> None:
    graph = wide()
    total = estimate(graph, solve(graph, "ecp5", ECP5), "ecp5")
    assert 4_000 < total.lut4 <= 8_000


def test_a_rate_may_take_more() -> None:
    graph = wide()
    folding = solve(graph, "ecp5", ECP5, fps=195_000, clock_hz=50e6)
    total = estimate(graph, folding, "ecp5")
    assert total.lut4 > 8_000 and total.cycles <= 256
