"""Abuse every stream of accelerators and arrays, and record what came of it.

`python -m scripts.abuse` plays all campaigns: stalls of both sides in every combination, broken
frames, gaps, resets in every clock of a short run and in 1,000 clocks of a long one, and uploads
that are cut off. What leaves is held against the golden model, word by word.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bnnhw import data
from bnnhw.errors import CheckFailed, UsageError
from bnnhw.plan import Plan, make_plan
from rtl_gen.cli.options import make
from sim.abuse import NEVER, Case, Outcome
from sim.abuse_campaigns import Play, broken_frames, duration, gaps, resets, run, stalls, uploads
from sim.abuse_designs import Abused, AbusedNetwork, array_kinds
from sim.abuse_networks import NETWORKS
from sim.abuse_player import compile_abused, play_compiled, play_pysim
from sim.random_graphs import random_folding, random_graph

from .signing import Item, record

RANDOM_RESETS = 1000
RANDOM_GRAPHS = 24
_LONG = 400


@dataclass
class Row:
    """What was played on one design."""

    name: str
    simulator: str
    acts: int = 0
    resets: int = 0
    clocks: int = 0
    words: int = 0
    faults: list[str] = field(default_factory=list)

    def play(self, inner: Play) -> Play:
        """Count what goes through a player."""

        def counted(acts: Any) -> list[Outcome]:
            outcomes = inner(acts)
            self.acts += len(outcomes)
            self.resets += sum(act.reset_at != NEVER for act in acts[: len(outcomes)])
            self.clocks += sum(outcome.clocks for outcome in outcomes)
            return outcomes

        return counted

    def judge(self, abused: Abused, cases: list[Case], play: Play) -> None:
        """Play cases, and keep what is wrong."""
        if not cases:
            return
        try:
            self.words += run(abused, cases, play)
        except CheckFailed as fault:
            self.faults.append(str(fault))


def campaigns(abused: Abused, row: Row, play: Play, dice: random.Random, *, every: int) -> None:
    """Play everything on one design.

    Parameters
    ----------
    every : int
        At most so many clocks of a short run are reset in, spread evenly; and 0 for a long run:
        `RANDOM_RESETS` clocks of eight frames.
    """
    row.judge(abused, stalls(abused, dice), play)
    row.judge(abused, broken_frames(abused, dice), play)
    row.judge(abused, gaps(abused, dice), play)
    row.judge(abused, uploads(abused, dice), play)
    served: dict[str, int] = {"stall_in": 30, "stall_out": 60}
    for stalled in (False, True):
        clocks = duration(abused, dice, play, **(served if stalled else {}))
        for broken in (False, True):
            if every:
                at = list(range(0, clocks, max(1, clocks // every)))
            else:
                at = [dice.randrange(4 * clocks) for _ in range(RANDOM_RESETS)]
            frames = 2 if every else 8
            cases = resets(abused, dice, at, stalled=stalled, broken=broken, frames=frames)
            row.judge(abused, cases, play)


def _compiled(abused: Abused) -> Play:
    program = compile_abused(abused.design)
    return lambda acts: play_compiled(abused.design, program, acts)[0]


def _interpreted(abused: Abused) -> Play:
    return lambda acts: play_pysim(abused.design, acts)


def _digits(name: str) -> Abused:
    return AbusedNetwork(make(Path(data.path(f"{name}.onnx")), board="icebreaker").plan)


def _designs() -> dict[str, Callable[[], Abused]]:
    """Give what makes each design, by its name."""
    found: dict[str, Callable[[], Abused]] = {
        name: partial(_network, made) for name, made in NETWORKS.items()
    }
    found |= {name: partial(_digits, name) for name in ("digits_mlp", "digits_cnn")}
    return found | {f"array, {kind}": partial(_array, kind) for kind in array_kinds()}


def _network(made: Callable[[], Plan]) -> Abused:
    return AbusedNetwork(made())


def _array(kind: str) -> Abused:
    return array_kinds()[kind]


def _drawn(seed: int) -> Abused | None:
    """Draw a network that is simulated quickly."""
    pick = random.Random(seed).randrange
    graph = random_graph(pick)
    try:
        plan = make_plan(graph, random_folding(graph, pick))
        abused = AbusedNetwork(plan)
        abused.design.lanes  # noqa: B018  (a word may be too wide)
    except (UsageError, ValueError):
        return None
    return abused if plan.cycles < _LONG else None


def play_random(row: Row, count: int, seed: int) -> None:
    """Abuse networks that were drawn, in Amaranth's simulator."""
    played = 0
    while played < count:
        seed += 1
        abused = _drawn(seed)
        if abused is None:
            continue
        played += 1
        dice = random.Random(seed)
        play = row.play(_interpreted(abused))
        row.judge(abused, broken_frames(abused, dice, count=4), play)
        at = [dice.randrange(600) for _ in range(10)]
        row.judge(abused, resets(abused, dice, at, stalled=True, broken=True), play)
        print(f"  random network {seed}: {row.words} words, {len(row.faults)} faults", flush=True)


def _record(rows: list[Row], seconds: float) -> bool:
    faults = [fault for row in rows for fault in row.faults]
    words, acts = sum(row.words for row in rows), sum(row.acts for row in rows)
    cut, clocks = sum(row.resets for row in rows), sum(row.clocks for row in rows)
    item = Item(
        name="protocol-abuse",
        claim="Whatever a producer, a consumer and reset do, the next good frame is right.",
        command="python -m scripts.abuse",
        required="0 wrong words and 0 hangs; reset in every clock of a short frame and in 1,000 "
        "clocks of a long run; all combinations of stalls",
        measured=f"{len(faults)} faults in {acts:,} acts on {len(rows)} kinds of design: "
        f"{cut:,} resets, {words:,} words compared, {clocks:,} clocks",
        met=not faults and acts > 0,
        seconds=round(seconds, 3),
        details={"designs": [vars(row) for row in rows]},
    )
    record(item, "amaranth")
    print(item.measured)
    return item.met


def main() -> int:
    """Play, print and record."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", help="designs with this in their name")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--random", type=int, default=RANDOM_GRAPHS, help="networks to draw")
    given = parser.parse_args()
    start = time.monotonic()
    rows = []
    for name, made in _designs().items():
        if given.only not in name:
            continue
        abused = made()
        row = Row(name, "verilator")
        play = row.play(_compiled(abused))
        long = name.startswith("digits")
        dice = random.Random(given.seed)
        campaigns(abused, row, play, dice, every=0 if long else 2000)
        rows.append(row)
        print(f"{name}: {row.acts} acts, {row.words} words, {len(row.faults)} faults", flush=True)
    if not given.only:
        row = Row("random networks", "pysim")
        play_random(row, given.random, given.seed)
        rows.append(row)
    for row in rows:
        for fault in row.faults:
            print(fault)
    if given.only:
        return int(any(row.faults for row in rows))
    return int(not _record(rows, time.monotonic() - start))


if __name__ == "__main__":
    sys.exit(main())
