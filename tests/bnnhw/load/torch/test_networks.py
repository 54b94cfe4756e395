"""Networks of bitorch.models and of the papers at full size: they load, and need what is told.

`scripts/check_networks.py --record` wrote down what PyTorch does for them, without weights, which
are drawn here. The slow test runs that script itself: with live modules, it holds each layer of the
networks for small images against PyTorch on 100 random images.
"""

import json
import os
import subprocess
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnhw.cost import estimate
from bnnhw.files import read_npz
from bnnhw.fold import Folding, LayerFold
from bnnhw.fold.layers import layers_of
from bnnhw.graph import Conv, Dense, Graph, IntConv, IntDense
from bnnhw.load.torch import Description, from_description

ROOT = Path(__file__).resolve().parents[4]
FILES = ROOT / "tests/data/networks"

# Millions of multiply-accumulates of ±1 and of others, millions of weights of ±1 and thousands of
# others: worked out from the papers and from bitorch's sources, not with this project.
TOLD = {
    "lenet": (7.6, 0.9, 1.13, 11.6),
    "resnet_e18": (547.4, 8.1, 10.99, 179),
    "binary_densenet28": (1171.4, 29.2, 4.20, 331),
    "binary_densenet37": (1471.6, 28.3, 7.59, 434),
    "meliusnet22": (1509.9, 23.7, 6.12, 288),
    "bireal18": (547.4, 8.1, 10.99, 179),
    "resnet_e18_imagenet": (1676.3, 137.8, 10.99, 693),
    "binary_densenet28_imagenet": (3587.4, 202.5, 4.20, 909),
    "binary_densenet37_imagenet": (4506.8, 199.7, 7.59, 1075),
    "binary_densenet45_imagenet": (6430.6, 244.1, 12.35, 1489),
    "meliusnet22_imagenet": (4624.2, 136.4, 6.12, 799),
}
QUICK = ["lenet", "resnet_e18", "bireal18"]
NAMES = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in TOLD]


def filled(path: Path) -> Description:
    """Give a description with weights that are drawn."""
    rng, found = np.random.default_rng(0), Description.load(path)
    arrays = dict(found.arrays)
    for name, (shape, binary) in json.loads(str(read_npz(path)["weights"])).items():
        signs = rng.choice(np.array([-1, 1], np.float32), shape)
        arrays[name] = signs if binary else rng.normal(size=shape).astype(np.float32)
    return replace(found, arrays=arrays)


def figures(graph: Graph) -> tuple[float, ...]:
    """Count in sight of the shapes alone."""
    products, weights = {True: 0, False: 0}, {True: 0, False: 0}
    for node in graph.nodes:
        if isinstance(node, Conv | Dense | IntConv | IntDense):
            binary, places = isinstance(node, Conv | Dense), prod(graph.edges[node.name].shape[1:])
            products[binary] += node.weight.size * places
            weights[binary] += node.weight.size
    return products[True] / 1e6, products[False] / 1e6, weights[True] / 1e6, weights[False] / 1e3


def test_every_file_is_told() -> None:
    assert sorted(path.stem for path in FILES.iterdir()) == sorted(TOLD)
    assert sum(path.stat().st_size for path in FILES.iterdir()) < 500_000


@pytest.mark.parametrize("name", NAMES)
def test_operations_and_weights_are_those_of_the_papers(name: str) -> None:
    graph, told = from_description(filled(FILES / f"{name}.npz")), TOLD[name]
    places = (1, 1, 2, 1 if told[3] < 100 else 0)
    assert tuple(map(round, figures(graph), places)) == told
    assert graph.edges[graph.logits].size == (1000 if "imagenet" in name else 10)
    # Each binary layer reads signs: nothing between them was left as floats.
    for node in graph.nodes:
        if isinstance(node, Conv | Dense):
            assert graph.edges[node.inputs[0]].grid.levels == 2
    if "imagenet" in name:
        one = {layer.name: LayerFold(pe=1, simd=1) for layer in layers_of(graph)}
        cost = estimate(graph, Folding(one), "ecp5")
        assert cost.lut4 > 10_000
        assert cost.cycles > 10**6


@pytest.mark.slow
def test_live() -> None:
    python = os.environ.get("BNNHW_TORCH_PYTHON")
    if not python:
        pytest.fail("Set BNNHW_TORCH_PYTHON to a Python with torch 2.13 and bitorch 0.4.1.")
    words = [python, "-m", "scripts.check_networks"]
    done: Any = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
