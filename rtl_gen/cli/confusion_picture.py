"""A confusion matrix as a picture; the same numbers give the same bytes."""

from typing import Any

import numpy as np

from bnnhw.pictures import figure_in, image_of

__all__ = ["draw"]

_NUMBERS_UP_TO = 24


def draw(matrix: np.ndarray, title: str, kind: str) -> bytes:
    """Draw a matrix of counts, rows by label and columns by answer.

    Parameters
    ----------
    matrix : array of int, shape (classes, classes)
    title : str
    kind : str
        "svg" or "png".

    Raises
    ------
    ToolMissing
        If matplotlib is not installed.
    """
    count = len(matrix)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = min(3.2 + 0.42 * count, 14.0)
    with figure_in((side, side), otherwise=", or leave --picture out") as figure:
        axes = figure.add_subplot()
        shown = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        _label(axes, matrix, shares)
        right = np.trace(matrix) / max(1, matrix.sum())
        axes.set_title(f"{title}: {right:.2%} of {matrix.sum():,} images right")
        figure.colorbar(shown, ax=axes, shrink=0.8, label="part of the label's images")
        return image_of(figure, kind)


def _label(axes: Any, matrix: np.ndarray, shares: np.ndarray) -> None:
    count = len(matrix)
    axes.set_xlabel("answer")
    axes.set_ylabel("label")
    if count > _NUMBERS_UP_TO:
        return
    axes.set_xticks(range(count))
    axes.set_yticks(range(count))
    for row in range(count):
        for column in range(count):
            if matrix[row, column]:
                colour = "white" if shares[row, column] > 0.5 else "black"
                axes.text(
                    column, row, f"{matrix[row, column]}", ha="center", va="center", color=colour,
                    fontsize=9,
                )  # fmt: skip
