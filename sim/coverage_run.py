"""Simulate designs for the coverage plan: the portable Verilog, and the structures of a family."""

import random
from dataclasses import dataclass
from typing import Any

import numpy as np

from bnnhw import golden
from bnnhw.errors import CheckFailed, UsageError
from bnnhw.fold import Folding, LayerFold
from bnnhw.graph import Graph
from bnnhw.plan import Plan, make_plan
from rtl_gen.accelerator import Accelerator
from rtl_gen.counting.ecp5 import CELLS
from rtl_gen.counting.fabric import Fabric
from rtl_gen.shell import Port, make_shell
from rtl_gen.verilog import convert

from .cocotb_run import TODO
from .compare import Tally, compare
from .compiled import Recording
from .coverage_bins import bins_of
from .coverage_plan import Collector
from .interpreted import record_icarus, record_pysim
from .netlist import models
from .random_graphs import random_folding, random_graph
from .samples import network

__all__ = ["Sample", "check", "draw", "family_text", "promised"]

_STALLS = (0, 0, 30, 50, 60, 90)


@dataclass(frozen=True)
class Sample:
    """A design and what goes through it.

    Parameters
    ----------
    graph : Graph
    folding : Folding
    stall_in, stall_out : int
    seed : int
        Of images and stalls.
    frames : int
    """

    graph: Graph
    folding: Folding
    stall_in: int = 30
    stall_out: int = 30
    seed: int = 1
    frames: int = 3

    def plan(self, family: str) -> Plan:
        """Lay it for a family."""
        folding = self.folding if family == "generic" else self.folding.on_family(family)
        return make_plan(self.graph, folding, name="net")

    def codes(self) -> np.ndarray:
        """Draw what is sent."""
        node = self.graph.input
        dice = np.random.default_rng(self.seed)
        return dice.integers(0, node.grid.levels, (self.frames, *node.shape))


def draw(seed: int) -> Sample:
    """Draw a network with branches, or one of dense layers in every third case."""
    dice = random.Random(seed)
    stalls = {"stall_in": dice.choice(_STALLS), "stall_out": dice.choice(_STALLS), "seed": seed}
    if seed % 3:
        graph = random_graph(dice.randrange)
        return Sample(graph, _piped(random_folding(graph, dice.randrange), dice), **stalls)
    sizes = [1 + dice.randrange(20) for _ in range(2 + dice.randrange(3))]
    graph = network(sizes, seed)
    folds = {
        f"fc{k}": LayerFold(1 + dice.randrange(rows), 1 + dice.randrange(columns))
        for k, (columns, rows) in enumerate(zip(sizes, sizes[1:], strict=False))
    }
    lanes = dice.choice([None, 1 + dice.randrange(sizes[0])])
    return Sample(graph, _piped(Folding(folds, lanes), dice), **stalls)


def _piped(folding: Folding, dice: random.Random) -> Folding:
    layers = {
        name: LayerFold(
            fold.pe, fold.simd, fold.weights, dice.choice(("dsp", "lut")),
            dice.choice(("auto", "area", "balanced", "speed")),
        )
        for name, fold in folding.layers.items()
    }  # fmt: skip
    return Folding(layers, folding.input_lanes)


def family_text(plan: Plan, family: str) -> tuple[str, list[Port]]:
    """Give the Verilog of a plan in a family's structures, with models of its cells; and the ports.

    Popcounts, adders, accumulators and block RAMs are the cells that a build instantiates; all else
    is the portable text, as synthesis has not seen it.
    """
    shell = make_shell(Accelerator(plan), "plain")
    text = convert(shell, plan.name, Fabric(family))
    # An output that is connected to nothing is left open.
    cells = CELLS.replace(".COUT(1'bx)", ".COUT()") if family == "ecp5" else ""
    return "\n".join([models(family), cells, text]), shell.ports


def _record(sample: Sample, plan: Plan, family: str, codes: np.ndarray) -> Recording:
    served: dict[str, Any] = {"stall_in": sample.stall_in, "stall_out": sample.stall_out}
    served["seed"] = sample.seed
    words = plan.on_stream(codes)
    if family == "generic":
        return record_pysim(plan, words, **served)
    return record_icarus(plan, family_text(plan, family)[0], words, **served)


def promised(sample: Sample, family: str) -> set[str]:
    """Name the bins that a sample hits if it passes."""
    plan = sample.plan(family)
    trace = golden.run(plan.graph, sample.codes(), path="plain", trace=True)
    served = {"stall_in": sample.stall_in, "stall_out": sample.stall_out}
    return bins_of(plan, trace.edges, **served)


def check(sample: Sample, collector: Collector, *, limit: int) -> bool:
    """Simulate a sample, hold every edge against the golden model, and count its bins.

    Parameters
    ----------
    sample : Sample
    collector : Collector
    limit : int
        Most clocks a frame: a design that takes longer is not simulated.

    Returns
    -------
    bool
        Whether it was simulated.

    Raises
    ------
    CheckFailed
        If an edge differs.
    """
    try:
        plan = sample.plan(collector.family)
    except UsageError:
        return False  # Not every made-up graph has hardware.
    # The bench in Icarus loads no weights; `coverage_traffic` does.
    if plan.cycles > limit or (plan.writable and collector.family != "generic"):
        return False
    codes = sample.codes()
    recording = _record(sample, plan, collector.family, codes)
    trace = golden.run(plan.graph, codes, path="plain", trace=True)
    tally = Tally()
    compare(plan, recording, trace.edges, tally)
    if tally.differences or not tally.compared:
        raise CheckFailed(f"Sample {sample.seed} differs: {tally.differences}.", TODO)
    served = {"stall_in": sample.stall_in, "stall_out": sample.stall_out}
    collector.hit(bins_of(plan, trace.edges, **served))
    return True
