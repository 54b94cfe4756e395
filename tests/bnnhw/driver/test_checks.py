"""The images of a self-test: which are sent, when it stops, and what it says of them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import bnnhw
from bnnhw.driver import checks
from bnnhw.driver.answers import Answers

DIGITS = Path(bnnhw.__file__).parent / "data" / "digits_mlp.onnx"


def test_images_are_ends_random_ones_and_single_pixels() -> None:
    images = checks._drawn((1, 8, 8), 17)
    assert images.shape == (2 + 256 + 64, 1, 8, 8)
    flat = images.reshape(len(images), -1)
    assert (flat[0] == 0).all()
    assert (flat[1] == 16).all()
    single = flat[(flat > 0).sum(axis=1) == 1]
    assert len(single) == 64
    assert (np.sort(single.argmax(axis=1)) == np.arange(64)).all()
    assert (flat[2:16] == 16).sum(axis=1).min() >= 1, "both kinds come from the first lot on"
    assert ((flat[2:16] > 0).sum(axis=1) > 1).sum() == 7


def test_all_are_held_against_the_golden_model() -> None:
    with bnnhw.open("model:") as device:
        found = {check.name: check for check in device.self_test(DIGITS)}
        assert found["golden"].passed
        count = int(found["golden"].detail.split()[0])
        assert count == len(checks._drawn(device._known().node.image_shape, 2))
        found = {check.name: check for check in device.self_test()}
        assert found["golden"].passed is None
        assert found["golden"].detail.startswith("skipped: no model was given")


def test_one_wrong_answer_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the last lot, so that all of them are compared."""
    with bnnhw.open("model:") as device:
        predict = device.predict

        def wrong(images):
            told = predict(images)
            if len(images) < 16:
                told.logits[-1, 0] += 2
            return told

        monkeypatch.setattr(device, "predict", wrong)
        found = device.self_test(DIGITS)
    assert [check.name for check in found if check.passed is False] == ["golden"]


def test_a_slow_line_ends_behind_the_lot_that_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 4))
    monkeypatch.setattr("time.monotonic", lambda: float(next(clock)))
    shown = np.zeros((100, 1), np.int64)

    device: Any = SimpleNamespace(predict=lambda images: Answers(images[:, :1], images[:, 0]))
    assert len(checks._asked(device, shown).logits) == 48
