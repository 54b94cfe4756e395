"""Cells and clock of one component by itself, with the tools that make bitstreams."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl_gen.build import nextpnr
from rtl_gen.build.collisions import without_collisions
from rtl_gen.counting import ecp5
from rtl_gen.counting.fabric import Fabric
from rtl_gen.store import UNSET_SPRAM
from rtl_gen.tools import environment, run_tool, toolchain

__all__ = ["BEST", "Cells", "Harness", "Netlist", "place", "synthesise"]

BEST = {"ecp5": "-nowidelut", "ice40": ""}
"""Flags of synthesis that were the best for sums, by family."""

_DEVICES = {"ecp5": "25k", "ice40": "hx8k"}
_PACKAGES = {
    "25k": "CABGA256",
    "45k": "CABGA256",
    "85k": "CABGA756",
    "hx1k": "tq144",
    "hx8k": "ct256",
    "up5k": "sg48",
}
# Left to itself, nextpnr may put the clock on a pad from which no wire leads to the clock network.
_CLOCK_PADS = {"25k": "P6", "45k": "P6"}


@dataclass(frozen=True, kw_only=True)
class Cells:
    """What a component takes, without the harness.

    Parameters
    ----------
    lut4 : int
        On ECP5 the LUT4s as nextpnr has packed them (TRELLIS_COMB: a CCU2C is two), with those that
        it adds for constants and carries. On iCE40 logic cells, those with a flip-flop only
        included.
    ff : int
        Flip-flops.
    ebr, spram, dsp : int
        Other blocks.
    carry : int
        LUT4s that are in a carry chain.
    """

    lut4: int
    ff: int
    ebr: int
    spram: int
    dsp: int
    carry: int


@dataclass(frozen=True, kw_only=True)
class Netlist:
    """A synthesised component in its harness.

    Parameters
    ----------
    family : str
    cells : Cells
    text : bytes
        What nextpnr reads.
    """

    family: str
    cells: Cells
    text: bytes


class Harness(wiring.Component):
    """A component with a register at each input and output, and two pins.

    Inputs come from a shift register; outputs are registered, and then joined by XOR, a LUT4 and a
    register for each four, until one is left.

    Parameters
    ----------
    component : Component
    constants : mapping of str to int
        Values of inputs that are constant, by the name of the port, such as the `step` of a count
        that runs freely.

    Members
    -------
    si : In(1)
    so : Out(1)
    """

    def __init__(self, component: Any, constants: Mapping[str, int]) -> None:
        self._component = component
        self._constants = constants
        self.inputs = self.outputs = self.joints = 0
        self.constant = False
        super().__init__({"si": In(1), "so": Out(1)})

    def elaborate(self, platform: object) -> Module:
        """Connect every port."""
        m = Module()
        m.submodules.block = self._component
        ins: list[Value] = []
        outs: list[Value] = []
        for path, member, value in self._component.signature.flatten(self._component):
            if path[0] in self._constants:
                m.d.comb += Value.cast(value).eq(self._constants[path[0]])
                continue
            (ins if member.flow == In else outs).append(Value.cast(value))
        inputs, outputs = Cat(ins), Cat(outs)
        self.inputs, self.outputs = len(inputs), len(outputs) + 1
        shift = Signal(self.inputs, reset_less=True)
        m.d.sync += shift.eq(Cat(self.si, shift))
        held = Signal(self.outputs, reset_less=True)
        m.d.comb += inputs.eq(shift)
        # The last bit keeps all others, whatever the component reads.
        m.d.sync += held.eq(Cat(outputs, shift[-1]))
        while len(held) > 1:
            joined = Signal(-(-len(held) // 4), reset_less=True)
            self.joints += len(joined)
            self.constant |= len(held) % 4 != 0
            m.d.sync += joined.eq(Cat(held[4 * k : 4 * k + 4].xor() for k in range(len(joined))))
            held = joined
        m.d.comb += self.so.eq(held)
        return m


def synthesise(
    component: Any,
    family: str,
    *,
    flags: str | None = None,
    portable: bool = False,
    constants: Mapping[str, int] | None = None,
    limit: float = 3600,
) -> Netlist:
    """Synthesise a component in its harness and count its cells, as packed.

    Parameters
    ----------
    component : Component
        A new one: it is elaborated here. Streams and other members are registered alike.
    family : str
        ``"ecp5"`` or ``"ice40"``.
    flags : str or None
        Flags of Yosys's synth command; None takes `BEST`.
    portable : bool
        Leave the family's own cells out, and Yosys to itself.
    constants : mapping or None
        As in `Harness`.
    limit : float
        Seconds for each tool.

    Raises
    ------
    ToolMissing, ToolFailed
        If a tool is not installed, or fails.
    """
    harness = Harness(component, constants or {})
    text = rtlil.convert(
        harness,
        platform=None if portable else Fabric(family),
        name="top",
        emit_src=False,
    )
    synth = f"synth_{family} {BEST[family] if flags is None else flags} -top top"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "top.il").write_text(without_collisions(text))
        script = f"read_rtlil top.il\nsetattr -unset keep w:*\n{UNSET_SPRAM}\n"
        if family == "ecp5":
            (folder / ecp5.FILE).write_text(ecp5.CELLS)
            script += f"{ecp5.AFTER_READ}{synth}\n{ecp5.AFTER_SYNTHESIS}"
        else:
            script += f"{synth}\n"
        (folder / "top.ys").write_text(f"{script}write_json top.json\n")
        tools = toolchain(family)
        env = environment(family)
        run_tool([tools.programs["yosys"], "-q", "top.ys"], cwd=folder, env=env, limit=limit)
        netlist = (folder / "top.json").read_bytes()
        log = _nextpnr(folder, family, _DEVICES[family], ["--pack-only"], limit)
    return Netlist(family=family, cells=_cells(family, log, harness), text=netlist)


def _cells(family: str, log: str, harness: Harness) -> Cells:
    found = nextpnr.usage(family, nextpnr.log_totals(log), log)
    held = harness.inputs + harness.outputs + harness.joints
    # On iCE40 an input's flip-flop takes a cell, and that of the last output, an input itself; the
    # others share the cell that drives them. On ECP5 an unused input of a LUT is connected to the
    # one cell that is 0.
    alone = harness.inputs + 1 if family == "ice40" else harness.constant
    harness_cells = harness.joints + alone
    carry = [line for line in log.splitlines() if "carry LUTs:" in line or "CARRYs only" in line]
    return Cells(
        lut4=found["lut4"].used - harness_cells,
        ff=found["ff"].used - held,
        ebr=found["ebr"].used,
        spram=found["spram"].used,
        dsp=found["dsp"].used,
        carry=int(carry[0].split(":")[-1].split("/")[0].split()[0]) if carry else 0,
    )


def place(
    netlist: Netlist,
    *,
    seeds: Sequence[int],
    device: str | None = None,
    speed: int = 6,
    freq: float = 400,
    router: str = "router2",
    limit: float = 3600,
) -> list[float]:
    """Place and route with each of several seeds; one whose placement no router ends has no clock.

    Parameters
    ----------
    netlist : Netlist
    seeds : sequence of int
    device : str or None
        As nextpnr names it, such as ``"25k"`` or ``"hx8k"``; None takes one of the family.
    speed : int
        Speed grade of an ECP5.
    freq : float
        Constraint in MHz; a clock that is missed is no failure.
    router : str
        ``"router2"``, which builds have, or ``"router1"``, which on ECP5 leads to a clock a tenth
        faster and takes too long for large designs; on iCE40 it can run for ever, and takes over
        where the other one goes in circles.
    limit : float
        Seconds for each run.

    Returns
    -------
    list of float
        Fmax in MHz of each seed that is routed.

    Raises
    ------
    ToolMissing, ToolFailed
        If a tool is not installed, or fails, as where a design does not fit; `Unrouted`, which is
        one of these, if no seed is routed.
    """
    found, circles = [], None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "top.json").write_bytes(netlist.text)
        for seed in seeds:
            options = ["--seed", str(seed), "--freq", f"{freq:g}", "--timing-allow-fail"]
            options += ["--router", router, "--report", "report.json"]
            options += ["--speed", str(speed)] if netlist.family == "ecp5" else []
            part = device or _DEVICES[netlist.family]
            try:
                _nextpnr(folder, netlist.family, part, options, limit)
            except nextpnr.Unrouted as error:
                circles = error
                continue
            report = json.loads((folder / "report.json").read_text())
            found.append(min(clock.achieved_mhz for clock in nextpnr.clock_timings(report)))
    if circles is not None and not found:
        raise circles
    return found


def _nextpnr(folder: Path, family: str, device: str, options: Sequence[str], limit: float) -> str:
    free = "--lpf-allow-unconstrained" if family == "ecp5" else "--pcf-allow-unconstrained"
    words = [f"--{device}", "--package", _PACKAGES[device], "--json", "top.json", free, *options]
    if family == "ecp5" and device in _CLOCK_PADS:
        (folder / "top.lpf").write_text(f'LOCATE COMP "clk" SITE "{_CLOCK_PADS[device]}";\n')
        words += ["--lpf", "top.lpf"]
    argv: list[str | Path] = [
        toolchain(family).programs[f"nextpnr-{family}"],
        *words,
        "--log",
        "top.tim",
    ]
    env, log = environment(family), folder / "top.tim"
    return nextpnr.place(argv, cwd=folder, env=env, limit=limit, log=log).output
