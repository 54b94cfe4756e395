"""Curves of a training as a picture; the same numbers give the same bytes."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from ..pictures import figure_in, image_of

__all__ = ["draw_curves", "drawable"]

_BLUE, _RED, _GREEN = "#0072B2", "#D55E00", "#009E73"


def drawable() -> bool:
    """Tell whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def draw_curves(
    history: Sequence[dict[str, Any]], title: str, *, best: int | None = None, kind: str = "svg"
) -> bytes:
    """Draw loss and accuracies over epochs.

    Parameters
    ----------
    history : sequence of dict
        One for each epoch: ``epoch`` from 1 on, ``loss``, ``train`` and ``validation`` in 0 … 1;
        `validation` may be None.
    title : str
    best : int or None
        Epoch that is kept, which gets a line.
    kind : str
        "svg" or "png".

    Raises
    ------
    ToolMissing
        If matplotlib is not installed.
    """
    epochs = [row["epoch"] for row in history]
    with figure_in((8.0, 3.4)) as figure:
        left, right = figure.subplots(1, 2)
        left.plot(epochs, [row["loss"] for row in history], color=_RED, marker=".")
        left.set(xlabel="epoch", ylabel="loss", ylim=(0, None))
        _accuracies(right, epochs, history)
        for axes in (left, right):
            axes.grid(color="#DDDDDD")
            axes.set_axisbelow(True)
            if best is not None:
                axes.axvline(best, color="#999999", linestyle="--", linewidth=1)
        figure.suptitle(title)
        return image_of(figure, kind)


def _accuracies(axes: Any, epochs: list[int], history: Sequence[dict[str, Any]]) -> None:
    for key, colour, label in (
        ("train", _BLUE, "in training, distorted images too"),
        ("validation", _GREEN, "validation"),
    ):
        values = [row[key] for row in history]
        if None not in values:
            shown = [100 * value for value in values]
            axes.plot(epochs, shown, color=colour, marker=".", label=label)
    axes.set(xlabel="epoch", ylabel="right, %")
    axes.legend(loc="lower right", frameon=False)
