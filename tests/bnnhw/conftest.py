"""Networks and data that several tests of `bnnhw` share."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from bnnhw.graph import BIPOLAR, Argmax, Dense, Flatten, Graph, Grid, Input, Node, Threshold

MakeGraph = Callable[..., Graph]


@pytest.fixture(scope="session")
def random_graph() -> MakeGraph:
    """Give a function that builds a random fully connected network."""
    return _random_graph


def _random_graph(
    seed: int,
    shape: tuple[int, ...] = (1, 3, 5),
    widths: Sequence[int] = (7, 4),
    grid: Grid = BIPOLAR,
    hidden: Grid = BIPOLAR,
    lut: bool = True,
) -> Graph:
    rng = np.random.default_rng(seed)
    table = rng.integers(0, grid.levels, 256) if lut else None
    nodes: list[Node] = [Input("image", (), shape, grid, table)]
    if len(shape) > 1:
        nodes.append(Flatten("flat", ("image",)))
    columns = int(np.prod(shape))
    for number, rows in enumerate(widths, 1):
        weight = rng.integers(0, 2, (rows, columns), dtype=np.uint8)
        nodes.append(Dense(f"fc{number}", (nodes[-1].name,), weight))
        if number < len(widths):
            reach = columns + 2
            levels = np.sort(rng.integers(-reach, reach + 1, (rows, hidden.levels - 1)), axis=1)
            direction = rng.choice(np.array([-1, 1], np.int8), rows)
            nodes.append(Threshold(f"act{number}", (nodes[-1].name,), levels, direction, hidden))
        columns = rows
    logits = nodes[-1].name
    nodes.append(Argmax("argmax", (logits,), rng.integers(-3, 4, widths[-1])))
    return Graph("random", tuple(nodes), (logits, "argmax"))
