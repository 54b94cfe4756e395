"""Without a frame rate, a folding that place and route finishes in minutes."""

from dataclasses import replace

import numpy as np

from bnnhw.cost import estimate, solve
from bnnhw.graph import Argmax, Dense, Graph, Input, Node, Threshold
from bnnhw.target import Budget

ECP5 = Budget(lut4=83_640, ff=83_640, ebr=208, ebr_bits=18_432)


def wide(layers: int = 1) -> Graph:
    dice = np.random.default_rng(1)
    nodes: list[Node] = [Input("s0", (), (1024,))]
    for k in range(layers):
        matrix = dice.integers(0, 2, (1024, 1024)).astype(np.uint8)
        nodes += [
            Dense(f"a{k}", (f"s{k}",), matrix),
            Threshold(f"s{k + 1}", (f"a{k}",), np.zeros((1024, 1), int), np.ones(1024, int)),
        ]
    nodes += [
        Dense("b", (f"s{layers}",), dice.integers(0, 2, (10, 1024)).astype(np.uint8)),
        Argmax("top", ("b",), np.zeros(10, int)),
    ]
    return Graph("wide", tuple(nodes), ("b", "top"))


def test_a_large_device_is_not_filled_unasked() -> None:
    graph = wide()
    total = estimate(graph, solve(graph, "ecp5", ECP5), "ecp5")
    assert 2_000 < total.lut4 <= 4_000


def test_a_rate_may_take_more() -> None:
    graph = wide(layers=2)
    folding = solve(graph, "ecp5", replace(ECP5, ebr=416), fps=195_000, clock_hz=50e6)
    total = estimate(graph, folding, "ecp5")
    assert total.lut4 > 4_000 and total.cycles <= 256


def test_a_network_that_is_never_small_takes_little_more() -> None:
    """Of 4,000 cells nothing comes; then 8,000 count, not all that the device has."""
    graph = wide(layers=18)
    total = estimate(graph, solve(graph, "ecp5", replace(ECP5, ebr=1400)), "ecp5")
    assert 4_000 < total.lut4 <= 8_000
