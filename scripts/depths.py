"""Prove that everything which holds words in five networks is as deep as it must be, and no deeper.

    python -m scripts.depths [NAME ...] [--models DIR]

Queues between branches: every word of the network at its clock (`depth_events`). Buffers of sliding
windows, banks in which vectors are read again, and room for results: clock by clock
(`depth_stores`). No clocks, and as little room elsewhere as may be: whether anything stands still
for ever (`depth_tokens`). Those with clocks run until their state comes again, which proves what
holds for all time; and each with one word less must fail.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bnnhw import data, zoo
from bnnhw.cost import solve
from bnnhw.graph import Graph
from bnnhw.load import load_model
from bnnhw.plan import Block, MvtuPlan, Plan, UnitPlan, WindowPlan, make_plan
from rtl_gen.build.boards import load_board

from .depth_events import levels, run, waits
from .depth_stores import banks_period, room_waits, window_period
from .depth_tokens import stands_still
from .signing import ROOT, Item, ended, record

__all__ = ["NETWORKS", "Proof", "main", "prove"]

_BOARD, _CLOCK_HZ = "ulx3s-85f", 25_000_000

NETWORKS: dict[str, tuple[Callable[[Path], Graph], float | None]] = {
    "CNV W1A1": (lambda models: load_model(models / "networks" / "cifar10_cnv_w1a1.npz"), 600),
    "digits_cnn": (lambda models: load_model(data.path("digits_cnn.onnx")), None),
    "eBNN": (lambda models: load_model(models / "networks" / "mnist_ebnn_simple.npz"), None),
    "ResNetE-18, width 16": (lambda models: zoo.resnet_e18(width=16, joins="E1"), 1000),
    "BinaryDenseNet-28, growth 4": (lambda models: zoo.binary_densenet28(growth=4), 1000),
}
"""Graph, and images a second that the folding is solved for on a ULX3S-85F."""


@dataclass
class Proof:
    """What was held against the schedules in one network.

    Parameters
    ----------
    counts : dict of str to int
        Proven, by kind.
    faults : list of str
        What is too shallow, or deeper than it need be.
    frames : int
        Until all clocks repeat.
    longest : int
        Clocks that a word waits at most where there is no queue.
    """

    counts: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    frames: int = 0
    longest: int = 0

    def add(self, kind: str, what: str, enough: bool, less: bool) -> None:
        """Count something that must be enough, and not be with one word less."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if not enough:
            self.faults.append(f"{what} is too shallow")
        elif less:
            self.faults.append(f"{what} is deeper than it need be")


def prove(plan: Plan) -> Proof:
    """Hold everything that stores words in a plan against its schedule.

    Raises
    ------
    ValueError
        If pixels share words of weights somewhere: those schedules are not written down here.
    """
    for block in plan.blocks:
        if isinstance(block, UnitPlan) and block.lot > 1:
            raise ValueError(f"{block.name} reads {block.lot} vectors together")
    proof = Proof()
    found = run(plan)
    proof.frames = found.frames
    for level in levels(plan, found):
        enough = level.most <= level.depth
        # What the schedule does not fill may be what keeps the network from standing still.
        less = level.most < level.depth and not stands_still(plan, {level.queue: 1})
        proof.add("queues", f"{level.queue} of {level.depth}, for {level.most},", enough, less)
    if still := stands_still(plan):
        proof.faults.append(f"{still} stands still for ever")
    for name, longest, allowed in waits(plan, found):
        proof.longest = max(proof.longest, longest)
        if longest > allowed:
            proof.faults.append(f"a word waits for {name} for {longest} clocks, not {allowed}")
    for block in plan.blocks:
        _inside(block, proof)
    return proof


