"""What a training is asked for: checked before anything is read, stored beside its results."""

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from ..errors import UsageError

__all__ = ["DIGITS_LEVELS", "MODELS", "T_CLIP", "Settings", "mark", "marks", "recipe"]

MODELS = ("mlp", "cnn")
T_CLIP = 1.3
# Marks at 2, 6 and 11 of the 16 grey levels of the scans.
DIGITS_LEVELS = (1.5 / 16, 5.5 / 16, 10.5 / 16)
_COUNTS = {
    "epochs": (1, 100_000),
    "batch": (2, 1 << 20),
    "seed": (0, (1 << 31) - 1),
    "copies": (0, 10_000),
    "plain": (1, 10_000),
    "teacher_epochs": (0, 10_000),
    "threads": (1, 1024),
}
_WIDEST = 1 << 14
_LAYERS = 64


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a network is made and trained; the same settings and images give the same network.

    Parameters
    ----------
    model : str
        "mlp" or "cnn".
    hidden : tuple of int
        Neurons or channels of each hidden layer; of a CNN at least two.
    levels : tuple of float
        A pixel p becomes one bit for each: +1 where p / 255 reaches it.
    epochs, batch, seed : int
    lr : float
        Adam's first step size, which falls along a cosine.
    t_clip : float
        Gradients pass a sign where its input is within ± this; latent weights stay there, too.
    shortcuts : bool
        Whether the sums of a layer are added to those of the next one, where both have as many.
    copies, plain : int
        Distorted and undistorted copies of every training image in an epoch.
    teacher_epochs : int
        Of a float network whose opinion is learned as well; 0: labels alone.
    validation_share : float
        Part of the training images that choose and do not train; 0: none.
    patience : int or None
        Stop after so many epochs without a better validation, and keep the best.
    threads : int
        Of PyTorch. Another number adds floats in another order, hence may give other weights.

    Raises
    ------
    UsageError
        If a setting is out of its range.
    """

    model: str = "mlp"
    hidden: tuple[int, ...] = (192, 128)
    levels: tuple[float, ...] = (0.25, 0.5, 0.75)
    epochs: int = 40
    batch: int = 256
    seed: int = 2026
    lr: float = 1e-2
    t_clip: float = T_CLIP
    shortcuts: bool = False
    copies: int = 0
    plain: int = 1
    teacher_epochs: int = 0
    validation_share: float = 0.15
    patience: int | None = None
    threads: int = 1

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            _refuse("model", "'mlp' or 'cnn'", self.model)
        for name, (least, most) in _COUNTS.items():
            _whole(name, getattr(self, name), least, most)
        if self.patience is not None:
            _whole("patience", self.patience, 1, 100_000)
        _number("lr", self.lr, 1e-7, 10)
        _number("t_clip", self.t_clip, 0.1, 100)
        _number("validation_share", self.validation_share, 0, 0.9)
        if self.patience is not None and not self.validation_share:
            raise UsageError(
                "Without validation images nothing says when to stop early.",
                "Leave --patience out, or give --validation-share.",
            )
        self._check_shape()

    def _check_shape(self) -> None:
        least = 2 if self.model == "cnn" else 1
        if not least <= len(self.hidden) <= _LAYERS:
            _refuse("hidden", f"{least} to {_LAYERS} layers", self.hidden)
        for width in self.hidden:
            _whole("width", width, 1, _WIDEST)
        if not 1 <= len(self.levels) <= 64 or sorted(set(self.levels)) != list(self.levels):
            _refuse("levels", "1 to 64 rising numbers", self.levels)
        for level in self.levels:
            _number("level", level, 0, 1)
        joined = any(a == b for a, b in zip(self.hidden, self.hidden[1:], strict=False))
        if self.shortcuts and not joined:
            raise UsageError(
                f"No two neighbours among the widths {', '.join(map(str, self.hidden))} are equal, "
                "so that no shortcut fits.",
                "Give two neighbouring layers the same width, such as --width 32,32,32.",
            )

    def document(self) -> dict[str, Any]:
        """Give the settings as JSON values."""
        return {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}

    @classmethod
    def of(cls, document: dict[str, Any]) -> "Settings":
        """Read what `document` gave.

        Raises
        ------
        UsageError
            If something is missing, unknown or out of range.
        """
        names = {field.name for field in fields(cls)}
        if set(document) != names:
            raise UsageError(
                "The settings of the checkpoint are not those of this version of bnnhw.",
                "Train anew, in another folder.",
            )
        lists: dict[str, Any] = {
            key: tuple(v) if isinstance(v, list) else v for key, v in document.items()
        }
        return cls(**lists)


def recipe(source: str, model: str, *, shortcuts: bool = False) -> dict[str, Any]:
    """Give the settings that depend on what is trained, unless a user says otherwise.

    Parameters
    ----------
    source : str
        "digits-mlp" and "digits-cnn" give the recipes of the bundled networks.
    model : str
    shortcuts : bool
        Whether neighbours must have the same width.
    """
    widths = {"mlp": (256, 128), "cnn": (32, 48, 64)}
    equal = {"mlp": (192, 192), "cnn": (32, 32, 32)}
    found: dict[str, Any] = {"levels": marks(3), "epochs": 60, "batch": 64}
    if source.startswith("digits-"):
        widths = {"mlp": (192, 128), "cnn": (24, 32, 48)}
        found = {"levels": DIGITS_LEVELS, "teacher_epochs": 40, "batch": 256}
        if model == "mlp":
            found |= {"epochs": 40, "copies": 60, "plain": 4}
        else:
            found |= {"epochs": 20, "copies": 30, "plain": 2}
    return found | {"hidden": (equal if shortcuts else widths)[model]}


def mark(value: float) -> float:
    """Move a level between two pixels, so that no rounding of floats can tip a comparison.

    A pixel p reaches the mark exactly where ``p / 255 >= value``.
    """
    if not 0 < value <= 1:
        _refuse("level", "above 0 and at most 1", value)
    # What is meant by 0.2 is 51 / 255, whatever 0.2 * 255 is in floats.
    return (math.ceil(value * 255 - 1e-9) - 0.5) / 255


def marks(count: int) -> tuple[float, ...]:
    """Give levels that part the range of pixels into equal steps."""
    _whole("levels", count, 1, 64)
    return tuple(mark((k + 1) / (count + 1)) for k in range(count))


def _refuse(name: str, wanted: str, value: object) -> None:
    what = name.replace("_", " ").capitalize() if name != "t_clip" else "t_clip"
    raise UsageError(f"{what} must be {wanted}, not {value!r}.", "See: bnnhw train --help")


def _whole(name: str, value: object, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        _refuse(name, f"a whole number from {least} to {most}", value)


def _number(name: str, value: object, least: float, most: float) -> None:
    if type(value) not in (int, float) or not least <= value <= most:  # type: ignore[operator]
        _refuse(name, f"a number from {least:g} to {most:g}", value)
