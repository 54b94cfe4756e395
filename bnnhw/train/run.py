"""The whole way of a training: from images to a network in files that are checked."""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import UsageError
from ..files import write_atomic
from .arrays import answers, trained
from .checkpoint import FILE, MOST_WEIGHTS, Checkpoint
from .curves import draw_curves, drawable
from .data import Dataset
from .export import check, export, save_results, slack
from .loop import Training, accuracy, arrays_of, put_arrays, settled
from .nets import BinaryNet, make_net
from .settings import Settings
from .teach import lesson, teacher, train_teacher

__all__ = ["PRODUCER", "train"]

PRODUCER = "bnnhw train"
# A validation measures normalisation over so many rows of the lesson; the result over all.
_SETTLE = 16384

Tell = Callable[[str, int, int], None]


@dataclass
class _Progress:
    """What a training has seen so far."""

    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int | None = None
    best: dict[str, Any] = field(default_factory=dict)

    def note(self, row: dict[str, Any], training: Training, keep: bool) -> None:
        """Write an epoch down, and keep the mean network if it is the best one yet."""
        self.history.append(row)
        share = row["validation"]
        if share is None:
            return
        if self.best_epoch is None or share > self.history[self.best_epoch - 1]["validation"]:
            self.best_epoch = row["epoch"]
            if keep:
                self.best = arrays_of(training.mean.module)

    def over(self, settings: Settings) -> bool:
        """Tell whether there is nothing more to train."""
        done = len(self.history)
        if done >= settings.epochs:
            return True
        return (
            settings.patience is not None
            and self.best_epoch is not None
            and done - self.best_epoch >= settings.patience
        )


def train(
    settings: Settings,
    data: Dataset,
    folder: Path,
    name: str,
    *,
    resume: bool = False,
    tell: Tell = lambda what, done, total: None,
) -> dict[str, Any]:
    """Train a network, write it and what it computes, and hold the integer graph against PyTorch.

    After every epoch `folder` has a checkpoint, from which `resume` goes on to the very weights
    that a run without a stop gives.

    Parameters
    ----------
    settings : Settings
    data : Dataset
    folder : Path
        Is made if need be.
    name : str
        Of the network; passes `bnnhw.names.checked`.
    resume : bool
        Go on from the checkpoint that is there.
    tell : callable
        Takes what is going on, how much is done, and how much there is.

    Returns
    -------
    dict of JSON values
        What was trained, how well it does, and the files.

    Raises
    ------
    UsageError
        If the network does not suit the images, or there is a checkpoint and no `resume`, or the
        other way round, or it is of other settings or images.
    ToolMissing
        If the `onnx` package is not installed.
    CheckFailed
        If the integer graph and PyTorch differ.
    """
    _suits(settings, data)
    with torch.device("meta"):  # which has shapes and no memory
        _bounded(_maker(settings, data)())
    saved = _saved(settings, data, folder, resume)
    # The order of float additions, hence the result, must not depend on what else is running.
    torch.set_num_threads(settings.threads)
    torch.use_deterministic_algorithms(True)
    net, progress = _trained(settings, data, folder, saved, tell)
    tell("writing and checking", 0, 0)
    return _written(settings, data, (folder, name), net, progress)


def _suits(settings: Settings, data: Dataset) -> None:
    channels, height, width = data.shape
    what = f"Images of {channels} x {height} x {width}"
    if channels > 1 and len(settings.levels) > 1:
        raise UsageError(
            f"{what} cannot have {len(settings.levels)} bits a pixel: that takes one channel.",
            "Give --thermometer 1, or grey images.",
        )
    if settings.model == "cnn" and min(height, width) < 4:
        raise UsageError(f"{what} are too small for a CNN.", "Choose --model mlp.")
    if (settings.teacher_epochs or settings.copies) and min(height, width) < 2:
        raise UsageError(
            f"{what} cannot be distorted, nor shown to a teacher.",
            "Leave out --copies and --teacher-epochs.",
        )
    values = len(data.train) * (settings.plain + settings.copies) * channels * height * width
    if values * len(settings.levels) > 1 << 30:
        raise UsageError(
            f"{values:,} pixels in {len(settings.levels)} levels are more than fit in memory.",
            "Give fewer --copies or levels, or smaller or fewer images.",
        )


def _maker(settings: Settings, data: Dataset) -> Callable[[], BinaryNet]:
    channels, height, width = data.shape
    return partial(
        make_net, settings.model, settings.hidden, t_clip=settings.t_clip,
        shape=(channels * len(settings.levels), height, width), classes=len(data.classes),
        shortcuts=settings.shortcuts,
    )  # fmt: skip


def _saved(settings: Settings, data: Dataset, folder: Path, resume: bool) -> Checkpoint | None:
    if not resume:
        if (folder / FILE).exists():
            raise UsageError(
                f"'{folder}' has a training already.",
                "Go on with it: --resume, or choose another folder.",
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"'{folder}' cannot be made: {error.strerror}.", "Choose another folder."
            ) from error
        return None
    saved = Checkpoint.load(folder)
    told = saved.notes.get("settings")
    earlier = Settings.of(told if isinstance(told, dict) else {}).document()
    for key, value in settings.document().items():
        if earlier[key] != value:
            raise UsageError(
                f"The checkpoint in '{folder}' has {key} {earlier[key]!r}, not {value!r}.",
                "Resume with the same options as before, or train anew in another folder.",
            )
    if saved.notes.get("images") != data.digest:
        raise UsageError(
            f"The checkpoint in '{folder}' is of other images.",
            "Resume with the same images, or train anew in another folder.",
        )
    return saved


