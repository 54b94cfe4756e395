"""Bins of the coverage plan that are about traffic, not shapes: broken frames, gaps, resets."""

import random
from collections.abc import Sequence
from dataclasses import replace

from bnnhw.plan import Plan, make_plan

from .abuse import TOGGLE, Act, Case, Design, Outcome
from .abuse_campaigns import Play, broken_frames, gaps, resets, run, stalls, uploads
from .abuse_designs import AbusedNetwork
from .abuse_networks import written
from .abuse_player import compile_abused, play_compiled, play_pysim
from .coverage_plan import Collector
from .coverage_run import family_text

__all__ = ["traffic"]


def _plan(family: str) -> Plan:
    """Lay a network whose weights are loaded, in what the family has for them."""
    plan = written()
    if family == "generic":
        return plan
    layers = dict(plan.folding.layers)
    if family == "ecp5":
        layers["fc0"] = replace(layers["fc0"], weights="ram")
    return make_plan(plan.graph, replace(plan.folding, layers=layers).on_family(family), name="net")


def _player(abused: AbusedNetwork, family: str) -> Play:
    if family == "generic":
        return lambda acts: play_pysim(abused.design, acts)
    given = family_text(abused.plan, family)
    abused.design = Design(abused.plan.name, abused.design.make, abused.design.idle, given)
    program = compile_abused(abused.design, quick=True)

    def play(acts: Sequence[Act]) -> list[Outcome]:
        return play_compiled(abused.design, program, acts)[0]

    return play


def _gap(clocks: int) -> str:
    return str(clocks) if clocks < 2 else "2 to 9" if clocks < 10 else "10 or more"


def _of_case(case: Case, frame: int) -> set[str]:
    """Name the bins of an act; `frame` is the words of a good frame."""
    act = case.act
    found: set[str] = set()
    if not act.offers.get("i") or "reset" in case.what:
        return found
    lengths, words = [], 0
    end = 1 << max(word.bit_length() for word, _ in act.offers["i"]) - 1
    for word, _ in act.offers["i"]:
        words += 1
        if word & end:
            lengths.append(words)
            words = 0
    found |= {f"frames: {'short' if n < frame else 'long'}" for n in lengths if n != frame}
    if "gaps" in case.what:
        found.add(f"frames: gap {_gap(act.offers['i'][0][1])}")
        found |= {"frames: held"} if act.hold else set()
    toggles = (act.stall_in == TOGGLE, act.stall_out == TOGGLE)
    if any(toggles):
        found.add(f"toggling: {'both' if all(toggles) else 'source' if toggles[0] else 'sink'}")
    return found


def traffic(collector: Collector) -> int:
    """Abuse one network of a family, and count its bins; give the words that were compared.

    Raises
    ------
    CheckFailed
        If a word is wrong, missing or surplus.
    """
    plan = _plan(collector.family)
    abused = AbusedNetwork(plan)
    play, dice = _player(abused, collector.family), random.Random(1)
    frame = plan.blocks[0].words_in
    cases = stalls(abused, dice, frames=1) + gaps(abused, dice, lengths=(0, 1, 2, 7, 60))
    cases += broken_frames(abused, dice, count=20) + uploads(abused, dice, count=6)
    compared = run(abused, cases, play)
    collector.hit({one for case in cases for one in _of_case(case, frame)})
    collector.hit({f"weights in: {unit.weight_style}" for unit in plan.units})
    for what, broken, clocks in (
        ("idle", False, [0, 0, 0]),
        ("amid a frame", False, range(1, 60, 3)),
        ("amid a broken frame", True, range(1, 60, 3)),
    ):
        compared += run(abused, resets(abused, dice, clocks, stalled=True, broken=broken), play)
        collector.hit({f"reset: {what}"})
    return compared
