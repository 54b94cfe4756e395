"""Whole networks on each device, from the builds and simulations that scripts/results.py made."""

import json
import statistics
from itertools import cycle
from math import prod
from pathlib import Path

from bnnhw.graph import Conv, Dense, Graph

from .frame import ROOT, Row, Settings, markdown_table

__all__ = ["NAME", "TITLE", "measure", "page", "plots"]

NAME = "networks"
TITLE = "Whole networks"

_INTRO = """Nothing is built here: LUT4 and Fmax are those of [results.md](results.md), where each
network is placed and routed behind its serial link, link included. fps at Fmax is the median Fmax
over the seeds, divided by the clocks of an image; the clock that a board has, and fps at it, are in
results.md. Binary operations are two, XNOR and count, for each weight of 1 bit and each vector that
meets it, whatever the width of its activations: the first layer of CNV, whose pixels have 8 bits,
counts once. Latency is the first answer's at Fmax, from reset to its last word, in clocks of the
simulation."""
# Networks whose weights are read once an image, whatever the folding; device, bits that a block RAM
# delivers a clock, and bits of weights that the row's folding keeps in LUTs.
_BANDWIDTH = (
    ("TFC W1A1", "iCE40HX8K", 16, 64 * 64 + 64 * 64 + 10 * 64),
    ("SFC's shape", "LFE5U-25F", 36, 0),
)
_BANDWIDTH_NOTE = """### Share of the weights' bandwidth

In layers that are fully connected, every weight is read once an image: block RAMs that all deliver
a word of weights in each clock (36 bits on ECP5, 16 on iCE40) bound the images a second. The share
is the bits of weights read an image, over the bits that the ports of all block RAMs in the design,
those of queues and of the link too, deliver in the clocks of an image; it does not depend on the
clock's frequency. Bits that lie in LUTs take no port: they are in a column of their own, not in the
share."""


def measure(settings: Settings) -> list[Row]:
    """Join what results.py stored with the operations of each network."""
    from bnnhw.load import load_model

    from ..results import rows

    stored = json.loads((ROOT / "docs" / "results.json").read_text(encoding="utf-8"))
    found = []
    for row in rows(settings.models):
        if row.name not in stored:
            continue
        settings.say(f"   {row.name}")
        result = stored[row.name]
        graph = row.graph() if row.graph else load_model(Path(row.network))
        found.append(
            {
                "name": row.name.partition(" on ")[0].rstrip(","),
                "device": result["device"],
                "operations": _operations(graph),
                "lut4": result["usage"]["lut4"]["used"],
                "ebr": result["usage"]["ebr"]["used"],
                "fmax_mhz": statistics.median(result["fmax_mhz"]),
                "runs": len(result["fmax_mhz"]),
                "cycles": result["cycles"],
                "latency": result["simulated"].get("latency"),
            }
        )
    return found


def _operations(graph: Graph) -> int:
    return sum(
        2 * node.weight.size * prod(graph.edges[node.name].shape[1:])
        for node in graph.nodes
        if isinstance(node, Dense | Conv)
    )


def _fps(row: Row) -> float:
    return float(row["fmax_mhz"] * 1e6 / row["cycles"])


def page(rows: list[Row]) -> str:
    """Give the table."""
    heads = [
        "network", "device", "LUT4", "block RAM", "Fmax MHz (seeds)", "clocks/image", "fps at Fmax",
        "fps per kLUT4", "binary ops/cycle/LUT4", "latency µs",
    ]  # fmt: skip
    lines = []
    for row in rows:
        rate = row["operations"] / row["cycles"] / row["lut4"]
        late = f"{row['latency'] / row['fmax_mhz']:,.1f}" if row["latency"] else "–"
        lines.append(
            [
                row["name"],
                row["device"],
                f"{row['lut4']:,}",
                row["ebr"],
                f"{row['fmax_mhz']:.1f} ({row['runs']})",
                f"{row['cycles']:,}",
                f"{_fps(row):,.0f}",
                f"{_fps(row) / row['lut4'] * 1e3:,.1f}",
                f"{rate:.3f}",
                late,
            ]
        )
    return f"{_INTRO}\n\n{markdown_table(heads, lines)}\n{_BANDWIDTH_NOTE}\n\n{_bandwidth(rows)}"


def _bandwidth(rows: list[Row]) -> str:
    """Give the share of each network that is bound by its weights."""
    lines = []
    for name, device, width, in_luts in _BANDWIDTH:
        for row in rows:
            if row["name"] != name or not row["device"].startswith(device):
                continue
            # Two operations for each weight.
            read = row["operations"] // 2 - in_luts
            delivered = row["ebr"] * width * row["cycles"]
            lines.append(
                [
                    name,
                    row["device"],
                    f"{read:,}",
                    f"{in_luts:,}",
                    f"{row['ebr']} × {width}",
                    row["cycles"],
                    f"{delivered:,}",
                    f"{read / delivered:.1%}",
                ]
            )
    heads = ["network", "device", "bits of weights in block RAM", "in LUTs", "block RAM × bits",
             "clocks/image", "bits delivered an image", "share"]  # fmt: skip
    return markdown_table(heads, lines)


def plots(rows: list[Row], folder: Path) -> list[Path]:
    """Draw images per second over LUT4: a colour for each device, a mark for each network."""
    from .pictures import COLOURS, picture

    file = folder / "networks-fps-over-lut4.svg"
    colours = dict(zip(sorted({row["device"] for row in rows}), cycle(COLOURS), strict=False))
    names = dict.fromkeys(row["name"] for row in rows)
    marks = dict(zip(names, cycle("os^DvPX*<>pdhH81234+x"), strict=False))
    # The legend has a line for each, and stands beside the axes.
    height = max(3.6, 0.6 + 0.19 * (len(colours) + len(marks)))
    with picture(file, width=8.5, height=height) as (axes,):
        for row in rows:
            style = {"color": colours[row["device"]], "marker": marks[row["name"]]}
            axes.plot(row["lut4"], _fps(row), linestyle="", markersize=8, **style)
        for device, colour in colours.items():
            axes.plot([], [], linewidth=6, color=colour, label=device)
        for name, mark in marks.items():
            axes.plot([], [], linestyle="", marker=mark, color="#555555", label=name)
        axes.set(yscale="log", xlim=(0, None), xlabel="LUT4", ylabel="images a second at Fmax")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return [file]
