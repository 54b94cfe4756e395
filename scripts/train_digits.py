"""Train the bundled networks: purely 1-bit classifiers of the 8x8 digits of scikit-learn.

    python -m venv .venv-train
    .venv-train/bin/pip install ".[train]"
    .venv-train/bin/python -m scripts.train_digits mlp
    .venv-train/bin/python -m scripts.train_digits cnn
    .venv-train/bin/python -m scripts.train_digits tiny

The first writes `digits_mlp.onnx` (QONNX), `digits_test.npz` (the whole test split) and
`digits_mlp_expected.npz` (its integer results, computed by PyTorch and not by the golden model) to
`bnnhw/data/`; the second `digits_cnn.onnx` and `digits_cnn_expected.npz`, for the same test split;
the third those of `digits_tiny`, fully connected, which fits the smallest FPGA beside the link.
Weights, activations and input are one bit. A seed fixes the splits, the training and the files.
What is chosen is chosen on a validation split, which the final training then learns from too:
that, and what it writes, is what this script has beyond `bnnhw train digits-mlp`. The test split
decides nothing; it was looked at once for each design that was tried in earnest: five fully
connected ones (docs/decisions.md), one convolutional one and the tiny one.
"""

import argparse
import json
import sys
from functools import partial
from pathlib import Path

import numpy as np
import torch

from bnnhw.train.arrays import answers, trained
from bnnhw.train.data import Dataset, Split, digits
from bnnhw.train.export import Results, slack
from bnnhw.train.loop import Training, accuracy
from bnnhw.train.nets import BinaryNet, make_net
from bnnhw.train.qonnx import write_qonnx
from bnnhw.train.settings import DIGITS_LEVELS, T_CLIP, recipe
from bnnhw.train.teach import Lesson, lesson, train_teacher

__all__ = ["main"]

TRAINER_VERSION = 2
VALIDATION_SHARE = 0.15
TINY_HIDDEN = 64


def train_student(args: argparse.Namespace, work: Lesson, *, seed: int) -> BinaryNet:
    """Train one binary network."""
    make = partial(
        make_net, args.network, args.hidden, shape=(len(DIGITS_LEVELS), 8, 8), classes=10,
        t_clip=T_CLIP,
    )  # fmt: skip
    training = Training(work, make, epochs=args.epochs, seed=seed)
    for _ in range(args.epochs):
        training.epoch()
    return training.result()


def write(
    args: argparse.Namespace, net: BinaryNet, test: Split, results: Results, notes: dict[str, str]
) -> None:
    """Write the network, the expected results and, with the first network, the test images.

    A normalisation that rounding could tip over is refused.
    """
    folder, kind = args.output, args.kind
    arrays = trained(net, shape=(1, 8, 8), levels=DIGITS_LEVELS)
    least = min(map(slack, arrays.hidden))
    if least < 1e-5:
        raise SystemExit(f"A threshold lies within {least:.1e} steps of a sum: other seed.")
    folder.mkdir(parents=True, exist_ok=True)
    write_qonnx(
        folder / f"digits_{kind}.onnx", arrays.hidden, arrays.last, shape=arrays.shape,
        levels=DIGITS_LEVELS, scale=arrays.scale, metadata=notes,
        producer="bnnhw scripts/train_digits.py",
    )  # fmt: skip
    meta = np.array(json.dumps(notes, sort_keys=True))
    if kind == "mlp":
        np.savez_compressed(folder / "digits_test.npz", x=test.x, y=test.y, meta=meta)
    pred = results.classes.astype(np.uint8)
    path = folder / f"digits_{kind}_expected.npz"
    np.savez_compressed(path, logits=results.logits, pred=pred, meta=meta)


def describe(
    args: argparse.Namespace, net: BinaryNet, test: Split, right: tuple[float, float]
) -> dict[str, str]:
    """Say what was trained, on what, and how well it does."""
    return {
        "task": "classify 8x8 scans of handwritten digits (scikit-learn load_digits)",
        "topology": net.topology,
        "pixels": "uint8 (scan * 255 + 8) // 16 of scans 0...16; the network reads pixel / 255",
        "split": f"{len(test)} test images, train_test_split(stratify=labels, "
        f"random_state={args.seed}); 15 % of the rest validate",
        "accuracy_validation": f"{right[0]:.4f} (before the final training, which includes these)",
        "accuracy_test": f"{right[1]:.4f}",
        "bnnhw.pixel_scale": "1/255",
        "seed": str(args.seed),
        "t_clip": str(T_CLIP),
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
    parser.add_argument("kind", metavar="network", choices=("cnn", "mlp", "tiny"))
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
    args.network = "mlp" if args.kind == "tiny" else args.kind
    told = recipe(f"digits-{args.network}", args.network)
    args.hidden = args.hidden or ([TINY_HIDDEN] if args.kind == "tiny" else list(told["hidden"]))
    args.epochs = args.epochs or told["epochs"]
    args.copies = args.copies or told["copies"]
    args.plain = told["plain"]
    return args


def choose(args: argparse.Namespace, data: Dataset, work: Lesson) -> tuple[int, float]:
    """Give the seed that is best in validation, and how good it is there."""
    found: dict[int, float] = {}
    for seed in range(args.seed, args.seed + args.tries):
        net = train_student(args, work, seed=seed)
        found[seed] = accuracy(net, data.valid, DIGITS_LEVELS)
        print(f"seed {seed}: validation {found[seed]:.4f}", flush=True)
    best = max(found, key=lambda seed: found[seed])
    return best, found[best]


def main() -> int:
    """Train, choose a seed, train with it on all but the test images, measure once, write."""
    args = parse()
    # One thread: the order of float additions, hence the result, does not depend on the machine.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    data = digits(seed=args.seed, validation_share=VALIDATION_SHARE)
    if args.kind != "mlp":
        same_test(args.output, data.test)
    guide = train_teacher(data.train, classes=10, epochs=args.teacher_epochs, seed=args.seed)
    teach = partial(
        lesson, guide=guide, levels=DIGITS_LEVELS, copies=args.copies, plain=args.plain,
        seed=args.seed,
    )  # fmt: skip
    best, on_valid = args.seed, args.validated
    if on_valid is None:
        best, on_valid = choose(args, data, teach(data.train))
    if args.validate:
        return 0
    net = train_student(args, teach(data.train + data.valid), seed=best)
    results = answers(net, data.test, DIGITS_LEVELS)
    on_test = float((results.classes == data.test.y).mean())
    print(f"test: {on_test:.4f} of {len(data.test)} images")
    notes = describe(args, net, data.test, (on_valid, on_test))
    write(args, net, data.test, results, notes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
