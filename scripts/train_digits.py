"""Train the bundled networks: purely 1-bit classifiers of the 8x8 digits of scikit-learn.

    python -m venv .venv-train
    .venv-train/bin/pip install torch==2.13.0 "scikit-learn>=1.5" "onnx>=1.21"
    .venv-train/bin/python scripts/train_digits.py mlp
    .venv-train/bin/python scripts/train_digits.py cnn

The first writes `digits_mlp.onnx` (QONNX), `digits_test.npz` (the whole test split) and
`digits_mlp_expected.npz` (its integer results, computed here and not by bnnhw) to `bnnhw/data/`;
the second `digits_cnn.onnx` and `digits_cnn_expected.npz`, for the same test split.
Weights, activations and input are one bit. A seed fixes the splits, the training and the files.
What is chosen is chosen on a validation split, which the final training then learns from too. The
test split decides nothing; it was looked at once for each design that was tried in earnest: five
fully connected ones (docs/decisions.md) and one convolutional one.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from digits_net import (
    CLIP,
    LEVELS,
    SIDE,
    BinaryCnn,
    BinaryMlp,
    BinaryNet,
    Split,
    accuracy,
    binarise,
    lesson,
    train_student,
    train_teacher,
)
from digits_qonnx import BnLayer, write_qonnx
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

__all__ = ["main"]

TRAINER_VERSION = 2
TEST_IMAGES = 360


@dataclass(frozen=True)
class Recipe:
    """How one of the networks is trained, unless the command line says otherwise."""

    make: Callable[[list[int]], BinaryNet]
    hidden: tuple[int, ...]
    epochs: int
    copies: int
    plain: int


RECIPES = {
    "mlp": Recipe(BinaryMlp, (192, 128), epochs=40, copies=60, plain=4),
    "cnn": Recipe(BinaryCnn, (24, 32, 48), epochs=20, copies=30, plain=2),
}


def splits(seed: int) -> tuple[Split, Split, Split]:
    """Training, validation and test images; stratified, fixed by the seed."""
    digits = load_digits()
    scans = digits.images.astype(np.int64)  # 0...16
    x = ((scans * 255 + 8) // 16).astype(np.uint8)[:, None]
    y = digits.target.astype(np.uint8)
    rest, test = train_test_split(
        np.arange(len(y)), test_size=TEST_IMAGES, stratify=y, random_state=seed
    )
    train, valid = train_test_split(rest, test_size=0.15, stratify=y[rest], random_state=seed)
    return Split(x[train], y[train]), Split(x[valid], y[valid]), Split(x[test], y[test])


def norm_layers(net: BinaryNet) -> list[BnLayer]:
    """Hidden layers as arrays; refuses a normalisation that rounding could tip over."""
    layers = []
    pooled = net.pooled if isinstance(net, BinaryCnn) else None
    for number, (weight, norm) in enumerate(zip(net.weights, net.norms, strict=False)):
        layer = BnLayer(
            weight=weight.detach().numpy(),
            gamma=norm.weight.detach().numpy(),
            beta=norm.bias.detach().numpy(),
            mean=norm.running_mean.numpy(),
            var=norm.running_var.numpy(),
            eps=norm.eps,
            pool=number == pooled,
        )
        taps = weight[0].numel()
        counts = np.arange(-taps, taps + 1, 2)[:, None]
        values = layer.normalised(counts)
        slack = (np.abs(values) / np.abs(values[1] - values[0])).min()
        if slack < 1e-5:
            raise SystemExit(f"A threshold lies within {slack:.1e} steps of a sum: other seed.")
        layers.append(layer)
    return layers


def expected(net: BinaryNet, split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Integer logits and classes of every image, as PyTorch computes them in float64."""
    x, _ = split.tensors()
    wide = net.double().eval()
    with torch.no_grad():
        logits = wide.integers(binarise(x).double())
    net.float()
    whole = logits.round()
    if not torch.equal(logits, whole):
        raise SystemExit("Dot products of +1 and -1 are not whole numbers.")
    return whole.numpy().astype(np.int32), whole.argmax(1).numpy().astype(np.uint8)


