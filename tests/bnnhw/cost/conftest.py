"""Networks that have nothing but a shape."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from bnnhw.graph import Argmax, Dense, Graph, Input, Node, Threshold

MakeNetwork = Callable[[Sequence[int]], Graph]


@pytest.fixture(scope="session")
def network() -> MakeNetwork:
    """Give a function that makes a chain of dense layers of these sizes, input first."""
    return _network


def _network(sizes: Sequence[int]) -> Graph:
    nodes: list[Node] = [Input("image", (), (sizes[0],))]
    for number, (columns, rows) in enumerate(zip(sizes, sizes[1:], strict=False), 1):
        weight = np.ones((rows, columns), np.uint8)
        nodes.append(Dense(f"fc{number}", (nodes[-1].name,), weight))
        if number < len(sizes) - 1:
            level, direction = np.zeros((rows, 1), np.int64), np.ones(rows, np.int8)
            nodes.append(Threshold(f"act{number}", (nodes[-1].name,), level, direction))
    nodes.append(Argmax("top", (nodes[-1].name,), np.zeros(sizes[-1], np.int64)))
    return Graph("net", tuple(nodes), (nodes[-2].name, "top"))
