"""The manifest: plain JSON, and everything that a host needs."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import bnnhw
from bnnhw.fold import Folding
from bnnhw.graph import Graph
from bnnhw.plan import make_plan, manifest

MakeNetwork = Callable[[Sequence[int]], Graph]


def leaves(value: Any) -> Iterator[Any]:
    if type(value) is dict:
        assert all(type(key) is str for key in value)
        for part in value.values():
            yield from leaves(part)
    elif type(value) is list:
        for part in value:
            yield from leaves(part)
    else:
        yield value


def test_is_plain_json(network: MakeNetwork, ragged: Folding) -> None:
    content = manifest(make_plan(network([10, 7, 5]), ragged))
    assert {type(leaf) for leaf in leaves(content)} <= {int, float, str, bool, type(None)}
    assert json.loads(json.dumps(content, allow_nan=False)) == content


LAYERS = [
    {
        "name": "fc1",
        "rows": 7,
        "columns": 10,
        "pe": 2,
        "simd": 4,
        "neuron_folds": 4,
        "synapse_folds": 3,
        "cycles": 12,
        "weight_bits": 70,
        "weight_memory": {"words": 12, "width": 8, "style": "lut"},
    },
    {
        "name": "fc2",
        "rows": 5,
        "columns": 7,
        "pe": 3,
        "simd": 2,
        "neuron_folds": 2,
        "synapse_folds": 4,
        "cycles": 8,
        "weight_bits": 35,
        "weight_memory": {"words": 8, "width": 6, "style": "lut"},
    },
]


def test_holds_what_a_host_needs(network: MakeNetwork, ragged: Folding) -> None:
    graph = network([10, 7, 5])
    plan = make_plan(graph, ragged, name="chip")
    told = manifest(plan)
    assert told.pop("layers") == LAYERS
    assert told == {
        "format": "bnnhw-manifest",
        "version": 1,
        "generator": f"bnnhw {bnnhw.__version__}",
        "identity": plan.identity,
        "name": "chip",
        "network": "net",
        "graph": graph.digest,
        "input": {
            "shape": [10],
            "elements": 10,
            "bits": 1,
            "lanes": 3,
            "words": 4,
            "frame_bytes": 2,
            "values": {"low": -1, "step": 2, "levels": 2},
            "image_channels": None,
            "order": "chw",
            "lut": [0] * 128 + [1] * 128,
        },
        "output": {
            "classes": 5,
            "top": None,
            "bits": 3,
            "bytes": 1,
            "index_bits": 3,
            "index_bytes": 1,
            "low": -7,
            "step": 2,
            "readout": {"scale": [0.5] * 5, "bias": [-0.25] * 5},
        },
        "cycles_per_image": 12,
        "bottleneck": "fc1",
        "weights": None,
        "meta": {"source": "nowhere"},
    }


def test_says_where_nothing_is_known(network: MakeNetwork, ragged: Folding) -> None:
    graph = network([10, 7, 5])
    image = replace(graph.input, lut=None)
    bare = replace(graph, nodes=(image, *graph.nodes[1:]), readout=None)
    content = manifest(make_plan(bare, ragged))
    assert content["input"]["lut"] is None and content["output"]["readout"] is None
