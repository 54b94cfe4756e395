"""The same stimulus in three simulators, every output held against every other at every clock.

A bench in Verilator decides what is sent; all its ports are written down in each clock. Icarus and
Amaranth's simulator then get the same inputs, clock by clock, whatever they answer.
"""

import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.hdl import Cat, ClockDomain
from amaranth.sim import Simulator

from bnnhw.errors import CheckFailed, ToolMissing
from rtl_gen.shell import Port
from rtl_gen.tools import find_program, run_tool

from .abuse import Design
from .abuse_player import Trace
from .cocotb_run import TODO

__all__ = ["agree", "replay_icarus", "replay_pysim", "unset"]

Rows = list[dict[str, str]]
"""For each clock the outputs by name, as digits 0, 1, x and z, the highest bit first."""

_BENCH = """
module bench;
  reg [{wide}-1:0] sent [0:{clocks}-1];
  reg clk = 0;
{wires}
  integer at;
  {name} dut(.clk(clk){joined});
  initial begin
    $readmemb("sent.txt", sent);
    for (at = 0; at < {clocks}; at = at + 1) begin
      {{{inputs}}} = sent[at];
      #4 $display("{formats}"{outputs});
      #1 clk = 1;
      #5 clk = 0;
    end
    $finish;
  end
endmodule
"""


def unset(text: str, *, registers: bool) -> str:
    """Take away what memories that are written hold at the start, and registers too if asked."""
    written = set(re.findall(r"^ *(\w+)\[.*?\] *<=", text, re.MULTILINE))
    block = re.compile(r"^  initial begin\n((?:    (\w+)\[\d+\] = .*;\n)+)  end\n", re.MULTILINE)

    def kept(match: re.Match[str]) -> str:
        return "" if match[2] in written else match[0]

    # Names recur in other modules, so modules are looked at one by one.
    parts = re.split(r"(?<=^endmodule\n)", text, flags=re.MULTILINE)
    found = []
    for part in parts:
        written = set(re.findall(r"^ *(\w+)\[.*?\] *<=", part, re.MULTILINE))
        found.append(block.sub(kept, part))
    text = "".join(found)
    return (
        re.sub(r"^(  reg .*?\w+ *) = .*;$", r"\1;", text, flags=re.MULTILINE) if registers else text
    )


def _outputs(design: Design) -> list[Port]:
    return [port for port in design.ports if port.direction == "output"]


def replay_icarus(design: Design, trace: Trace, text: str | None = None) -> Rows:
    """Give the inputs of a trace to Icarus; say what the outputs are, unknown bits included.

    Parameters
    ----------
    design : Design
    trace : Trace
    text : str or None
        Verilog in place of the design's.

    Raises
    ------
    ToolMissing, ToolFailed
        If Icarus is missing or refuses the text.
    """
    compiler, runner = find_program("iverilog"), find_program("vvp")
    if compiler is None or runner is None:
        raise ToolMissing(
            "Icarus Verilog is not installed.", "Install it: apt-get install iverilog"
        )
    widths = {port.name: port.width for port in design.ports} | {"rst": 1}
    inputs = trace.ports[: trace.inputs]
    outputs = _outputs(design)
    bench = _BENCH.format(
        name=design.name,
        wide=sum(widths[name] for name in inputs),
        clocks=len(trace.values),
        wires="\n".join(
            f"  {'reg' if name in inputs else 'wire'} [{widths[name] - 1}:0] {name};"
            for name in trace.ports
        ),
        joined="".join(f", .{name}({name})" for name in trace.ports),
        inputs=", ".join(inputs),
        formats=" ".join("%b" for _ in outputs),
        outputs="".join(f", {port.name}" for port in outputs),
    )
    rows = [
        "".join(f"{int(value):0{widths[name]}b}" for name, value in zip(inputs, row, strict=False))
        for row in trace.values
    ]
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        (scratch / "all.v").write_text((text or design.emitted[0]) + bench)
        (scratch / "sent.txt").write_text("\n".join(rows) + "\n")
        run_tool([compiler, "-g2005", "-s", "bench", "-o", "a.out", "all.v"], cwd=scratch)
        said = run_tool([runner, "a.out"], cwd=scratch, limit=1800).output
    lines = [line.split() for line in said.splitlines() if re.fullmatch(r"[01xz ]+", line)]
    return [dict(zip((port.name for port in outputs), line, strict=True)) for line in lines]


def replay_pysim(design: Design, trace: Trace) -> Rows:
    """Give the inputs of a trace to Amaranth's simulator; say what the outputs are."""
    domain = ClockDomain("sync")
    m, shell = design.inside(domain)
    outputs = _outputs(design)
    seen = Cat(getattr(shell, port.name) for port in outputs)
    found: Rows = []

    async def bench(ctx: Any) -> None:
        for row in trace.values:
            for name, value in zip(trace.ports[: trace.inputs], row, strict=False):
                ctx.set(domain.rst if name == "rst" else getattr(shell, name), int(value))
            *_, bits = await ctx.tick().sample(seen)
            shown = {}
            for port in outputs:
                shown[port.name] = f"{bits & (1 << port.width) - 1:0{port.width}b}"
                bits >>= port.width
            found.append(shown)

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return found


def agree(design: Design, trace: Trace, rows: Rows, *, offered: bool = False) -> int:
    """Hold the outputs of a replay against those of the trace, from the end of the first reset on.

    Parameters
    ----------
    design : Design
    trace : Trace
    rows : list of dict
        From a replay.
    offered : bool
        A word need only be known, and right, while its `valid` is high.

    Returns
    -------
    int
        Values compared.

    Raises
    ------
    CheckFailed
        If they differ, or a bit is unknown; it names port and clock.
    """
    if len(rows) != len(trace.values):
        raise CheckFailed(f"{len(rows)} clocks came of {len(trace.values)}.", TODO)
    valid = {port.stream: port.name for port in _outputs(design) if port.field == "valid"}
    column = {name: k for k, name in enumerate(trace.ports)}
    resets = trace.values[:, 0]
    start = int(np.argmax(resets == 0))
    compared = 0
    for clock in range(start, len(rows)):
        for port in _outputs(design):
            word = port.field not in ("valid", "ready")
            if offered and word and rows[clock][valid[port.stream]] == "0":
                continue
            wanted = f"{int(trace.values[clock][column[port.name]]):0{port.width}b}"
            found = rows[clock][port.name]
            if found != wanted:
                raise CheckFailed(
                    f"'{design.name}': {port.name} is {found} at clock {clock}, not {wanted}.", TODO
                )
            compared += 1
    return compared
