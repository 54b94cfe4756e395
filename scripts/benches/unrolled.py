"""Layers whose weights are constants: what sharing counts between rows saves, and TFC unrolled."""

import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from amaranth.hdl import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from bnnhw.fold import Folding, LayerFold
from bnnhw.fold.layers import layers_of
from bnnhw.fold.sharing import Program, share
from bnnhw.load import load_model
from bnnhw.plan import MvtuPlan, Plan, make_plan
from rtl_gen.blocks import component_of
from rtl_gen.unrolled_values import Values

from .frame import Row, Settings, markdown_table
from .measure import place, synthesise

__all__ = ["NAME", "TITLE", "Counts", "Units", "measure", "page", "unrolled_plan"]

NAME = "unrolled"
TITLE = "Constant weights"

_Bits = npt.NDArray[np.integer[Any]]

SHAPES = {"8 × 256": (8, 256), "10 × 256": (10, 256), "5 × 576": (5, 576), "24 × 784": (24, 784)}
"""Random matrices, rows × columns."""
TRAINED = {
    "TFC, layer 1": ("mnist_tfc_w1a1", 0),
    "LFC, layer 2": ("mnist_lfc_w1a1", 1),
    "CNV, layer 2": ("cifar10_cnv_w1a1", 1),
}
"""Networks and layers; the first `_ROWS` rows of each are measured."""
WAYS = {"each row alone": 1, "two rows share": 2, "three rows share": 3, "best group": None}
_ROWS = 24
_TFC = "TFC_1W1A.onnx"
_FREQ = 120
"""Constraint of place and route in MHz."""

_INTRO = """All rows of a matrix at once, one vector a clock. LUT4 are those of the counts of all
rows (``2 * part - whole``; a constant of each row is absorbed in its threshold), combinational,
as nextpnr-ecp5 has packed them; Yosys with `-nowidelut` and the carry cells of
`rtl_gen.counting`, which rest on Yosys's and nextpnr's models. "Yosys alone" is the same program
written as sums: the counts are shared there as well, so that the row shows what the cells save,
not the sharing. What Yosys makes of plain sums, one for each row, stands under
[Popcounts](#popcounts), in the rows of bits without registers: about two LUT4 a weight from 64
lanes on, with `-nowidelut`. The estimate is what chooses the groups. Rows of trained layers are
no more alike than random ones: what sharing saves is the same for both."""


