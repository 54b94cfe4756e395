"""A small network of which everything is known, and a folding that divides nothing."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from bnnhw.fold import Folding, LayerFold
from bnnhw.graph import Argmax, Dense, Graph, Input, Node, Readout, Threshold

MakeNetwork = Callable[[Sequence[int]], Graph]


@pytest.fixture(scope="session")
def network() -> MakeNetwork:
    """Give a function that makes a chain of random dense layers of these sizes, input first."""
    return _network


@pytest.fixture(scope="session")
def ragged() -> Folding:
    """Lanes that divide no size of `network([10, 7, 5])`."""
    return Folding({"fc1": LayerFold(2, 4), "fc2": LayerFold(3, 2)}, 3)


def _network(sizes: Sequence[int]) -> Graph:
    dice = np.random.default_rng(list(sizes))
    nodes: list[Node] = [Input("image", (), (sizes[0],), lut=np.arange(256) // 128)]
    for number, (columns, rows) in enumerate(zip(sizes, sizes[1:], strict=False), 1):
        weight = dice.integers(0, 2, (rows, columns), np.uint8)
        nodes.append(Dense(f"fc{number}", (nodes[-1].name,), weight))
        if number < len(sizes) - 1:
            levels = dice.integers(-columns - 2, columns + 3, (rows, 1))
            direction = dice.choice(np.array([-1, 1], np.int8), rows)
            nodes.append(Threshold(f"act{number}", (nodes[-1].name,), levels, direction))
    nodes.append(Argmax("top", (nodes[-1].name,), dice.integers(-3, 4, sizes[-1])))
    readout = Readout((0.5,) * sizes[-1], (-0.25,) * sizes[-1])
    return Graph("net", tuple(nodes), (nodes[-2].name, "top"), readout, {"source": "nowhere"})
