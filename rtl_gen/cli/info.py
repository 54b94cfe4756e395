"""`bnnhw info`: what is in a model file."""

from math import prod
from typing import Any

from bnnhw.graph import Conv, Dense, Edge, Graph, IntConv, IntDense, Node
from bnnhw.load import load_model

from .options import Json, Model, Pixel
from .show import emit_json, pairs, table

__all__ = ["describe", "info"]


def _weights(node: Node) -> tuple[int, int]:
    """Count the weights of a node, and their bits."""
    if isinstance(node, Dense | Conv):
        return int(node.weight.size), int(node.weight.size)
    if isinstance(node, IntDense | IntConv):
        return int(node.weight.size), 8 * int(node.weight.size)
    return 0, 0


def _vectors(edge: Edge) -> int:
    """Count how often a matrix is used for an image: once, or at each place of its windows."""
    return prod(edge.shape[1:])


def describe(graph: Graph) -> dict[str, Any]:
    """Give layers, shapes, weights and operations as JSON values."""
    layers: list[dict[str, Any]] = []
    bits = packed = binary = 0
    for node in graph.nodes:
        edge = graph.edges[node.name]
        weights, weight_bits = _weights(node)
        layers.append(
            {
                "name": node.name,
                "kind": type(node).__name__,
                "inputs": list(node.inputs),
                "shape": list(edge.shape),
                "values": {
                    "low": edge.grid.low,
                    "step": edge.grid.step,
                    "levels": edge.grid.levels,
                },
                "bits": edge.grid.bits,
                "weights": weights,
                # One multiply-accumulate a weight and vector: an XNOR and a count, two operations.
                "operations": 2 * weights * _vectors(edge),
            }
        )
        bits += weight_bits
        if isinstance(node, Dense | Conv):
            # Each layer begins with a byte of its own.
            binary, packed = binary + weights, packed + -(-weights // 8)
    count = sum(layer["weights"] for layer in layers)
    return {
        "name": graph.name,
        "digest": graph.digest,
        "input_shape": list(graph.input.shape),
        "classes": graph.edges[graph.logits].size,
        "weight_bits": bits,
        "weight_bytes": -(-bits // 8),
        "float_weight_bytes": 4 * count,
        "binary_weight_bytes": packed,
        "float_binary_weight_bytes": 4 * binary,
        "operations_per_image": sum(layer["operations"] for layer in layers),
        "layers": layers,
        "meta": dict(graph.meta),
    }


def _binary(facts: dict[str, Any]) -> str:
    packed, whole = facts["binary_weight_bytes"], facts["float_binary_weight_bytes"]
    if not whole:
        return "none"
    return f"{packed:,} bytes packed, {whole:,} bytes as 32-bit floats: 1/{whole / packed:.1f}"


def info(model: Model, pixel: Pixel = "auto", as_json: Json = False) -> None:
    """Show what is in a model file: layers, shapes, weights, operations."""
    graph = load_model(model, pixel=pixel)
    facts = describe(graph)
    if as_json:
        emit_json(facts)
        return
    rows = [
        (
            layer["name"],
            layer["kind"],
            ", ".join(layer["inputs"]) or "–",
            "×".join(map(str, layer["shape"])) or "1",
            str(graph.edges[layer["name"]].grid),
            layer["weights"],
        )
        for layer in facts["layers"]
    ]
    table(facts["name"], ("node", "kind", "reads", "shape", "values", "weights"), rows)
    ratio = facts["float_weight_bytes"] / max(1, facts["weight_bytes"])
    packed = f"{facts['weight_bytes']:,} bytes packed, 1/{ratio:.0f} of 32-bit floats"
    pairs(
        "totals",
        [
            ("weights", f"{facts['weight_bits']:,} bits; {packed}"),
            ("binary layers", _binary(facts)),
            ("operations", f"{facts['operations_per_image']:,} an image (product and sum each)"),
            ("digest", facts["digest"]),
            # Which edge is which layer of the framework: for `bnnhw import --check`.
            *((key, value) for key, value in facts["meta"].items() if key != "taps"),
        ],
    )
