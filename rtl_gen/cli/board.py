"""`bnnhw build`, `bnnhw flash` and `bnnhw boards`."""

import json
import shlex
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from bnnhw import data
from bnnhw.errors import UsageError
from bnnhw.target import Board

from .options import (
    ClockMHz,
    FoldingFile,
    Fps,
    HostLine,
    Json,
    Model,
    Name,
    OutDir,
    Pixel,
    Planned,
    Seed,
    link_baud,
    make,
)
from .patch import patch_note
from .show import Tell, emit_json, pairs, progress, say, table

__all__ = [
    "boards",
    "build",
    "build_fastest",
    "build_network",
    "flash",
    "flash_line",
    "prebuilt_file",
]

_Board = Annotated[str, typer.Option("--board", "-b", help="A board's name or its file.")]


def build_network(
    planned: Planned,
    out: Path,
    seed: int,
    tell: Tell,
    *,
    benchmark: bool = False,
    link: str = "uart",
) -> tuple[Any, list[Path]]:
    """Build a planned network for its board and put manifest and Verilog beside the bitstream.

    `link` is ``"uart"``, ``"spi"`` or ``"usb"``.

    Returns
    -------
    report : BuildReport
    files : list of Path
    """
    from rtl_gen.build.flow import build_bitstream
    from rtl_gen.network import file_names, network_files
    from rtl_gen.output import check_output, publish
    from rtl_gen.system import LinkedAccelerator, link_facts

    plan, board = planned.plan, planned.board
    check_output(file_names(plan), out, keep=planned.inputs)
    baud, clock = link_baud(link, board), board.clock.sync_hz
    usb = link == "usb"
    core = LinkedAccelerator(plan, clock_hz=clock, baud=baud, benchmark=benchmark, usb=usb)
    tell("writing Verilog", 0, 0)
    files = network_files(plan, board=board.name, link=link_facts(clock, baud, usb=usb))
    report = build_bitstream(
        core, board, out, name=plan.name, seed=seed, cycles_per_image=plan.cycles,
        progress=lambda step: tell(step, 0, 0), note=patch_note(planned, benchmark, link),
        verilog=True,
    )  # fmt: skip
    whole = out / f"{plan.name}_board.v"
    return report, [out / report.bitstream, *publish(files, out), whole]


def build_fastest(
    planned: Planned,
    out: Path,
    seed: int,
    tell: Tell,
    *,
    benchmark: bool = False,
    link: str = "uart",
) -> tuple[Any, list[Path]]:
    """Build a planned network with the fastest clock that timing analysis proves with a margin.

    Parameters and what it gives are those of `build_network`; of all builds only the last that is
    proved comes to `out`.
    """
    from rtl_gen.build.fastest import fastest
    from rtl_gen.build.flow import deliver, scratch_folder
    from rtl_gen.network import file_names
    from rtl_gen.output import check_output
    from rtl_gen.system import divisor_for

    baud = link_baud(link, planned.board)
    check_output(file_names(planned.plan), out, keep=planned.inputs)

    def usable(hertz: int) -> bool:
        try:
            return baud is None or divisor_for(hertz, baud) > 0
        except UsageError:
            return False

    with scratch_folder(out, planned.plan.name) as scratch:

        def attempt(board: Board) -> tuple[Any, list[Path]]:
            hertz = board.clock.sync_hz
            place = Path(scratch) / str(hertz)

            def at(step: str, done: int, total: int) -> None:
                tell(f"{step} at {hertz / 1e6:g} MHz", done, total)

            again = replace(planned, board=board)
            return build_network(again, place, seed, at, benchmark=benchmark, link=link)

        report, files = fastest(planned.board, attempt, usable)
        place = files[0].parent
        last = f"{report.name}.report.json"
        names = sorted((path.name for path in place.iterdir()), key=lambda name: name == last)
        deliver(place, out, names)
    return report, [out / path.name for path in files]


