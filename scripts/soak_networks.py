"""Random networks, folded and stalled somehow, held against the golden model.

Network, folding, stalls and images follow from a seed and a number, the same ones everywhere.
"""

import random
import traceback
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bnnhw import golden
from bnnhw.errors import BnnhwError, UsageError
from bnnhw.plan import Plan, make_plan
from rtl_gen.network import network_verilog
from sim.compare import Tally, compare
from sim.compiled import Recording, compile_accelerator
from sim.interpreted import record_pysim
from sim.random_graphs import random_folding, random_graph

__all__ = ["COMPILED_EVERY", "Case", "Outcome", "case_of", "judge"]

COMPILED_EVERY = 200
"""Every so manieth network is compiled by Verilator and sees many frames; the others are small
enough to be done in Amaranth's simulator before a compiler would have begun."""

_LARGE = 4000
_CLOCKS = 100_000
_STALLS = (0, 0, 25, 50, 75, 90)


@dataclass(frozen=True)
class Case:
    """What is simulated.

    Parameters
    ----------
    plan : Plan
    codes : array of int, shape (frames, *input shape)
    stalls : tuple of int
        Percent of the clocks in which source and sink wait.
    seed : int
        Of the stalls.
    compiled : bool
        Simulated by Verilator.
    """

    plan: Plan
    codes: np.ndarray
    stalls: tuple[int, int]
    seed: int
    compiled: bool


@dataclass(frozen=True)
class Outcome:
    """What became of a network.

    Parameters
    ----------
    number : int
    compiled : bool
    refused : bool
        It has no hardware, and is told so.
    clocks, values : int
        Simulated and compared.
    fault : str
        What is wrong; empty where nothing is.
    """

    number: int
    compiled: bool = False
    refused: bool = False
    clocks: int = 0
    values: int = 0
    fault: str = ""


def case_of(seed: str, number: int) -> Case:
    """Make a network up, fold it, and choose images and stalls.

    Raises
    ------
    UsageError
        If it has no hardware.
    """
    pick = random.Random(f"{seed}/{number}").randrange
    graph = random_graph(pick)
    plan = make_plan(graph, random_folding(graph, pick), name="net")
    compiled = number % COMPILED_EVERY == 0 or plan.cycles >= _LARGE
    stalls = _STALLS[pick(len(_STALLS))], _STALLS[pick(len(_STALLS))]
    frames = 3 + (_CLOCKS // plan.cycles if compiled else 0)
    dice = np.random.default_rng(pick(1 << 30))
    codes = dice.integers(0, graph.input.grid.levels, (frames, *graph.input.shape))
    return Case(plan, codes, stalls, pick(1000), compiled)


def judge(seed: str, number: int) -> Outcome:
    """Simulate a network and compare every word on every edge; never raises for what is wrong."""
    try:
        case = case_of(seed, number)
    except UsageError as error:
        # Sums of the few grids whose steps are not those of their counts have no hardware.
        told = str(error)
        return Outcome(number, refused=True, fault="" if "are no codes of" in told else told)
    except Exception:
        return Outcome(number, fault=traceback.format_exc())
    try:
        return replace(_judge(case), number=number)
    except (AssertionError, BnnhwError) as error:
        return Outcome(number, case.compiled, fault=str(error) or repr(error))
    except Exception:
        return Outcome(number, case.compiled, fault=traceback.format_exc())


def _judge(case: Case) -> Outcome:
    recording = _record(case)
    trace = golden.run(case.plan.graph, case.codes, path="plain", trace=True)
    tally = Tally()
    _, classes = compare(case.plan, recording, trace.edges, tally)
    assert tally.compared, "nothing was compared"
    faults = [f"{one.where}: {one.what} ({one.count})" for one in tally.differences]
    if trace.classes is None or not np.array_equal(classes, trace.classes):
        faults.append(f"classes: {classes} instead of {trace.classes}")
    told = "; ".join(faults)
    return Outcome(0, case.compiled, False, recording.clocks, tally.compared, told)


def _record(case: Case) -> Recording:
    stream = case.plan.on_stream(case.codes)
    options: dict[str, Any] = {
        "stall_in": case.stalls[0],
        "stall_out": case.stalls[1],
        "seed": case.seed,
    }
    if not case.compiled:
        return record_pysim(case.plan, stream, **options)
    program = compile_accelerator(case.plan, network_verilog(case.plan)[0], quick=True)
    return program.run(stream, **options)
