"""Synthesised netlists of three networks for both families, with three patterns of stalls."""

import time
from typing import Any

from sim.netlist import Outside, netlist, settled
from sim.network import simulate

from ..signing import Item
from .designs import Design, Tell, bundled, tfc

__all__ = ["BOARDS", "NETWORKS", "measure", "run"]

NETWORKS = ("digits_mlp", "digits_cnn", "TFC_1W1A")
BOARDS = ("icebreaker", "ulx3s-12f")
_STALLS = ((0, 0), (30, 30), (70, 15))
_LEAST = 1000


def measure(design: Design, tell: Tell, *, stalls: tuple[tuple[int, int], ...]) -> dict[str, Any]:
    """Stream images through a netlist, once for each pattern of stalls, and give its row."""
    text = settled(netlist(design.plan, design.board))
    cells = {kind: len(text.split(f"  {kind} ")) - 1 for kind in _CELLS[design.board.family]}
    row: dict[str, Any] = {
        "network": design.network, "board": design.board.name, "cells": cells, "frames": 0,
        "compared": 0, "mismatches": 0, "cycles": design.plan.cycles, "measured": None,
    }  # fmt: skip
    plan = Outside.of(design.plan)
    for stall_in, stall_out in stalls:
        report = simulate(
            plan, text, design.images, quick=True, stall_in=stall_in, stall_out=stall_out
        )
        row["frames"] += report.images
        row["compared"] += report.compared
        row["mismatches"] += report.mismatches
        if not stall_in and not stall_out:
            row["measured"] = report.cycles_per_image
        tell(f"{row['network']} on {row['board']}: {row['frames']} frames, "
             f"{row['compared']} values, {row['mismatches']} differ")  # fmt: skip
    return row


_CELLS = {
    "ice40": ("SB_LUT4", "SB_CARRY", "SB_RAM40_4K"),
    "ecp5": ("LUT4", "CCU2C", "TRELLIS_FF", "DP16KD", "TRELLIS_DPR16X4"),
}


def run(tell: Tell) -> Item:
    """Take all of them."""
    start, rows = time.monotonic(), []
    for board in BOARDS:
        for network in NETWORKS:
            big = network == "TFC_1W1A"
            design = tfc(board, _LEAST) if big else bundled(network, board)
            rows.append(measure(design, tell, stalls=_STALLS))
    met = all(
        row["frames"] >= _LEAST and not row["mismatches"] and row["measured"] == row["cycles"]
        for row in rows
    )
    frames, wrong = sum(r["frames"] for r in rows), sum(r["mismatches"] for r in rows)
    values = sum(row["compared"] for row in rows)
    return Item(
        name="netlist-synthesised",
        claim="What Yosys makes of a network for a board computes what the golden model computes.",
        command="python -m scripts.readback synthesised",
        required="1,000 frames for three networks and both families, none wrong",
        measured=f"{frames:,} frames, {values:,} logits, classes and marks of an end; "
        f"{wrong} differ",
        met=met,
        seconds=time.monotonic() - start,
        details={"rows": rows},
        short="Without host link, PLL, pins and timing: these are in the items below it.",
    )
