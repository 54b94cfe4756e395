"""The folding solved: the fewest cells for a frame rate, or the highest rate that fits a board."""

import math
from fractions import Fraction

import numpy as np

from ..errors import DoesNotFit, UsageError
from ..fold import Folding
from ..graph import Graph
from ..target import Budget
from .choices import Network
from .estimate import Estimate, estimate
from .model import Cost, checked_family
from .web import FAR, Ints

__all__ = ["solve"]

# Place and route becomes slow and slow-clocked in a full device; a design that is asked to fill it
# leaves this much free.
_SHARE = Cost(lut4=60, ff=60, ebr=95, spram=100, dsp=100)
# Nobody who names no rate waits long for place and route: the first of these that is possible
# counts. On ECP5 arrays have two flip-flops a cell, and 8,000 cells took ten minutes.
_QUICK_LUT4 = {"ice40": (8_000,), "ecp5": (4_000, 8_000, 16_000)}
_PRICE = 100
"""Cells that a block RAM is worth where no device says how many there are."""
_MOST_PACES = 4
_MOST_ROUNDS = 8

_UNLIMITED = np.full(5, FAR)


class _Solver:
    """A network, what is to be as little as possible, and what may be used.

    Where there is a device, that is cells, and of foldings with as many of them block RAMs; where
    there is none, cells and `_PRICE` for each block RAM.
    """

    def __init__(self, graph: Graph, family: str, budget: Budget | None, *, dsp: bool) -> None:
        self.network = Network(graph, family, dsp=dsp)
        self.budget = budget
        # Fewer block RAMs than one cell is worth.
        self._weights = (
            Cost(lut4=1, ebr=_PRICE).vector if budget is None else Cost(lut4=4096, ebr=1).vector
        )

    def caps(self, share: Cost | None = None) -> Ints:
        """Give what may be used of the device, or a share of it in percent."""
        if self.budget is None:
            return _UNLIMITED
        whole = Cost.limits(self.budget).vector
        return whole if share is None else whole * share.vector // 100

    def cheapest(self, cycles: int, caps: Ints) -> Folding | None:
        """Find the cheapest folding within `cycles` and `caps`.

        Queues between branches follow from the whole of a folding, not from its parts: where they
        take more than what is left, the search goes on with so much less to use; and with fewer
        clocks, which may need no such queues, so that the cheaper of what was found is taken.
        """
        found: list[Folding] = []
        for _ in range(_MOST_PACES):
            folding, slowest = self._within(cycles, caps)
            found += [folding] if folding else []
            paces = [pace for pace in self.network.targets() if pace < slowest]
            if not paces:
                break
            cycles = paces[-1]
        prices = [int(self.estimate(one).cost.vector @ self._weights) for one in found]
        return found[int(np.argmin(prices))] if found else None

    def _within(self, cycles: int, caps: Ints) -> tuple[Folding | None, int]:
        """Do so at one pace; give the clocks of what queues made too large as well, or 0."""
        web, left, slowest = self.network.web(cycles), caps, 0
        for _ in range(_MOST_ROUNDS):
            picks = web.best(self._weights, left) if web else None
            if picks is None:
                return None, slowest
            folding = self.network.folding(picks)
            found = self.estimate(folding)
            over = found.cost.vector - caps
            if (over <= 0).all():
                return folding, slowest
            slowest = slowest or found.cycles
            left = np.where(over > 0, left - over, left)
        return None, slowest

    def fastest(self, caps: Ints) -> Folding | None:
        """Find the fastest folding within `caps`, the cheapest of them."""
        targets = self.network.targets()
        found = self.cheapest(targets[-1], caps)
        if found is None:
            return None
        low, high = 0, len(targets) - 2
        while low <= high:  # More clocks allow all that fewer allow: bisect.
            middle = (low + high) // 2
            folding = self.cheapest(targets[middle], caps)
            if folding:
                found, high = folding, middle - 1
            else:
                low = middle + 1
        return found

    def estimate(self, folding: Folding) -> Estimate:
        """Price a folding."""
        network = self.network
        return estimate(network.graph, folding, network.family, dsp=network.dsp)


