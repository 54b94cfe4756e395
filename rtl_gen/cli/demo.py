"""`bnnhw demo`: the whole way with a bundled network, in one command."""

from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Annotated, Any

import numpy.typing as npt
import typer

from bnnhw import data, driver
from bnnhw.errors import CheckFailed, DeviceError, DoesNotFit, UsageError
from bnnhw.files import read_npz
from bnnhw.images import Images, load_images
from bnnhw.names import printable
from bnnhw.plan import manifest

from .board import build_network, flash_line
from .options import Json, Planned, make
from .show import Reported, Tell, emit_json, pairs, progress, say

__all__ = ["demo", "first_answer"]

# A board that is there answers at once; a simulated one may be slow.
_PATIENCE, _PATIENCE_SIMULATED = 1.0, 30.0
_SHADES = " ░▒▓█"


def demo(
    board: Annotated[str, typer.Argument(help="A board's name.")] = "icebreaker",
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path(
        "bnnhw-demo"
    ),
    network: Annotated[
        str | None,
        typer.Option(
            "--network",
            help=f"Which one: {' or '.join(data.networks())}; the first that fits if left out.",
        ),
    ] = None,
    load: Annotated[
        bool, typer.Option("--load", help="Load the board first, with the prebuilt bitstream.")
    ] = False,
    anew: Annotated[
        bool, typer.Option("--build", help="Place and route, also where a bitstream is prebuilt.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Take a bundled network from its file to an answer and a bitstream, simulated on the way."""
    from rtl_gen import content
    from rtl_gen.network import network_verilog
    from rtl_gen.prebuilt import find_prebuilt

    planned = _planned(network, board)
    plan = planned.plan
    images = load_images(data.path("digits_test.npz"), plan.graph)
    reference = read_npz(data.path(f"{plan.graph.name}_expected.npz"))
    known = None if anew else find_prebuilt(plan, planned.board)
    if load:
        _load(planned, known, as_json)
    with progress(as_json) as tell:
        tell("1/4 asking a board (the first start of Yosys takes half a minute)", 0, 0)
        answer = first_answer(planned, images, tell)
    if not as_json:
        _show_answer(answer, images.x[0])
        if answer["simulated"] and known is not None and not load:
            say(f"Its bitstream is here already; into a board at hand:  bnnhw demo {board} --load")
    with progress(as_json) as tell:
        tell("2/4 writing Verilog", 0, 0)
        verilog, _ = network_verilog(plan)
        bench = content.module("sim.network")
        simulated = bench.simulate(
            plan, verilog, images.x, labels=images.y, reference=reference,
            progress=lambda what, done, total: tell(f"3/4 {what}", done, total),
        )  # fmt: skip
        report, files = _bitstream(
            planned, known, out, lambda what, done, total: tell(f"4/4 {what}", done, total)
        )
    if known is not None and not as_json:
        say("The bitstream is the prebuilt one; --build places and routes it here.")
    built = report.to_dict() | {"prebuilt": known is not None}
    _summary(planned, {"answer": answer, "build": built}, simulated, report, files, as_json)
    if not simulated.passed:
        raise (Reported if as_json else CheckFailed)(
            f"The Verilog differs from the golden model in {simulated.mismatches} values.",
            "This is a defect of bnnhw; please report it.",
        )


def _planned(network: str | None, board: str) -> Planned:
    """Plan a bundled network, or the first that a board holds."""
    names = data.networks()
    if network is not None and network not in names:
        raise UsageError(
            f"There is no bundled network '{printable(network)}'.",
            f"Choose one of: {', '.join(names)}",
        )
    *others, last = names if network is None else (network,)
    for name in others:
        with suppress(DoesNotFit):
            return make(data.path(f"{name}.onnx"), board=board)
    return make(data.path(f"{last}.onnx"), board=board)


def _load(planned: Planned, known: Any, as_json: bool) -> None:
    from rtl_gen.flash import run_flash

    board = planned.board
    if known is None:
        raise UsageError(
            f"No bitstream of {planned.plan.graph.name} for {board.title} comes with this version.",
            "Leave out --load and --build; bnnhw flash loads what was built.",
        )
    # What can only be written to stay is written, as `bnnhw flash` asks for.
    stays = not any(programmer.sram for programmer in board.programmers)
    tell = (lambda line: None) if as_json else say
    run_flash(board, known.unpacked(), flash=stays, say=tell)


def _bitstream(planned: Planned, known: Any, out: Path, tell: Tell) -> tuple[Any, list[Path]]:
    """Build, or put the prebuilt bitstream there with the files that a build writes beside it."""
    from rtl_gen.network import network_files
    from rtl_gen.output import publish

    if known is None:
        return build_network(planned, out, 1, tell)
    board = planned.board
    link = {"baud": board.link.baud, "clock_hz": board.clock.sync_hz}
    files = network_files(planned.plan, board=board.name, link=link)
    return known.report, [known.write(out), *publish(files, out)]


def first_answer(planned: Planned, images: Images, tell: Tell) -> dict[str, Any]:
    """Ask a board that runs the design for one image, or a simulated one where there is none.

    Returns
    -------
    dict
        JSON values: `board`, `simulated`, `why` (what came of looking for a board, or null),
        `label`, `class` and `logits`.
    """
    from rtl_gen import content

    why, board, described = None, planned.board, manifest(planned.plan)
    with ExitStack() as stack:
        try:
            device = driver.open("auto", manifest=described, timeout=_PATIENCE)
        except DeviceError as error:
            why = error.what
            tell(f"1/4 no board runs this design: simulating {board.title}", 0, 0)
            running = content.module("sim.board").SimulatedBoard(
                planned.plan, clock_hz=board.clock.sync_hz, baud=board.link.baud,
                progress=lambda what: tell(f"1/4 {what}", 0, 0),
            )  # fmt: skip
            url = stack.enter_context(running).url
            device = driver.open(url, manifest=described, timeout=_PATIENCE_SIMULATED)
        with device:
            if planned.plan.writable:
                device.load_weights(planned.plan.graph)
            answers = device.predict(images.x[:1])
    assert images.y is not None
    return {
        "board": board.name,
        "simulated": why is not None,
        "why": why,
        "label": int(images.y[0]),
        "class": int(answers.classes[0]),
        "logits": answers.logits[0].tolist(),
    }


def _show_answer(answer: dict[str, Any], image: npt.NDArray[Any]) -> None:
    if answer["simulated"]:
        say(f"{answer['why'].splitlines()[0]} The simulated board answers.")
    # Two characters a pixel, which is about square.
    rows = ["".join(2 * _SHADES[int(pixel) * len(_SHADES) // 256] for pixel in row)
            for row in image.reshape(image.shape[-2:])]  # fmt: skip
    said = f"   {answer['class']}, says {'the simulated ' if answer['simulated'] else ''}board"
    say("\n".join(row + (said if k == len(rows) // 2 else "") for k, row in enumerate(rows)))


def _summary(
    planned: Planned,
    document: dict[str, Any],
    simulated: Any,
    report: Any,
    files: list[Path],
    as_json: bool,
) -> None:
    if as_json:
        emit_json(
            {
                **document,
                "simulation": simulated.to_json(),
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
    say("Draw digits of your own:  bnnhw serve --target sim:")
    for other in data.networks():
        if other != plan.graph.name:
            say(f"Another network:  bnnhw demo --network {other}")
