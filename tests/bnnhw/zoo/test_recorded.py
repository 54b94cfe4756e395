"""The golden model against PyTorch, integer by integer, on every edge that PyTorch computed."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnhw.golden import run
from bnnhw.graph import Affine, Conv, Graph, IntConv, IntDense, Node, Threshold
from scripts.results import in_zoo

# The first half of each graph's digest: another one is another network.
DIGESTS = {
    "binary_densenet28": "6405f8782ccd2d87e5278a2c7b36a2e6",
    "binary_densenet28_dilated": "d94b9e90a7a83a5e51a11edba9d5de70",
    "bireal18": "d5ff5aaa5fb0144e986946b1301aef65",
    "bireal18_zeros": "6ffd953aa68f8ff7b9d4cc692de5113d",
    "dorefa": "74bc6394761b4f67b0b988f9d78ad598",
    "dorefa_2bit": "2f18234a56bd9397b7168dfe62a9ae0b",
    "meliusnet22": "0a062638b3468cc184b95101a5f4bbf6",
    "meliusnet_a_small": "61c9956b2828c75284866415a63e5776",
    "multi_base": "b4c37ab084906b24daf2852dbea0c577",
    "resnet_e18_e1": "23cab2416e0581fd6d550aa503c86e42",
    "resnet_e18_e2": "31849d84aa7d566ca1000cc3e4e5f6be",
    "ternary": "b5844156bfad034ccc3acb2ae0c97357",
    # What scripts/results.py builds, where that is not above.
    "resnet_e18_e2_built": "c9d41bfd11173cc6c633a1fc513b682c",
    "binary_densenet28_built": "4aa3a49bb13221b6d565a631a21cd0d5",
    "binary_densenet28_dilated_built": "882503aeee0c127bea2ad747e7ab10b2",
    "meliusnet22_built": "d851068147ea0994009c3e86e25c4c79",
    "mlp_built": "9dc0769e2477e3b1879edb5929c2f9c5",
}  # fmt: skip
# With a growth of 4 the random offsets of the classes are larger than what their logits vary by.
ONE_CLASS = {"binary_densenet28_built", "binary_densenet28_dilated_built"}
SMALL = ["bireal18_zeros", "dorefa", "dorefa_2bit", "meliusnet_a_small", "multi_base", "ternary"]

Read = Callable[[str], Any]


def digest(values: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(values.astype("<i8")).tobytes()).hexdigest()


def test_every_network_that_is_built_is_recorded(record: Read) -> None:
    """Those of docs/results.md, number by number, and not one of another width or seed."""
    recorded = {record(name).graph.digest for name in DIGESTS}
    built = {row.name: row.graph().digest for row in in_zoo() if row.graph}
    assert len(built) == 7
    assert [name for name, known in built.items() if known not in recorded] == []


def test_every_record_is_tested() -> None:
    folder = Path(__file__).resolve().parents[2] / "data" / "architectures"
    assert sorted(path.stem for path in folder.glob("*.npz")) == sorted(DIGESTS)


@pytest.mark.parametrize("name", DIGESTS)
def test_every_edge_equals_pytorch(record: Read, name: str) -> None:
    known = record(name)
    assert known.graph.digest[:32] == DIGESTS[name]
    result = run(known.graph, known.images, trace=True)
    assert len(known.images) >= 20
    assert np.array_equal(result.logits, known.logits)
    assert result.classes is not None and np.array_equal(result.classes, known.classes)
    for edge, values in known.parts.items():
        assert np.array_equal(result.edges[edge][2:4], values), edge
    differing = [edge for edge, told in known.digests.items() if digest(result.edges[edge]) != told]
    assert differing == []
    # What PyTorch has no name for: vectors, and the parts of an improved tensor.
    unseen = {type(node).__name__ for node in known.graph.nodes if node.name not in known.digests}
    assert unseen <= {"Flatten", "Slice", "Add"}


@pytest.mark.parametrize("name", SMALL)
def test_plain_path_equals_pytorch(record: Read, name: str) -> None:
    known = record(name)
    result = run(known.graph, known.images[2:4], path="plain", trace=True)
    assert np.array_equal(result.logits, known.logits[2:4])
    for edge, values in known.parts.items():
        assert np.array_equal(result.edges[edge], values), edge


@pytest.mark.parametrize("name", DIGESTS)
def test_networks_are_alive(record: Read, name: str) -> None:
    """Random parameters reach what they are for: several answers, negative and absent gains."""
    known = record(name)
    if name not in ONE_CLASS:
        assert len(set(known.classes.tolist())) >= 2
    assert len(np.unique(known.logits, axis=0)) == len(known.images)
    signs = [node for node in known.graph.nodes if isinstance(node, Threshold)]
    gains = [node.multiplier for node in known.graph.nodes if isinstance(node, Affine)]
    down = [*(node.direction < 0 for node in signs), *(gain < 0 for gain in gains)]
    assert np.concatenate(down).any()


@pytest.mark.parametrize("name", SMALL)
def test_most_channels_move(record: Read, name: str) -> None:
    known = record(name)
    edges = run(known.graph, known.images, trace=True).edges
    signs = [node for node in known.graph.nodes if isinstance(node, Threshold)]
    moving = [np.ptp(edges[node.name], axis=(0, 2, 3)) > 0 for node in signs]
    assert np.concatenate(moving).mean() > 0.75


def changed(graph: Graph, node: Any) -> Graph:
    """Change one number of a node, or one threshold of each channel by one step."""
    if isinstance(node, Threshold):
        step = graph.edges[node.inputs[0]].grid.step
        other: Node = replace(node, levels=node.levels + step)
    elif isinstance(node, Affine):
        other = replace(node, offset=node.offset + (1 << node.shift))
    else:
        weight = node.weight.copy()
        weight.flat[-1] = (
            not weight.flat[-1] if isinstance(node, Conv) else weight.flat[-1] // 2 + 9
        )
        other = replace(node, weight=weight)
    nodes = tuple(other if known is node else known for known in graph.nodes)
    return Graph(graph.name, nodes, graph.outputs)


@pytest.mark.parametrize("name", SMALL)
def test_a_changed_number_is_seen(record: Read, name: str) -> None:
    known = record(name)
    kinds = Threshold | Affine | Conv | IntConv | IntDense
    for node in known.graph.nodes:
        if isinstance(node, kinds):
            edges = run(changed(known.graph, node), known.images, trace=True).edges
            wrong = {edge for edge, told in known.digests.items() if digest(edges[edge]) != told}
            assert next(edge for edge in edges if edge in wrong) == node.name
