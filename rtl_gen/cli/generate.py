"""`bnnhw generate`: Verilog of a network, or of an array of a chosen size."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import (
    BoardName,
    ClockMHz,
    FoldingFile,
    Fps,
    Json,
    Model,
    Name,
    Naming,
    OutDir,
    Pixel,
    make,
)
from .show import emit_json, pairs, progress, table

if TYPE_CHECKING:
    from bnnhw.target import Board

__all__ = ["app"]

app = typer.Typer(help="Write Verilog.", no_args_is_help=True)

Weights = Annotated[
    str,
    typer.Option(
        "--weights",
        help="stream, ram (written over the bus), or a file: .npz with 'weights', ±1 or bits.",
    ),
]
Thresholds = Annotated[
    str,
    typer.Option(
        "--thresholds",
        help="none, ram, one number for all, or a file: .npz with 'thresholds'.",
    ),
]
Target = Annotated[
    str,
    typer.Option(
        "--target", help="ice40 or ecp5: with cells of that family; generic: for any synthesiser."
    ),
]
Interface = Annotated[
    str,
    typer.Option(
        "--interface", "--naming", help="Ports: plain (ready/valid) or axi4-stream (or axis)."
    ),
]


@app.command("network")
def network(
    model: Model,
    out: OutDir,
    pixel: Pixel = "auto",
    board: BoardName = None,
    fps: Fps = None,
    clock: ClockMHz = None,
    folding: FoldingFile = None,
    name: Name = None,
    naming: Naming = "plain",
    target: Target = "generic",
    as_json: Json = False,
) -> None:
    """Write the Verilog of a whole network, its manifest and its folding."""
    from bnnhw.errors import UsageError
    from rtl_gen.network import file_names, network_files
    from rtl_gen.output import check_output, publish
    from rtl_gen.shell import NAMINGS

    if naming not in NAMINGS:
        raise UsageError(f"There is no naming '{naming}'.", f"Choose one of {', '.join(NAMINGS)}.")
    planned = make(
        model, pixel=pixel, board=board, fps=fps, clock=clock, folding=folding, name=name
    )
    plan = planned.plan
    _check_target(target, planned.board)
    check_output(file_names(plan, target), out, keep=planned.inputs)
    with progress(as_json) as tell:
        tell("writing Verilog (the first start of Yosys takes half a minute)", 0, 0)
        files = publish(network_files(plan, naming, target, board=planned.board.name), out)
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


def _check_target(target: str, board: "Board") -> None:
    from bnnhw.errors import UsageError
    from rtl_gen.cells import TARGETS

    if target not in TARGETS:
        raise UsageError(f"There is no target '{target}'.", f"Choose one of {', '.join(TARGETS)}.")
    if target not in ("generic", board.family):
        raise UsageError(
            f"The network is folded for '{board.name}', an {board.family}, and cannot have cells "
            f"of {target}.",
            "Give a --board of that family, or leave --target out.",
        )


@app.command("array")
def array(
    out: OutDir,
    pe: Annotated[int, typer.Option("--pe", help="Rows computed at once.")],
    simd: Annotated[int, typer.Option("--simd", help="Columns computed at once.")],
    folds: Annotated[
        int | None,
        typer.Option("--folds", help="Words of a vector that are summed up; 1 is single shot."),
    ] = None,
    rows: Annotated[
        int | None, typer.Option("--rows", help="Rows of the matrix; PE if not given.")
    ] = None,
    columns: Annotated[
        int | None, typer.Option("--columns", help="Columns of the matrix, in place of --folds.")
    ] = None,
    weights: Weights = "stream",
    initial: Annotated[
        Path | None, typer.Option("--initial", help="File of the first weights in RAM.")
    ] = None,
    thresholds: Thresholds = "none",
    bus: Annotated[
        str | None, typer.Option("--bus", help="axi4-lite or wishbone, to write RAM over.")
    ] = None,
    batch: Annotated[
        int, typer.Option("--batch", help="Vectors that share each streamed weight word.")
    ] = 1,
    pipeline: Annotated[
        str, typer.Option("--pipeline", help="Registers in popcounts: area, balanced or speed.")
    ] = "area",
    target: Target = "generic",
    interface: Interface = "plain",
    name: Name = None,
    as_json: Json = False,
) -> None:
    """Write the Verilog of one XNOR-popcount matrix-vector unit, and all that comes with it."""
    from rtl_gen.product import make_array, write_array

    chosen = _contents(weights, initial, thresholds)
    with progress(as_json) as tell:
        tell("writing Verilog (the first start of Yosys takes half a minute)", 0, 0)
        product = make_array(
            pe=pe, simd=simd, folds=folds, rows=rows, columns=columns, bus=bus, batch=batch,
            pipeline=pipeline, target=target, **chosen,
        )  # fmt: skip
        files = write_array(
            product,
            out,
            name=f"array_{pe}x{simd}" if name is None else name,
            naming="axis" if interface == "axi4-stream" else interface,
        )
    if as_json:
        emit_json({**product.manifest, "files": [str(path) for path in files]})
        return
    facts = [
        (key, value) for key, value in product.manifest.items() if isinstance(value, (int, str))
    ]
    pairs(f"array of {pe} × {simd}", [*facts, *((path.suffix[1:], path) for path in files)])


def _contents(weights: str, initial: Path | None, thresholds: str) -> dict[str, Any]:
    """Read what the options `--weights`, `--initial` and `--thresholds` name."""
    from bnnhw.errors import UsageError
    from rtl_gen.product import load_thresholds, load_weights

    chosen: dict[str, Any] = {
        "ram": [k for k, v in (("weights", weights), ("thresholds", thresholds)) if v == "ram"]
    }
    if initial is not None and weights != "ram":
        raise UsageError(
            f"--initial was given, but the weights are '{weights}', not ram.",
            "Leave it out, or give --weights ram.",
        )
    source = initial if weights == "ram" else None if weights == "stream" else Path(weights)
    if source is not None:
        chosen["weights"] = load_weights(source)
    if thresholds.isdecimal():
        chosen["thresholds"] = int(thresholds)
    elif thresholds not in ("none", "ram"):
        chosen["thresholds"] = load_thresholds(Path(thresholds))
    return chosen
