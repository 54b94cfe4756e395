"""The cheapest ways through a chain of layers, as a shortest path over lanes and block RAMs."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from .cost import Option, seam

__all__ = ["NEVER", "Costs", "Paths"]

NEVER = 1 << 50
"""Dearer than anything."""

Costs = npt.NDArray[np.int64]


class Paths:
    """The cheapest ways through the layers up to one.

    ``best[row, e]`` is the least number of cells with exactly e block RAMs whose last layer has
    ``lanes[row]`` lanes; what led there is kept for the way back.
    """

    def __init__(self, lanes: list[int], best: Costs) -> None:
        self.lanes = lanes
        self.best = best
        self._picked = np.zeros_like(best)
        self._before: dict[int, Costs] = {}
        self._options: list[Option] = []

    def grow(self, options: Iterable[Option], *, first: bool) -> "Paths":
        """Append a layer."""
        groups: dict[int, list[Option]] = {}
        for item in options:
            groups.setdefault(item.fold.simd, []).append(item)
        lanes = sorted({item.fold.pe for group in groups.values() for item in group})
        grown = Paths(lanes, np.full((len(lanes), self.best.shape[1]), NEVER))
        for simd, group in groups.items():
            joints = [0 if first else seam(lane, simd) for lane in self.lanes]
            ways = self.best + np.array(joints)[:, None]
            grown._before[simd] = ways.argmin(0)
            grown._add(ways.min(0), group)
        return grown

    def _add(self, arrival: Costs, group: list[Option]) -> None:
        """Take options of one SIMD, whose ways up to here cost `arrival`."""
        size = len(arrival)
        ebr = np.array([item.ebr for item in group])
        lut4 = np.array([item.lut4 for item in group])
        left = np.arange(size) - ebr[:, None]
        # The entry after the last one stands for what needs more block RAMs than there are.
        total = np.append(arrival, NEVER)[np.where(left < 0, size, left)] + lut4[:, None]
        rows = np.searchsorted(self.lanes, [item.fold.pe for item in group])
        better = total < self.best[rows]
        number = len(self._options) + np.arange(len(group))[:, None]
        self.best[rows] = np.where(better, total, self.best[rows])
        self._picked[rows] = np.where(better, number, self._picked[rows])
        self._options += group

    def back(self, row: int, ebr: int) -> tuple[Option, int, int]:
        """Give the option that led to a row and a number of block RAMs, and where it came from."""
        item = self._options[int(self._picked[row, ebr])]
        left = ebr - item.ebr
        return item, int(self._before[item.fold.simd][left]), left
