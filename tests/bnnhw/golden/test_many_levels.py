"""Thresholds of which a byte cannot hold the count."""

import numpy as np
import pytest

from bnnhw.golden import run
from bnnhw.graph import Flatten, Graph, Grid, Input, Threshold


@pytest.mark.parametrize("path", ["plain", "packed"])
def test_more_levels_than_a_byte_counts(path: str) -> None:
    graph = Graph(
        "many",
        (
            Input("image", (), (1, 1, 4), Grid(0, 4, 256), np.arange(256)),
            Threshold("act", ("image",), 3 * np.arange(300)[None], np.array([1]), Grid(0, 1, 301)),
            Flatten("flat", ("act",)),
        ),
        ("flat",),
    )
    result = run(graph, np.array([[[[0, 191, 192, 255]]]], np.uint8), path=path)
    assert result.logits.tolist() == [[1, 255, 257, 300]]
