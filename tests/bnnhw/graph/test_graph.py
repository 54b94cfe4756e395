"""Graphs: checked when they are built, described by a digest, printed for people."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bnnhw.errors import UsageError
from bnnhw.graph import Argmax, Dense, Flatten, Graph, Grid, Input, Readout, Threshold

IMAGE = Input("image", (), (1, 2, 2))
FLAT = Flatten("flat", ("image",))


@pytest.fixture
def graph(random_graph: Callable[..., Graph]) -> Graph:
    return random_graph(0)


def test_views(graph: Graph) -> None:
    assert graph.input is graph.nodes[0]
    assert graph.logits == "fc2"
    assert graph.argmax is graph.nodes[-1]
    assert graph.node("fc1") is graph.nodes[2]
    assert [node.name for node in graph.consumers("fc2")] == ["argmax"]
    assert graph.edges["fc2"].shape == (4,)
    assert Graph("g", (IMAGE,), ("image",)).argmax is None


def test_text(graph: Graph) -> None:
    assert str(graph).splitlines() == [
        "random: 6 nodes, 133 weight bits",
        "node    kind       reads  shape  values",
        "image   Input      –      1×3×5  {-1, 1}",
        "flat    Flatten    image  15     {-1, 1}",
        "fc1     Dense      flat   7      {-15, -13, …, 15}",
        "act1    Threshold  fc1    7      {-1, 1}",
        "fc2     Dense      act1   4      {-7, -5, …, 7}",
        "argmax  Argmax     fc2    1      {0, 1, …, 3}",
    ]


def test_meta_is_frozen_and_copied() -> None:
    meta = {"a": "b"}
    graph = Graph("g", (IMAGE,), ("image",), meta=meta)
    meta["a"] = "c"
    assert graph.meta == {"a": "b"}
    with pytest.raises(TypeError):
        graph.meta["a"] = "c"  # type: ignore[index]


def rebuilt(graph: Graph, **changes: Any) -> Graph:
    parts: dict[str, Any] = {
        "name": graph.name, "nodes": graph.nodes, "outputs": graph.outputs,
        "readout": graph.readout, "meta": graph.meta,
    }  # fmt: skip
    return Graph(**(parts | changes))


def swapped(graph: Graph, index: int, **changes: Any) -> Graph:
    nodes = list(graph.nodes)
    nodes[index] = replace(nodes[index], **changes)
    return rebuilt(graph, nodes=tuple(nodes))


def test_digest_changes_with_everything_that_decides(graph: Graph) -> None:
    first, dense, threshold, last = (graph.nodes[i] for i in (0, 2, 3, 5))
    assert isinstance(first, Input)
    assert first.lut is not None
    assert isinstance(dense, Dense)
    assert isinstance(threshold, Threshold)
    assert isinstance(last, Argmax)
    weight, lut, levels = dense.weight.copy(), first.lut.copy(), threshold.levels.copy()
    weight[6, 14] ^= 1
    lut[255] ^= 1
    levels[3, 0] += 1
    others = [
        swapped(graph, 0, lut=lut),
        swapped(graph, 0, lut=None),
        swapped(graph, 0, grid=Grid(0, 1, 2)),
        swapped(graph, 2, weight=weight),
        swapped(graph, 3, levels=levels),
        swapped(graph, 3, direction=-threshold.direction),
        swapped(graph, 3, grid=Grid(0, 1, 2)),
        swapped(graph, 5, offset=last.offset + 1),
        rebuilt(graph, name="other"),
        rebuilt(graph, outputs=("fc2",)),
        rebuilt(graph, readout=Readout((1.0,) * 4, (0.0,) * 4)),
    ]
    digests = {other.digest for other in others} | {graph.digest}
    assert len(digests) == len(others) + 1


def test_digest_forgets_the_rest(graph: Graph, random_graph: Callable[..., Graph]) -> None:
    assert rebuilt(graph, meta={"accuracy": "1"}).digest == graph.digest
    assert random_graph(0).digest == graph.digest
    assert len(graph.digest) == 64
    dense = graph.nodes[2]
    assert isinstance(dense, Dense)
    turned = np.asfortranarray(dense.weight.astype(np.int64))
    assert swapped(graph, 2, weight=turned).digest == graph.digest


WRONG: list[tuple[tuple[Any, ...], tuple[str, ...], str]] = [
    ((), ("image",), "Graph 'g' does not start with an Input."),
    ((FLAT,), ("flat",), "Graph 'g' does not start with an Input."),
    ((IMAGE, replace(IMAGE, name="b")), ("image",), "Graph 'g' has more than one Input."),
    ((IMAGE,), (), r"Graph 'g' names the outputs \[\], of which \[\] do not exist."),
    ((IMAGE,), ("x",), r"Graph 'g' names the outputs \['x'\], of which \['x'\] do not exist."),
    ((IMAGE, FLAT, FLAT), ("flat",), "Two nodes are called 'flat'."),
    ((IMAGE, Flatten("b", ("flat",)), FLAT), ("b",),
     "Node 'b' reads 'flat', which no earlier node drives."),
]  # fmt: skip


@pytest.mark.parametrize(("nodes", "outputs", "what"), WRONG)
def test_graph_wrong(nodes: Any, outputs: tuple[str, ...], what: str) -> None:
    with pytest.raises(UsageError, match=f"^{what}\n"):
        Graph("g", nodes, outputs)


def test_readout_wrong(graph: Graph) -> None:
    message = r"^Graph 'random' has a readout of \[3, 4\] entries for 4 logits\.\nGive one scale"
    with pytest.raises(UsageError, match=message):
        rebuilt(graph, readout=Readout((1.0,) * 4, (0.0,) * 3))


def test_name_wrong() -> None:
    with pytest.raises(UsageError, match="^The network name 'a b' is not usable"):
        Graph("a b", (IMAGE,), ("image",))
