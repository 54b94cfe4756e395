"""Counts of matches and of bits by themselves: cells and clock over the width, for each target."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .frame import Row, Settings, markdown_table

__all__ = ["NAME", "TITLE", "measure", "page", "plots"]

NAME = "structures"
TITLE = "Popcounts"

_WIDTHS = (8, 16, 32, 64, 128, 256, 512)
_QUICK = (16, 64)
_DEVICES = {"ecp5": "LFE5U-25F, speed grade 6", "ice40": "iCE40 HX8K"}
# On ECP5 the other router takes too long for whole designs, but not for these.
_ROUTERS = {"ecp5": "router1", "ice40": "router2"}
_FLAGS = {"ecp5": ("-nowidelut", ""), "ice40": ("", "-abc9")}

_INTRO = """LUT4 a lane, everything counted but the registers around the block: as nextpnr packs
it (logic cells on iCE40, and of those with registers inside, the flip-flops that need a cell of
their own, too). "Pairs" compares a weight of run time with an activation in each lane, whose
complement is at the input; "bits" is one row of constant weights, half of the inputs complements.
Yosys' rows are the same sum written as an adder tree, synthesised as it comes or with the flags
named. Registers stand behind each n-th level of adders; 0 is none at all. Fmax is the median over
the seeds with a register at each input and output, `step` constant, constraint 400 MHz, the router
named. The cells rest on Yosys' and nextpnr's models of CCU2C and SB_CARRY: no board has
confirmed them here."""


@dataclass(frozen=True)
class _Point:
    """One component to measure."""

    family: str
    kind: str
    width: int
    every: int
    own: bool
    flags: str


def _points(quick: bool) -> Iterator[_Point]:
    for family, flags in _FLAGS.items():
        for kind in ("pairs", "bits"):
            for width in _QUICK if quick else _WIDTHS:
                for every in (0, 1) if quick else (0, 1, 2):
                    yield _Point(family, kind, width, every, True, flags[0])
                for flag in flags:
                    yield _Point(family, kind, width, 0, False, flag)
                if not quick:
                    yield _Point(family, kind, width, 1, False, flags[0])


def _component(point: _Point) -> Any:
    from rtl_gen.popcount import MatchCount, Popcount

    if point.kind == "pairs":
        return MatchCount(width=point.width, every=point.every, complement=True)
    half = int("96" * point.width, 16) & ((1 << point.width) - 1)
    return Popcount(width=point.width, every=point.every, inverted=half)


def measure(settings: Settings) -> list[Row]:
    """Synthesise each structure, and place and route it."""
    from .measure import place, synthesise

    rows: list[Row] = []
    for point in _points(settings.quick):
        settings.say(
            f"   {point.family} {point.kind} {point.width} every {point.every} "
            f"{'own' if point.own else 'yosys ' + point.flags}"
        )
        netlist = synthesise(
            _component(point),
            point.family,
            flags=point.flags,
            portable=not point.own,
            constants={"step": 1},
        )
        fmax: list[float] = []
        if not settings.quick:
            seeds = range(1, settings.seeds + 1)
            fmax = place(netlist, seeds=seeds, router=_ROUTERS[point.family])
        rows.append(
            {
                "family": point.family,
                "kind": point.kind,
                "width": point.width,
                "every": point.every,
                "own": point.own,
                "flags": point.flags,
                "lut4": netlist.cells.lut4,
                "ff": netlist.cells.ff,
                "fmax_mhz": [round(clock, 1) for clock in fmax],
            }
        )
    return rows


def page(rows: list[Row]) -> str:
    """Write a table for each family and kind."""
    parts = [_INTRO]
    for family, device in _DEVICES.items():
        for kind in ("pairs", "bits"):
            chosen = [row for row in rows if (row["family"], row["kind"]) == (family, kind)]
            if not chosen:
                continue
            parts.append(f"### {device}, {kind}\n\nRouter: {_ROUTERS[family]}.")
            parts.append(_table(chosen))
    return "\n\n".join(parts)


def _table(rows: list[Row]) -> str:
    cells = []
    for row in sorted(rows, key=lambda row: (row["width"], not row["own"], row["every"])):
        flags = row["flags"] or "as it comes"
        fmax = row["fmax_mhz"]
        cells.append(
            [
                row["width"],
                "own cells" if row["own"] else f"Yosys, {flags}",
                row["every"],
                row["lut4"],
                f"{row['lut4'] / row['width']:.2f}",
                row["ff"],
                f"{statistics.median(fmax):.0f}" if fmax else "",
            ]
        )
    head = ["lanes", "structure", "register every", "LUT4", "a lane", "FF", "Fmax MHz"]
    return markdown_table(head, cells)


def plots(rows: list[Row], folder: Path) -> list[Path]:
    """Draw LUT4 a lane and Fmax over the width for each structure, a picture for each family."""
    from .pictures import COLOURS, picture

    kinds = {"pairs": "weights of run time", "bits": "constant weights"}
    files = []
    for family in _DEVICES:
        file = folder / f"popcount-{family}.svg"
        with picture(file, columns=4, width=10.0, height=3.4) as panels:
            for at, (kind, title) in enumerate(kinds.items()):
                own = [row for row in rows if (row["family"], row["kind"]) == (family, kind)]
                for axes, what in zip(panels[at::2], ("LUT4 a lane", "MHz"), strict=True):
                    _curves(axes, own, what, COLOURS)
                    axes.set(title=f"{what}, {title}", xlabel="lanes", ylim=(0, None))
                    axes.title.set_fontsize(8)
            panels[0].legend(fontsize=7)
        files.append(file)
    return files


def _curves(axes: Any, rows: list[Row], what: str, colours: tuple[str, ...]) -> None:
    structures = [(own, every) for own in (True, False) for every in (0, 1, 2)]
    for colour, (own, every) in zip(colours, structures, strict=False):
        points: dict[int, float] = {}
        # Yosys with the flags that are best come first.
        for row in rows:
            if (row["own"], row["every"]) == (own, every):
                each = row["lut4"] / row["width"]
                value = each if what != "MHz" else statistics.median(row["fmax_mhz"] or [0])
                points.setdefault(row["width"], value)
        points = {width: value for width, value in points.items() if value}
        if points:
            label = "own cells" if own else "Yosys"
            label += f", register every {every}" if every else ", no registers"
            style = "o-" if own else "s--"
            widths = sorted(points)
            values = [points[width] for width in widths]
            axes.plot(widths, values, style, markersize=4, color=colour, label=label)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.set_xticks(sorted({row["width"] for row in rows}))
    axes.tick_params(labelsize=7)
