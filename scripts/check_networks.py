"""Hold the integer graphs of bitorch's networks against PyTorch, and count what they need.

    TRAINVENV/bin/python -m scripts.check_networks [--sizes] [--only NAME] [--record DIR]

Run from the root of the checkout, with what `record_torch.py` needs. LeNet, ResNetE-18 and
BinaryDenseNet-28 are imported at their full width, BinaryDenseNet-37, MeliusNet-22 and Bi-Real-18
narrowed, each with 100 random images: every layer is given the module's own inputs, layers of ±1
must be equal and others within the bound of their rounding. Then operations and weights of all
networks at full size, those for ImageNet too, are counted and held against the papers' figures.
`--sizes` only counts, `--only` takes one network; `--record` writes for the tests what each full
network does, without its weights.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bnnhw.compare import LayerAgreement, compare, compare_layers
from bnnhw.graph import Conv, Dense, Graph
from bnnhw.load.torch import Description, from_description, trace

from .record_torch import images
from .torch_modules import Recorded, densenet28, lenet, resnet_e18, settled
from .torch_networks import NETWORKS, bireal18, densenet, meliusnet22

IMAGES, BATCH, SEED = 100, 10, 7
_SMALL = (3, 32, 32)
LIVE = {
    "lenet": Recorded(lenet, (1, 28, 28)),
    "resnet_e18": Recorded(resnet_e18, _SMALL),
    "binary_densenet28": Recorded(densenet28, _SMALL),
    "binary_densenet37, growth 16": Recorded(lambda: densenet(37, growth=16), _SMALL),
    "meliusnet22, growth 16": Recorded(lambda: meliusnet22(16), _SMALL),
    "bireal18, width 16": Recorded(lambda: bireal18(16), _SMALL),
}


def parts(model: Any, pixels: Any, x: Any) -> Iterator[tuple[Any, Description]]:
    """Give a description with all outputs, some images at a time: all would not fit in memory."""
    for start in range(0, len(x), BATCH):
        end = start + BATCH
        yield pixels[start:end], trace(model, x[start:end], taps=True)


def described(model: Any, pixels: Any, x: Any) -> Description:
    """Give the description that all images together have: the ranges are those of all."""
    found: Description | None = None
    for _, part in parts(model, pixels, x):
        kept = {key: array for key, array in part.arrays.items() if not key.startswith("tap_")}
        before = found.operations if found else part.operations
        operations = tuple(
            replace(new, seen=(min(a.seen[0], new.seen[0]), max(a.seen[1], new.seen[1])))
            for a, new in zip(before, part.operations, strict=True)
        )
        found = replace(part, operations=operations, arrays=kept)
    assert found
    return found


def joined(layers: list[LayerAgreement]) -> LayerAgreement:
    """Give one layer over several lots of images; the worst of them decides."""
    worst = max(layers, key=lambda layer: (not layer.passed, layer.worst / (layer.bound or 1.0)))
    return replace(
        worst,
        values=sum(layer.values for layer in layers),
        differing=sum(layer.differing for layer in layers),
    )


def agree(name: str, what: Recorded) -> bool:
    """Import a network and compare it with itself."""
    started = time.perf_counter()
    torch.manual_seed(SEED)
    model = settled(what.make(), what.shape, SEED)
    pixels, x = images(what.shape, IMAGES, SEED, what.pixel)
    graph = from_description(described(model, pixels, x), pixel=what.pixel)
    lots = [compare_layers(graph, few, part.arrays) for few, part in parts(model, pixels, x)]
    layers = [joined(list(own)) for own in zip(*lots, strict=True)]
    with torch.no_grad():
        told = np.concatenate([model(part).numpy() for part in x.split(BATCH)])
    whole = compare(graph, pixels, {"logits": told})
    exact = [layer for layer in layers if layer.exact]
    rounded = [layer for layer in layers if not layer.exact and np.isfinite(layer.bound)]
    signs = [layer for layer in layers if np.isinf(layer.bound)]
    turned = sum(layer.differing for layer in signs) / max(1, sum(layer.values for layer in signs))
    share = max((layer.worst / layer.bound for layer in rounded), default=0.0)
    binary = {node.name for node in graph.nodes if isinstance(node, Conv | Dense)}
    print(
        f"{name}: {IMAGES} images; {len(exact)} exact layers, {len(binary)} of them of ±1 weights, "
        f"of {sum(layer.values for layer in exact):,} values "
        f"{sum(layer.differing for layer in exact)} differ; {len(rounded)} rounded ones, at most "
        f"{share:.0%} of their bound; {turned:.2%} of the signs of rounded numbers turn; same "
        f"class {whole.same_class:.0%}, rms {whole.deviation / (whole.spread or 1):.3f} of the "
        f"spread of scores ({time.perf_counter() - started:.0f} s)",
        flush=True,
    )
    wrong = [layer for layer in layers if not layer.passed]
    for layer in wrong:
        print(f"  {layer}")
    return not wrong and binary <= {layer.edge for layer in exact}


def figures(graph: Graph) -> tuple[float, float, float, float]:
    """Give M multiply-accumulates of ±1 and of 8 bits, M weights of ±1 and thousands of others."""
    sums: dict[bool, list[int]] = {True: [0, 0], False: [0, 0]}
    for node in graph.nodes:
        weights = getattr(node, "weight", np.zeros(0)).size
        own = sums[isinstance(node, Conv | Dense)]
        own[0] += weights * prod(graph.edges[node.name].shape[1:])
        own[1] += weights
    return sums[True][0] / 1e6, sums[False][0] / 1e6, sums[True][1] / 1e6, sums[False][1] / 1e3


def counted(name: str, record: Path | None) -> bool:
    """Count a network of full size; perhaps write down what it does."""
    network, started = NETWORKS[name], time.perf_counter()
    torch.manual_seed(0)
    found = trace(network.make().eval(), torch.rand(1, *network.shape))
    seen, told = figures(from_description(found)), network.told
    print(
        f"{name} at {network.shape}: {seen[0]:.1f} M binary MAC, {seen[1]:.1f} M 8-bit MAC, "
        f"{seen[2]:.2f} Mbit of ±1 weights, {seen[3]:.1f} k 8-bit weights; told {told} "
        f"({time.perf_counter() - started:.0f} s)",
        flush=True,
    )
    if record:
        emptied(found).save(record / f"{name}.npz", weights=np.array(json.dumps(shapes(found))))
    places = (1, 1, 2, 1 if told[3] < 100 else 0)
    return all(round(a, p) == b for a, b, p in zip(seen, told, places, strict=True))


def shapes(found: Description) -> dict[str, tuple[list[int], bool]]:
    """Give the shape of the weights of every layer, and whether they are ±1."""
    used = [each.arguments["weight"].name for each in found.operations
            if each.op in ("conv2d", "linear")]  # fmt: skip

    def binary(name: str) -> bool:
        rows = np.abs(found.arrays[name]).reshape(len(found.arrays[name]), -1)
        return bool((rows == rows[:, :1]).all())

    return {name: (list(found.arrays[name].shape), binary(name)) for name in used}


def emptied(found: Description) -> Description:
    """Give a description without the weights of its layers."""
    gone = shapes(found)
    kept = {name: array for name, array in found.arrays.items() if name not in gone}
    return replace(found, arrays=kept)


def main() -> int:
    """Compare and count."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", action="store_true", help="only count operations and weights")
    parser.add_argument("--only", choices=[*LIVE, *NETWORKS])
    parser.add_argument("--record", type=Path, metavar="DIR")
    args = parser.parse_args()
    wrong = 0
    for name, what in LIVE.items():
        if not args.sizes and not args.record and args.only in (None, name):
            wrong += not agree(name, what)
    for name in NETWORKS:
        if args.only in (None, name):
            wrong += not counted(name, args.record)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
