"""The cells that Verilog for a family instantiates, and the files that tools need with them."""

import re

from .content import folder
from .counting import ecp5
from .counting.fabric import Fabric

__all__ = ["CELL_WAIVERS", "TARGETS", "beside", "cells_in", "fabric", "library", "models", "recipe"]

TARGETS = ("generic", "ice40", "ecp5")
"""What Verilog is for: any synthesiser, or a family whose cells are instantiated."""

_MODULE = re.compile(r"^module (\w+)", re.MULTILINE)
_INSTANCE = re.compile(r"^ +(\w+) +(?:#\(|\w+ +\($)", re.MULTILINE)
_MODELS = (
    ("BNNHW_CARRY_", "ecp5_carry.v"),
    ("BNNHW_FLIP_FLOP", "ecp5_ff.v"),
    ("DP16KD", "ecp5_ram.v"),
)
"""Start of the names of cells, and the file in `sim` that has them."""

CELL_WAIVERS = {
    "DECLFILENAME": "one file holds every cell",
    "GENUNNAMED": "a block without a name, in a cell that nobody looks into",
    "PINCONNECTEMPTY": "the last cell of a chain gives no carry",
    "PROCASSINIT": "initial values stand at the declaration",
    "UNUSEDPARAM": "a cell has the parameters of the device, whatever comes of them",
    "WIDTHEXPAND": "Verilog's own rules widen operands",
}
"""What ``verilator -Wall`` would say of the models, and why that is no fault."""


def fabric(target: str) -> Fabric | None:
    """Give what `rtl_gen.verilog.emit` takes for one of `TARGETS`."""
    return None if target == "generic" else Fabric(target)


def cells_in(text: str) -> list[str]:
    """Name the cells that a text instantiates and does not hold, in order.

    Parameters
    ----------
    text : str
        Verilog as `rtl_gen.verilog.emit` writes it.
    """
    return sorted(set(_INSTANCE.findall(text)) - set(_MODULE.findall(text)))


def models(cells: list[str]) -> str:
    """Give Verilog that stands for cells in simulation and lint; empty if there are none.

    Raises
    ------
    ValueError
        If there is no model of a cell.
    """
    files = []
    for cell in cells:
        found = [file for start, file in _MODELS if cell.startswith(start)]
        if not found:
            raise ValueError(f"There must be a model of each cell, but there is none of {cell}")
        files += found
    return "\n".join((folder("sim") / file).read_text() for file in dict.fromkeys(files))


def library(cells: list[str]) -> dict[str, str]:
    """Give the file by which synthesis makes a device's cells of ours, by its name, if any."""
    own = any(cell.startswith("BNNHW_") for cell in cells)
    return {ecp5.FILE: ecp5.CELLS} if own else {}


def beside(name: str, cells: list[str]) -> dict[str, tuple[str, str]]:
    """Give the files that belong to Verilog with such cells.

    Parameters
    ----------
    name : str
        Of the top module.
    cells : list of str

    Returns
    -------
    dict of str to (str, str)
        What each is, and its text, by file name; nothing where there are no cells.
    """
    if not cells:
        return {}
    found = {f"{name}_cells.v": ("models of cells, to simulate and lint with", models(cells))}
    what = "the cells that are ours, for synthesis"
    return found | {file: (what, text) for file, text in library(cells).items()}


def recipe(name: str, target: str, cells: list[str]) -> list[str]:
    """Write the commands of Yosys, and of nextpnr where it has to be told something."""
    read, end = f"read_verilog {name}.v", f"write_json {name}.netlist.json"
    if target == "ice40":
        return [
            f'yosys -p "{read}; synth_ice40 -top {name}; {end}"',
            "nextpnr-ice40 --router router2 …  # the usual one may not end with counts in chains",
        ]
    before = [f"read_verilog -lib {file}" for file in library(cells)]
    behind = [f"techmap -map {file}" for file in library(cells)]
    flow = "synth" if target == "generic" else "synth_ecp5 -nowidelut"
    return [f'yosys -p "{"; ".join([*before, read, f"{flow} -top {name}", *behind, end])}"']
