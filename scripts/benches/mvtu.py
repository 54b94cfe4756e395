"""Whole matrix-vector-threshold units: cells, clock, and work for each cell."""

import random
from pathlib import Path
from statistics import median
from typing import Any

from bnnhw.fold.pipeline import PIPELINES
from rtl_gen.mvtu import Mvtu

from .frame import Row, Settings, markdown_table
from .measure import place, synthesise

__all__ = ["NAME", "TITLE", "measure", "page", "plots"]

NAME = "mvtu"
TITLE = "Matrix-vector-threshold units"

_ROWS, _COLUMNS, _PIXELS = 64, 576, 784
# Device, family, speed grade, SIMD, PE, pipeline.
_POINTS = (
    ("25k", "ecp5", 32, 8, "speed"),
    ("25k", "ecp5", 32, 8, "balanced"),
    ("45k", "ecp5", 64, 16, "speed"),
    ("45k", "ecp5", 64, 16, "balanced"),
    ("hx8k", "ice40", 64, 4, "balanced"),
    ("up5k", "ice40", 64, 4, "balanced"),
    ("hx8k", "ice40", 64, 4, "area"),
    ("hx8k", "ice40", 32, 4, "balanced"),
    ("25k", "ecp5", 16, 4, "speed"),
    ("25k", "ecp5", 16, 16, "speed"),
    ("25k", "ecp5", 32, 4, "speed"),
    ("25k", "ecp5", 32, 16, "speed"),
    ("25k", "ecp5", 64, 4, "speed"),
    ("25k", "ecp5", 64, 8, "speed"),
    ("hx8k", "ice40", 16, 4, "balanced"),
    ("hx8k", "ice40", 16, 8, "balanced"),
    ("hx8k", "ice40", 32, 8, "balanced"),
    ("hx8k", "ice40", 64, 2, "balanced"),
)
_QUICK = (("25k", "ecp5", 16, 2, "speed"),)
_NAMES = {"25k": "ECP5-25F -6", "45k": "ECP5-45F -6", "hx8k": "iCE40 HX8K", "up5k": "iCE40 UP5K"}
_FREQ = 300
"""Constraint of place and route in MHz."""
# FINN's RTL unit by device, SIMD, PE: LUT4 or cells, MHz; see `_PEERS_NOTE`.
_PEERS = {
    ("25k", 32, 8): (1001, 86.4),
    ("45k", 64, 16): (3211, 73.3),
    ("hx8k", 64, 4): (867, 58.6),
    ("up5k", 64, 4): (867, 22.4),
    ("hx8k", 32, 4): (510, 67.1),
}
_PEERS_NOTE = """### Beside FINN's RTL unit

The RTL of FINN's matrix-vector unit (Alam et al., `asadalam/FINN_MatrixVector_RTL` at
c470263714ad) with XNOR lanes, for the same matrix, SIMD and PE, without its stream wrapper and
output registers, which take more. This script does not measure it: it went once through
Yosys 0.70 (`read_slang`; `-nowidelut` on ECP5, its best flags, as for ours) and nextpnr 0.11.1
(constraint 400 MHz on ECP5, 300 MHz on iCE40 with router2; median of three seeds, two at 64 x 16).
The ratio is ours over FINN's in operations a second and LUT4. FINN's tree of
2026-04-14 (`Xilinx/finn` at 39f0c9a) has no binary unit in RTL that could be run."""


