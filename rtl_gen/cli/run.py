"""`bnnhw run`: images to a board, or to the simulated board, and the answers back."""

from contextlib import ExitStack
from typing import Annotated, Any

import numpy as np
import typer

from bnnhw import driver
from bnnhw.images import load_images
from bnnhw.plan import manifest

from .options import (
    BoardName,
    ClockMHz,
    FoldingFile,
    Fps,
    ImageFile,
    Json,
    Limit,
    Model,
    Name,
    Pixel,
    Planned,
    make,
)
from .show import Tell, emit_json, progress, say, table

__all__ = ["run"]

_SHOWN = 20
# A simulated line loses nothing, but may be slow.
_PATIENCE, _PATIENCE_SIMULATED = 2.0, 30.0


def run(
    model: Model,
    images: ImageFile,
    port: Annotated[
        str | None,
        typer.Option("--port", "-p", help="serial:///dev/ttyUSB1 or socket://HOST:PORT; without it "
                     "the board is simulated."),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", help="Seconds of silence before a request is sent again; 2, or "
                     "30 where the board is simulated."),
    ] = None,
    limit: Limit = None,
    pixel: Pixel = "auto",
    board: BoardName = None,
    fps: Fps = None,
    clock: ClockMHz = None,
    folding: FoldingFile = None,
    name: Name = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Send images to a board, or to the simulated board, and print the answers."""
    planned = make(
        model, pixel=pixel, board=board, fps=fps, clock=clock, folding=folding, name=name
    )
    frames = load_images(images, planned.plan.graph, limit=limit)
    with ExitStack() as stack, progress(as_json) as tell:
        url = port or stack.enter_context(_simulated(planned, tell)).url
        tell(f"asking {url}", 0, 0)
        if timeout is None:
            timeout = _PATIENCE if port else _PATIENCE_SIMULATED
        with driver.open(url, manifest=manifest(planned.plan), timeout=timeout) as device:
            if planned.plan.writable:
                tell("loading weights", 0, 0)
                device.load_weights(planned.plan.graph)
            answers = device.predict(frames.x)
    _show(planned, frames.y, answers, port, as_json)


def _simulated(planned: Planned, tell: Tell) -> Any:
    from rtl_gen import content

    board = planned.board
    tell(f"no --port: simulating {board.title}, its serial line included", 0, 0)
    return content.module("sim.board").SimulatedBoard(
        planned.plan, clock_hz=board.clock.sync_hz, baud=board.link.baud,
        progress=lambda what: tell(what, 0, 0),
    )  # fmt: skip


def _show(planned: Planned, labels: Any, answers: Any, port: str | None, as_json: bool) -> None:
    classes = np.asarray(answers.classes)
    # Of a network that sends k classes, all of them; the first is the class.
    told = classes[:, None] if answers.top is None else np.asarray(answers.top)
    right = None if labels is None else int((classes == labels).sum())
    if as_json:
        emit_json(
            {
                "board": planned.board.name,
                "simulated": port is None,
                "images": len(classes),
                "classes": classes.tolist(),
                "logits": np.asarray(answers.logits).tolist(),
                "correct": right,
            }
            | ({} if answers.top is None else {"top": told.tolist()})
        )
        return
    rows = [
        (k, " ".join(map(str, told[k])), "" if labels is None else int(labels[k]),
         " ".join(map(str, np.asarray(answers.logits)[k])))
        for k in range(min(_SHOWN, len(classes)))
    ]  # fmt: skip
    where = "simulated " if port is None else ""
    table(
        f"answers of the {where}{planned.board.title}", ("image", "class", "label", "logits"), rows
    )
    if len(classes) > _SHOWN:
        say(f"… and {len(classes) - _SHOWN} more; --json prints all.")
    if right is not None:
        say(f"{right} of {len(classes)} labels are right.")
