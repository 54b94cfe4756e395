"""Verilator, Icarus and Amaranth's simulator, held against each other at every clock."""

import random
import time
from typing import Any

from bnnhw.errors import CheckFailed
from sim.abuse_campaigns import broken_frames, resets, stalls
from sim.abuse_designs import Abused, AbusedNetwork, array_kinds
from sim.abuse_networks import NETWORKS
from sim.abuse_player import compile_abused, play_compiled
from sim.agree import agree, replay_icarus, replay_pysim, unset

from .signing import Item, record

__all__ = ["measure"]

# Frames, and resets amid them: about ten thousand clocks each.
_FRAMES = {"dense": (12, 60), "branched": (2, 6), "pixels": (3, 10)}


def _designs() -> dict[str, Abused]:
    found: dict[str, Abused] = {name: AbusedNetwork(NETWORKS[name]()) for name in _FRAMES}
    return found | {"array, batched": array_kinds()["batched"]}


def _compared(name: str, abused: Abused) -> dict[str, Any]:
    """Compare the simulators on one design; give the values compared, or what is wrong."""
    design, dice = abused.design, random.Random(1)
    frames, cuts = _FRAMES.get(name, (12, 60))
    cases = broken_frames(abused, dice, count=frames)
    clocks = [dice.randrange(60 if frames == 12 else 1500) for _ in range(cuts)]
    cases += resets(abused, dice, clocks, stalled=True, frames=1)
    cases += stalls(abused, dice, frames=1) if frames == 12 else []
    program = compile_abused(design, quick=True)
    _, trace = play_compiled(design, program, [case.act for case in cases], traced=True)
    assert trace is not None
    found: dict[str, Any] = {"design": name, "clocks": len(trace.values), "fault": ""}
    text = design.emitted[0]
    try:
        found["pysim"] = agree(design, trace, replay_pysim(design, trace))
        found["icarus"] = agree(design, trace, replay_icarus(design, trace))
        for key, registers in (("memories unknown", False), ("registers unknown too", True)):
            rows = replay_icarus(design, trace, unset(text, registers=registers))
            found[key] = agree(design, trace, rows, offered=True)
    except CheckFailed as fault:
        found["fault"] = str(fault)
    return found


def measure() -> bool:
    """Compare, print and record; tell whether all agree."""
    start = time.monotonic()
    rows = []
    for name, abused in _designs().items():
        rows.append(_compared(name, abused))
        print(rows[-1], flush=True)
    faults = [row["fault"] for row in rows if row["fault"]]
    clocks = sum(row["clocks"] for row in rows)
    compared = sum(row.get("pysim", 0) + row.get("icarus", 0) for row in rows)
    item = Item(
        name="simulators-agree",
        claim="Icarus, Verilator and Amaranth's simulator agree on every output at every clock, "
        "and no bit is unknown after reset; where memories, and registers too, start unknown, "
        "nothing unknown is offered.",
        command="python -m scripts.coverage simulators",
        required="0 differences and 0 unknown bits on three designs",
        measured=f"{len(faults)} differences or unknown bits in {compared:,} values of "
        f"{clocks:,} clocks of {len(rows)} designs",
        met=not faults and compared > 0,
        seconds=round(time.monotonic() - start, 3),
        details={"designs": rows},
    )
    record(item, "amaranth")
    print(item.measured)
    return item.met
