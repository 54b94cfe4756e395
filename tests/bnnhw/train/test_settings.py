"""Settings: what is refused, how levels part pixels, and the recipes."""

import re
from dataclasses import asdict
from typing import Any

import pytest

from bnnhw.errors import UsageError
from bnnhw.train.settings import DIGITS_LEVELS, Settings, mark, marks, recipe


def test_a_mark_parts_pixels_where_it_is_asked_to() -> None:
    for value in (1 / 255, 0.1, 0.2, 0.25, 1 / 3, 0.5, 51 / 255, 0.999, 1.0):
        placed = mark(value)
        for pixel in range(256):
            wanted = pixel * 10**12 >= round(value * 255 * 10**12)
            assert (pixel / 255 >= placed) == wanted, (value, pixel)
        # Half a pixel away from each: no float of 32 bits can be on the wrong side.
        assert min(abs(pixel / 255 - placed) for pixel in range(256)) > 0.0019


def test_marks_are_equal_steps() -> None:
    assert marks(1) == (mark(0.5),)
    assert marks(3) == (mark(0.25), mark(0.5), mark(0.75))
    assert len(set(marks(64))) == 64


def test_document_and_back() -> None:
    settings = Settings(model="cnn", hidden=(8, 8), shortcuts=True, patience=3, levels=(0.5,))
    assert Settings.of(settings.document()) == settings
    with pytest.raises(UsageError, match="not those of this version"):
        Settings.of({"model": "cnn"})


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"model": "rnn"}, "Model must be 'mlp' or 'cnn', not 'rnn'."),
        ({"epochs": 0}, "Epochs must be a whole number from 1 to 100000, not 0."),
        ({"batch": 1}, "Batch must be a whole number from 2 to 1048576, not 1."),
        ({"seed": -1}, "Seed must be a whole number from 0 to 2147483647, not -1."),
        ({"threads": 0}, "Threads must be a whole number from 1 to 1024, not 0."),
        ({"copies": True}, "Copies must be a whole number from 0 to 10000, not True."),
        ({"lr": 0.0}, "Lr must be a number from 1e-07 to 10, not 0.0."),
        ({"lr": float("nan")}, "Lr must be a number from 1e-07 to 10, not nan."),
        ({"t_clip": 0.0}, "t_clip must be a number from 0.1 to 100, not 0.0."),
        ({"validation_share": 1.0}, "Validation share must be a number from 0 to 0.9, not 1.0."),
        ({"patience": 0}, "Patience must be a whole number from 1 to 100000, not 0."),
        ({"patience": 1, "validation_share": 0.0}, "Without validation images nothing says"),
        ({"hidden": ()}, "Hidden must be 1 to 64 layers, not ()."),
        ({"hidden": (8,), "model": "cnn"}, "Hidden must be 2 to 64 layers, not (8,)."),
        ({"hidden": (0,)}, "Width must be a whole number from 1 to 16384, not 0."),
        ({"levels": ()}, "Levels must be 1 to 64 rising numbers, not ()."),
        ({"levels": (0.5, 0.2)}, "Levels must be 1 to 64 rising numbers, not (0.5, 0.2)."),
        ({"levels": (0.5, 2.0)}, "Level must be a number from 0 to 1, not 2.0."),
        ({"shortcuts": True}, "No two neighbours among the widths 192, 128 are equal"),
    ],
)
def test_setting_wrong(given: dict[str, Any], what: str) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(what)}"):
        Settings(**given)


def test_level_wrong() -> None:
    for value in (0.0, -1.0, 1.1, float("nan")):
        with pytest.raises(UsageError, match="^Level must be above 0 and at most 1"):
            mark(value)


@pytest.mark.parametrize("model", ["mlp", "cnn"])
@pytest.mark.parametrize("shortcuts", [False, True])
def test_recipes_are_settings(model: str, shortcuts: bool) -> None:
    for source in ("images.npz", f"digits-{model}"):
        told = recipe(source, model, shortcuts=shortcuts)
        assert asdict(Settings(model=model, shortcuts=shortcuts, **told)).items() >= told.items()


def test_recipes_of_the_bundled_networks() -> None:
    for model, wanted in (
        ("mlp", {"hidden": (192, 128), "epochs": 40, "copies": 60, "plain": 4}),
        ("cnn", {"hidden": (24, 32, 48), "epochs": 20, "copies": 30, "plain": 2}),
    ):
        told = recipe(f"digits-{model}", model)
        assert told.items() >= wanted.items()
        assert told["levels"] == DIGITS_LEVELS == (1.5 / 16, 5.5 / 16, 10.5 / 16)
        assert told["teacher_epochs"] == 40
    assert Settings().t_clip == 1.3
