"""A confusion matrix as a picture; the same numbers give the same bytes."""

import io
from typing import Any

import numpy as np

from bnnhw.errors import ToolMissing

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
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ToolMissing(
            "Drawing needs matplotlib, which is not installed.",
            'Install it: pip install "bnnhw[plots]", or leave --picture out.',
        ) from error
    count = len(matrix)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = min(3.2 + 0.42 * count, 14.0)
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        # Names in an SVG come of this salt instead of chance, and letters stay letters.
        matplotlib.rcParams.update({"svg.hashsalt": "bnnhw", "svg.fonttype": "none"})
        figure = Figure((side, side), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        shown = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        _label(axes, matrix, shares)
        right = np.trace(matrix) / max(1, matrix.sum())
        axes.set_title(f"{title}: {right:.2%} of {matrix.sum():,} images right")
        figure.colorbar(shown, ax=axes, shrink=0.8, label="part of the label's images")
        buffer = io.BytesIO()
        notes = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
        figure.savefig(buffer, format=kind, metadata=notes, dpi=120)
    return buffer.getvalue()


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
