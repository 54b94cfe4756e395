"""Cells of many blocks in one run of Yosys, counted as nextpnr packs them."""

import gzip
import json
import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import Module, Value
from amaranth.lib import wiring

from bnnhw.fold.memory import SHAPES
from rtl_gen.build.collisions import without_collisions
from rtl_gen.counting import ecp5
from rtl_gen.counting.fabric import Fabric
from rtl_gen.store import UNSET_SPRAM
from rtl_gen.tools import ToolFailed, environment, run_tool, toolchain

from .measure import BEST

__all__ = ["cells_of", "synthesise_all"]

_BLOCK = re.compile(r"^module \\top\.block_\d+$", re.MULTILINE)
_EXTRACTED = re.compile(r"from module `top\.block_(\d+)'")
_EBR = {"DP16KD", "PDPW16KD", "SB_RAM40_4K"}
_DSP = {"MULT18X18D", "MULT9X9D", "ALU54B", "SB_MAC16"}


class _Row(wiring.Component):
    """Components side by side, by their numbers; every port of each is a port of its own."""

    def __init__(self, components: Mapping[int, Any]) -> None:
        self._components = components
        super().__init__({})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for number, component in self._components.items():
            m.submodules[f"block_{number}"] = component
        return m


def synthesise_all(
    components: Sequence[Any],
    family: str,
    *,
    limit: float = 1800,
    keep: Path | None = None,
    dsp: bool = False,
) -> list[dict[str, int] | None]:
    """Synthesise components beside one another, each by itself.

    Parameters
    ----------
    components : sequence of Component
        New ones.
    family : str
    limit : float
        Seconds for Yosys.
    keep : Path or None
        Where to put the netlist.
    dsp : bool
        An iCE40 has multipliers.

    Returns
    -------
    list of dict of str to int, or None
        As `cells_of` gives them; None where Yosys itself fails at a component: abc9 of 0.70 ends
        with an assertion in some modules that are kept apart.

    Raises
    ------
    ToolMissing, ToolFailed
        If Yosys is not installed, or fails for another reason.
    """
    bad: set[int] = set()
    while True:
        good = [number for number in range(len(components)) if number not in bad]
        with tempfile.TemporaryDirectory() as name:
            try:
                modules = _modules(components, good, Fabric(family, dsp=dsp), Path(name), limit)
            except ToolFailed:
                log = Path(name) / "yosys.log"
                named = _EXTRACTED.findall(log.read_text()) if log.exists() else []
                if not named or int(named[-1]) in bad:
                    raise
                bad.add(int(named[-1]))
                continue
            if keep is not None:
                keep.write_bytes(gzip.compress((Path(name) / "top.json").read_bytes(), 3))
        return [
            None if number in bad else cells_of(modules[f"top.block_{number}"], family)
            for number in range(len(components))
        ]


def _modules(
    components: Sequence[Any], chosen: Sequence[int], platform: Any, folder: Path, limit: float
) -> Mapping[str, Any]:
    """Run Yosys once."""
    family: str = platform.family
    if family == "ecp5":
        platform.block_ram_shapes = SHAPES[family]
    row = _Row({number: components[number] for number in chosen})
    ports = [
        Value.cast(value)
        for number in chosen
        for _, _, value in components[number].signature.flatten(components[number])
    ]
    text = rtlil.convert(row, platform=platform, name="top", emit_src=False, ports=ports)
    # What is below a block dissolves in it.
    text = _BLOCK.sub(r"attribute \\keep_hierarchy 1\n\g<0>", without_collisions(text))
    (folder / "top.il").write_text(text)
    script = f"read_rtlil top.il\nsetattr -unset keep w:*\n{UNSET_SPRAM}\n"
    synth = f"synth_{family} {BEST[family]} -top top\n"
    if family == "ecp5":
        (folder / ecp5.FILE).write_text(ecp5.CELLS)
        script += f"{ecp5.AFTER_READ}{synth}{ecp5.AFTER_SYNTHESIS}"
    else:
        script += synth
    (folder / "top.ys").write_text(f"{script}write_json top.json\n")
    tools = toolchain(family)
    argv: list[Any] = [tools.programs["yosys"], "-q", "-l", "yosys.log", "top.ys"]
    run_tool(argv, cwd=folder, env=environment(family), limit=limit)
    found: Mapping[str, Any] = json.loads((folder / "top.json").read_text())["modules"]
    return found


def cells_of(module: Mapping[str, Any], family: str) -> dict[str, int]:
    """Count what a flat module takes when nextpnr has packed it.

    Parameters
    ----------
    module : mapping
        Of a netlist of Yosys.
    family : str

    Returns
    -------
    dict of str to int
        ``lut4``, ``ff``, ``ebr``, ``spram`` and ``dsp``. On iCE40 `lut4` are logic cells.
    """
    cells = list(module["cells"].values())
    kinds = Counter(cell["type"] for cell in cells)
    found = {
        "ff": sum(n for kind, n in kinds.items() if kind.startswith(("SB_DFF", "TRELLIS_FF"))),
        "ebr": sum(n for kind, n in kinds.items() if kind in _EBR),
        "spram": kinds["SB_SPRAM256KA"],
        "dsp": sum(n for kind, n in kinds.items() if kind in _DSP),
    }
    if family == "ecp5":
        found["lut4"] = kinds["LUT4"] + 2 * (kinds["CCU2C"] + _ends(cells))
        found["lut4"] += 6 * kinds["TRELLIS_DPR16X4"]
    else:
        found["lut4"] = _logic_cells(module, cells)
    return found


def _ends(cells: Sequence[Mapping[str, Any]]) -> int:
    """Count the ends of carry chains of ECP5 to which something is connected: a cell each."""
    carries = [cell["connections"] for cell in cells if cell["type"] == "CCU2C"]
    given = {wires["COUT"][0] for wires in carries if wires.get("COUT")}
    taken = {wires["CIN"][0] for wires in carries if wires.get("CIN")}
    return len(given - taken - {"x"}) + sum(
        wires["CIN"][0] not in given | {"x"} for wires in carries if wires.get("CIN")
    )


def _logic_cells(module: Mapping[str, Any], cells: Sequence[Mapping[str, Any]]) -> int:
    """Count the logic cells of iCE40.

    A flip-flop shares the cell of the LUT4 that drives it and nothing else; a carry that of the
    LUT4 with the same operands and the same carry in.
    """
    drivers: dict[Any, Mapping[str, Any]] = {}
    used: Counter[Any] = Counter()
    for cell in cells:
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] == "output":
                for bit in bits:
                    drivers[bit] = cell
            else:
                used.update(bits)
    for entry in module["ports"].values():
        if entry["direction"] == "output":
            used.update(entry["bits"])
    luts = [cell for cell in cells if cell["type"] == "SB_LUT4"]
    alone = 0
    for cell in cells:
        if cell["type"].startswith("SB_DFF"):
            data = cell["connections"]["D"][0]
            driver = drivers.get(data)
            alone += driver is None or driver["type"] != "SB_LUT4" or used[data] != 1
    operands: dict[Any, int] = defaultdict(int)
    for lut in luts:
        wires = lut["connections"]
        operands[wires["I1"][0], wires["I2"][0], wires["I3"][0]] += 1
    bare = 0
    for cell in cells:
        if cell["type"] == "SB_CARRY":
            wires = cell["connections"]
            key = wires["I0"][0], wires["I1"][0], wires["CI"][0]
            if operands[key]:
                operands[key] -= 1
            else:
                bare += 1
    return len(luts) + alone + bare
