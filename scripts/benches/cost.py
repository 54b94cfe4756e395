"""The cost model against what Yosys makes of blocks that were not used to fit it."""

import json
import sys
from collections import defaultdict
from typing import Any

from bnnhw.cost import price
from bnnhw.cost.hard import LinkPlan
from bnnhw.plan import Block
from rtl_gen.blocks import component_of
from rtl_gen.link import HostLink

from .cost_fit import Point, fit, read
from .cost_measure import synthesise_all
from .cost_points import KINDS, draw
from .frame import ROOT, Row, Settings, markdown_table

__all__ = ["NAME", "POINTS", "TITLE", "errors", "measure", "page", "table_text"]

NAME = "cost"
TITLE = "Cost model"

POINTS = ROOT / "docs" / "cost_points.json"
_TABLE = ROOT / "bnnhw" / "cost" / "table.json"
_FAMILIES = ("ecp5", "ice40")
_SEEDS = 24

_INTRO = """Blocks of every kind were drawn at random (`scripts/benches/cost_points.py`), and all of
one number synthesised by one run of Yosys, each by itself, with the flags of a build; cells were
counted as nextpnr packs them. Three of four fit the coefficients of `bnnhw/cost/table.json`; the
fourth, every one whose number is 3 modulo 4, only tests them. What is in the table are these: of
{count}, LUT4 of {share} are within ±10 %, {cells} more are within 3 cells; flip-flops of {flops}
are within ±10 %. Block RAMs and multipliers are counted by rule: {exact} of {all} points agree.
How far off it is for whole networks, `scripts/bench estimates` measures.

"""


def measure(settings: Settings) -> list[Row]:
    """Synthesise all points, refit the table, and hold the held-out points against it."""
    rows: list[list[Any]] = []
    # Blocks of several hundred lanes have words of more digits than Python likes to print.
    sys.set_int_max_str_digits(0)
    for seed in range(3 if settings.quick else _SEEDS):
        for family in _FAMILIES:
            settings.say(f"blocks number {seed} for {family}")
            for dsp in (False, True) if family == "ice40" else (False,):
                own = [(kind, seed) for kind in KINDS if kind.endswith("_mac16") == dsp]
                rows += _synthesised(own, family, dsp=dsp)
    if not settings.quick:
        POINTS.write_text(json.dumps(rows, indent=None).replace("], [", "],\n [") + "\n")
        _TABLE.write_text(table_text(read(rows)), encoding="utf-8")
    return _rows(read(rows))


def component(block: Block) -> Any:
    """Make the component of a block, or the link."""
    if not isinstance(block, LinkPlan):
        return component_of(block)
    return HostLink(
        divisor=24, frame_bytes=block.request, answer_bytes=block.answer,
        classes=block.answer // block.code + 1, identity=bytes(range(32)), clock_hz=24_000_000,
        weight_blocks=7 if block.loads else 0, weight_crc=1234 if block.loads else None,
    )  # fmt: skip


def _synthesised(points: list[tuple[str, int]], family: str, *, dsp: bool) -> list[list[Any]]:
    found = synthesise_all([component(draw(*point, family)) for point in points], family, dsp=dsp)
    return [[*point, family, cells] for point, cells in zip(points, found, strict=True) if cells]


def table_text(points: list[Point]) -> str:
    """Write the fitted coefficients as JSON, a line for each kind."""
    families = []
    for family, kinds in fit(points).items():
        lines = [f"  {json.dumps(kind)}: {json.dumps(own)}" for kind, own in kinds.items()]
        families.append(f" {json.dumps(family)}: {{\n" + ",\n".join(lines) + "\n }")
    return "{\n" + ",\n".join(families) + "\n}\n"


def errors(points: list[Point]) -> list[Row]:
    """Hold points against the model."""
    found = []
    for point in points:
        cost = price(point.block, point.family, dsp=point.dsp)
        found.append(
            {
                "kind": point.kind,
                "seed": point.seed,
                "family": point.family,
                "held_out": point.held_out,
                "lut4": point.cells["lut4"],
                "lut4_model": cost.lut4,
                "ff": point.cells["ff"],
                "ff_model": cost.ff,
                "hard": [point.cells[what] for what in ("ebr", "spram", "dsp")],
                "hard_model": [cost.ebr, cost.spram, cost.dsp],
            }
        )
    return found


def _rows(points: list[Point]) -> list[Row]:
    return errors(points)


def near(row: Row, what: str = "lut4", share: float = 0.1) -> bool:
    """Tell whether the model is within a share of what was measured."""
    return bool(abs(row[f"{what}_model"] - row[what]) <= share * row[what])


def page(rows: list[Row]) -> str:
    """Lay the held-out points out by kind."""
    tests = [row for row in rows if row["held_out"]]
    close = [row for row in tests if near(row)]
    few = [row for row in tests if not near(row) and abs(row["lut4_model"] - row["lut4"]) <= 3]
    exact = sum(row["hard"] == row["hard_model"] for row in rows)
    text = _INTRO.format(
        share=len(close),
        count=len(tests),
        cells=len(few),
        exact=exact,
        all=len(rows),
        flops=sum(near(row, "ff") for row in tests),
    )
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in tests:
        groups[row["kind"]].append(row)
    lines = []
    for kind, own in sorted(groups.items()):
        worst = max(own, key=lambda row: abs(row["lut4_model"] - row["lut4"]) / max(1, row["lut4"]))
        off = (worst["lut4_model"] - worst["lut4"]) / max(1, worst["lut4"])
        lines.append(
            [
                kind,
                len(own),
                sum(near(row) for row in own),
                sum(near(row, share=0.2) for row in own),
                sum(near(row, "ff") for row in own),
                f"{worst['lut4']} ({worst['family']}): {off:+.0%}",
            ]
        )
    heads = ["kind", "tested", "LUT4 ±10 %", "LUT4 ±20 %", "flip-flops ±10 %", "worst LUT4"]
    return text + markdown_table(heads, lines)