def _inside(block: Block, proof: Proof) -> None:
    """Hold what a block itself stores against its schedule."""
    if type(block) is WindowPlan:
        shape = block.shape
        # The buffer is rounded up to what memories have; `room` is what it must be.
        whole, exact, less = (
            window_period(block, reach, shape.depth)
            for reach in (shape.depth - shape.overhang, shape.room, shape.room - 1)
        )
        what = f"the buffer of {block.name}, {shape.room} of {shape.depth} words,"
        proof.add("windows", what, whole == exact == block.cycles, less == block.cycles)
    if not isinstance(block, UnitPlan):
        return
    if block.neuron_folds > 1:
        folds = block.neuron_folds * block.synapse_folds
        enough, less = (banks_period(block, banks) == folds for banks in (2, 1))
        proof.add("pairs of banks", f"the pair of banks of {block.name}", enough, less)
    if isinstance(block, MvtuPlan) and block.words is None:
        clocks = block.latency
        enough, less = (not room_waits(block, n, clocks) for n in (block.depth, block.depth - 1))
        proof.add("rooms", f"the room of {block.name}, {block.depth} results,", enough, less)


def _planned(name: str, models: Path) -> Plan:
    make, fps = NETWORKS[name]
    graph, board = make(models), load_board(_BOARD)
    found = solve(graph, board.family, board.budget, fps=fps, clock_hz=_CLOCK_HZ)
    return make_plan(graph, found.on_family(board.family), name="net")


def _row(name: str, models: Path) -> dict[str, Any]:
    before = time.monotonic()
    plan = _planned(name, models)
    proof = prove(plan)
    return {
        "clocks": plan.cycles, "blocks": len(plan.blocks), "frames": proof.frames,
        "longest_wait": proof.longest, "proven": proof.counts, "faults": proof.faults,
        "seconds": round(time.monotonic() - before, 1),
    }  # fmt: skip


def _item(rows: dict[str, dict[str, Any]]) -> Item:
    kinds = ("queues", "windows", "pairs of banks", "rooms")
    totals = {kind: sum(row["proven"].get(kind, 0) for row in rows.values()) for kind in kinds}
    faults = [f"{name}: {fault}" for name, row in rows.items() for fault in row["faults"]]
    queued = sum("queues" in row["proven"] for row in rows.values())
    return Item(
        "fifo-depths",
        "Everything that holds words is deep enough for its schedule for all time, and with one "
        "word less it is not.",
        "python -m scripts.depths",
        "five networks, none too shallow or too deep",
        f"{len(rows)} networks: " + ", ".join(f"{count} {kind}" for kind, count in totals.items())
        + f"; {len(faults)} too shallow or too deep",
        len(rows) == len(NETWORKS) and not faults and all(totals.values()),
        sum(row["seconds"] for row in rows.values()),
        {"networks": rows, "faults": faults},
        f"Queues are in {queued} of the networks, which have branches; the others are chains and "
        "need none. A queue is held against the schedule in which nothing is held up; where a "
        "word waits without a queue, which no join may, the clocks that the blocks before it can "
        "spare are compared, and only simulation shows that they do make good for it. Delay "
        "lines of pools and of windows that leave whole are no queues and are not in it.",
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Prove what was asked for; all of it is recorded. The exit code is 1 if anything failed."""
    parser = argparse.ArgumentParser(prog="scripts.depths", description=(__doc__ or "")[:94])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NETWORKS)}")
    parser.add_argument("--models", type=Path, default=ROOT.parent / "shared" / "models")
    args = parser.parse_args(arguments)
    if unknown := [name for name in args.names if name not in NETWORKS]:
        parser.error(f"NAME must be one of {', '.join(NETWORKS)}, not {unknown[0]!r}")
    rows = {}
    for name in args.names or NETWORKS:
        rows[name] = row = _row(name, args.models)
        print(f"{name}: {row['proven']}, {row['faults'] or 'no faults'}, {row['seconds']} s")
    item = _item(rows)
    if not args.names:
        record(item, "numpy")
    return 1 if any(row["faults"] for row in rows.values()) else 0


if __name__ == "__main__":
    sys.exit(ended(main))
