"""Write small modules of PyTorch and bitorch down for the tests, or check live ones.

    TRAINVENV/bin/python -m scripts.record_torch [--only NAME] [--check] [--trained]
                                                 [--samples DIR] [-o DIR]

Run from the root of the checkout. Needs torch (2.13.0 wrote the files) and bitorch 0.4.1 (``pip
install --no-deps bitorch``, pandas, requests) beside what bnnhw itself needs. Each file is a
description with images ``x``, the module's ``logits`` for them and the outputs of all its
operations, ``tap_NAME``, for the first of them. `--check` writes nothing: it imports the live
modules and compares (`check_networks.py` does so with bitorch's networks at full size).
`--samples` names the folder with ``tiny_bitorch_state_dict.pth`` and what bitorch computed from it,
and records or checks that. `--trained` trains narrowed networks on scikit-learn's digits first, for
networks that were never trained turn every small difference into a large one.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bnnhw.compare import compare, compare_layers, known_taps
from bnnhw.errors import UsageError
from bnnhw.golden import run as run_golden
from bnnhw.load.torch import (
    Description,
    from_description,
    from_module,
    from_state_dict,
    trace,
)

from .torch_modules import (
    MODULES,
    Recorded,
    densenet28,
    lenet,
    resnet_e18,
    settled,
    tiny_bitorch,
)

ROOT = Path(__file__).resolve().parent.parent

_WAYS = {"unit": (1 / 255, 0.0), "byte": (1.0, 0.0), "centred": (2 / 255, -1.0)}
IMAGES, TAPPED = 32, 2


def images(shape: tuple[int, ...], count: int, seed: int, pixel: str) -> tuple[Any, Any]:
    """Give random pixels, and what a module gets of them."""
    pixels = np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)
    scale, offset = _WAYS[pixel]
    exact = pixels.astype(np.float64) * scale + offset
    return pixels, torch.from_numpy(exact.astype(np.float32))


def run(what: Recorded, seed: int, count: int) -> tuple[Description, Any, Any, Any]:
    """Give a module's description with all taps, its images and its scores."""
    torch.manual_seed(seed)
    model = settled(what.make(), what.shape, seed)
    pixels, x = images(what.shape, count, seed, what.pixel)
    with torch.no_grad():
        scores = model(x).numpy()
    return trace(model, x, taps=True), pixels, scores, model


def split(found: Description) -> tuple[Description, dict[str, Any]]:
    """Part the taps from a description."""
    taps = {name: array for name, array in found.arrays.items() if name.startswith("tap_")}
    kept = {name: array for name, array in found.arrays.items() if name not in taps}
    own = Description(found.name, found.shape, found.operations, kept, found.output, found.notes)
    return own, taps


def short(array: Any) -> Any:
    """Give whole numbers of 16 bits as such."""
    whole = np.array_equal(array, np.rint(array)) and np.abs(array).max() < 1 << 15
    return array.astype(np.int16 if whole else np.float32)


def write(path: Path, name: str, what: Recorded) -> None:
    """Write one file."""
    found, pixels, scores, _ = run(what, 1 + list(MODULES).index(name), IMAGES)
    own, taps = split(found)
    few = {}
    if not what.refused:
        graph = from_description(own, pixel=what.pixel, exact=what.exact)
        names = [f"tap_{tap['tap']}" for tap in known_taps(graph).values()]
        few = {name: short(taps[name][:TAPPED]) for name in names}
    own.save(path, x=pixels, logits=scores, **few)
    print(f"{path.name}: {len(own.operations)} operations, {path.stat().st_size:,} bytes")


def check(name: str, what: Recorded) -> bool:
    """Import a live module and compare it with itself."""
    started = time.perf_counter()
    found, pixels, scores, _ = run(what, 101 + list(MODULES).index(name), IMAGES)
    try:
        graph = from_description(found, pixel=what.pixel, exact=what.exact)
    except UsageError as error:
        print(f"{name}: refused: {error.what}")
        return bool(what.refused) and what.refused in error.what
    layers = compare_layers(graph, pixels, found.arrays)
    whole = compare(graph, pixels, {"logits": scores})
    exact = [layer for layer in layers if layer.exact]
    rounded = [layer for layer in layers if not layer.exact and np.isfinite(layer.bound)]
    share = max((layer.worst / layer.bound for layer in rounded), default=0.0)
    signs = [layer for layer in layers if np.isinf(layer.bound)]
    flips = sum(layer.differing for layer in signs) / max(1, sum(layer.values for layer in signs))
    wrong = [layer for layer in layers if not layer.passed]
    print(
        f"{name}: {IMAGES} images; {len(exact)} exact layers with "
        f"{sum(layer.values for layer in exact):,} values, "
        f"{sum(layer.differing for layer in exact)} differ; {len(rounded)} rounded ones, at most "
        f"{share:.0%} of their bound; {flips:.2%} of the signs of rounded numbers differ; whole: "
        f"rms {whole.deviation / (whole.spread or 1):.3f} of the spread of scores, same class "
        f"{whole.same_class:.0%} ({time.perf_counter() - started:.0f} s)"
    )
    for layer in wrong:
        print(f"  {layer}")
    return not wrong and not what.refused and (whole.passed or not what.exact)


