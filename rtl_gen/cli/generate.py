"""`bnnhw generate`: Verilog of a network, or of an array of a chosen size."""

from pathlib import Path
from typing import Annotated

import typer

from .options import BoardName, ClockMHz, FoldingFile, Fps, Json, Model, Name, Naming, OutDir, make
from .show import emit_json, pairs, progress, table

__all__ = ["app"]

app = typer.Typer(help="Write Verilog.", no_args_is_help=True)


@app.command("network")
def network(
    model: Model,
    out: OutDir,
    board: BoardName = None,
    fps: Fps = None,
    clock: ClockMHz = None,
    folding: FoldingFile = None,
    name: Name = None,
    naming: Naming = "plain",
    as_json: Json = False,
) -> None:
    """Write the Verilog of a whole network, its manifest and its folding."""
    from bnnhw.errors import UsageError
    from rtl_gen.network import file_names, network_files
    from rtl_gen.output import check_output, publish
    from rtl_gen.shell import NAMINGS

    if naming not in NAMINGS:
        raise UsageError(f"There is no naming '{naming}'.", f"Choose one of {', '.join(NAMINGS)}.")
    planned = make(model, board=board, fps=fps, clock=clock, folding=folding, name=name)
    plan = planned.plan
    check_output(file_names(plan), out, keep=planned.inputs)
    with progress(as_json) as tell:
        tell("writing Verilog (the first start of Yosys takes half a minute)", 0, 0)
        files = publish(network_files(plan, naming, board=planned.board.name), out)
    facts = {
        "name": plan.name,
        "identity": plan.identity,
        "board": planned.board.name,
        "cycles_per_image": plan.cycles,
        "bottleneck": plan.bottleneck.name,
        "files": [str(path) for path in files],
    }
    if as_json:
        emit_json(facts)
        return
    units = [
        (u.name, f"{u.rows}×{u.columns}", u.pe, u.simd, u.cycles, len(u.weights), u.weight_style)
        for u in plan.units
    ]
    heads = ("layer", "matrix", "PE", "SIMD", "clocks", "words", "weights in")
    table(f"{plan.name}, folded for {planned.board.title}", heads, units)
    pairs(
        "result",
        [
            ("speed", f"{plan.cycles:,} clocks an image, set by {plan.bottleneck.name}"),
            ("identity", plan.identity),
            *((path.suffix[1:], path) for path in files),
        ],
    )


@app.command("array")
def array(
    out: OutDir,
    pe: Annotated[int, typer.Option("--pe", help="Rows computed at once.")],
    simd: Annotated[int, typer.Option("--simd", help="Columns computed at once.")],
    folds: Annotated[
        int | None, typer.Option("--folds", help="Words of a vector, with streamed weights.")
    ] = None,
    target: Annotated[str, typer.Option("--target", help="ice40, ecp5 or generic.")] = "generic",
    weights: Annotated[
        Path | None,
        typer.Option("--weights", help="Stored weights: .npz with 'weights', ±1 or bits."),
    ] = None,
    name: Name = None,
    naming: Naming = "plain",
    as_json: Json = False,
) -> None:
    """Write the Verilog of one XNOR-popcount matrix-vector unit, and a testbench for it."""
    from rtl_gen.product import load_weights, make_array, write_array

    stored = load_weights(weights) if weights else None
    with progress(as_json) as tell:
        tell("writing Verilog (the first start of Yosys takes half a minute)", 0, 0)
        product = make_array(pe=pe, simd=simd, folds=folds, weights=stored, target=target)
        files = write_array(
            product, out, name=f"array_{pe}x{simd}" if name is None else name, naming=naming
        )
    if as_json:
        emit_json({**product.manifest, "files": [str(path) for path in files]})
        return
    facts = [
        (key, value) for key, value in product.manifest.items() if isinstance(value, (int, str))
    ]
    pairs(f"array of {pe} × {simd}", [*facts, *((path.suffix[1:], path) for path in files)])
