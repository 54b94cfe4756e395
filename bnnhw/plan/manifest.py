"""The manifest: what a host, a report or another tool needs to know of a build, as JSON."""

from typing import Any

from .. import __version__
from ..bits import frame_bytes
from .blocks import TopKPlan
from .plan import Plan
from .units import UnitPlan
from .writable import describe

__all__ = ["FORMAT", "VERSION", "manifest"]

FORMAT = "bnnhw-manifest"
VERSION = 1


def manifest(plan: Plan) -> dict[str, Any]:
    """Describe `plan`.

    Returns
    -------
    dict
        JSON values only; `identity` is the SHA-256 that the Verilog header and the hardware carry
        as well.
    """
    first, answer, source = plan.blocks[0], plan.answer, plan.graph.input
    grid = plan.logits_grid
    readout = plan.graph.readout
    return {
        "format": FORMAT,
        "version": VERSION,
        "generator": f"bnnhw {__version__}",
        "identity": plan.identity,
        "name": plan.name,
        "network": plan.graph.name,
        "graph": plan.graph.digest,
        "input": {
            "shape": list(source.shape),
            "elements": first.elements_in,
            "bits": first.bits_in,
            "order": plan.order,
            "lanes": first.lanes_in,
            "words": first.words_in,
            "frame_bytes": frame_bytes(first.elements_in, first.bits_in),
            "values": {
                "low": source.grid.low,
                "step": source.grid.step,
                "levels": source.grid.levels,
            },
            "image_channels": source.image_channels,
            "lut": None if source.lut is None else source.lut.tolist(),
        },
        "output": {
            "classes": answer.elements_in,
            "top": answer.elements_out if isinstance(answer, TopKPlan) else None,
            "bits": answer.bits_out,
            "bytes": frame_bytes(1, answer.bits_out),
            "index_bits": answer.index_bits,
            "index_bytes": frame_bytes(1, answer.index_bits),
            "low": grid.low,
            "step": grid.step,
            "readout": None
            if readout is None
            else {"scale": list(readout.scale), "bias": list(readout.bias)},
        },
        "cycles_per_image": plan.cycles,
        "bottleneck": plan.bottleneck.name,
        "layers": [_layer(unit) for unit in plan.units],
        "weights": describe(plan),
        "meta": dict(plan.graph.meta),
    }


def _layer(unit: UnitPlan) -> dict[str, Any]:
    return {
        "name": unit.name,
        "rows": unit.rows,
        "columns": unit.columns,
        "pe": unit.pe,
        "simd": unit.simd,
        "neuron_folds": unit.neuron_folds,
        "synapse_folds": unit.synapse_folds,
        "cycles": unit.cycles,
        "weight_bits": unit.groups * unit.rows * unit.columns * unit.weight_bits,
        "weight_memory": {
            "words": len(unit.weights),
            "width": unit.pe * unit.simd * unit.weight_bits,
            "style": unit.weight_style,
        },
    }
