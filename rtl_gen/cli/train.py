"""`bnnhw train`: a binary network from labelled images, exported and checked."""

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from bnnhw.errors import UsageError
from bnnhw.names import checked, printable
from bnnhw.train.checkpoint import FILE
from bnnhw.train.data import DIGITS, Dataset, load_data
from bnnhw.train.settings import T_CLIP, Settings, mark, marks, recipe
from bnnhw.train.tools import need_torch

from .options import Json, Name, OutDir, Seed
from .show import emit_json, pairs, progress, say

__all__ = ["train"]

_SEED = 2026


Source = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="digits-mlp, digits-cnn, a folder with a folder of images for each class, or an .npz "
        "with x and y, perhaps x_test and y_test.",
    ),
]
ModelKind = Annotated[str | None, typer.Option("--model", help="mlp or cnn.")]
Width = Annotated[
    str | None, typer.Option("--width", help="Of each hidden layer, such as 24,32,48.")
]
Thermometer = Annotated[
    str | None,
    typer.Option("--thermometer", help="Bits a pixel, or its levels, such as 0.1,0.35,0.65."),
]
Shortcuts = Annotated[
    bool, typer.Option("--shortcuts", help="Add the sums of a layer to those of the next.")
]
Epochs = Annotated[int | None, typer.Option("--epochs", help="Times through the images.")]
Batch = Annotated[int | None, typer.Option("--batch", help="Images of one step.")]
Rate = Annotated[float, typer.Option("--lr", help="First step size; falls along a cosine.")]
Clip = Annotated[
    float, typer.Option("--t-clip", help="Gradients pass a sign within plus or minus this.")
]
Copies = Annotated[
    int | None, typer.Option("--copies", help="Distorted copies of each image in an epoch.")
]
Teacher = Annotated[
    int | None, typer.Option("--teacher-epochs", help="Of a float network that teaches; 0: none.")
]
Share = Annotated[
    float, typer.Option("--validation-share", help="Part of the images that do not train.")
]
Patience = Annotated[
    int | None,
    typer.Option("--patience", help="Stop after so many epochs that validate no better."),
]
Side = Annotated[
    int | None, typer.Option("--side", help="Scale the images of a folder to N x N pixels.")
]
Threads = Annotated[int, typer.Option("--threads", help="Of PyTorch.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in the folder.")]


def train(
    source: Source,
    out: OutDir,
    model: ModelKind = None,
    width: Width = None,
    thermometer: Thermometer = None,
    shortcuts: Shortcuts = False,
    epochs: Epochs = None,
    batch: Batch = None,
    lr: Rate = 0.01,
    t_clip: Clip = T_CLIP,
    copies: Copies = None,
    teacher_epochs: Teacher = None,
    validation_share: Share = 0.15,
    patience: Patience = None,
    side: Side = None,
    seed: Seed = _SEED,
    threads: Threads = 1,
    name: Name = None,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Train a binary network, write it as QONNX and integer graph, and check it against PyTorch."""
    first = Settings(
        model=model or "mlp", lr=lr, t_clip=t_clip, validation_share=validation_share,
        patience=patience, seed=seed, threads=threads,
    )  # fmt: skip
    if source in DIGITS:
        # It comes before scikit-learn, which the scans come with, since it brings that along.
        need_torch()
    data = load_data(source, seed=seed, validation_share=validation_share, side=side)
    kind = _kind(source, model, data)
    given = {
        "hidden": None if width is None else _widths(width),
        "levels": None if thermometer is None else _levels(thermometer),
        "epochs": epochs, "batch": batch, "copies": copies, "teacher_epochs": teacher_epochs,
    }  # fmt: skip
    told = recipe(source, kind, shortcuts=shortcuts)
    told |= {key: value for key, value in given.items() if value is not None}
    settings = replace(first, model=kind, shortcuts=shortcuts, **told)
    label = checked(name, "name") if name else _name(source, data)
    need_torch()
    facts = _run(settings, data, out, label, resume, as_json)
    if as_json:
        emit_json(facts)
    else:
        _show(facts)


def _run(
    settings: Settings, data: Dataset, out: Path, name: str, resume: bool, quiet: bool
) -> dict[str, Any]:
    from bnnhw.train.run import train as run

    try:
        with progress(quiet) as tell:
            return run(settings, data, out, name, resume=resume, tell=tell)
    except KeyboardInterrupt:
        if (out / FILE).exists():
            words = [word for word in sys.argv[1:] if word != "--resume"]
            print(f"\nGo on with: bnnhw {shlex.join(words)} --resume", file=sys.stderr)
        raise


def _kind(source: str, model: str | None, data: Dataset) -> str:
    digits = source.removeprefix("digits-") if source in DIGITS else None
    if digits and model not in (None, digits):
        raise UsageError(
            f"{source} is the recipe of another model than '{printable(str(model))}'.",
            f"Leave --model out, or train digits-{'cnn' if digits == 'mlp' else 'mlp'}.",
        )
    return digits or model or ("cnn" if min(data.shape[1:]) >= 4 else "mlp")


def _name(source: str, data: Dataset) -> str:
    from bnnhw.load.chain import graph_name

    return source.replace("-", "_") if source in DIGITS else graph_name(data.name)


def _widths(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(
            f"Widths are whole numbers with commas between them, not '{printable(text)}'.",
            "Give one for each hidden layer: --width 24,32,48",
        ) from error


def _levels(text: str) -> tuple[float, ...]:
    try:
        if text.isascii() and text.isdecimal():
            return marks(int(text))
        return tuple(mark(float(part)) for part in text.split(","))
    except ValueError as error:
        raise UsageError(
            f"A thermometer is a number of bits or a list of levels, not '{printable(text)}'.",
            "Give for example --thermometer 3 or --thermometer 0.1,0.35,0.65",
        ) from error


def _show(facts: dict[str, Any]) -> None:
    images, right, compared = facts["images"], facts["accuracy"], facts["compared"]
    epochs = f"{facts['epochs']} of {facts['settings']['epochs']}"
    if facts["best_epoch"]:
        epochs += f", the best being epoch {facts['best_epoch']}"
    rows: list[tuple[str, object]] = [
        ("layers", facts["topology"]),
        ("weights", f"{facts['weights']:,} bits"),
        ("epochs", epochs),
        ("training images", f"{right['train']:.2%} of {images['train']:,}"),
    ]
    if right["validation"] is not None:
        rows.append(("validation images", f"{right['validation']:.2%} of {images['validation']:,}"))
    rows += [
        ("test images", f"{right['test']:.2%} of {images['test']:,}"),
        (
            "integer graph",
            f"{compared['logits']:,} logits and {compared['images']:,} classes as PyTorch has them",
        ),
        *(("file", file) for file in facts["files"]),
    ]
    pairs(f"{facts['network']}, trained", rows)
    model = next(file for file in facts["files"] if file.endswith(".onnx"))
    say(f"Next: bnnhw build {shlex.quote(model)} --board icebreaker -o build")
