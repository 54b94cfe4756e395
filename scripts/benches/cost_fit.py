"""Coefficients of the cost model from measured points, by least squares on relative errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bnnhw.cost.model import order_price, shape_of
from bnnhw.plan import Block, MvtuPlan

from .cost_points import draw

__all__ = ["Point", "fit", "held_out", "read"]

_Reals = npt.NDArray[np.float64]

# A block of a handful of cells is not told from one of a handful more.
_LEAST = 10.0


# What is unrolled depends on every weight: the count of `bnnhw.fold.sharing`, and a comparison with
# a constant for each row. Not fitted.
_UNROLLED = {
    "lut4": {"counts": 1.1, "totals": 0.6, "lines": 2.0, "one": 30.0},
    "ff": {"counts": 0.7, "totals": 1.0, "lines": 2.0, "one": 20.0},
}


@dataclass(frozen=True)
class Point:
    """A block and what it takes.

    Parameters
    ----------
    kind : str
        As it is drawn.
    seed : int
    family : str
    cells : mapping of str to int
        What was measured.
    """

    kind: str
    seed: int
    family: str
    cells: Mapping[str, int]

    @property
    def block(self) -> Block:
        """The block."""
        return draw(self.kind, self.seed, self.family)

    @property
    def dsp(self) -> bool:
        """Whether it was measured on an iCE40 with multipliers."""
        return self.kind.endswith("_mac16")

    @property
    def shape(self) -> tuple[str, dict[str, dict[str, float]]]:
        """The kind in the table, and the terms."""
        return shape_of(self.block, self.family, dsp=self.dsp)

    @property
    def held_out(self) -> bool:
        """Whether it only tests the model."""
        return self.seed % 4 == 3


def read(rows: Sequence[Sequence[Any]]) -> list[Point]:
    """Make points of the rows that are stored."""
    return [Point(kind, int(seed), family, cells) for kind, seed, family, cells in rows]


def held_out(points: Sequence[Point]) -> list[Point]:
    """Choose the points that only test the model."""
    return [point for point in points if point.held_out]


def fit(points: Sequence[Point]) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """Fit the coefficients of all kinds to the points that are not held out.

    Returns
    -------
    dict
        By family, kind, ``"lut4"`` or ``"ff"``, and term.
    """
    table: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    groups: dict[tuple[str, str], list[Point]] = {}
    for point in points:
        groups.setdefault((point.family, point.shape[0]), []).append(point)
    for (family, kind), own in sorted(groups.items()):
        found = {what: _solved(own, family, what) for what in ("lut4", "ff")}
        table.setdefault(family, {})[kind] = found
    for kinds in table.values():
        kinds["unrolled"] = _UNROLLED
    return {family: dict(sorted(own.items())) for family, own in table.items()}


def _solved(points: Sequence[Point], family: str, what: str) -> dict[str, float]:
    """Fit what the points of a kind have of one resource."""
    # A term that no point has which is used for fitting keeps what it was thought to take.
    names = sorted({name for point in points for name in point.shape[1][what]})
    points = [point for point in points if not point.held_out]
    rows = [point.shape[1][what] for point in points]
    matrix = np.array([[terms.get(name, 0.0) for name in names] for terms in rows])
    aim = np.array([point.cells[what] - _apart(point, what) for point in points], float)
    guess = np.array([guessed(family, what, name) for name in names])
    firm = np.array([_FIRM.get(name, 1.0) if what == "lut4" else 1.0 for name in names])
    if not names:
        return {}
    solved = _fitted(matrix, aim, guess, firm)
    return {
        name: round(float(value), 4)
        for name, value in zip(names, solved, strict=True)
        if value > 1e-4
    }


def _apart(point: Point, what: str) -> int:
    """Give what the model prices as a block of its own."""
    block = point.block
    if not isinstance(block, MvtuPlan):
        return 0
    return int(getattr(order_price(block, point.family), what))


def guessed(family: str, what: str, term: str) -> float:
    """Give what a term was thought to take before anything was measured."""
    if what == "ff":
        # They are registers.
        return 1.0
    own = _GUESSES.get(term, _ELSE)
    return own[family] if isinstance(own, dict) else own


def _fitted(matrix: _Reals, wanted: _Reals, guess: _Reals, firm: _Reals) -> _Reals:
    """Solve least squares of relative errors, with a weak pull to the guesses.

    No coefficient is below 0: more of anything never takes less.
    """
    weights = 1 / np.maximum(wanted, _LEAST)
    pull = np.sqrt(_PULL) / np.maximum(guess, _ELSE) * firm
    rows = np.vstack([matrix * weights[:, None], np.diag(pull)])
    aim = np.concatenate([wanted * weights, pull * guess])
    active = np.ones(matrix.shape[1], bool)
    while True:
        found = np.zeros(matrix.shape[1])
        if active.any():
            found[active] = np.linalg.lstsq(rows[:, active], aim, rcond=None)[0]
        if (found >= 0).all():
            return found
        active[int(np.argmin(found * np.abs(matrix).mean(0)))] = False


_PULL = 0.003
# What counts takes is known from `rtl_gen.counting`; small blocks say little of it.
# A LUT RAM is four LUT4 of its own and two that write.
_FIRM = {"pairs": 3.0, "fixed_pairs": 3.0, "distributed": 20.0}
_ELSE = 0.3
_GUESSES: dict[str, Any] = {
    "one": 15.0, "bits": 1.5, "long": 2.0, "chains": {"ecp5": 5.0, "ice40": 1.0}, "lines": 0.8,
    "cleared": 0.5, "input": 0.5, "output": 0.5, "slots": 1.0, "coarse": 2.5, "steps": 0.2,
    "fine": 1.0, "phases": 1.0, "loops": 3.0, "span": 7.0, "head": 2.0, "wraps": 8.0,
    "padded": 1.0, "sides": 3.0, "folded": 5.0, "reach": {"ecp5": 0.01, "ice40": 1.0},
    "row": 2.0, "rows": 2.0, "joined": 1.0, "joints": 3.0, "beyond": 1.0, "lanes": 2.0,
    "compared": 1.0, "compares": 4.0, "fixed": 0.5, "kept": 0.3, "choice": 0.4, "summed": 1.5,
    "flipped": 1.0, "rom": 1.0, "distributed": 6.0, "registers": 1.3, "address": 2.0,
    "memories": 3.0, "added": 1.2, "adders": 3.0, "chosen": 1.0, "moved": 1.0, "score": 2.0,
    "held": 2.0, "turns": 3.0, "staged": 0.2, "copies": 3.0, "others": 4.0, "pe": 3.0,
    "fixed_pairs": {"ecp5": 1.5, "ice40": 1.8},
    "fixed_lut": 1.0, "fixed_dsp": {"ecp5": 0.01, "ice40": 1.0}, "gated": 0.5, "base": 450.0,
    "ranked": 1.5, "shown": 1.0, "small": 1.0, "compressed": 1.5, "places": 1.0,
    "pairs": {"ecp5": 1.6, "ice40": 2.2}, "wide": 0.5,
    "codes": {"ecp5": 0.01, "ice40": 0.5},
    "counted": 1.0, "totals": 1.5, "again": 25.0, "queue": 1.0, "skid": 1.5, "offset": 1.0,
    "chunks": 8.0, "product_lut": 1.2, "product_dsp": {"ecp5": 0.01, "ice40": 1.2},
    "product": {"ecp5": 0.01, "ice40": 1.0}, "scaled": {"ecp5": 0.3, "ice40": 1.0},
    "multiplied": {"ecp5": 0.01, "ice40": 1.0}, "request": 20.0, "answer": 15.0,
    "factors": 1.0, "loads": 200.0, "inputs": 6.0, "width_2": {"ecp5": 1.0, "ice40": 3.0},
    "depth_2": 7.0, "depth_3": 20.0, "depth_1": 3.0,
}  # fmt: skip
