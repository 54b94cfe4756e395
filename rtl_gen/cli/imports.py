"""`bnnhw import`: a model becomes an integer graph, held against its framework's own outputs."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from bnnhw.compare import Agreement, LayerAgreement, compare, compare_layers, known_taps
from bnnhw.errors import CheckFailed, UsageError
from bnnhw.files import read_npz
from bnnhw.graph import Graph, save_graph
from bnnhw.images import load_images
from bnnhw.load import load_model

from .info import describe
from .options import Json, Model, Pixel
from .show import Reported, emit_json, pairs, say, table

__all__ = ["import_model"]

_SHOWN = 12


def import_model(
    model: Model,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Save the integer graph as this .json file.")
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option("--check", help=".npz of the framework's outputs: x, logits or pred, tap_…"),
    ] = None,
    agree: Annotated[
        float,
        typer.Option(
            "--agree", min=0, max=1,
            help="Part of the images that must have the same class where something was rounded.",
        ),
    ] = 1.0,
    pixel: Pixel = "auto",
    name: Annotated[str | None, typer.Option("--name", help="Name of the graph.")] = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Load a model of any framework, save its integer graph, and compare it with the framework."""
    graph = load_model(model, name=name, pixel=pixel)
    found: Agreement | None = None
    layers: tuple[LayerAgreement, ...] = ()
    if check is not None:
        found, layers = _checked(graph, check)
    if out is not None:
        save_graph(graph, out)
    passed = found is None or _passed(found, layers, agree)
    if as_json:
        emit_json(_document(graph, out, found, layers, passed))
    else:
        _show(graph, out, found, layers)
    if found and not passed:
        raise (Reported if as_json else CheckFailed)(
            _complaint(found, layers, agree),
            "Check --pixel first; then see docs/import.md for what is rounded.",
        )


def _checked(graph: Graph, check: Path) -> tuple[Agreement, tuple[LayerAgreement, ...]]:
    images = load_images(check, graph)
    expected = {name: array for name, array in read_npz(check).items() if name not in ("x", "y")}
    found = compare(graph, images.x, expected)
    known = {f"tap_{tap.get('tap', '')}" for tap in known_taps(graph).values()}
    counts = [len(array) for name, array in expected.items() if name in known]
    if not counts:
        return found, found.layers
    if min(counts) < 1:
        raise UsageError(f"'{check}' has outputs of layers for no image.", "Record them again.")
    return found, compare_layers(graph, images.x[: min(counts)], expected)


def _passed(found: Agreement, layers: tuple[LayerAgreement, ...], agree: float) -> bool:
    if not found.rounded:
        return found.passed
    return found.same_class >= agree and all(layer.passed for layer in layers)


def _first(found: Agreement, layers: tuple[LayerAgreement, ...]) -> LayerAgreement | None:
    return next((layer for layer in layers if not layer.passed), None) or (
        None if found.rounded else found.first
    )


def _complaint(found: Agreement, layers: tuple[LayerAgreement, ...], agree: float) -> str:
    first = _first(found, layers)
    what = f"{found.same_class:.2%} of {found.images} images have the same class"
    if first:
        return (
            f"The first layer that differs is '{first.edge}' ({first.module}): {first.differing} "
            f"of {first.values} values, by {first.worst:g} at most; {what}."
        )
    if found.rounded and found.same_class < agree:
        return f"{what}; {agree:.2%} are asked for."
    return f"{found.differing} scores differ, by {found.worst:g} at most; {what}."


def _document(
    graph: Graph,
    out: Path | None,
    found: Agreement | None,
    layers: tuple[LayerAgreement, ...],
    passed: bool,
) -> dict[str, Any]:
    facts: dict[str, Any] = {"name": graph.name, "digest": graph.digest, "graph": out}
    facts["meta"] = {key: value for key, value in graph.meta.items() if key != "taps"}
    facts["check"] = None
    if found:
        first = _first(found, layers)
        told = {key: value for key, value in asdict(found).items() if key != "layers"}
        rows = [
            asdict(layer) | {"bound": min(layer.bound, 1e300), "passed": layer.passed}
            for layer in layers
        ]
        facts["check"] = told | {
            "passed": passed,
            "first": first.edge if first else None,
            "layers": rows,
        }
    return facts


def _show(
    graph: Graph,
    out: Path | None,
    found: Agreement | None,
    layers: tuple[LayerAgreement, ...],
) -> None:
    facts = describe(graph)
    rows: list[tuple[str, object]] = [
        ("from", graph.meta.get("format", "?")),
        ("pixels", graph.meta.get("pixel", "as the file says")),
        ("nodes", len(graph.nodes)),
        ("weights", f"{facts['weight_bits']:,} bits"),
        ("rounded", graph.meta.get("rounding", "nothing")),
    ]
    rows += [("saved as", out)] if out else []
    pairs(graph.name, rows)
    if not found:
        return
    rows = [("images", found.images), ("same class", f"{found.same_class:.2%}")]
    if found.scores:
        part = found.deviation / found.spread if found.spread else 0.0
        rows += [
            ("scores", f"{found.differing} differ by more than 32-bit floats do"),
            ("largest difference", f"{found.worst:.6g}"),
            ("mean difference", f"{found.deviation:.6g} (rms), {part:.2%} of their spread"),
        ]
    pairs("against the framework", rows)
    if layers:
        exact = [layer for layer in layers if layer.exact]
        say(
            f"{len(exact)} layers are exact, of {sum(layer.values for layer in exact):,} values "
            f"{sum(layer.differing for layer in exact)} differ; {len(layers) - len(exact)} are "
            "rounded, each held against the framework on its own inputs."
        )
    wrong = [layer for layer in layers if not layer.passed][:_SHOWN]
    if wrong:
        heads = ("edge", "module", "differ", "of", "by at most", "rounding explains")
        table("layers that differ", heads, [
            (w.edge, w.module, w.differing, w.values, f"{w.worst:g}", f"{w.bound:g}")
            for w in wrong
        ])  # fmt: skip
