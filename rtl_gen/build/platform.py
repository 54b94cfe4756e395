"""From a board and a core to the files and commands of a build, nothing of which is run here."""

import importlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from amaranth import Elaboratable
from amaranth.build import Platform
from amaranth.build.res import ResourceError
from amaranth.vendor import LatticeECP5Platform, LatticeICE40Platform

from bnnhw.errors import ToolMissing, UsageError
from bnnhw.names import checked
from bnnhw.target import Board

from ..counting import ecp5 as carry_cells
from ..counting.fabric import equip
from ..link import USB_IO_HZ
from ..store import UNSET_SPRAM
from ..tracing import named_signals
from .collisions import without_collisions
from .pll import ecp5_dividers, ice40_dividers
from .top import BoardTop

__all__ = ["BuildSteps", "platform_of", "prepare"]

_BASES = {"ice40": LatticeICE40Platform, "ecp5": LatticeECP5Platform}
_DIVIDERS = {"ice40": ice40_dividers, "ecp5": ecp5_dividers}


@dataclass(frozen=True)
class BuildSteps:
    """What a build consists of.

    Parameters
    ----------
    files : dict
        Text or bytes of each input file, by its name.
    commands : tuple
        Argument lists of synthesis, place and route, and packing, each led by the tool's usual
        name; all file names in them are relative.
    """

    files: dict[str, str | bytes]
    commands: tuple[tuple[str, ...], ...]

    def with_seed(self, seed: int) -> "BuildSteps":
        """Give the same steps for a placer that begins with other random numbers."""
        synthesis, place, *rest = self.commands
        at = place.index("--seed") + 1
        place = (*place[:at], str(int(seed)), *place[at + 1 :])
        return replace(self, commands=(synthesis, place, *rest))


def platform_of(board: Board) -> Platform:
    """Instantiate the Amaranth platform of a board.

    Raises
    ------
    ToolMissing
        If the package that holds it is not installed.
    UsageError
        If it holds no such class, or one of another family, clock or pins.
    """
    module, _, name = board.platform.partition(":")
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ModuleNotFoundError as error:
        raise ToolMissing(
            f"The board '{board.name}' needs the Python module '{error.name}'.",
            'Install it: pip install "bnnhw[boards]"',
        ) from error
    base = _BASES[board.family]
    if not isinstance(found, type) or not issubclass(found, base):
        raise UsageError(
            f"The board '{board.name}' names '{board.platform}', which is no Amaranth platform for "
            f"{board.family}.",
            "Correct `platform` or `family` in the board's file.",
        )
    platform = found()
    _agree(board, platform)
    return platform


def _agree(board: Board, platform: Any) -> None:
    """Hold the board's data against what its platform has."""
    todo = "Correct the board's file."
    names = (platform.default_clk, board.link.resource, board.link.usb, board.led)
    for name in (name for name in names if name != ""):
        try:
            platform.lookup(name)
        except ResourceError as error:
            raise UsageError(
                f"The board '{board.name}' needs a resource '{name}', which '{board.platform}' "
                "does not have.",
                todo,
            ) from error
    if platform.default_clk_frequency != board.clock.source_hz:
        raise UsageError(
            f"The board '{board.name}' says that its oscillator has {board.clock.source_hz} Hz, "
            f"'{board.platform}' says {platform.default_clk_frequency:.0f}.",
            todo,
        )


def _check_clock(board: Board) -> None:
    """Search dividers, as elaboration does once more: here it fails before any hardware is made."""
    clock = board.clock
    if clock.pll != "none":
        _DIVIDERS[board.family](clock.source_hz, clock.sync_hz)
    if board.link.usb:
        ecp5_dividers(clock.source_hz, USB_IO_HZ)


def prepare(
    core: Elaboratable,
    board: Board,
    *,
    name: str,
    seed: int = 1,
    wide_luts: bool = False,
    router2: bool = True,
) -> BuildSteps:
    """Elaborate a core on a board.

    Parameters
    ----------
    core : Component
        As `BoardTop` takes it.
    board : Board
    name : str
        Name of the design and of its files.
    seed : int
        Start of the placer's random numbers.
    wide_luts : bool
        Let synthesis for ECP5 join LUT4s by multiplexers. That doubles the area of popcounts and
        adders, so it is off unless asked for.
    router2 : bool
        Use nextpnr's other router on iCE40: the usual one can run for ever where one net feeds both
        inputs of a carry cell, as in the counts' chains. ECP5 always has it: designs of 20,000 LUT4
        take minutes instead of hours.

    Raises
    ------
    UsageError
        If the name is not safe, or the PLL cannot make the board's clock.
    """
    checked(name, "design name")
    _check_clock(board)
    platform: Any = platform_of(board)
    ecp5 = board.family == "ecp5"
    equip(platform, board.family, dsp=board.budget.dsp > 0)
    if ecp5:
        platform.add_file(carry_cells.FILE, carry_cells.CELLS)
    options = ["--seed", str(int(seed)), "--freq", f"{board.clock.sync_hz / 1_000_000:.6f}"]
    # Whether the clock is met is judged from the report, where the numbers are.
    options += ["--timing-allow-fail", "--report", f"{name}.nextpnr.json"]
    options += ["--router", "router2"] if router2 or ecp5 else []
    with _no_overrides(), named_signals():
        plan = platform.prepare(
            BoardTop(board=board, core=core),
            name,
            emit_src=False,  # paths of this machine would end up in the netlist
            # Names that are kept for benches would keep logic that nothing needs.
            script_after_read=f"setattr -unset keep w:*\n{UNSET_SPRAM}\n"
            + (carry_cells.AFTER_READ if ecp5 else ""),
            script_after_synth=carry_cells.AFTER_SYNTHESIS if ecp5 else "",
            synth_opts="-nowidelut" if ecp5 and not wide_luts else "",
            nextpnr_opts=" ".join(options),
        )
    return _steps(plan.files, name)


def _steps(files: Mapping[str, str | bytes], name: str) -> BuildSteps:
    """Take the commands and their inputs out of what Amaranth prepared."""
    commands = json.loads(files[f"build_{name}.json"])["commands"]
    inputs = {file: text for file, text in files.items() if not file.startswith("build_")}
    netlist = inputs[f"{name}.il"]
    assert isinstance(netlist, str)
    inputs[f"{name}.il"] = without_collisions(netlist)
    return BuildSteps(files=inputs, commands=tuple(tuple(command) for command in commands))


@contextmanager
def _no_overrides() -> Iterator[None]:
    """Hide the variables by which Amaranth lets an environment change a build unseen."""
    hidden = {key: value for key, value in os.environ.items() if key.startswith("AMARANTH_")}
    for key in hidden:
        del os.environ[key]
    try:
        yield
    finally:
        os.environ.update(hidden)
