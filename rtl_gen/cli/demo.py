"""`bnnhw demo`: the whole way with a bundled network, in one command."""

from pathlib import Path
from typing import Annotated, Any

import typer

from bnnhw import data
from bnnhw.errors import CheckFailed, UsageError
from bnnhw.files import read_npz
from bnnhw.images import load_images
from bnnhw.names import printable

from .board import build_network, flash_line
from .options import Json, make
from .show import Reported, emit_json, pairs, progress, say

__all__ = ["demo"]


def demo(
    board: Annotated[str, typer.Argument(help="A board's name.")] = "icebreaker",
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path(
        "bnnhw-demo"
    ),
    network: Annotated[
        str, typer.Option("--network", help=f"Which one: {' or '.join(data.networks())}.")
    ] = data.networks()[0],
    as_json: Json = False,
) -> None:
    """Take a bundled network from its file to a bitstream, simulated on the way."""
    from rtl_gen import content
    from rtl_gen.network import network_verilog

    if network not in data.networks():
        raise UsageError(
            f"There is no bundled network '{printable(network)}'.",
            f"Choose one of: {', '.join(data.networks())}",
        )
    planned = make(data.path(f"{network}.onnx"), board=board)
    plan = planned.plan
    images = load_images(data.path("digits_test.npz"), plan.graph)
    reference = read_npz(data.path(f"{network}_expected.npz"))
    with progress(as_json) as tell:
        tell("1/3 writing Verilog (the first start of Yosys takes half a minute)", 0, 0)
        verilog, _ = network_verilog(plan)
        bench = content.module("sim.network")
        simulated = bench.simulate(
            plan, verilog, images.x, labels=images.y, reference=reference,
            progress=lambda what, done, total: tell(f"2/3 {what}", done, total),
        )  # fmt: skip
        report, files = build_network(
            planned, out, 1, lambda what, done, total: tell(f"3/3 {what}", done, total)
        )
    _summary(planned, simulated, report, files, as_json)
    if not simulated.passed:
        raise (Reported if as_json else CheckFailed)(
            f"The Verilog differs from the golden model in {simulated.mismatches} values.",
            "This is a defect of bnnhw; please report it.",
        )


def _summary(planned: Any, simulated: Any, report: Any, files: list[Path], as_json: bool) -> None:
    if as_json:
        emit_json(
            {
                "simulation": simulated.to_json(),
                "build": report.to_dict(),
                "files": [str(path) for path in files],
            }
        )
        return
    plan = planned.plan
    layers = ", ".join(f"{u.rows}×{u.columns} on {u.pe} PE × {u.simd} SIMD" for u in plan.units)
    pairs(
        f"{plan.graph.name} on {planned.board.title}",
        [
            ("layers", layers),
            ("simulated", f"{simulated.images} images, {simulated.compared:,} values compared"),
            ("differences", simulated.mismatches),
            ("accuracy", f"{100 * simulated.accuracy:.2f} % of the test images, from the Verilog"),
            *report.lines()[2:],
            ("files", ", ".join(str(path) for path in files)),
        ],
    )  # fmt: skip
    say(f"A board at hand?  {flash_line(files[0], planned.board.name, planned.board)}")
    for other in data.networks():
        if other != plan.graph.name:
            say(f"The other network:  bnnhw demo --network {other}")
