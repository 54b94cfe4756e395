"""Which path answers, and what is made of its numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bnnhw.golden import packed, plain, run
from bnnhw.graph import Dense, Graph, Grid, Input, TopK

PATHS = {"plain": plain, "packed": packed}


@pytest.mark.parametrize("path", PATHS)
def test_a_path_is_the_one_that_was_asked_for(
    path: str, random_graph: Callable[..., Graph], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*given: Any, **named: Any) -> Any:
        raise AssertionError("the other path")

    for name, module in PATHS.items():
        if name != path:
            monkeypatch.setattr(module, "evaluate", never)
    graph = random_graph(1)
    run(graph, np.zeros((2, *graph.input.shape), np.uint8), path=path)


@pytest.mark.parametrize("path", PATHS)
def test_the_class_is_the_first_of_the_best(path: str) -> None:
    weight = np.array([[0, 0], [1, 1], [0, 1]], np.uint8)
    nodes = (
        Input("bits", (), (2,), Grid(-1, 2, 2), np.arange(256) // 128),
        Dense("fc", ("bits",), weight),
        TopK("best", ("fc",), np.zeros(3, np.int64), k=2),
    )
    result = run(Graph("top", nodes, ("fc", "best")), np.array([[0, 0], [255, 255]]), path=path)
    assert result.top is not None and result.classes is not None
    assert result.top.tolist() == [[0, 2], [1, 2]]
    assert result.classes.tolist() == [0, 1]