class Counts(wiring.Component):
    """The counts of a program's rows, without registers.

    Parameters
    ----------
    program : Program

    Members
    -------
    i : In(columns)
    o : Out(16 for each row)
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        lanes = data.ArrayLayout(program.bits, program.columns)
        super().__init__({"i": In(lanes), "o": Out(16 * len(program.rows))})

    def elaborate(self, platform: object) -> Module:
        """Build the nodes and the rows."""
        m = Module()
        values = Values(m, self._program, 0, self.i)
        for number, row in enumerate(self._program.rows):
            m.d.comb += self.o.word_select(number, 16).eq(values.row(row)[0])
        return m


class Units(wiring.Component):
    """The unrolled layers of a plan behind each other, up to the logits.

    Parameters
    ----------
    plan : Plan

    Members
    -------
    i, o : streams of the first and the last layer
    """

    def __init__(self, plan: Plan) -> None:
        units = [unit for unit in plan.units if isinstance(unit, MvtuPlan)]
        self._units = [component_of(unit) for unit in units]
        first, last = self._units[0].i.payload.shape(), self._units[-1].o.payload.shape()
        super().__init__({"i": In(stream.Signature(first)), "o": Out(stream.Signature(last))})

    def elaborate(self, platform: object) -> Module:
        """Connect one layer to the next."""
        m = Module()
        source = wiring.flipped(self.i)
        for number, unit in enumerate(self._units):
            m.submodules[f"layer{number}"] = unit
            wiring.connect(m, source, unit.i)
            source = unit.o
        wiring.connect(m, source, wiring.flipped(self.o))
        return m


def unrolled_plan(model: Path) -> Plan:
    """Plan a network with all layers unrolled."""
    graph = load_model(model)
    folds = {
        layer.name: LayerFold(layer.rows, layer.columns, "unrolled") for layer in layers_of(graph)
    }
    return make_plan(graph, Folding(folds))


def _matrices(settings: Settings) -> Iterator[tuple[str, str, _Bits]]:
    dice = np.random.default_rng(0)
    shapes = {"8 × 256": (8, 256)} if settings.quick else SHAPES
    for name, shape in shapes.items():
        yield name, "random", dice.integers(0, 2, shape)
    if settings.quick or not settings.models.is_dir():
        return
    for name, (network, layer) in TRAINED.items():
        stored = np.load(settings.models / "networks" / f"{network}.npz")
        weighted = [one for one in json.loads(str(stored["meta"]))["layers"] if "W" in one]
        matrix = stored[weighted[layer]["W"]]
        yield name, "trained", (matrix.reshape(len(matrix), -1) > 0)[:_ROWS].astype(int)


def measure(settings: Settings) -> list[Row]:
    """Synthesise every matrix in every way, and place TFC."""
    found = []
    for name, kind, matrix in _matrices(settings):
        small = matrix.size <= 1 << 12
        ways = WAYS if small and not settings.quick else {"best group": None}
        for way, group in ways.items():
            found.append(_counted(settings, name, kind, matrix, way, group, portable=False))
        if small:
            way = "best group, Yosys alone"
            found.append(_counted(settings, name, kind, matrix, way, None, portable=True))
    model = settings.models / "qonnx" / _TFC
    if model.is_file() and not settings.quick:
        found.append(_network(settings, model))
    return found


def _counted(
    settings: Settings,
    name: str,
    kind: str,
    matrix: _Bits,
    way: str,
    group: int | None,
    *,
    portable: bool,
) -> Row:
    settings.say(f"   {name}, {kind}, {way}")
    program = share(matrix, group=group)
    cells = synthesise(Counts(program), "ecp5", portable=portable).cells
    return {
        "layer": name,
        "kind": kind,
        "rows": int(matrix.shape[0]),
        "columns": int(matrix.shape[1]),
        "way": way,
        "group": max(map(len, program.groups)),
        "lut4": cells.lut4,
        "estimate": program.luts(),
    }


def _network(settings: Settings, model: Path) -> Row:
    settings.say("   TFC unrolled")
    plan = unrolled_plan(model)
    netlist = synthesise(Units(plan), "ecp5", limit=4 * 3600)
    # Seeds of a design of this size take a quarter of an hour each.
    seeds = range(1, min(settings.seeds, 3) + 1)
    fmax = place(netlist, seeds=seeds, device="45k", freq=_FREQ, limit=2 * 3600)
    return {
        "network": "TFC W1A1",
        "weights": sum(unit.rows * unit.columns for unit in plan.units),
        "latency": sum(unit.latency for unit in plan.units),
        "lut4": netlist.cells.lut4,
        "ff": netlist.cells.ff,
        "fmax_mhz": fmax,
    }


def page(rows: list[Row]) -> str:
    """Give the rows as Markdown."""
    layers = [row for row in rows if "layer" in row]
    table = markdown_table(
        ["layer", "weights", "way", "rows a group", "LUT4", "LUT4 a weight", "estimate"],
        [
            [
                f"{row['layer']} ({row['rows']} × {row['columns']})",
                row["kind"],
                row["way"],
                str(row["group"]),
                f"{row['lut4']:,}",
                f"{row['lut4'] / (row['rows'] * row['columns']):.3f}",
                f"{row['estimate'] / (row['rows'] * row['columns']):.3f}",
            ]
            for row in layers
        ],
    )
    return "\n\n".join([_INTRO, table, *(_told(row) for row in rows if "network" in row)]) + "\n"


def _told(row: Row) -> str:
    fmax = statistics.median(row["fmax_mhz"])
    return (
        f"{row['network']}, all layers unrolled, up to the logits, LFE5U-45F -6: an image a clock, "
        f"{fmax:.1f} M images/s at the median Fmax of {len(row['fmax_mhz'])} "
        f"{'seed' if len(row['fmax_mhz']) == 1 else 'seeds'} (constraint {_FREQ} MHz), "
        f"{row['lut4']:,} LUT4 ({row['lut4'] / row['weights']:.3f} a weight), {row['ff']:,} "
        f"flip-flops, {row['latency']} clocks of latency. Images come from a shift register on the "
        "chip and logits leave as one bit, because no package has pins for 784 bits a clock."
    )