def digits(size: int) -> tuple[Any, Any, Any, Any]:
    """Give scikit-learn's digits, enlarged: pixels and labels to train with, and the last 360."""
    from sklearn.datasets import load_digits

    found = load_digits()
    small = torch.from_numpy(found.images).float()[:, None] / 16
    large = torch.nn.functional.interpolate(small, size=(size, size), mode="bilinear")
    pixels = np.rint(large.numpy() * 255).astype(np.uint8)
    return pixels[:-360], found.target[:-360], pixels[-360:], found.target[-360:]


def trained(name: str, model: Any, size: int, colours: int, epochs: int) -> bool:
    """Train a network for a moment, and say what importing changes of its answers."""
    started = time.perf_counter()
    pixels, labels, others, wanted = (torch.from_numpy(part) for part in digits(size))
    pixels, others = (part.repeat(1, colours, 1, 1) for part in (pixels, others))
    torch.manual_seed(1)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(epochs):
        model.train()
        for batch in torch.randperm(len(pixels)).split(64):
            scores = model(pixels[batch].float() / 255)
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(scores, labels[batch]).backward()
            optimizer.step()
    with torch.no_grad():
        told = model.eval()(others.float() / 255).numpy()
    graph = from_module(model, pixels[:128].float() / 255)
    found = compare(graph, others.numpy(), {"logits": told})
    right = float((told.argmax(axis=1) == wanted.numpy()).mean())
    answers = run_golden(graph, others.numpy()).classes
    ours = float((answers == wanted.numpy()).mean())
    print(
        f"{name}, trained {epochs} epochs: {right:.2%} of 360 digits right in PyTorch, {ours:.2%} "
        f"as integers; same class {found.same_class:.2%}; rms of scores "
        f"{found.deviation / found.spread:.3f} of their spread ({time.perf_counter() - started:.0f}"
        " s)"
    )
    return found.same_class >= 0.95


def all_trained() -> int:
    """Train narrowed networks of bitorch on the digits."""
    torch.manual_seed(1)
    return sum(
        (
            not trained("LeNet / 4", lenet(16, 128), 28, 1, 8),
            not trained("ResNetE / 4", resnet_e18(16, (1, 1), size=16), 16, 3, 8),
            not trained("BinaryDenseNet / 4", densenet28(16, (3, 2), size=16), 16, 3, 8),
        )
    )


def sample(folder: Path, output: Path | None) -> bool:
    """Read a state_dict that bitorch wrote elsewhere; compare with what it gave there."""
    with np.load(folder / "tiny_bitorch_io.npz") as archive:
        x, told = torch.from_numpy(archive["x"]), archive["y"]
    model, state = tiny_bitorch(), folder / "tiny_bitorch_state_dict.pth"
    graph = from_state_dict(model, state, x)
    with torch.no_grad():
        same = np.abs(model.eval()(x).numpy() - told).max() < 1e-5
    pixels = np.rint(x.numpy() * 255).astype(np.uint8)
    found = compare(graph, pixels, {"logits": told})
    print(
        f"tiny_bitorch: the module gives what was recorded: {same}; same class "
        f"{found.same_class:.0%}, scores at most {found.worst:.3f} apart, of a spread of "
        f"{told.std():.3f}, with the image rounded to 8 bits"
    )
    if output is not None:
        more = {"x": pixels, "logits": told}
        trace(model, x).save(output / "tiny_bitorch.npz", **more)
    return bool(same) and found.same_class == 1.0


def main() -> int:
    """Record or check."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=MODULES)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "tests/data/torch")
    parser.add_argument("--trained", action="store_true", help="train narrow networks and compare")
    parser.add_argument("--samples", type=Path)
    args = parser.parse_args()
    if args.samples:
        return 0 if sample(args.samples, None if args.check else args.output) else 1
    if args.trained:
        return 1 if all_trained() else 0
    wrong = 0
    for name in [args.only] if args.only else MODULES:
        if args.check:
            wrong += not check(name, MODULES[name])
        else:
            args.output.mkdir(parents=True, exist_ok=True)
            write(args.output / f"{name}.npz", name, MODULES[name])
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
