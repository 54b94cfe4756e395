"""The folding solved: the fewest cells for a frame rate, or the highest rate that fits a board."""

from collections.abc import Iterator
from dataclasses import dataclass

from ..bits import bits_for
from ..errors import DoesNotFit, UsageError
from ..graph import Dense, Graph
from ..target import Budget
from .folding import Folding, LayerFold
from .memory import block_rams

__all__ = ["Estimate", "estimate", "solve"]

# A first model of what Yosys makes of the portable popcount tree; the arrays issue replaces it by
# fitted ones. The price of a pair is what `docs/results.md` measures, the rest is control.
_LUT_PER_PAIR = {"ice40": 2.8, "ecp5": 2.9}
_LUT_PER_PE = 3.0
_LUT_PER_LAYER = 90.0
_LUT_LINK = 700.0
# Place and route becomes slow and slow-clocked in a full device; a design that is asked to fill it
# leaves this much free.
_LUT_SHARE, _EBR_SHARE = 0.6, 0.95
_MAX_PAIRS = 4096


@dataclass(frozen=True)
class Estimate:
    """What a folding is thought to take.

    Parameters
    ----------
    lut4 : int
        Cells, host link included.
    ebr : int
        Block RAMs.
    cycles : int
        Clocks between two images.
    """

    lut4: int
    ebr: int
    cycles: int


@dataclass(frozen=True)
class _Option:
    fold: LayerFold
    cycles: int
    lut4: float
    ebr: int


