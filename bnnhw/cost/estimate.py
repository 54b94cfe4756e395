"""What a folding takes: clocks, exactly; cells and flip-flops, as an estimate."""

from dataclasses import dataclass

from ..errors import UsageError
from ..fold import Folding
from ..fold.layers import Layer, layers_of
from ..graph import Graph
from .link import link_price
from .model import Cost, checked_family, price_all
from .sketch import sketch

__all__ = ["Estimate", "estimate", "weighted_layers"]


@dataclass(frozen=True)
class Estimate:
    """What a folding is thought to take.

    Parameters
    ----------
    cost : Cost
        Of all blocks, and of the link where it is counted.
    cycles : int
        Clocks between two images: `Plan.cycles`.
    """

    cost: Cost
    cycles: int

    @property
    def lut4(self) -> int:
        """Cells."""
        return self.cost.lut4

    @property
    def ebr(self) -> int:
        """Block RAMs."""
        return self.cost.ebr


def weighted_layers(graph: Graph) -> tuple[Layer, ...]:
    """Give the layers with weights.

    Raises
    ------
    UsageError
        If there is none.
    """
    layers = layers_of(graph)
    if not layers:
        raise UsageError(
            f"Network '{graph.name}' has no layer with weights to fold.", "Give a network with one."
        )
    return layers


def estimate(
    graph: Graph,
    folding: Folding,
    family: str,
    *,
    link: bool = True,
    queues: bool = True,
    dsp: bool = False,
) -> Estimate:
    """Estimate what `folding` takes on a device of `family`.

    Parameters
    ----------
    graph : Graph
    folding : Folding
        Pipelines that are ``"auto"`` are those of the family.
    family : str
        ``"ice40"`` or ``"ecp5"``.
    link : bool
        Count the serial link to the host.
    queues : bool
        Count the queues where branches meet, for which the schedules of all blocks are needed.
    dsp : bool
        An iCE40 has multipliers, as ``budget.dsp > 0`` says. ECP5 always has.

    Raises
    ------
    UsageError
        If the folding does not suit the graph, or no layer has weights.
    ValueError
        If there is no model of the family.
    """
    checked_family(family)
    weighted_layers(graph)
    blocks = sketch(graph, folding.on_family(family), queues=queues)
    cost = price_all(blocks, family, dsp=dsp)
    if link:
        cost += link_price(blocks, family)
    return Estimate(cost, max(block.cycles for block in blocks))
