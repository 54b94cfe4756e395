"""`bnnhw evaluate`: how often the framework, the golden model and the Verilog are right."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from bnnhw import golden
from bnnhw.errors import CheckFailed, UsageError
from bnnhw.files import read_npz
from bnnhw.graph import Graph
from bnnhw.images import Images, load_images

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
    load,
    make,
)
from .show import Reported, emit_json, pairs, progress, table

__all__ = ["confusion", "evaluate"]

_SHOWN = 16
_CLASSES_CAP = 1024


def evaluate(
    model: Model,
    images: ImageFile,
    expect: Annotated[
        Path | None,
        typer.Option("--expect", help=".npz of the framework's answers: pred or logits."),
    ] = None,
    verilog: Annotated[
        bool, typer.Option("--verilog", help="Simulate the generated Verilog as well.")
    ] = False,
    simulator: Annotated[str, typer.Option(help="verilator, icarus or pysim.")] = "verilator",
    limit: Limit = None,
    picture: Annotated[
        Path | None,
        typer.Option("--picture", help="Draw the confusion matrix: a .svg or .png file."),
    ] = None,
    pixel: Pixel = "auto",
    board: BoardName = None,
    fps: Fps = None,
    clock: ClockMHz = None,
    folding: FoldingFile = None,
    as_json: Json = False,
) -> None:
    """Count right answers on labelled images: framework, golden model, and Verilog if asked."""
    if picture is not None and picture.suffix not in (".svg", ".png"):
        raise UsageError(
            f"A picture is a .svg or .png file, not '{picture.name}'.", "Choose such a name."
        )
    graph = load(model, pixel)
    frames = load_images(images, graph, limit=limit)
    result = golden.run(graph, frames.x)
    if result.classes is None:
        raise UsageError(f"'{graph.name}' decides no class.", "End it in scores of classes.")
    count = _count_classes(frames, images, graph)
    facts = _facts(graph, frames, result.classes, count)
    if expect is not None:
        _add_float(facts, frames, _answers(read_npz(expect), expect, len(frames.x)), result.classes)
    if verilog:
        planned = make(model, pixel=pixel, board=board, fps=fps, clock=clock, folding=folding)
        facts["verilog"] = _simulated(planned.plan, frames, simulator, as_json)
    if picture is not None:
        from .confusion_picture import draw

        picture.write_bytes(draw(np.array(facts["confusion"]), graph.name, picture.suffix[1:]))
        facts["picture"] = str(picture)
    if as_json:
        emit_json(facts)
    else:
        _show(facts)
    if verilog and facts["verilog"]["mismatches"]:
        raise (Reported if as_json else CheckFailed)(
            f"{facts['verilog']['mismatches']} values of the Verilog differ from the golden model.",
            "Please report the defect.",
        )


def _count_classes(frames: Images, images: Path, graph: Graph) -> int:
    """Count the classes that labels or scores tell of."""
    if frames.y is None:
        raise UsageError(f"'{images}' has no labels.", "Save them as y, one for each image.")
    count = max(int(frames.y.max(initial=0)) + 1, graph.edges[graph.logits].size)
    if count > _CLASSES_CAP:
        raise UsageError(
            f"'{images}' has the label {count - 1}; {_CLASSES_CAP} classes are the limit.",
            "Number the classes from 0 on.",
        )
    return count


def confusion(labels: Any, answers: Any, count: int) -> np.ndarray:
    """Count images: row by label, column by answer."""
    matrix = np.zeros((count, count), np.int64)
    np.add.at(matrix, (labels, answers), 1)
    return matrix


def _facts(graph: Graph, frames: Images, classes: Any, count: int) -> dict[str, Any]:
    assert frames.y is not None
    if int(frames.y.min(initial=0)) < 0:
        raise UsageError("A label is below 0.", "Number the classes from 0 on.")
    right = classes == frames.y
    return {
        "network": graph.name,
        "images": len(frames.x),
        "golden": {"right": int(right.sum()), "accuracy": float(right.mean())},
        "float": None,
        "verilog": None,
        "confusion": confusion(frames.y, classes, count).tolist(),
        "picture": None,
    }


def _answers(arrays: dict[str, Any], path: Path, count: int) -> np.ndarray:
    """Give the framework's classes."""
    if "pred" in arrays:
        found = np.asarray(arrays["pred"]).reshape(-1)
    elif "logits" in arrays and arrays["logits"].ndim == 2:
        found = np.asarray(arrays["logits"]).argmax(axis=1)
    else:
        raise UsageError(
            f"'{path}' has neither 'pred' nor 'logits'.",
            "Save the framework's answers: numpy.savez('float.npz', pred=classes).",
        )
    if len(found) < count or found.dtype.kind not in "iu":
        raise UsageError(
            f"'{path}' has {len(found)} answers of type {found.dtype} for {count} images.",
            "Give one class, a whole number, for each image.",
        )
    classes = found[:count].astype(np.int64)
    if classes.min() < 0 or classes.max() >= _CLASSES_CAP:
        raise UsageError(
            f"'{path}' has answers from {classes.min()} to {classes.max()}; {_CLASSES_CAP} "
            "classes are the limit.",
            "Number the classes from 0 on.",
        )
    return classes


def _add_float(facts: dict[str, Any], frames: Images, told: np.ndarray, classes: Any) -> None:
    right = told == frames.y
    facts["float"] = {
        "right": int(right.sum()),
        "accuracy": float(right.mean()),
        "same_class": float((told == classes).mean()),
    }
    count = max(len(facts["confusion"]), int(told.max(initial=0)) + 1)
    facts["float"]["confusion"] = confusion(frames.y, told, count).tolist()


def _simulated(plan: Any, frames: Images, simulator: str, quiet: bool) -> dict[str, Any]:
    from rtl_gen import content
    from rtl_gen.network import network_verilog

    bench = content.module("sim.network")
    if simulator not in bench.SIMULATORS:
        known = ", ".join(bench.SIMULATORS)
        raise UsageError(f"There is no simulator '{simulator}'.", f"Choose one of {known}.")
    with progress(quiet) as tell:
        tell("writing Verilog (the first start of Yosys takes half a minute)", 0, 0)
        text, _ = network_verilog(plan)
        report = bench.simulate(
            plan, text, frames.x, labels=frames.y, simulator=simulator, progress=tell
        )
    return {
        "right": round(report.accuracy * report.images),
        "accuracy": report.accuracy,
        "simulator": simulator,
        "compared": report.compared,
        "mismatches": report.mismatches,
    }


def _show(facts: dict[str, Any]) -> None:
    rows = []
    for key, label in (("float", "framework"), ("golden", "golden model"), ("verilog", "Verilog")):
        if facts[key]:
            rows.append((label, f"{facts[key]['right']:,} right, {facts[key]['accuracy']:.2%}"))
    if facts["float"]:
        rows.append(("same class", f"{facts['float']['same_class']:.2%} of the framework's"))
    if facts["picture"]:
        rows.append(("picture", facts["picture"]))
    pairs(f"{facts['network']}, {facts['images']:,} labelled images", rows)
    matrix = facts["confusion"]
    if len(matrix) <= _SHOWN:
        heads = ("label \\ answer", *map(str, range(len(matrix))), "right")
        table("confusion of the golden model", heads, [
            (str(k), *(str(n or "·") for n in row), f"{row[k] / max(1, sum(row)):.1%}")
            for k, row in enumerate(matrix)
        ])  # fmt: skip
