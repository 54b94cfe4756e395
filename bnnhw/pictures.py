"""Figures of matplotlib, which need no screen; the same numbers give the same bytes."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .errors import ToolMissing

__all__ = ["figure_in", "image_of"]


@contextmanager
def figure_in(size: tuple[float, float], *, otherwise: str = "") -> Iterator[Any]:
    """Make a figure that holds its style for itself; `pyplot` would set it for the whole process.

    Parameters
    ----------
    size : (float, float)
        Width and height in inches.
    otherwise : str
        What somebody without matplotlib can do instead of installing it.

    Yields
    ------
    matplotlib.figure.Figure

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
            f'Install it: pip install "bnnhw[plots]"{otherwise}.',
        ) from error
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        # Names in an SVG come of this salt instead of chance, and letters stay letters.
        matplotlib.rcParams.update({"svg.hashsalt": "bnnhw", "svg.fonttype": "none"})
        figure = Figure(size, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure


def image_of(figure: Any, kind: str) -> bytes:
    """Give a figure as the bytes of an image without a date: "svg" or "png"."""
    buffer = io.BytesIO()
    notes = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    figure.savefig(buffer, format=kind, metadata=notes, dpi=120)
    return buffer.getvalue()
