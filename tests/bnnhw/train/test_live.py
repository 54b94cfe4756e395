"""Training itself, in the Python that BNNHW_TORCH_PYTHON names: PyTorch is not installed here."""

import os
import re
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3]
COMMAND = "from rtl_gen.cli.app import main; main()"

pytestmark = pytest.mark.slow


@pytest.fixture
def python() -> str:
    found = os.environ.get("BNNHW_TORCH_PYTHON")
    if not found:
        pytest.fail("Set BNNHW_TORCH_PYTHON to a Python with torch 2.13 and the extra `train`.")
    return found


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"}


@pytest.mark.parametrize(
    "name", ["gradients", "resume", "networks", "planted", "early", "refusals", "scans"]
)
def test_live(python: str, name: str) -> None:
    words = [python, str(Path(__file__).with_name("live.py")), name]
    done = subprocess.run(words, capture_output=True, text=True, env=environment())
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ctrl_c_and_on(python: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    labels = np.arange(60) % 2
    images = (rng.integers(0, 128, (60, 8, 8)) + 127 * labels[:, None, None]).astype(np.uint8)
    np.savez(tmp_path / "halves.npz", x=images, y=labels)
    words = [python, "-c", COMMAND, "train", "halves.npz", "-o", "out", "--epochs", "150",
             "--width", "8,8", "--batch", "8"]  # fmt: skip
    with subprocess.Popen(
        words, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stderr is not None
        seen = ""
        while "epoch 3:" not in seen:
            line = child.stderr.readline()
            assert line, seen
            seen += line
        child.send_signal(signal.SIGINT)
        seen += child.stderr.read()
    assert child.returncode == 130, seen
    assert re.search(
        r"\nGo on with: bnnhw train halves.npz -o out --epochs 150 --width 8,8 --batch 8 "
        r"--resume\n\n?bnnhw: stopped by the user.\n$",
        seen,
    ), seen
    assert not list((tmp_path / "out").glob("*.onnx"))
    done = subprocess.run(
        [*words, "--resume"], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "epoch 3:" not in done.stderr and "epoch 150:" in done.stderr
    assert "150 of 150" in done.stdout
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {
        "halves.onnx", "halves.json", "halves.npz", "halves_test.npz", "halves_expected.npz",
        "training.json", "checkpoint.npz", "curves.svg",
    }  # fmt: skip
