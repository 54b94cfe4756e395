"""What needs PyTorch: run by test_live.py as ``python live.py NAME``."""

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bnnhw.errors import BnnhwError, CheckFailed, UsageError
from bnnhw.train.checkpoint import FILE, Checkpoint
from bnnhw.train.data import Dataset, Split, digits, load_data
from bnnhw.train.export import check
from bnnhw.train.nets import binarise, make_net, sign
from bnnhw.train.run import train
from bnnhw.train.settings import DIGITS_LEVELS, Settings, marks

SMALL = Settings(model="cnn", hidden=(6, 8), levels=(0.3, 0.6), epochs=5, batch=16, seed=3)
NETS = {
    "mlp": replace(SMALL, model="mlp", hidden=(24, 16)),
    "mlp_shortcuts": replace(SMALL, model="mlp", hidden=(24, 24, 24), shortcuts=True),
    "cnn": SMALL,
    "cnn_shortcuts": replace(SMALL, hidden=(8, 8, 8), shortcuts=True),
    "taught": replace(SMALL, copies=2, teacher_epochs=60, patience=20),
    "all_train": replace(SMALL, validation_share=0.0),
}


def strokes(count: int = 120, side: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Draw upright, level and slanted strokes on a noisy ground."""
    rng = np.random.default_rng(1)
    x = rng.integers(0, 60, (count, side, side)).astype(np.uint8)
    y = np.arange(count) % 3
    for image, label in zip(x, y, strict=True):
        i, j = rng.integers(0, side - 4, 2)
        along = np.arange(5)
        rows = i + along * (label != 1)
        columns = j + along * (label != 0)
        image[np.minimum(rows, side - 1), np.minimum(columns, side - 1)] = 220
    return x, y


def data_of(settings: Settings, folder: Path) -> Dataset:
    """Give the strokes as a user would."""
    x, y = strokes()
    np.savez(folder / "strokes.npz", x=x, y=y)
    return load_data(
        str(folder / "strokes.npz"), seed=settings.seed,
        validation_share=settings.validation_share,
    )  # fmt: skip


def refused(kind: type[BnnhwError], what: str, call: Callable[[], object]) -> None:
    """Check that a call is refused, and why."""
    try:
        call()
    except kind as error:
        assert what in str(error), error
        return
    raise AssertionError(f"not refused: {what}")


def gradients(folder: Path) -> None:
    """Check the sign, its gradient at and beyond the threshold, and clipped weights."""
    for t_clip in (1.0, 1.25, 1.5):
        below, above = np.nextafter(np.float32(t_clip), [0, 9], dtype=np.float32)
        points = [-9.0, -t_clip, -0.5, -0.0, 0.0, 1e-30, 0.5, float(below), t_clip, float(above)]
        x = torch.tensor(points, requires_grad=True)
        out = sign(x, t_clip)
        assert out.tolist() == [-1, -1, -1, 1, 1, 1, 1, 1, 1, 1]
        out.backward(torch.arange(1.0, 11.0))
        assert x.grad is not None
        assert x.grad.tolist() == [0, 2, 3, 4, 5, 6, 7, 8, 9, 0]
        net = make_net("mlp", [4], shape=(1, 1, 6), classes=2, t_clip=t_clip)
        with torch.no_grad():
            net.weights[0].fill_(7)
        net.clip()
        assert net.weights[0].max() == t_clip
    pixels = torch.tensor([0, 127, 128, 255]).reshape(1, 1, 2, 2) / 255
    found = binarise(pixels, (0.499, 127.5 / 255))
    assert found.tolist() == [[-1, -1, 1, 1, -1, -1, 1, 1]]


def state_of(folder: Path) -> dict[str, Any]:
    """Read everything that the last checkpoint holds, without the length of the run."""
    saved = Checkpoint.load(folder)
    return {"notes": saved.notes, **saved.state, **{f"best {k}": v for k, v in saved.best.items()}}


def stopped_at(epoch: int) -> Callable[[str, int, int], None]:
    """Give a listener that acts as Ctrl-C does, behind an epoch."""

    def tell(what: str, done: int, total: int) -> None:
        if what.startswith(f"epoch {epoch}:"):
            raise KeyboardInterrupt

    return tell


def resume(folder: Path) -> None:
    """Check that a run that stopped twice ends in the very bytes of one that did not."""
    for name in ("taught", "cnn_shortcuts", "all_train"):
        settings = NETS[name]
        data = data_of(settings, folder)
        whole, parts = folder / f"{name}_whole", folder / f"{name}_parts"
        first = train(settings, data, whole, "net")
        for epoch, going in ((1, False), (3, True)):
            try:
                train(settings, data, parts, "net", resume=going, tell=stopped_at(epoch))
            except KeyboardInterrupt:
                continue
            raise AssertionError("it did not stop")
        assert not (parts / "net.onnx").exists()
        second = train(settings, data, parts, "net", resume=True)
        one, other = state_of(whole), state_of(parts)
        assert set(one) == set(other)
        for key, value in one.items():
            assert np.array_equal(value, other[key]), key
        for file in ("net.onnx", "net_expected.npz", "net_test.npz", "training.json"):
            assert (whole / file).read_bytes() == (parts / file).read_bytes(), file
        assert first["history"] == second["history"] and first["epochs"] == 5
        # Another seed is another network: the comparison above can fail.
        other_run = train(replace(settings, seed=4), data, folder / f"{name}_other", "net")
        assert other_run["history"] != first["history"]


def networks(folder: Path) -> None:
    """Check that every kind of network learns, and that its graph is what PyTorch computes."""
    for name, settings in NETS.items():
        data = data_of(settings, folder)
        facts = train(replace(settings, epochs=12), data, folder / name, "net")
        assert facts["accuracy"]["test"] > 0.6, (name, facts["accuracy"])
        assert facts["compared"]["images"] == len(data.test) == 24
        assert facts["compared"]["logits"] == 72
        assert facts["compared"]["right"] == round(24 * facts["accuracy"]["test"])
        told = json.loads((folder / name / "training.json").read_text())
        assert told["settings"] == replace(settings, epochs=12).document()
        assert len(told["history"]) == 12


def planted(folder: Path) -> None:
    """Check that a graph which is not the network's is noticed."""
    data = data_of(SMALL, folder)
    train(SMALL, data, folder / "one", "net")
    train(replace(SMALL, seed=8), data, folder / "other", "net")
    from bnnhw.load import load_model
    from bnnhw.train.export import Results

    with np.load(folder / "one" / "net_expected.npz") as file:
        results = Results(file["logits"], file["pred"])
    check(load_model(folder / "one" / "net.json"), data.test, results)
    other = load_model(folder / "other" / "net.json")
    refused(CheckFailed, "PyTorch differ in", lambda: check(other, data.test, results))


def early(folder: Path) -> None:
    """Check that a run stops when it validates no better, and gives the best network."""
    settings = replace(SMALL, epochs=60, patience=3)
    data = data_of(settings, folder)
    facts = train(settings, data, folder / "early", "net")
    shares = [row["validation"] for row in facts["history"]]
    best = facts["best_epoch"]
    assert facts["epochs"] == best + 3 < 60
    assert shares[best - 1] == max(shares) and max(shares[: best - 1], default=0) < max(shares)
    # The network is that of the best epoch: a run that ends there has the same weights, but for
    # the step sizes, which fall along a longer cosine.
    assert facts["accuracy"]["validation"] == max(shares)
    again = train(settings, data, folder / "early", "net", resume=True)
    assert again["history"] == facts["history"]


def refusals(folder: Path) -> None:
    """Check what a training does not start with, or does not go on from."""
    data = data_of(SMALL, folder)
    out = folder / "out"
    train(replace(SMALL, epochs=1), data, out, "net")

    def run(settings: Settings, given: Dataset = data, **how: Any) -> Callable[[], object]:
        where = out if how.get("resume") else folder / "new"
        return lambda: train(settings, given, how.pop("out", where), "net", **how)

    one = replace(SMALL, epochs=1)
    refused(UsageError, "has a training already", run(one, out=out))
    refused(UsageError, "has epochs 1, not 5", run(SMALL, resume=True))
    refused(UsageError, "has t_clip 1.3, not 1.2", run(replace(one, t_clip=1.2), resume=True))
    turned = replace(data, test=Split(data.test.x[::-1], data.test.y[::-1]))
    refused(UsageError, "is of other images", run(one, turned, resume=True))
    thin = Split(data.train.x[:, :, :3], data.train.y)
    refused(UsageError, "too small for a CNN", run(one, replace(data, train=thin)))
    colour = Split(np.repeat(data.train.x, 3, 1), data.train.y)
    refused(UsageError, "2 bits a pixel", run(one, replace(data, train=colour)))
    flat = Split(data.train.x.reshape(-1, 1, 1, 64), data.train.y)
    mlp = replace(one, model="mlp", hidden=(8,), copies=1)
    refused(UsageError, "cannot be distorted", run(mlp, replace(data, train=flat)))
    many = replace(one, plain=10_000, copies=10_000, levels=marks(64))
    refused(UsageError, "more than fit in memory", run(many))
    wide = replace(one, model="mlp", hidden=(16384, 16384))
    refused(UsageError, "weights; ", run(wide))
    (folder / "file").write_text("")
    refused(UsageError, "cannot be made", run(one, out=folder / "file" / "new"))
    saved = Checkpoint.load(out)
    for part in ("schedule", "net/weights.0", "generator"):
        state = {key: value for key, value in saved.state.items() if key != part}
        Checkpoint(saved.notes, state).save(out)
        refused(UsageError, "checkpoint is damaged", run(one, resume=True))
    bad = saved.state | {"net/weights.0": np.zeros((2, 2), np.float32)}
    Checkpoint(saved.notes, bad).save(out)
    refused(UsageError, "checkpoint is damaged", run(one, resume=True))
    (out / FILE).unlink()
    refused(UsageError, "has no checkpoint.npz", run(one, resume=True))


def scans(folder: Path) -> None:
    """Check that the recipe learns the digits in a fraction of its epochs."""
    data = digits(seed=2026, validation_share=0.15)
    with np.load(Path(__file__).resolve().parents[3] / "bnnhw/data/digits_test.npz") as bundled:
        assert np.array_equal(data.test.x, bundled["x"])
        assert np.array_equal(data.test.y, bundled["y"])
    settings = Settings(
        model="mlp", hidden=(192, 128), levels=DIGITS_LEVELS, epochs=10, copies=15, plain=2,
        teacher_epochs=10, threads=1,
    )  # fmt: skip
    facts = train(settings, data, folder / "digits", "digits_mlp")
    print(facts["accuracy"])
    # Measured: 0.956. Another kind of CPU may train a little otherwise.
    assert facts["accuracy"]["test"] > 0.94


def main() -> int:
    """Run one check in a folder of its own."""
    name = sys.argv[1]
    checks = (gradients, resume, networks, planted, early, refusals, scans)
    with tempfile.TemporaryDirectory() as folder:
        {check.__name__: check for check in checks}[name](Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
