"""`bnnhw simulate`: images through the generated Verilog, held against the golden model."""

from pathlib import Path
from typing import Annotated, Any

import typer

from bnnhw.errors import CheckFailed, UsageError
from bnnhw.files import read_npz
from bnnhw.images import load_images

from .options import (
    BoardName,
    ClockMHz,
    FoldingFile,
    Fps,
    ImageFile,
    Json,
    Limit,
    Model,
    Pixel,
    Seed,
    make,
)
from .show import Reported, emit_json, pairs, progress, table

__all__ = ["show_report", "simulate"]

_Stall = Annotated[int, typer.Option(min=0, max=95, help="Percent of the clocks that it waits.")]


def simulate(
    model: Model,
    images: ImageFile,
    expect: Annotated[
        Path | None, typer.Option("--expect", help="Reference .npz: logits, pred, tapNN_…")
    ] = None,
    limit: Limit = None,
    pixel: Pixel = "auto",
    simulator: Annotated[str, typer.Option(help="verilator, icarus or pysim.")] = "verilator",
    board: BoardName = None,
    fps: Fps = None,
    clock: ClockMHz = None,
    folding: FoldingFile = None,
    stall_in: _Stall = 0,
    stall_out: _Stall = 0,
    seed: Seed = 1,
    as_json: Json = False,
) -> None:
    """Stream images through the generated Verilog and compare every edge with the golden model."""
    from rtl_gen import content
    from rtl_gen.network import network_verilog

    bench = content.module("sim.network")
    if simulator not in bench.SIMULATORS:
        known = ", ".join(bench.SIMULATORS)
        raise UsageError(f"There is no simulator '{simulator}'.", f"Choose one of {known}.")
    plan = make(model, pixel=pixel, board=board, fps=fps, clock=clock, folding=folding).plan
    frames = load_images(images, plan.graph, limit=limit)
    reference = read_npz(expect) if expect else None
    with progress(as_json) as tell:
        tell("writing Verilog (the first start of Yosys takes half a minute)", 0, 0)
        verilog, _ = network_verilog(plan)
        report = bench.simulate(
            plan, verilog, frames.x, labels=frames.y, reference=reference, simulator=simulator,
            stall_in=stall_in, stall_out=stall_out, seed=seed, progress=tell,
        )  # fmt: skip
    if as_json:
        emit_json(report.to_json())
    else:
        show_report(report)
    if not report.passed:
        first = report.differences[0] if report.differences else None
        where = f"first at {first.where}: {first.what}" if first else "nothing was compared"
        raise (Reported if as_json else CheckFailed)(
            f"{report.mismatches} of {report.compared} values differ; {where}.",
            "Check that model, folding and reference belong together; otherwise report the defect.",
        )


def show_report(report: Any) -> None:
    """Print a simulation's report."""
    rows = [
        (
            "images",
            f"{report.images:,} in {report.simulator}, {report.images_per_second:,.0f} a second",
        ),
        ("compared", f"{report.compared:,} values on every edge: {report.mismatches:,} differ"),
        (
            "clocks an image",
            f"{report.cycles_per_image:g} measured, {report.cycles_formula} planned",
        ),
        ("first answer", f"after {report.latency:,} clocks"),
    ]
    if report.accuracy is not None:
        rows.append(("accuracy", f"{100 * report.accuracy:.2f} % of the labels"))
    pairs(f"{report.network}, simulated", rows)
    if report.differences:
        heads = ("edge", "first difference", "in all")
        table("differences", heads, [(d.where, d.what, d.count) for d in report.differences])
