"""Bitstreams of three iCE40 boards, read back and asked through their serial pins."""

import time
from typing import Any

from sim.readback import packed, read_back, unpacked
from sim.readback_line import Chip, ask_images

from ..signing import Item
from .designs import Design, Tell, built, bundled, few

__all__ = ["measure", "run"]

_LEAST = 100


def measure(design: Design, bitstream: bytes, origin: str, tell: Tell) -> dict[str, Any]:
    """Read a bitstream back, send it every image, and give its row."""
    name = f"{design.network} on {design.board.name}"
    text = unpacked(bitstream)
    read = read_back(text, design.board)
    tell(f"{name}: {read.cells}")
    chip = Chip(
        read.simulated, module="chip", plan=design.plan, board=design.board,
        progress=lambda line: tell(f"{name}: {line}"),
    )  # fmt: skip
    begin = time.monotonic()
    verdict = ask_images(chip, design.plan, design.images, design.labels)
    tell(f"{name}: {verdict}")
    return {
        "network": design.network, "board": design.board.name, "origin": origin,
        "bytes": len(bitstream), "cells": read.cells, "clock_hz": read.clock_hz,
        "clock_met": read.clock_hz == design.board.clock.sync_hz,
        "packed_again": packed(text) == bitstream, "images": verdict.images,
        "compared": verdict.compared, "mismatches": verdict.mismatches,
        "accuracy": verdict.accuracy, "fault": verdict.what, "passed": verdict.passed,
        "seconds": time.monotonic() - begin,
    }  # fmt: skip


def run(tell: Tell) -> Item:
    """Read all three."""
    start = time.monotonic()
    rows = [
        measure(design, *built(design, tell), tell)
        for design in (
            bundled("digits_mlp", "icebreaker"),
            bundled("digits_mlp", "hx8k-breakout"),
            few("icestick"),
        )
    ]
    met = all(row["passed"] and row["clock_met"] and row["images"] >= _LEAST for row in rows)
    images, wrong = sum(row["images"] for row in rows), sum(row["mismatches"] for row in rows)
    return Item(
        name="bitstream-ice40",
        claim="An iCE40's bitstream, read back, answers through its pins as the golden model.",
        command="python -m scripts.readback ice40",
        required=f"{_LEAST} images on each of three boards, none wrong",
        measured=f"{images:,} images on {len(rows)} boards, "
        f"{sum(row['compared'] for row in rows):,} logits and classes; {wrong} differ",
        met=met,
        seconds=time.monotonic() - start,
        details={"rows": rows},
        short="Timing, the PLL's analogue part and pads are not in it; bitstreams with SPRAM or "
        "multipliers are refused, as icestorm writes no Verilog of them.",
    )
