"""Compute the zoo's networks with PyTorch and record what comes out, for the tests.

    TRAINVENV/bin/python -m scripts.architectures.record [--only NAME …] [-o DIR] [--check]

Run from the root of the checkout, with NumPy and torch: each file names the release that wrote it,
2.13.0 or 2.15.0. It holds options and seed of a network, logits and classes of 24 images, the whole
of two images on some edges, and on all edges that PyTorch computes the SHA-256 of the values of all
images, as little-endian 64-bit integers. `--check` writes nothing, but runs the golden model on
both paths, too, and says where it differs.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bnnhw import golden, zoo

from .layers import Layers
from .networks import FORWARD

__all__ = ["main"]

IMAGES, IMAGE_SEED = 24, 2026
NETWORKS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "resnet_e18_e1": ("resnet_e18", 32, {"joins": "E1", "seed": 8}),
    "resnet_e18_e2": ("resnet_e18", 32, {"joins": "E2", "seed": 3}),
    "bireal18": ("bireal18", 32, {"seed": 2}),
    "bireal18_zeros": ("bireal18", 16, {"seed": 2, "pad_value": 0, "width": 6, "blocks": [2, 3]}),
    "binary_densenet28": ("binary_densenet28", 32, {"seed": 4}),
    "binary_densenet28_dilated": ("binary_densenet28", 32, {"dilated": True, "seed": 4}),
    "meliusnet22": ("meliusnet22", 32, {"seed": 2}),
    "meliusnet_a_small": (
        "meliusnet22",
        24,
        {"growth": 8, "blocks": [1, 2], "groups": 4, "shuffle": 4, "seed": 4},
    ),
    "multi_base": ("multi_base", 16, {"seed": 5}),
    "ternary": ("ternary", 16, {"seed": 6}),
    "dorefa": ("dorefa", 16, {"bits": 4, "seed": 2}),
    "dorefa_2bit": ("dorefa", 16, {"bits": 2, "seed": 5}),
    # What scripts/results.py builds and is not above.
    "resnet_e18_e2_built": ("resnet_e18", 32, {"width": 16, "joins": "E2", "seed": 8}),
    "binary_densenet28_built": ("binary_densenet28", 32, {"growth": 4, "seed": 4}),
    "binary_densenet28_dilated_built": (
        "binary_densenet28",
        32,
        {"growth": 4, "dilated": True, "seed": 4},
    ),
    "meliusnet22_built": ("meliusnet22", 32, {"growth": 4, "seed": 2}),
    "mlp_built": ("mlp", 28, {"seed": 3}),
}


def compute(name: str) -> tuple[dict[str, np.ndarray], np.ndarray, dict[str, Any]]:
    """Give all taps and the images of one network, and what describes it."""
    kind, size, options = NETWORKS[name]
    bits = kind == "mlp"
    images = zoo.draw_images(IMAGE_SEED, IMAGES, (1 if bits else 3, size, size))
    free = {key: tuple(value) if isinstance(value, list) else value
            for key, value in options.items() if key != "seed"}  # fmt: skip
    net = Layers(options["seed"])
    with torch.no_grad():
        FORWARD[kind](net, net.bits(images) if bits else net.image(images), **free)
    notes = {
        "architecture": kind,
        "options": {**options, "size": size},
        "images": {"seed": IMAGE_SEED, "count": IMAGES, "sha256": digest(images)},
        "ties": net.ties,
        "torch": torch.__version__,
        "taps": {tap: digest(values) for tap, values in net.taps.items()},
    }
    return net.taps, images, notes


def digest(values: np.ndarray) -> str:
    """Hash values as little-endian 64-bit integers."""
    return hashlib.sha256(np.ascontiguousarray(values.astype("<i8")).tobytes()).hexdigest()


def differing(taps: dict[str, np.ndarray], images: np.ndarray, notes: dict[str, Any]) -> list[str]:
    """Name the edges of the golden model that differ from PyTorch."""
    options = {key: tuple(value) if isinstance(value, list) else value
               for key, value in notes["options"].items()}  # fmt: skip
    graph = getattr(zoo, notes["architecture"])(**options)
    found = []
    for path in ("packed", "plain"):
        edges = golden.run(graph, images, path=path, trace=True).edges
        found += [f"{path} {tap}" for tap, values in taps.items()
                  if not np.array_equal(edges[tap], values)]  # fmt: skip
    covered = len(taps) / len(graph.nodes)
    print(f"{graph.name}: {len(taps)} edges, {covered:.0%} of all; {len(found)} differ")
    return found


def write(path: Path, taps: dict[str, np.ndarray], notes: dict[str, Any]) -> None:
    """Write one file."""
    small = {tap: values[2:4] for tap, values in taps.items() if values[0].size <= 1 << 10}
    arrays: dict[str, Any] = {
        f"tap_{tap}": narrow(values) for tap, values in small.items() if values.ndim > 1
    }
    *_, arrays["logits"], classes = taps.values()
    arrays["classes"] = classes.astype(np.uint8)
    arrays["meta"] = np.array(json.dumps(notes, sort_keys=True))
    np.savez_compressed(path, **arrays)


def narrow(values: np.ndarray) -> np.ndarray:
    """Give the shortest integers that hold `values`."""
    low, high = int(values.min()), int(values.max())
    kinds = (np.int8, np.int16, np.int32, np.int64)
    return values.astype(
        next(k for k in kinds if np.iinfo(k).min <= low and high <= np.iinfo(k).max)
    )


def main() -> int:
    """Record or check the networks."""
    root = Path(__file__).resolve().parent.parent.parent
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=NETWORKS, nargs="+", default=list(NETWORKS))
    parser.add_argument("--check", action="store_true")
    parser.add_argument("-o", "--output", type=Path, default=root / "tests/data/architectures")
    args = parser.parse_args()
    failed = 0
    for name in args.only:
        taps, images, notes = compute(name)
        classes = np.unique(taps["argmax"]).size
        print(f"{name}: {len(taps)} taps, {len(images)} images, {classes} classes occur, "
              f"{notes['ties']} values on a step")  # fmt: skip
        if args.check:
            wrong = differing(taps, images, notes)
            print(*(f"  differs: {what}\n" for what in wrong), sep="", end="")
            failed += bool(wrong)
        else:
            args.output.mkdir(parents=True, exist_ok=True)
            write(args.output / f"{name}.npz", taps, notes)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
