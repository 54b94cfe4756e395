"""Plots as SVG that are equal byte for byte whenever they are made of the same numbers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from cycler import cycler

__all__ = ["COLOURS", "picture"]

# Okabe and Ito's, which people tell apart whatever colours they see.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")

_STYLE: dict[str, Any] = {
    "svg.hashsalt": "bnnhw",  # names of clip paths; random otherwise
    "svg.fonttype": "path",
    "font.size": 9,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "axes.prop_cycle": cycler(color=COLOURS),
}


@contextmanager
def picture(
    file: Path, *, columns: int = 1, width: float = 7.0, height: float = 3.6
) -> Iterator[Any]:
    """Open a figure and write it to `file` at the end.

    Parameters
    ----------
    file : Path
        Its suffix says the format; ``.svg`` for the page.
    columns : int
        Axes side by side.
    width, height : float
        Inches.

    Yields
    ------
    list of Axes
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Style and figure are of this picture alone; pyplot would hold both for the whole process.
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        parameters: Any = matplotlib.rcParams  # typed with every name that there is
        parameters.update(_STYLE)
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield list(figure.subplots(1, columns, squeeze=False)[0])
        # Without the date and the version of the program that wrote it.
        metadata = {"Date": None, "Creator": None} if file.suffix == ".svg" else None
        figure.savefig(file, metadata=metadata)
