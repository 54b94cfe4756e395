"""From a plan to the files of `bnnhw generate network`."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from bnnhw import __version__
from bnnhw.plan import Plan, manifest

from .accelerator import Accelerator
from .cells import beside, cells_in, fabric, recipe
from .counting.ecp5 import FILE
from .verilog import emit

__all__ = ["file_names", "folding_toml", "network_files", "network_verilog"]


def _header(plan: Plan) -> Mapping[str, str]:
    return {
        "generator": f"bnnhw {__version__}",
        "network": plan.graph.name,
        "identity": plan.identity,
        "schedule": f"{plan.cycles} clocks an image, set by {plan.bottleneck.name}",
        "reset": "hold it for a clock; on iCE40 for 15 us after configuration (RAMs read 0)",
    }


def network_verilog(
    plan: Plan, naming: str = "plain", target: str = "generic"
) -> tuple[str, list[Any]]:
    """Give the Verilog of an accelerator and the ports of its top module."""
    return emit(
        Accelerator(plan), name=plan.name, header=_header(plan), naming=naming,
        platform=fabric(target),
    )  # fmt: skip


def folding_toml(plan: Plan) -> str:
    """Write down the folding, so that a later run can take it as it is."""
    lines = [f"# Folding of {plan.graph.name}: {plan.cycles} clocks an image."]
    if plan.folding.input_lanes:
        lines.append(f"input_lanes = {plan.folding.input_lanes}")
    for unit in plan.units:
        lines += ["", f"[layer.{unit.layer}]", f"pe = {unit.pe}", f"simd = {unit.simd}"]
        lines.append(f'weights = "{unit.weight_style}"')
        if getattr(unit, "multiplier", "dsp") != "dsp":
            lines.append(f'multiplier = "{unit.multiplier}"')
    if plan.folding.lanes:
        lines += ["", "[lanes]", *(f"{name} = {n}" for name, n in plan.folding.lanes.items())]
    return "\n".join(lines) + "\n"


def file_names(plan: Plan, target: str = "generic") -> tuple[str, ...]:
    """Name the files that `network_files` may give: Verilog, manifest and folding, and cells."""
    plain = f"{plan.name}.v", f"{plan.name}.json", f"{plan.name}.folding.toml"
    cells = () if target == "generic" else (f"{plan.name}_cells.v", FILE)
    return plain + cells


def network_files(
    plan: Plan, naming: str = "plain", target: str = "generic", **extra: Any
) -> dict[str, str]:
    """Give Verilog, manifest and folding by file name, and what belongs to its cells.

    Parameters
    ----------
    plan : Plan
    naming : str
        ``"plain"`` or ``"axis"``.
    target : str
        One of `rtl_gen.cells.TARGETS`: whose cells counts, adders and block RAMs are made of.
    **extra : JSON values
        Added to the manifest.
    """
    verilog, ports = network_verilog(plan, naming, target)
    cells = cells_in(verilog)
    description = manifest(plan) | {"naming": naming, "ports": [asdict(port) for port in ports]}
    if target != "generic":
        description |= {"target": target, "cells": cells}
        description |= {"synthesis": recipe(plan.name, target, cells)}
    description_text = json.dumps(description | extra, indent=1, ensure_ascii=False) + "\n"
    contents = (verilog, description_text, folding_toml(plan))
    found = dict(zip(file_names(plan), contents, strict=True))
    return found | {file: text for file, (_, text) in beside(plan.name, cells).items()}