def _option(node: Dense, pe: int, simd: int, family: str) -> _Option:
    neuron, synapse = -(-node.rows // pe), -(-node.columns // simd)
    count = bits_for(node.columns + 1)
    fold = LayerFold(pe, simd)
    lut4 = _LUT_PER_LAYER + pe * (simd * _LUT_PER_PAIR[family] + _LUT_PER_PE * count)
    ebr = 0
    depth = neuron * synapse
    for width, words, style in (
        (pe * simd, depth, fold.weight_style(node.rows, node.columns)),
        (pe * (count + 1), neuron, "lut" if neuron <= 32 else "block"),
    ):
        if style == "lut":
            lut4 += 0.0 if words == 1 else width * -(-words // 16)
        else:
            ebr += block_rams(family, width, words)
    if neuron > 1:
        ebr += block_rams(family, simd, 2 << max(0, (synapse - 1).bit_length()))
    return _Option(fold, depth, lut4, ebr)


def _divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]


def _options(node: Dense, family: str) -> list[_Option]:
    found = [
        _option(node, pe, simd, family)
        for pe in _divisors(node.rows)
        for simd in _divisors(node.columns)
        if pe * simd <= _MAX_PAIRS
    ]
    return sorted(found, key=lambda option: option.cycles)


def _seam(lanes_in: int, lanes_out: int) -> float:
    """Cells of a width converter: nothing, a shift register, or a gearbox with its multiplexers."""
    if lanes_in == lanes_out:
        return 0.0
    wide = max(lanes_in, lanes_out)
    return (
        1.5 * wide + 20
        if wide % min(lanes_in, lanes_out) == 0
        else 8.0 * (lanes_in + lanes_out) + 40
    )


def _cheapest(
    layers: list[tuple[str, list[_Option]]], cycles: int, price: float
) -> dict[str, _Option] | None:
    """Choose one option a layer within `cycles` for the lowest price, as a shortest path."""
    best: dict[int, tuple[float, dict[str, _Option]]] = {0: (0.0, {})}
    for name, options in layers:
        grown: dict[int, tuple[float, dict[str, _Option]]] = {}
        for option in options:
            if option.cycles > cycles:
                break
            own = option.lut4 + price * option.ebr
            cost, chosen = min(
                (
                    (c + (_seam(lanes, option.fold.simd) if lanes else 0.0), path)
                    for lanes, (c, path) in best.items()
                ),
                key=lambda pair: pair[0],
            )
            total = cost + own
            if option.fold.pe not in grown or total < grown[option.fold.pe][0]:
                grown[option.fold.pe] = (total, {**chosen, name: option})
        best = grown
    return min(best.values(), key=lambda pair: pair[0])[1] if best else None


def _total(chosen: dict[str, _Option]) -> Estimate:
    lut4 = _LUT_LINK + sum(option.lut4 for option in chosen.values())
    return Estimate(
        round(lut4),
        sum(option.ebr for option in chosen.values()),
        max(option.cycles for option in chosen.values()),
    )


def estimate(graph: Graph, folding: Folding, family: str) -> Estimate:
    """Estimate what `folding` takes on a device of `family`."""
    chosen = {
        node.name: _option(
            node, folding.layers[node.name].pe, folding.layers[node.name].simd, family
        )
        for node in graph.nodes
        if isinstance(node, Dense)
    }
    return _total(chosen)


def _targets(layers: list[tuple[str, list[_Option]]]) -> Iterator[int]:
    floor = max(options[0].cycles for _, options in layers)
    yield from sorted(
        {option.cycles for _, options in layers for option in options if option.cycles >= floor}
    )


def solve(
    graph: Graph,
    family: str,
    budget: Budget | None = None,
    *,
    fps: float | None = None,
    clock_hz: float | None = None,
) -> Folding:
    """Solve the folding among the divisors of each layer.

    Parameters
    ----------
    graph : Graph
    family : str
        ``"ice40"`` or ``"ecp5"``.
    budget : Budget or None
        What the device has; nothing is held against it where None.
    fps, clock_hz : float or None
        Frame rate to reach at a clock in Hz: the cheapest folding that reaches it. Where `fps` is
        None, the fastest folding whose estimate leaves the device 40 % of its cells and 5 % of its
        block RAMs.

    Raises
    ------
    UsageError
        If the rate needs more than one image in as many clocks as the widest folding takes.
    DoesNotFit
        If nothing that is fast enough fits.
    """
    price = budget.lut4 / budget.ebr / 2 if budget else 100.0
    layers = [
        (node.name, _options(node, family)) for node in graph.nodes if isinstance(node, Dense)
    ]
    if not layers:
        raise UsageError(
            f"Network '{graph.name}' has no dense layer to fold.", "Give a network with one."
        )
    targets = list(_targets(layers))
    if fps is not None:
        return _for_rate(graph, layers, targets, price, budget, fps, clock_hz)
    low, high, found = 0, len(targets) - 1, None
    while (
        low <= high
    ):  # Fewer cycles never take fewer cells: bisect for the first target that fits.
        middle = (low + high) // 2
        chosen = _fitting(layers, targets[middle], price, budget)
        if chosen:
            found, high = chosen, middle - 1
        else:
            low = middle + 1
    if found is None:
        raise _too_big(graph, layers, targets[-1], price, budget)
    return Folding({name: option.fold for name, option in found.items()})


def _for_rate(
    graph: Graph,
    layers: list[tuple[str, list[_Option]]],
    targets: list[int],
    price: float,
    budget: Budget | None,
    fps: float,
    clock_hz: float | None,
) -> Folding:
    if clock_hz is None or not fps > 0 or not clock_hz > 0:
        raise UsageError(
            f"A frame rate of {fps} needs a rate and a clock above 0.",
            "Give --fps and a board or clock.",
        )
    cycles = int(clock_hz // fps)
    if cycles < targets[0]:
        raise UsageError(
            f"{fps:g} images/s at {clock_hz / 1e6:g} MHz leave {cycles} clocks an image; "
            f"the widest folding of '{graph.name}' takes {targets[0]}.",
            f"Ask for at most {clock_hz / targets[0]:.0f} images/s.",
        )
    chosen = _cheapest(layers, cycles, price)
    assert chosen is not None
    total = _total(chosen)
    if budget and (total.lut4 > budget.lut4 or total.ebr > budget.ebr):
        raise DoesNotFit(
            f"{fps:g} images/s of '{graph.name}' need about {total.lut4} LUT4 and {total.ebr} "
            "block RAMs; "
            f"the device has {budget.lut4} and {budget.ebr}.",
            "Ask for fewer images/s, or choose a larger board.",
        )
    return Folding({name: option.fold for name, option in chosen.items()})


def _fitting(
    layers: list[tuple[str, list[_Option]]], cycles: int, price: float, budget: Budget | None
) -> dict[str, _Option] | None:
    # Dearer block RAM moves bits to cells and into better filled shapes; the first price that fits
    # is kept.
    for factor in (1.0, 4.0, 16.0, 0.1):
        chosen = _cheapest(layers, cycles, price * factor)
        if chosen is None:
            return None
        total = _total(chosen)
        if not budget or (
            total.lut4 <= _LUT_SHARE * budget.lut4 and total.ebr <= _EBR_SHARE * budget.ebr
        ):
            return chosen
    return None


def _too_big(
    graph: Graph,
    layers: list[tuple[str, list[_Option]]],
    cycles: int,
    price: float,
    budget: Budget | None,
) -> DoesNotFit:
    least = _cheapest(layers, cycles, 16 * price)
    assert least is not None and budget is not None
    total = _total(least)
    bits = sum(node.weight.size for node in graph.nodes if isinstance(node, Dense))
    return DoesNotFit(
        f"'{graph.name}' holds {bits} weight bits; its smallest folding takes about "
        f"{total.lut4} LUT4 and {total.ebr} block RAMs; "
        f"the device has {budget.lut4} and {budget.ebr}.",
        "Choose a larger board or a smaller network.",
    )
