"""Netlists after place and route of both families, asked through the pins of their boards."""

import time
from typing import Any

from sim.readback_line import Chip, ask_images
from sim.routed_verilog import MODULE, routed_verilog

from ..signing import Item
from .designs import Design, Tell, bundled, few, placed

__all__ = ["measure", "run"]

_LEAST = 20
# The smallest folding on the larger chip: a simulator is compiled of its cells in a minute.
_FPS = 1000.0


def measure(design: Design, tell: Tell) -> dict[str, Any]:
    """Simulate what nextpnr left of a design, and give its row."""
    name = f"{design.network} on {design.board.name}"
    text = routed_verilog(placed(design, tell))
    chip = Chip(
        text, module=MODULE, plan=design.plan, board=design.board,
        progress=lambda line: tell(f"{name}: {line}"),
    )  # fmt: skip
    # An ECP5 of this size runs at a tenth of the rate.
    count = 40 if design.board.family == "ecp5" else len(design.images)
    begin = time.monotonic()
    verdict = ask_images(chip, design.plan, design.images[:count], design.labels[:count])
    tell(f"{name}: {verdict}")
    kinds = ("ROUTED_LC", "SB_RAM40_4K", "ROUTED_COMB", "TRELLIS_FF", "DP16KD", "ROUTED_RAMW")
    return {
        "network": design.network, "board": design.board.name,
        "cells": {kind: found for kind in kinds if (found := text.count(f"\n  {kind} #"))},
        "images": verdict.images, "compared": verdict.compared,
        "mismatches": verdict.mismatches, "accuracy": verdict.accuracy,
        "fault": verdict.what, "passed": verdict.passed, "seconds": time.monotonic() - begin,
    }  # fmt: skip


def run(tell: Tell) -> Item:
    """Simulate one design of each family."""
    start = time.monotonic()
    rows = [
        measure(few("icestick"), tell),
        measure(bundled("digits_mlp", "ulx3s-12f", fps=_FPS), tell),
    ]
    images, wrong = sum(row["images"] for row in rows), sum(row["mismatches"] for row in rows)
    return Item(
        name="netlist-routed",
        claim="What place and route leaves answers through the pins as the golden model does.",
        command="python -m scripts.readback routed",
        required=f"{_LEAST} images for a design of each family, none wrong",
        measured=f"{images} images on {len(rows)} boards, "
        f"{sum(row['compared'] for row in rows):,} logits and classes; {wrong} differ",
        met=all(row["passed"] and row["images"] >= _LEAST for row in rows),
        seconds=time.monotonic() - start,
        details={"rows": rows},
        short="Of iCE40 nextpnr writes no net from the clock's pad and PLL to the global buffer: "
        "it is taken to be there. Timing is not in it.",
    )