def write(
    folder: Path,
    kind: str,
    net: BinaryNet,
    test: Split,
    results: tuple[np.ndarray, np.ndarray],
    notes: dict[str, str],
) -> None:
    """Write the network, the expected results and, with the first network, the test images."""
    folder.mkdir(parents=True, exist_ok=True)
    write_qonnx(
        folder / f"digits_{kind}.onnx",
        norm_layers(net),
        net.weights[-1].detach().numpy(),
        side=SIDE,
        levels=LEVELS,
        scale=net.log_scale.exp().item(),
        metadata=notes,
    )
    meta = np.array(json.dumps(notes, sort_keys=True))
    if kind == "mlp":
        np.savez_compressed(folder / "digits_test.npz", x=test.x, y=test.y, meta=meta)
    logits, pred = results
    np.savez_compressed(folder / f"digits_{kind}_expected.npz", logits=logits, pred=pred, meta=meta)


def describe(
    args: argparse.Namespace, net: BinaryNet, right: tuple[float, float]
) -> dict[str, str]:
    """Say what was trained, on what, and how well it does."""
    return {
        "task": "classify 8x8 scans of handwritten digits (scikit-learn load_digits)",
        "topology": net.topology,
        "pixels": "uint8 (scan * 255 + 8) // 16 of scans 0...16; the network reads pixel / 255",
        "split": f"{TEST_IMAGES} test images, train_test_split(stratify=labels, "
        f"random_state={args.seed}); 15 % of the rest validate",
        "accuracy_validation": f"{right[0]:.4f} (before the final training, which includes these)",
        "accuracy_test": f"{right[1]:.4f}",
        "bnnhw.pixel_scale": "1/255",
        "seed": str(args.seed),
        "t_clip": str(CLIP),
        "trainer": f"scripts/train_digits.py {TRAINER_VERSION}, torch {torch.__version__}",
    }


def same_test(folder: Path, test: Split) -> None:
    """Refuse to score a network on other images than those that are bundled."""
    path = folder / "digits_test.npz"
    if not path.exists():
        raise SystemExit(f"{path} is missing: train the mlp first.")
    with np.load(path) as bundled:
        if not (np.array_equal(bundled["x"], test.x) and np.array_equal(bundled["y"], test.y)):
            raise SystemExit(f"{path} holds another test split: use the same --seed.")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    here = Path(__file__).resolve().parent.parent
    parser.add_argument("network", choices=sorted(RECIPES))
    parser.add_argument("-o", "--output", type=Path, default=here / "bnnhw" / "data")
    parser.add_argument("--hidden", type=int, nargs="+", help="neurons or channels of each layer")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--teacher-epochs", type=int, default=40)
    parser.add_argument("--copies", type=int, help="distorted copies of each training image")
    parser.add_argument("--tries", type=int, default=1, help="seeds to choose from")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--validate", action="store_true", help="stop before the final training")
    parser.add_argument(
        "--validated", type=float, help="go on with --seed, for which --validate has printed this"
    )
    args = parser.parse_args()
    recipe = RECIPES[args.network]
    args.hidden = args.hidden or list(recipe.hidden)
    args.epochs = args.epochs or recipe.epochs
    args.copies = args.copies or recipe.copies
    args.plain = recipe.plain
    return args


def main() -> int:
    """Train, choose a seed, train with it on all but the test images, measure once, write."""
    args = parse()
    # One thread: the order of float additions, hence the result, does not depend on the machine.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    train, valid, test = splits(args.seed)
    if args.network != "mlp":
        same_test(args.output, test)
    make = partial(RECIPES[args.network].make, args.hidden)
    guide = train_teacher(train, epochs=args.teacher_epochs, seed=args.seed)
    teach = partial(lesson, guide=guide, copies=args.copies, plain=args.plain, seed=args.seed)
    found: dict[int, float] = {}
    if args.validated is None:
        work = teach(train)
        for seed in range(args.seed, args.seed + args.tries):
            net = train_student(work, make, epochs=args.epochs, seed=seed)
            found[seed] = accuracy(net, valid)
            print(f"seed {seed}: validation {found[seed]:.4f}", flush=True)
    else:
        found[args.seed] = args.validated
    if args.validate:
        return 0
    best = max(found, key=lambda seed: found[seed])
    work = teach(train + valid)
    net = train_student(work, make, epochs=args.epochs, seed=best)
    logits, pred = expected(net, test)
    on_test = float((pred == test.y).mean())
    print(f"test: {on_test:.4f} of {len(test.y)} images")
    notes = describe(args, net, (found[best], on_test))
    write(args.output, args.network, net, test, (logits, pred), notes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
