"""Options that several commands share, and the plan that they lead to."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from bnnhw.cost import solve
from bnnhw.errors import DoesNotFit, UsageError
from bnnhw.fold import Folding, load_folding
from bnnhw.graph import Graph
from bnnhw.load import load_model
from bnnhw.load.pixels import UNSAID
from bnnhw.names import checked, printable
from bnnhw.plan import Plan, make_plan
from bnnhw.target import Board

__all__ = [
    "BoardName",
    "ClockMHz",
    "FoldingFile",
    "Fps",
    "HostLine",
    "ImageFile",
    "Json",
    "Limit",
    "Model",
    "Name",
    "Naming",
    "OutDir",
    "Pixel",
    "Planned",
    "Seed",
    "link_baud",
    "load",
    "make",
]


class _Most(float):
    """The frame rate of whoever wants all that a board holds."""


def _rate(text: str) -> float:
    if text == "max":
        return _Most("inf")
    try:
        return float(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no number, and not max.") from error


Model = Annotated[
    Path,
    typer.Argument(
        help="A network: .onnx (QONNX), .h5 or .keras (Larq, Keras), canonical .npz, or saved "
        "graph .json."
    ),
]
Pixel = Annotated[
    str,
    typer.Option(
        "--pixel",
        help="What the model expects of a pixel p of 0 to 255: unit (p / 255), byte (p) or centred "
        "(2 p / 255 - 1); auto: what the file says.",
    ),
]
BoardName = Annotated[
    str | None, typer.Option("--board", "-b", help="A board's name (see bnnhw boards) or its file.")
]
Fps = Annotated[
    float | None,
    typer.Option(
        "--fps",
        parser=_rate,
        metavar="N",
        help="Images per second to reach with the fewest cells; max: as many as the board holds.",
    ),
]
ClockMHz = Annotated[
    float | None, typer.Option("--clock", help="Clock in MHz; the board's own by default.")
]
HostLine = Annotated[
    str,
    typer.Option(
        "--link", help="How the host reaches the board: uart, or spi or usb on a board's pins."
    ),
]
FoldingFile = Annotated[
    Path | None, typer.Option("--folding", help="PE and SIMD of every layer, as TOML.")
]
Name = Annotated[
    str | None, typer.Option("--name", help="Name of the top module and of the files.")
]
Naming = Annotated[
    str, typer.Option("--naming", help="Port names: plain (ready/valid) or axis (AXI4-Stream).")
]
OutDir = Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")]
ImageFile = Annotated[
    Path, typer.Option("--images", help=".npz with images 'x' and, if known, labels 'y'.")
]
Limit = Annotated[int | None, typer.Option("--limit", help="Take only the first images.")]
# As many bits as the simulators' and the placers' own generators take.
Seed = Annotated[
    int, typer.Option("--seed", min=0, max=(1 << 31) - 1, help="Of all random choices.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


@dataclass(frozen=True)
class Planned:
    """A plan, and the board that it was folded for.

    Parameters
    ----------
    plan : Plan
    board : Board
        The one that the user named; otherwise the smallest that the network fits, or, with a
        folding by hand, the largest where it fits none.
    inputs : tuple of Path
        Files that were read.
    """

    plan: Plan
    board: Board
    inputs: tuple[Path, ...]


# Boards of these are measured in docs/results.md; of several that are as large, they come first.
_MEASURED = ("icebreaker", "ulx3s-12f", "ulx3s-45f", "ulx3s-85f")
_SLOW = 1e-6
"""Images a second that every folding reaches."""


def link_baud(link: str, board: Board) -> int | None:
    """Give the rate of the UART, or None for SPI and USB.

    Raises
    ------
    UsageError
        If there is no such link, or the board has no pins for it.
    """
    if link not in ("uart", "spi", "usb"):
        raise UsageError(
            f"There is no link '{printable(link)}'.", "Say --link uart, --link spi or --link usb."
        )
    if link == "uart":
        return board.link.baud
    if link == "usb" and not board.link.usb:
        raise UsageError(
            f"The board '{board.name}' does not join a USB socket to the FPGA's pins, or its clock "
            "does not suit USB.",
            "Leave --link out for its serial port.",
        )
    if link == "spi" and board.link.spi is None:
        raise UsageError(
            f"The board '{board.name}' has no pins for SPI.",
            "Leave --link out for its serial port, or set Link.spi in a board file of your own.",
        )
    return None


def load(model: Path, pixel: str) -> Graph:
    """Load a model to make hardware of.

    Raises
    ------
    UsageError
        As the loader says, or if a model of Keras leaves open what it expects of a pixel: whichever
        way were taken, most such models would be wrong without a word.
    """
    graph = load_model(model, pixel=pixel)
    unsaid = graph.meta.get("pixel", "").endswith(f"({UNSAID})")
    if unsaid and graph.meta.get("format") == "keras":
        raise UsageError(
            f"'{printable(str(model))}' does not say what it expects of a pixel.",
            "Give --pixel unit (0 to 1), --pixel byte (0 to 255) or --pixel centred (-1 to 1).",
        )
    return graph


def make(
    model: Path,
    *,
    pixel: str = "auto",
    board: str | None = None,
    fps: float | None = None,
    clock: float | None = None,
    folding: Path | None = None,
    name: str | None = None,
) -> Planned:
    """Load a model and resolve it.

    Raises
    ------
    UsageError
        If options contradict each other, or as the loader and the folding say.
    DoesNotFit
        If no board holds the network.
    """
    from rtl_gen.build.boards import load_board

    if folding and fps:
        raise UsageError("--folding says what --fps asks for.", "Give one of them.")
    if clock is not None and not 0 < clock < 1000:
        raise UsageError(f"A clock of {clock:g} MHz is not possible.", "Give --clock in MHz.")
    if clock and not (board or fps):
        raise UsageError(
            "--clock only matters together with --board or --fps.", "Give one of them as well."
        )
    if name is not None:
        checked(name, "name")
    graph = load(model, pixel)
    if board:
        target = load_board(board)
        target = target.at(round(clock * 1e6)) if clock else target
        chosen = load_folding(folding) if folding else _on_board(graph, target, fps, clock)
    elif folding:
        chosen = load_folding(folding)
        target = _roomiest(graph)
    else:
        target, chosen = _first_board(graph, fps, clock)
    inputs = (model, folding) if folding else (model,)
    chosen = chosen.on_family(target.family)
    return Planned(make_plan(graph, chosen, name=name), target, inputs)


def _roomiest(graph: Graph) -> Board:
    """Find the smallest board that holds a network, or the largest of all where none does."""
    try:
        return _first_board(graph, None, None)[0]
    except DoesNotFit:
        # Whoever folds by hand may have a device of their own in mind.
        return max(_by_size(), key=lambda board: board.budget.lut4)


def _solve(graph: Graph, board: Board, fps: float | None, clock: float | None) -> Folding:
    hertz = clock * 1e6 if clock else float(board.clock.sync_hz)
    if isinstance(fps, _Most):
        return solve(graph, board.family, board.budget, fill=True)
    return solve(graph, board.family, board.budget, fps=fps, clock_hz=hertz)


def _on_board(graph: Graph, board: Board, fps: float | None, clock: float | None) -> Folding:
    """Solve for a board that was asked for: what leaves no room to spare is as slow as can be."""
    try:
        return _solve(graph, board, fps, clock)
    except DoesNotFit:
        if fps is not None:
            raise
        return _solve(graph, board, _SLOW, clock)


def _by_size() -> list[Board]:
    """Give all boards, the smallest first, and of boards as large those that we measure."""
    from rtl_gen.build.boards import all_boards

    return sorted(
        all_boards(), key=lambda board: (board.budget.lut4, board.name not in _MEASURED, board.name)
    )


def _first_board(graph: Graph, fps: float | None, clock: float | None) -> tuple[Board, Folding]:
    refused: dict[tuple[int, float], DoesNotFit | UsageError] = {}
    tried = set()
    for board in _by_size():
        # The same device at the same clock refuses again what it refused.
        kind = (board.family, board.budget, None if clock else board.clock.sync_hz)
        if kind in tried:
            continue
        tried.add(kind)
        try:
            return board, _solve(graph, board, fps, clock)
        except (DoesNotFit, UsageError) as error:
            refused.setdefault((board.budget.lut4, board.clock.sync_hz), error)
    # What the largest and fastest says is nearest to what was asked for.
    raise refused[max(refused)]