def build(
    model: Model,
    board: _Board,
    out: OutDir,
    pixel: Pixel = "auto",
    fps: Fps = None,
    clock: ClockMHz = None,
    folding: FoldingFile = None,
    name: Name = None,
    seed: Seed = 1,
    link: HostLine = "uart",
    benchmark: Annotated[
        bool, typer.Option("--benchmark", help="Let the board measure its own frame rate.")
    ] = False,
    fast: Annotated[
        bool,
        typer.Option(
            "--fastest", help="Raise the clock as far as timing analysis proves it: several builds."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Build the bitstream of a network behind a link to a host, with a report."""
    make_it = build_fastest if fast else build_network
    planned = make(
        model, pixel=pixel, board=board, fps=fps, clock=clock, folding=folding, name=name
    )
    with progress(as_json) as tell:
        report, files = make_it(planned, out, seed, tell, benchmark=benchmark, link=link)
    if as_json:
        emit_json({**report.to_dict(), "identity": planned.plan.identity,
                   "files": [str(path) for path in files]})  # fmt: skip
        return
    pairs(f"{report.name} on {planned.board.title}", report.lines())
    say(f"Next: {flash_line(files[0], board, planned.board)}")


def flash_line(bitstream: Path, given: str, board: Board) -> str:
    """Write the command that loads a bitstream, as a shell takes it."""
    volatile = any(programmer.sram for programmer in board.programmers)
    words = ["bnnhw", "flash", str(bitstream), "--board", given]
    return shlex.join(words if volatile else [*words, "--flash"])


def prebuilt_file(board: str) -> Path:
    """Unpack the bitstream of the first bundled network that comes with the source for a board.

    Raises
    ------
    UsageError
        If there is none, or it is damaged.
    """
    from rtl_gen.prebuilt import find_prebuilt

    network = data.networks()[0]
    planned = make(data.path(f"{network}.onnx"), board=board)
    known = find_prebuilt(planned.plan, planned.board)
    if known is None:
        raise UsageError(
            f"No bitstream of {network} for {planned.board.title} comes with this version.",
            "Build it: bnnhw build MODEL --board NAME -o DIR.",
        )
    return known.unpacked()


def flash(
    board: _Board,
    bitstream: Annotated[
        Path | None, typer.Argument(help="What bnnhw build wrote: .bin or .bit.")
    ] = None,
    prebuilt: Annotated[
        bool,
        typer.Option("--prebuilt", help="Load the bundled digits network's, which needs no build."),
    ] = False,
    persistent: Annotated[
        bool, typer.Option("--flash", help="Write the memory that the board starts from.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only print the command.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Load a bitstream into a board with the right programmer."""
    from rtl_gen.build.boards import load_board
    from rtl_gen.flash import run_flash

    if prebuilt == (bitstream is not None):
        raise UsageError(
            "What to load must be said once.", "Give the bitstream of a build, or --prebuilt."
        )
    target = load_board(board)
    command = run_flash(
        target, bitstream or prebuilt_file(board), flash=persistent, dry_run=dry_run,
        say=(lambda line: None) if as_json else say,
    )  # fmt: skip
    if as_json:
        emit_json({"command": command, "board": target.name, "done": not dry_run})
    elif not dry_run:
        say(f"{target.title} is loaded.")


def _facts(board: Board) -> dict[str, Any]:
    return json.loads(json.dumps(asdict(board)))


def boards(as_json: Json = False) -> None:
    """List the boards that are known."""
    from rtl_gen.build.boards import all_boards

    known = all_boards()
    if not known:
        raise UsageError("No board file was found.", "Install bnnhw again.")
    if as_json:
        emit_json([_facts(board) for board in known])
        return
    rows = [
        (b.name, b.title, b.device, b.budget.lut4, b.budget.ebr, b.clock.sync_hz / 1e6, b.link.baud)
        for b in known
    ]
    heads = ("name", "board", "device", "LUT4", "block RAMs", "MHz", "baud")
    table("boards", heads, rows)