def unit(simd: int, pe: int, pipeline: str, *, seed: int = 1) -> Mvtu:
    """Draw CNV's second convolution: a matrix of 64 x 576 for 28 x 28 pixels, one threshold a row.

    Weights lie in block RAM; the replay buffer and the thresholds are part of the unit.
    """
    dice = random.Random(seed)
    folds, turns = -(-_COLUMNS // simd), -(-_ROWS // pe)
    width = (_COLUMNS + 1).bit_length()
    levels = [[dice.randrange(200, 377) for _ in range(pe)] for _ in range(turns)]
    return Mvtu(
        rows=_ROWS,
        columns=_COLUMNS,
        pe=pe,
        simd=simd,
        weights=[dice.getrandbits(pe * simd) for _ in range(folds * turns)],
        thresholds=[sum(t << k * width for k, t in enumerate(row)) for row in levels],
        weight_style="block",
        vectors=_PIXELS,
        every=PIPELINES[pipeline],
    )


def measure(settings: Settings) -> list[Row]:
    """Synthesise, place and route each point."""
    rows = []
    for device, family, simd, pe, pipeline in _QUICK if settings.quick else _POINTS:
        settings.say(f"{_NAMES[device]} {simd} x {pe} {pipeline}")
        netlist = synthesise(unit(simd, pe, pipeline), family)
        # nextpnr's own choice of a router on ECP5; on iCE40 that one can run for ever.
        router = "router1" if family == "ecp5" else "router2"
        clocks = place(
            netlist, seeds=range(1, settings.seeds + 1), device=device, freq=_FREQ, router=router
        )
        rows.append(
            {
                "device": device,
                "simd": simd,
                "pe": pe,
                "pipeline": pipeline,
                "lut4": netlist.cells.lut4,
                "ff": netlist.cells.ff,
                "ebr": netlist.cells.ebr,
                "fmax": clocks,
            }
        )
    return rows


def figures(row: Row) -> dict[str, Any]:
    """Give what follows from a row: ops are binary, two for each lane and clock."""
    ops = 2 * row["simd"] * row["pe"]
    clock = median(row["fmax"])
    return {
        "fmax": clock,
        "ops a cycle and LUT4": ops / row["lut4"],
        "Mops/s a LUT4": ops * clock / row["lut4"],
        "Gops/s": ops * clock / 1000,
    }


def page(rows: list[Row]) -> str:
    """Write one table."""
    head = [
        "device", "SIMD x PE", "pipeline", "LUT4", "FF", "block RAM", "MHz (least, most; seeds)",
        "ops/cycle/LUT4", "Mops/s/LUT4", "Gops/s",
    ]  # fmt: skip
    lines = []
    for row in rows:
        found = figures(row)
        low, high = min(row["fmax"]), max(row["fmax"])
        lines.append(
            [
                _NAMES[row["device"]],
                f"{row['simd']} x {row['pe']}",
                row["pipeline"],
                f"{row['lut4']:,}",
                f"{row['ff']:,}",
                str(row["ebr"]),
                f"{found['fmax']:.1f} ({low:.1f}, {high:.1f}; {len(row['fmax'])})",
                f"{found['ops a cycle and LUT4']:.3f}",
                f"{found['Mops/s a LUT4']:.1f}",
                f"{found['Gops/s']:.1f}",
            ]
        )
    return (
        "CNV's second convolution: a matrix of 64 x 576, one threshold a row, 28 x 28 pixels. "
        "Everything is counted: replay buffer, weights in block RAM, thresholds, and the queue "
        "for results. LUT4 are as packed by nextpnr (on iCE40 logic cells), without the harness; "
        f"the clock is the median over the seeds, placed alone on the device (constraint {_FREQ} "
        "MHz) and routed by nextpnr's router1 on ECP5, router2 on iCE40. A seed whose placement no "
        "router finishes has no clock, and is not counted among the seeds.\n\n"
        + markdown_table(head, lines)
        + f"\n{_PEERS_NOTE}\n\n{_beside(rows)}"
    )


def plots(rows: list[Row], folder: Path) -> list[Path]:
    """Draw work for each LUT4 over PE × SIMD: by the clock, and by the second."""
    from .pictures import picture

    file = folder / "mvtu-work-over-lanes.svg"
    wanted = (("25k", "speed"), ("45k", "speed"), ("hx8k", "balanced"))
    with picture(file, columns=2) as both:
        for key, axes in zip(("ops a cycle and LUT4", "Mops/s a LUT4"), both, strict=True):
            for device, pipeline in wanted:
                own = [
                    row for row in rows if (row["device"], row["pipeline"]) == (device, pipeline)
                ]
                for simd, style in zip((16, 32, 64), (":", "--", "-"), strict=True):
                    line = sorted(
                        (row["pe"] * simd, figures(row)[key]) for row in own if row["simd"] == simd
                    )
                    if line:
                        label = f"{_NAMES[device]}, SIMD {simd}"
                        colour = f"C{[name for name, _ in wanted].index(device)}"
                        axes.plot(*zip(*line, strict=True), f"o{style}", color=colour, label=label)
            axes.set(xscale="log", ylim=(0, None), xlabel="PE × SIMD", ylabel=key)
            axes.set_xticks([64, 128, 256, 512, 1024], labels=["64", "128", "256", "512", "1,024"])
            axes.minorticks_off()
        both[1].legend(loc="upper left", bbox_to_anchor=(1, 1))
    return [file]


def _beside(rows: list[Row]) -> str:
    """Hold each row against FINN's unit on the same device."""
    lines = []
    for row in rows:
        simd, pe = row["simd"], row["pe"]
        peer = _PEERS.get((row["device"], simd, pe))
        if peer is None:
            continue
        lut4, clock = peer
        theirs = 2 * simd * pe * clock / lut4
        ours = figures(row)
        lines.append(
            [
                _NAMES[row["device"]],
                f"{simd} x {pe}",
                row["pipeline"],
                f"{lut4:,}",
                f"{clock:.1f}",
                f"{theirs:.1f}",
                f"{ours['Mops/s a LUT4']:.1f}",
                f"{ours['Mops/s a LUT4'] / theirs:.2f}",
            ]
        )
    head = ["device", "SIMD x PE", "pipeline of ours", "FINN's LUT4", "FINN's MHz",
            "FINN's Mops/s/LUT4", "our Mops/s/LUT4", "ratio"]  # fmt: skip
    return markdown_table(head, lines)
