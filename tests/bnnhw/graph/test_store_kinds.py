"""Every kind of node on disk: what was saved comes back."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bnnhw.errors import UsageError
from bnnhw.graph import Graph, load_graph, save_graph
from bnnhw.graph.store import _KINDS

MakeGraph = Callable[..., Graph]


def test_every_kind_comes_back(tmp_path: Path, random_conv_graph: MakeGraph) -> None:
    seen: set[str] = set()
    for seed in range(25):
        graph = random_conv_graph(seed, steps=12)
        path = tmp_path / "net.json"
        save_graph(graph, path)
        again = load_graph(path)
        assert again.digest == graph.digest
        assert dict(again.edges) == dict(graph.edges)
        assert str(again) == str(graph)
        seen.update(type(node).__name__ for node in graph.nodes)
    assert seen == set(_KINDS)


@pytest.mark.parametrize(
    ("field", "value"),
    [("stride", [1]), ("stride", 1), ("padding", [0, 0, 0, 0.5]), ("groups", "2"),
     ("pad_value", None), ("dilation", ["1", "1"])],
)  # fmt: skip
def test_conv_wrong(
    tmp_path: Path, random_conv_graph: MakeGraph, field: str, value: object
) -> None:
    path = tmp_path / "net.json"
    save_graph(random_conv_graph(1, steps=12), path)
    head = json.loads(path.read_text())
    node = next(node for node in head["nodes"] if node["kind"] == "Conv")
    node[field] = value
    path.write_text(json.dumps(head))
    with pytest.raises(UsageError, match=r"^(?!.*was changed after it was saved)"):
        load_graph(path)


def test_digest_sees_every_field(random_conv_graph: MakeGraph) -> None:
    assert len({random_conv_graph(seed).digest for seed in range(30)}) == 30