def solve(
    graph: Graph,
    family: str,
    budget: Budget | None = None,
    *,
    fps: float | None = None,
    clock_hz: float | None = None,
    fill: bool = False,
) -> Folding:
    """Solve the folding among the divisors of each layer.

    The answer is an optimum of the cost model of this package: no other choice of divisors, places
    for weights and lanes takes fewer cells, or is faster, within the same limits; queues between
    branches are added to what was chosen without them.

    Parameters
    ----------
    graph : Graph
    family : str
        ``"ice40"`` or ``"ecp5"``.
    budget : Budget or None
        What the device has; nothing is held against it where None.
    fps, clock_hz : float or None
        Frame rate to reach at a clock in Hz: the folding with the fewest cells that reaches it
        within all of the device. Where `fps` is None, the fastest folding whose estimate leaves the
        device 40 % of its cells and 5 % of its block RAMs and, where possible, takes at most 8,000
        cells, 4,000 on ECP5, which place and route takes minutes for; without a budget the fastest
        of all.
    fill : bool
        Without a rate: the fastest folding that fits all of the device by the estimate.

    Raises
    ------
    UsageError
        If the rate or the clock is no positive number, if the rate leaves fewer clocks for an image
        than the widest folding takes, or if no layer has weights.
    DoesNotFit
        If nothing that is fast enough fits.
    ValueError
        If there is no model of the family.
    """
    dsp = budget is not None and budget.dsp > 0
    solver = _Solver(graph, checked_family(family), budget, dsp=dsp)
    if fps is not None:
        return _for_rate(solver, fps, clock_hz)
    if budget is None:
        folding = solver.cheapest(solver.network.targets()[0], _UNLIMITED)
        assert folding is not None
        return folding
    folding = solver.fastest(solver.caps()) if fill else _usual(solver, family)
    if folding is None:
        raise _too_big(solver, budget)
    return folding


def _usual(solver: _Solver, family: str) -> Folding | None:
    """Find the fastest folding that leaves room, and that place and route is quick with."""
    whole = solver.caps(_SHARE)
    for cells in (*_QUICK_LUT4[family], FAR):
        quick = Cost(cells, FAR, FAR, FAR, FAR).vector
        folding = solver.fastest(np.minimum(whole, quick))
        if folding is not None:
            return folding
    return None


def _for_rate(solver: _Solver, fps: float, clock_hz: float | None) -> Folding:
    if clock_hz is None or not all(0 < value < math.inf for value in (fps, clock_hz)):
        raise UsageError(
            f"A frame rate of {fps} at a clock of {clock_hz} Hz is not possible.",
            "Give a frame rate and a clock above 0.",
        )
    cycles = int(Fraction(clock_hz) / Fraction(fps))
    least = solver.network.targets()[0]
    if cycles < least:
        raise UsageError(
            f"{fps:g} images/s at {clock_hz / 1e6:g} MHz leave {cycles} clocks an image; "
            f"the widest folding of '{solver.network.graph.name}' takes {least}.",
            f"Ask for at most {_rate(clock_hz, least)} images/s.",
        )
    folding = solver.cheapest(cycles, solver.caps())
    if folding is None:
        assert solver.budget is not None
        raise _too_fast(solver, solver.budget, fps, cycles, clock_hz)
    return folding


def _rate(clock_hz: float, cycles: int) -> str:
    """Show a frame rate, rounded down so that it can be asked for."""
    rate = clock_hz / cycles
    return f"{math.floor(rate)}" if rate >= 1000 else f"{math.floor(rate * 1000) / 1000:g}"


def _too_fast(
    solver: _Solver, budget: Budget, fps: float, cycles: int, clock_hz: float
) -> DoesNotFit:
    slower = solver.fastest(solver.caps())
    if slower is None:
        return _too_big(solver, budget)
    folding = _boundless(solver).cheapest(cycles, _UNLIMITED)
    assert folding is not None
    needs, has = _sizes(solver.estimate(folding).cost, budget)
    rate = _rate(clock_hz, solver.estimate(slower).cycles)
    return DoesNotFit(
        f"{fps:g} images/s of '{solver.network.graph.name}' need about {needs}; "
        f"the device has {has}.",
        f"Ask for at most {rate} images/s, or choose a larger board.",
    )


def _too_big(solver: _Solver, budget: Budget) -> DoesNotFit:
    network = solver.network
    least = _boundless(solver).cheapest(network.targets()[-1], _UNLIMITED)
    assert least is not None
    needs, has = _sizes(solver.estimate(least).cost, budget)
    return DoesNotFit(
        f"'{network.graph.name}' holds {network.weight_bits} weight bits; its smallest folding "
        f"takes about {needs}; the device has {has}.",
        "Choose a larger board or a smaller network.",
    )


def _boundless(solver: _Solver) -> _Solver:
    """Solve the same without a device's limits."""
    network = solver.network
    return _Solver(network.graph, network.family, None, dsp=network.dsp)


def _sizes(total: Cost, budget: Budget) -> tuple[str, str]:
    """Say what is needed and what there is; of multipliers only where there are too few."""
    kinds = {"LUT4": (total.lut4, budget.lut4), "block RAMs": (total.ebr, budget.ebr)}
    if total.dsp > budget.dsp:
        kinds["multipliers"] = total.dsp, budget.dsp
    needs = [f"{needed} {kind}" for kind, (needed, _) in kinds.items()]
    has = [f"{there}" for _, there in kinds.values()]
    shown = [" and ".join([", ".join(words[:-1]), words[-1]]) for words in (needs, has)]
    return shown[0], shown[1]
