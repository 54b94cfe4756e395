"""`bnnhw train` without PyTorch: what it refuses, in which order, and what it would have done.

What it does with PyTorch is in tests/bnnhw/train/test_live.py.
"""

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bnnhw.train.checkpoint import FILE
from bnnhw.train.settings import DIGITS_LEVELS, Settings, mark, marks

RNG = np.random.default_rng(4)


@pytest.fixture
def images() -> Path:
    """Give forty images of two classes."""
    x = RNG.integers(0, 256, (40, 6, 6)).astype(np.uint8)
    np.savez("tiny.npz", x=x, y=np.arange(40) % 2)
    return Path("tiny.npz")


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Stand in for the training, which needs PyTorch, and note what it is asked for."""
    seen: list[dict[str, Any]] = []

    def run(settings: Settings, data: Any, out: Path, name: str, *, resume: bool, tell: Any) -> Any:
        seen.append({"settings": settings, "data": data, "out": out, "name": name,
                     "resume": resume})  # fmt: skip
        tell("training", 1, 2)
        if settings.lr == 0.5:
            out.mkdir()
            (out / FILE).write_bytes(b"")
            raise KeyboardInterrupt
        if settings.lr == 0.25:
            raise KeyboardInterrupt
        return {
            "network": name, "topology": "1-2-3", "weights": 1234, "epochs": 2,
            "best_epoch": settings.patience, "settings": settings.document(),
            "accuracy": {"train": 0.5, "validation": None, "test": 0.25},
            "images": {"train": 30, "validation": 0, "test": 8},
            "compared": {"logits": 16, "images": 8, "right": 2},
            "files": [f"{out}/{name}.onnx", f"{out}/training.json"],
        }  # fmt: skip

    module = types.ModuleType("bnnhw.train.run")
    module.train = run
    monkeypatch.setitem(sys.modules, "bnnhw.train.run", module)
    torch = types.ModuleType("torch")
    torch.__spec__ = types.SimpleNamespace()  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, "torch", torch)
    return seen


@pytest.mark.usefixtures("no_torch")
def test_without_torch(refuses: Any, images: Path) -> None:
    todo = 'pip install "bnnhw[train]"'
    for source in ("digits-mlp", "digits-cnn", images):
        refuses(3, "Training needs PyTorch, which is not installed.", todo, "train", source,
                "-o", "out")  # fmt: skip


@pytest.mark.usefixtures("no_torch")
def test_mistakes_come_before_what_is_missing(refuses: Any, images: Path) -> None:
    Path("bare").mkdir()
    for what, todo, words in (
        ("no folder of images, no .npz", "Give one of them", ["nothing"]),
        ("does not exist", "Check the path", ["nothing.npz"]),
        ("'bare' has 0 folders", "a folder of its own", ["bare"]),
        ("Epochs must be", "train --help", [images, "--epochs", 0]),
        ("t_clip must be", "train --help", [images, "--t-clip", 0]),
        ("Model must be 'mlp' or 'cnn', not 'rnn'", "--help", [images, "--model", "rnn"]),
        ("not 'a,b'", "--width 24,32,48", [images, "--width", "a,b"]),
        ("not '1,\\x1b'", "--width 24,32,48", [images, "--width", "1,\x1b"]),
        ("not '0.1;2'", "--thermometer 3", [images, "--thermometer", "0.1;2"]),
        ("Levels must be", "--help", [images, "--thermometer", 0]),
        ("No two neighbours", "--width 32,32,32", [images, "--shortcuts", "--width", "8,9"]),
        ("Without validation", "Leave --patience out", [images, "--patience", 2,
                                                        "--validation-share", 0]),
        ("The name 'module'", "Verilog keyword", [images, "--name", "module"]),
    ):  # fmt: skip
        refuses(2, what, todo, "train", *words, "-o", "out")


def test_a_recipe_keeps_its_model(refuses: Any, calls: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("rtl_gen.cli.train.load_data", lambda *a, **k: None)
    refuses(2, "digits-mlp is the recipe of another model than 'cnn'", "train digits-cnn",
            "train", "digits-mlp", "--model", "cnn", "-o", "out")  # fmt: skip
    assert calls == []


def test_what_is_asked_for(cli: Any, calls: Any, images: Path) -> None:
    done = cli("train", images, "-o", "out", "--json")
    assert done.code == 0, done.err
    assert done.document["network"] == "tiny"
    done = cli("train", images, "-o", "out", "--model", "mlp", "--width", "16,16", "--shortcuts",
               "--thermometer", "0.2,0.5", "--epochs", 3, "--batch", 8, "--lr", 0.02, "--t-clip",
               1.2, "--copies", 2, "--teacher-epochs", 5, "--validation-share", 0.25, "--patience",
               7, "--seed", 9, "--threads", 2, "--name", "mine", "--resume")  # fmt: skip
    assert done.code == 0, done.err
    first, second = calls
    assert first["settings"] == Settings(
        model="cnn", hidden=(32, 48, 64), levels=marks(3), epochs=60, batch=64
    )
    assert (first["name"], first["resume"], first["out"]) == ("tiny", False, Path("out"))
    assert second["settings"] == Settings(
        model="mlp", hidden=(16, 16), shortcuts=True, levels=(mark(0.2), mark(0.5)), epochs=3,
        batch=8, lr=0.02, t_clip=1.2, copies=2, teacher_epochs=5, validation_share=0.25,
        patience=7, seed=9, threads=2,
    )  # fmt: skip
    assert (second["name"], second["resume"]) == ("mine", True)
    assert len(second["data"].valid) == 8
    for text in ("mine, trained", "1,234 bits", "2 of 3, the best being epoch 7", "25.00% of 8",
                 "16 logits and 8 classes", "Next: bnnhw build out/mine.onnx"):  # fmt: skip
        assert text in done.out


def test_the_digits_recipe(cli: Any, calls: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("rtl_gen.cli.train.load_data", lambda *a, **k: None)
    assert cli("train", "digits-cnn", "-o", "out").code == 0
    assert calls[0]["name"] == "digits_cnn"
    assert calls[0]["settings"] == Settings(
        model="cnn", hidden=(24, 32, 48), levels=DIGITS_LEVELS, epochs=20, copies=30, plain=2,
        teacher_epochs=40,
    )  # fmt: skip


def test_folder_and_vectors(cli: Any, calls: Any) -> None:
    for name in ("cat", "dog"):
        folder = Path("my animals") / name
        folder.mkdir(parents=True)
        for number in range(10):
            pixels = RNG.integers(0, 256, (5, 9)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    np.savez("vectors.npz", x=RNG.integers(0, 256, (40, 30)).astype(np.uint8), y=np.arange(40) % 3)
    assert cli("train", "my animals", "--side", 8, "-o", "out").code == 0
    assert cli("train", "vectors.npz", "-o", "out").code == 0
    first, second = calls
    assert (first["name"], first["data"].shape) == ("my_animals", (1, 8, 8))
    assert first["data"].classes == ("cat", "dog")
    assert (second["settings"].model, second["data"].shape) == ("mlp", (1, 1, 30))


@pytest.mark.usefixtures("calls")
def test_ctrl_c(cli: Any, images: Path) -> None:
    done = cli("train", images, "-o", "my out", "--lr", 0.5)
    assert done.code == 130
    assert f"Go on with: bnnhw train {images} -o 'my out' --lr 0.5 --resume\n" in done.err
    assert done.err.endswith("bnnhw: stopped by the user.\n")
    # Before the first checkpoint there is nothing to go on from.
    done = cli("train", images, "-o", "other", "--lr", 0.25)
    assert (done.code, "Go on" in done.err) == (130, False)
