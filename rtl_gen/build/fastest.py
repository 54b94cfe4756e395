"""The fastest clock that timing analysis proves, found by building again and again."""

from collections.abc import Callable
from typing import TypeVar

from bnnhw.errors import TimingFailed, UsageError
from bnnhw.target import Board

from .pll import pll_outputs
from .report import BuildReport

__all__ = ["MARGIN", "ROUNDS", "fastest"]

MARGIN = 0.05
"""Share by which the timing analysis must be faster than the clock."""
ROUNDS = 6
"""Builds at most."""

Built = TypeVar("Built")


def _outputs(board: Board) -> list[int]:
    """Give all clocks that a board's PLL makes, in Hz."""
    if board.clock.pll == "none":
        raise UsageError(
            f"The board '{board.name}' has no PLL, so its clock cannot be raised.",
            "Leave --fastest out.",
        )
    return pll_outputs(board.family, board.clock.source_hz)


def fastest(
    board: Board,
    build: Callable[[Board], tuple[BuildReport, Built]],
    usable: Callable[[int], bool],
) -> tuple[BuildReport, Built]:
    """Raise a design's clock as far as place and route follows, with `MARGIN` in reserve.

    The first build has the board's own clock; each later one the fastest clock of which the last
    one's timing leaves the margin, as tools try harder where they are asked for more. It ends where
    the PLL makes none between what is proved and what was refused, or after `ROUNDS` builds.

    Parameters
    ----------
    board : Board
        With the clock to begin with.
    build : callable
        Builds for a board, with its clock; raises `TimingFailed` where that is not met.
    usable : callable
        Whether the link can do with a clock of so many Hz.

    Returns
    -------
    report : BuildReport
        Of the fastest build that keeps the margin.
    built : object
        What `build` gave for it.

    Raises
    ------
    UsageError
        If the board has no PLL.
    TimingFailed
        If not even the first clock is met with the margin.
    """
    outputs = [hz for hz in _outputs(board) if usable(hz)]
    best = build(board)
    if not _proved(best[0]):
        raise _too_fast(best[0], board)
    bound_hz, refused = _bound(best[0]), float("inf")
    for _ in range(ROUNDS - 1):
        proved = best[0].sync_hz
        better = [hz for hz in outputs if proved < hz <= bound_hz and hz < refused]
        if not better:
            break
        wanted = max(better)
        try:
            report, built = build(board.at(wanted))
        except TimingFailed:
            # It may still reach what is nearer to what is proved.
            refused, bound_hz = wanted, (proved + wanted) / 2
            continue
        if _proved(report):
            best = report, built
        else:
            refused = wanted
        bound_hz = _bound(report)
    return best


def _too_fast(report: BuildReport, board: Board) -> TimingFailed:
    return TimingFailed(
        f"'{report.name}' reaches {report.fmax_mhz:.2f} MHz on {board.title}, which leaves less "
        f"than {MARGIN:.0%} above its clock of {board.clock.sync_hz / 1e6:g} MHz.",
        f"Begin with a clock below {_bound(report) / 1e6:.1f} MHz (--clock), or leave --fastest "
        "out.",
    )


def _bound(report: BuildReport) -> float:
    return report.fmax_mhz * 1e6 / (1 + MARGIN)


def _proved(report: BuildReport) -> bool:
    return report.sync_hz <= _bound(report)
