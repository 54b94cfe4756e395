"""The memories of a plan that are loaded at run time: what they hold, and in which order."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import UsageError
from ..fold import Folding, LayerFold
from ..fold.folding import WRITABLE
from ..graph import Graph
from ..link.weights import block_count, store_bytes, upload_crc
from .plan import Plan
from .units import MvtuPlan, UnitPlan

__all__ = ["Store", "describe", "image", "image_for", "stores", "structure"]

# Contents of a unit that lie in its stores, in the order in which those stand in the chain.
_CONTENTS = ("weights", "thresholds", "offsets")


@dataclass(frozen=True)
class Store:
    """One memory that is loaded at run time.

    Parameters
    ----------
    layer : str
        Name of the node with the weights.
    content : str
        ``"weights"``, ``"thresholds"`` or ``"offsets"``.
    words : tuple of int
        What it holds of the plan's graph.
    width : int
        Bits of a word.
    initial : bool
        It holds them from the start.
    """

    layer: str
    content: str
    words: tuple[int, ...]
    width: int
    initial: bool


def stores(plan: Plan) -> tuple[Store, ...]:
    """List the writable memories of a plan in the order of the chain: that of an upload."""
    found = []
    for unit in plan.writable:
        widths = {"weights": unit.pe * unit.simd * unit.weight_bits, **_row_widths(unit)}
        for content in _CONTENTS:
            words = getattr(unit, content, None)
            if words is not None:
                initial = unit.weight_style != "spram"
                found.append(Store(unit.layer, content, words, widths[content], initial))
    return tuple(found)


def _row_widths(unit: UnitPlan) -> dict[str, int]:
    widths = {"offsets": unit.pe * unit.bits_out}
    if isinstance(unit, MvtuPlan):
        widths["thresholds"] = unit.pe * unit.levels * unit.threshold_bits
    return widths


def image(plan: Plan) -> bytes:
    """Give the bytes of all stores, as `bnnhw.link.weights.upload_blocks` takes them."""
    return b"".join(store_bytes(store.words, store.width) for store in stores(plan))


def structure(plan: Plan) -> str:
    """SHA-256 over all that an upload does not change, as hex."""
    source, grid = plan.graph.input, plan.logits_grid
    state = {
        "input": [source.shape, asdict(source.grid), plan.order],
        "lut": None if source.lut is None else source.lut.tolist(),
        "logits": asdict(grid),
        "blocks": [_outline(block) for block in plan.blocks],
    }
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()


def _outline(block: Any) -> dict[str, Any]:
    fields = {"kind": block.kind, **asdict(block)}
    if getattr(block, "weight_style", None) in WRITABLE:
        for content in _CONTENTS:
            if fields.get(content) is not None:
                fields[content] = len(fields[content])
    # Python refuses to write the decimal digits of an int as wide as the words of a large array.
    return {key: _hexadecimal(value) for key, value in fields.items()}


def _hexadecimal(value: Any) -> Any:
    """Write ints in tuples as hexadecimal digits."""
    if isinstance(value, tuple):
        return [_hexadecimal(item) for item in value]
    return f"{value:x}" if isinstance(value, int) else value


def describe(plan: Plan) -> dict[str, Any] | None:
    """Say for the manifest what can be loaded; None where nothing can.

    Returns
    -------
    dict or None
        `crc32` is that of the weights that the design starts with, None if it starts without.
    """
    found = stores(plan)
    if not found:
        return None
    content = image(plan)
    folds = {unit.layer: plan.folding.layers[unit.layer] for unit in plan.units}
    return {
        "structure": structure(plan),
        "folding": {
            "input_lanes": plan.folding.input_lanes,
            "lanes": dict(plan.folding.lanes),
            "layers": {name: asdict(fold) for name, fold in folds.items()},
        },
        "bytes": len(content),
        "blocks": block_count(len(content)),
        "crc32": upload_crc(content) if all(store.initial for store in found) else None,
        "stores": [
            {
                "layer": store.layer,
                "content": store.content,
                "words": len(store.words),
                "width": store.width,
            }
            for store in found
        ],
    }


def image_for(manifest: Mapping[str, Any], graph: Graph) -> bytes:
    """Give the bytes that load `graph` into the design of a manifest.

    Raises
    ------
    UsageError
        If the manifest is none of a design with writable weights, or the graph has another
        structure.
    """
    from .make import make_plan

    described = manifest.get("weights")
    if not described:
        raise UsageError(
            "The design has no memories that could be loaded.",
            'Build one with weights = "ram" or "spram" for some layers, and give its manifest.',
        )
    try:
        folding, name, built = _folding(described), str(manifest["name"]), described["structure"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"The manifest does not say how its weights lie: {type(error).__name__}: {error}.",
            "Give the NAME.json that 'bnnhw build' or 'bnnhw generate network' wrote.",
        ) from error
    plan = make_plan(graph, folding, name=name)
    if structure(plan) != built:
        raise UsageError(
            f"Network '{graph.name}' differs from that of the design in more than its weights.",
            "Load a network with the same layers, or build this one.",
        )
    return image(plan)


def _folding(described: Mapping[str, Any]) -> Folding:
    given = described["folding"]
    layers = {name: LayerFold(**fold) for name, fold in given["layers"].items()}
    return Folding(layers, given["input_lanes"], dict(given.get("lanes", {})))
