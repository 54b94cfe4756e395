"""The folding solved: the fewest cells for a frame rate, or the highest rate that fits a board."""

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np

from ..errors import DoesNotFit, UsageError
from ..graph import Graph
from ..target import Budget
from .cost import (
    EBR_LINK,
    LUT_LINK,
    Estimate,
    Option,
    checked_family,
    estimate,
    layer_option,
    seam,
)
from .folding import Folding, LayerFold
from .layers import Layer, layers_of
from .paths import NEVER, Paths

__all__ = ["solve"]

# Place and route becomes slow and slow-clocked in a full device; a design that is asked to fill it
# leaves this much free.
_LUT_SHARE, _EBR_SHARE = 0.6, 0.95
# Up to about so many cells place and route takes minutes; wide arrays on block RAM beyond that take
# hours. Nobody who names no rate asks for that.
_QUICK_LUT4 = 8_000
# A wider array than this takes place and route longer than anybody waits.
_MAX_PAIRS = 4096
_PRICE = 100


@dataclass(frozen=True)
class _Cap:
    """What may be used, and how many cells a block RAM is worth."""

    lut4: int
    ebr: int
    price: int

    @classmethod
    def of(cls, budget: Budget, lut_share: float = 1.0, ebr_share: float = 1.0) -> "_Cap":
        # The price at which half of the cells are worth all block RAMs.
        price = budget.lut4 // (2 * budget.ebr) if budget.ebr else _PRICE
        return cls(int(budget.lut4 * lut_share), int(budget.ebr * ebr_share), price)