def _trained(
    settings: Settings, data: Dataset, folder: Path, saved: Checkpoint | None, tell: Tell
) -> tuple[BinaryNet, _Progress]:
    guide = _guide(settings, data, saved, tell)
    tell("preparing images", 0, 0)
    work = lesson(
        data.train, guide, levels=settings.levels, copies=settings.copies,
        plain=settings.plain, seed=settings.seed,
    )  # fmt: skip
    make = _maker(settings, data)
    training = Training(
        work, make, epochs=settings.epochs, seed=settings.seed, lr=settings.lr,
        batch=settings.batch,
    )  # fmt: skip
    progress = _Progress()
    if saved:
        _restore(training, progress, saved, folder)
    else:
        _save(settings, data, folder, guide, training, progress)
    while not progress.over(settings):
        epoch = len(progress.history) + 1
        loss, right = training.epoch()
        share = None
        if len(data.valid):
            share = accuracy(training.result(_SETTLE), data.valid, settings.levels)
        row = {"epoch": epoch, "loss": loss, "train": right, "validation": share}
        progress.note(row, training, settings.patience is not None)
        _save(settings, data, folder, guide, training, progress)
        told = "" if share is None else f", validation {share:.2%}"
        tell(f"epoch {epoch}: loss {loss:.4f}{told}", epoch, settings.epochs)
    if progress.best:
        best = copy.deepcopy(training.mean.module)
        put_arrays(best, progress.best)
        return settled(best, work), progress
    return training.result(), progress


def _guide(
    settings: Settings, data: Dataset, saved: Checkpoint | None, tell: Tell
) -> nn.Module | None:
    if not settings.teacher_epochs:
        return None
    count = len(data.classes)
    if saved:
        guide = teacher(settings.seed, data.shape, count)
        _put(guide, saved.guide)
        return guide.eval()
    return train_teacher(
        data.train, classes=count, epochs=settings.teacher_epochs, seed=settings.seed,
        tell=lambda epoch: tell("training the teacher", epoch, settings.teacher_epochs),
    )  # fmt: skip


def _bounded(net: BinaryNet) -> None:
    count = sum(weight.numel() for weight in net.parameters())
    if count > MOST_WEIGHTS:
        raise UsageError(
            f"The network has {count:,} weights; {MOST_WEIGHTS:,} are the limit.",
            "Choose smaller layers (--width), fewer levels or smaller images.",
        )


def _damaged(error: Exception) -> UsageError:
    return UsageError(
        f"The checkpoint is damaged: {type(error).__name__}: {str(error).splitlines()[0][:200]}",
        "Train anew, in another folder.",
    )


def _put(net: nn.Module, arrays: dict[str, Any]) -> None:
    try:
        put_arrays(net, arrays)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise _damaged(error) from error


def _restore(training: Training, progress: _Progress, saved: Checkpoint, folder: Path) -> None:
    try:
        training.load(saved.state)
        progress.history, progress.best_epoch = saved.seen()
        progress.best = saved.best
    except (KeyError, RuntimeError, TypeError, ValueError, IndexError) as error:
        raise _damaged(error) from error


def _save(
    settings: Settings,
    data: Dataset,
    folder: Path,
    guide: nn.Module | None,
    training: Training,
    progress: _Progress,
) -> None:
    notes = {
        "settings": settings.document(),
        "images": data.digest,
        "history": progress.history,
        "best": progress.best_epoch,
        "torch": torch.__version__,
    }
    arrays = arrays_of(guide) if guide is not None else {}
    Checkpoint(notes, training.state(), arrays, progress.best).save(folder)


def _written(
    settings: Settings, data: Dataset, where: tuple[Path, str], net: BinaryNet, progress: _Progress
) -> dict[str, Any]:
    folder, name = where
    arrays = trained(net, shape=data.shape, levels=settings.levels)
    results = answers(net, data.test, settings.levels)
    on_test = float((results.classes == data.test.y).mean())
    on_valid = accuracy(net, data.valid, settings.levels) if len(data.valid) else None
    notes = {
        "topology": net.topology,
        "split": data.words,
        "accuracy_test": f"{on_test:.4f}",
        "bnnhw.pixel_scale": "1/255",
        "seed": str(settings.seed),
        "t_clip": str(settings.t_clip),
        "trainer": f"{PRODUCER}, torch {torch.__version__}",
    }
    if on_valid is not None:
        notes["accuracy_validation"] = f"{on_valid:.4f}"
    graph = export(arrays, folder, name, notes, producer=PRODUCER)
    save_results(folder, name, data.test, results, notes)
    compared = check(graph, data.test, results)
    facts: dict[str, Any] = {
        "network": name,
        "topology": net.topology,
        "weights": sum(weight.numel() for weight in net.weights),
        "classes": list(data.classes),
        "images": {"train": len(data.train), "validation": len(data.valid), "test": len(data.test)},
        "settings": settings.document(),
        "epochs": len(progress.history),
        "best_epoch": progress.best_epoch if progress.best else None,
        "accuracy": {
            "train": accuracy(net, data.train, settings.levels),
            "validation": on_valid,
            "test": on_test,
        },
        "compared": compared,
        "slack": min(map(slack, arrays.hidden)),
        "history": progress.history,
    }
    made = [f"{name}.onnx", f"{name}.json", f"{name}.npz", f"{name}_test.npz",
            f"{name}_expected.npz", "training.json"]  # fmt: skip
    if drawable():
        title = f"{name}: {on_test:.2%} of {len(data.test)} test images right"
        best = facts["best_epoch"]
        write_atomic(folder / "curves.svg", draw_curves(progress.history, title, best=best))
        made.append("curves.svg")
    text = json.dumps(facts, indent=1, ensure_ascii=False)
    write_atomic(folder / "training.json", f"{text}\n".encode())
    return facts | {"files": [str(folder / file) for file in made]}
