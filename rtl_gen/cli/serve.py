"""`bnnhw serve`: a local web page that draws digits and shows how they are answered."""

import sys
import webbrowser
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from bnnhw import data
from bnnhw.errors import DeviceError, UsageError
from bnnhw.images import Images, load_images
from bnnhw.names import printable
from bnnhw.plan import manifest

from .options import BoardName, ClockMHz, FoldingFile, Fps, Json, Name, Pixel, Planned, make
from .show import Tell, emit_json, progress, say

__all__ = ["serve"]

_MODEL, _SIMULATED, _FIRST = "model:", "sim:", "auto"
_PATIENCE, _PATIENCE_SIMULATED = 2.0, 30.0


def serve(
    model: Annotated[
        Path | None, typer.Argument(help="A network, as for other commands; a bundled one if none.")
    ] = None,
    target: Annotated[
        str,
        typer.Option("--target", "-t", help="Who answers: model: (the golden model), sim: (the "
                     "simulated board), auto (the first port with a board that runs the design), "
                     "serial:///dev/ttyUSB1 or socket://HOST:PORT."),
    ] = _MODEL,
    images: Annotated[
        Path | None, typer.Option("--images", help=".npz with real images for the page to offer.")
    ] = None,
    listen: Annotated[
        int, typer.Option("--listen", min=0, max=65535, help="TCP port; any free one where 0.")
    ] = 0,
    browser: Annotated[
        bool, typer.Option("--browser", help="Open the page in the browser.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Serve nothing: write the page into this folder, for "
                     "browsers that reach a board over Web Serial."),
    ] = None,
    pixel: Pixel = "auto",
    board: BoardName = None,
    fps: Fps = None,
    clock: ClockMHz = None,
    folding: FoldingFile = None,
    name: Name = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Serve a local web page: draw a digit, and see how board or golden model answer it."""
    bundled = data.path(f"{data.networks()[0]}.onnx")
    planned = make(
        model or bundled, pixel=pixel, board=board, fps=fps, clock=clock, folding=folding, name=name
    )
    if model is None and images is None:
        images = data.path("digits_test.npz")
    samples = load_images(images, planned.plan.graph) if images else None
    if out is not None:
        _write(planned, samples, out, as_json)
        return
    with ExitStack() as stack:
        with progress(as_json) as tell:
            server = stack.enter_context(_page(planned, samples, target, listen, stack, tell))
        if as_json:
            emit_json({"url": server.url, "target": target, "identity": planned.plan.identity})
            sys.stdout.flush()
        else:
            say(f"{server.target.title} answers at")
            # As it is: neither folded nor coloured, so that a terminal makes a link of it.
            print(server.url, flush=True)
            say("Stop with Ctrl-C.")
        if browser:
            webbrowser.open(server.url)
        with suppress(KeyboardInterrupt):
            server.serve_forever()


def _design(planned: Planned, samples: Images | None) -> dict[str, Any]:
    from bnnhw.page.design import design

    board = planned.board
    return design(
        planned.plan.graph, manifest(planned.plan), board=board.title,
        clock_hz=board.clock.sync_hz, baud=board.link.baud, samples=samples,
    )  # fmt: skip


def _page(
    planned: Planned, samples: Images | None, url: str, listen: int, stack: ExitStack, tell: Tell
) -> Any:
    """Make the server, with whoever answers behind it."""
    from bnnhw.page import PageServer

    document = _design(planned, samples)
    target = _target(planned, url, stack, tell)
    server = PageServer(target, document, port=listen)
    stack.callback(target.close)
    try:
        tell(f"reaching {target.title}", 0, 0)
        target.connect()
    except DeviceError as error:
        # The page says so as well, and reaches it once it is there.
        print(f"bnnhw: {error.what}\n{error.todo}", file=sys.stderr)
    except BaseException:
        server.server_close()
        raise
    return server


def _target(planned: Planned, url: str, stack: ExitStack, tell: Tell) -> Any:
    from bnnhw.page import Target

    graph, document = planned.plan.graph, manifest(planned.plan)
    if url == _MODEL:
        return Target(graph, title="The golden model", manifest=document)
    writable = bool(planned.plan.writable)
    if url == _SIMULATED:
        from rtl_gen import content

        board = planned.board
        tell(f"simulating {board.title}, its serial line included", 0, 0)
        simulated = stack.enter_context(
            content.module("sim.board").SimulatedBoard(
                planned.plan, clock_hz=board.clock.sync_hz, baud=board.link.baud,
                benchmark=True, progress=lambda what: tell(what, 0, 0),
            )
        )  # fmt: skip
        return Target(
            graph, title=f"The simulated {board.title}", url=simulated.url, manifest=document,
            timeout=_PATIENCE_SIMULATED, writable=writable, simulated=True,
        )  # fmt: skip
    if url != _FIRST and url.partition("://")[0] not in ("serial", "socket", "spi"):
        raise UsageError(
            f"'{printable(url)}' is nobody who answers.",
            "Give --target model:, sim:, auto, serial:///dev/ttyUSB1 or socket://HOST:PORT.",
        )
    where = "" if url == _FIRST else f" at {printable(url)}"
    return Target(
        graph, title=f"The board{where}", url=url, manifest=document,
        timeout=_PATIENCE, writable=writable,
    )  # fmt: skip


def _write(planned: Planned, samples: Images | None, out: Path, as_json: bool) -> None:
    from bnnhw.page import write_page

    files = write_page(out, _design(planned, samples))
    if as_json:
        emit_json({"identity": planned.plan.identity, "files": [str(path) for path in files]})
        return
    say(f"The page is in {out}: {len(files)} files for any web server with HTTPS, or on localhost.")