def _divisors(number: int) -> list[int]:
    low = [d for d in range(1, math.isqrt(number) + 1) if number % d == 0]
    return sorted({*low, *(number // d for d in low)})


@lru_cache(maxsize=64)  # One network at many rates.
def _options(layer: Layer, family: str) -> tuple[Option, ...]:
    found = [
        layer_option(layer, LayerFold(pe, simd), family)
        for pe in _divisors(layer.rows)
        for simd in _divisors(layer.lanes_limit)
        if pe * simd <= _MAX_PAIRS
    ]
    return tuple(sorted(found, key=lambda item: item.cycles))


class _Network:
    """A network with every option of every layer."""

    def __init__(self, graph: Graph, family: str) -> None:
        self.graph = graph
        self.family = family
        layers = layers_of(graph)
        if not layers:
            raise UsageError(
                f"Network '{graph.name}' has no layer with weights to fold.",
                "Give a network with one.",
            )
        self._names = [layer.name for layer in layers]
        self._options = [_options(layer, family) for layer in layers]
        self._classes = graph.argmax.offset.size if graph.argmax else 1
        self._bits = graph.edges[layers[-1].name].grid.bits
        self.weight_bits = sum(
            layer.rows * layer.columns * layer.groups * layer.weight_bits for layer in layers
        )

    def targets(self) -> list[int]:
        """Every number of clocks an image that a folding can have, ascending."""
        floor = max(self._classes, *(options[0].cycles for options in self._options))
        own = {item.cycles for options in self._options for item in options}
        return sorted({floor, *(cycles for cycles in own if cycles > floor)})

    def cheapest(self, cycles: int, cap: _Cap | None, price: int = _PRICE) -> Folding | None:
        """Find the cheapest folding within `cycles` and, where there is one, `cap`."""
        price = cap.price if cap else price
        left = cap.ebr - EBR_LINK[self.family] if cap else 0
        if left < 0:
            return None
        start = np.full((1, left + 1), NEVER)
        start[0, 0] = 0
        steps = [Paths([0], start)]
        for options in self._options:
            allowed = [item for item in options if item.cycles <= cycles]
            if not allowed:
                return None
            if cap is None:
                # Without a cap only the price counts, so that block RAMs are as good as cells.
                allowed = [
                    Option(item.fold, item.cycles, item.lut4 + price * item.ebr, 0)
                    for item in allowed
                ]
            steps.append(steps[-1].grow(allowed, first=len(steps) == 1))
            if steps[-1].best.min() >= NEVER:
                return None
        end = self._end(steps[-1], cap, price)
        return None if end is None else self._path(steps, *end)

    def _end(self, step: Paths, cap: _Cap | None, price: int) -> tuple[int, int] | None:
        limit = cap.lut4 - LUT_LINK if cap else NEVER - 1
        found = []
        for row, lanes in enumerate(step.lanes):
            total = step.best[row] + (seam(lanes, 1, self._bits) if self.graph.argmax else 0)
            found += [
                (int(total[ebr]) + price * int(ebr), row, int(ebr))
                for ebr in np.flatnonzero(total <= limit)
            ]
        return min(found)[1:] if found else None

    def _path(self, steps: list[Paths], row: int, ebr: int) -> Folding:
        chosen = {}
        for name, step in zip(reversed(self._names), reversed(steps[1:]), strict=True):
            item, row, ebr = step.back(row, ebr)
            chosen[name] = item.fold
        return Folding({name: chosen[name] for name in self._names})

    def fastest(self, cap: _Cap) -> Folding | None:
        """Find the fastest folding within `cap`, the cheapest of them."""
        targets = self.targets()
        found = self.cheapest(targets[-1], cap)
        if found is None:
            return None
        low, high = 0, len(targets) - 2
        while low <= high:  # More clocks allow all that fewer allow: bisect.
            middle = (low + high) // 2
            folding = self.cheapest(targets[middle], cap)
            if folding:
                found, high = folding, middle - 1
            else:
                low = middle + 1
        return found

    def estimate(self, folding: Folding) -> Estimate:
        """Price a folding."""
        return estimate(self.graph, folding, self.family)


def solve(
    graph: Graph,
    family: str,
    budget: Budget | None = None,
    *,
    fps: float | None = None,
    clock_hz: float | None = None,
) -> Folding:
    """Solve the folding among the divisors of each layer.

    The answer is an optimum of the cost model of `bnnhw.fold.cost`: no other choice of divisors is
    cheaper, or faster, within the same limits.

    Parameters
    ----------
    graph : Graph
    family : str
        ``"ice40"`` or ``"ecp5"``.
    budget : Budget or None
        What the device has; nothing is held against it where None.
    fps, clock_hz : float or None
        Frame rate to reach at a clock in Hz: the cheapest folding that reaches it within all of
        the device. Where `fps` is None, the fastest folding whose estimate leaves the device 40 %
        of its cells and 5 % of its block RAMs and, where possible, takes at most 8,000 cells, which
        place and route takes minutes for; without a budget the fastest of all.

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
    network = _Network(graph, checked_family(family))
    if fps is not None:
        return _for_rate(network, budget, fps, clock_hz)
    if budget is None:
        folding = network.cheapest(network.targets()[0], None)
        assert folding is not None
        return folding
    whole = _Cap.of(budget, _LUT_SHARE, _EBR_SHARE)
    quick = _Cap(min(whole.lut4, _QUICK_LUT4), whole.ebr, whole.price)
    folding = network.fastest(quick) or network.fastest(whole)
    if folding is None:
        raise _too_big(network, budget)
    return folding


def _for_rate(
    network: _Network, budget: Budget | None, fps: float, clock_hz: float | None
) -> Folding:
    if clock_hz is None or not all(0 < value < math.inf for value in (fps, clock_hz)):
        raise UsageError(
            f"A frame rate of {fps} at a clock of {clock_hz} Hz is not possible.",
            "Give a frame rate and a clock above 0.",
        )
    cycles = int(Fraction(clock_hz) / Fraction(fps))
    least = network.targets()[0]
    if cycles < least:
        raise UsageError(
            f"{fps:g} images/s at {clock_hz / 1e6:g} MHz leave {cycles} clocks an image; "
            f"the widest folding of '{network.graph.name}' takes {least}.",
            f"Ask for at most {_rate(clock_hz, least)} images/s.",
        )
    cap = _Cap.of(budget) if budget else None
    folding = network.cheapest(cycles, cap)
    if folding is None:
        assert budget is not None and cap is not None
        raise _too_fast(network, budget, cap, fps, cycles, clock_hz)
    return folding


def _rate(clock_hz: float, cycles: int) -> str:
    """Show a frame rate, rounded down so that it can be asked for."""
    rate = clock_hz / cycles
    return f"{math.floor(rate)}" if rate >= 1000 else f"{math.floor(rate * 1000) / 1000:g}"


def _too_fast(
    network: _Network, budget: Budget, cap: _Cap, fps: float, cycles: int, clock_hz: float
) -> DoesNotFit:
    wanted = network.cheapest(cycles, None, cap.price)
    assert wanted is not None
    total, slower = network.estimate(wanted), network.fastest(cap)
    if slower is None:
        return _too_big(network, budget)
    rate = _rate(clock_hz, network.estimate(slower).cycles)
    return DoesNotFit(
        f"{fps:g} images/s of '{network.graph.name}' need about {total.lut4} LUT4 and "
        f"{total.ebr} block RAMs; the device has {budget.lut4} and {budget.ebr}.",
        f"Ask for at most {rate} images/s, or choose a larger board.",
    )


def _too_big(network: _Network, budget: Budget) -> DoesNotFit:
    least = network.cheapest(network.targets()[-1], None, _Cap.of(budget).price)
    assert least is not None
    total = network.estimate(least)
    return DoesNotFit(
        f"'{network.graph.name}' holds {network.weight_bits} weight bits; its smallest folding "
        f"takes about {total.lut4} LUT4 and {total.ebr} block RAMs; "
        f"the device has {budget.lut4} and {budget.ebr}.",
        "Choose a larger board or a smaller network.",
    )
