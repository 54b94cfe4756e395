"""cocotb bench: stream frames through an accelerator and record every edge, in four-valued logic.

It runs inside a simulator, in a package that `cocotb_run` makes of this file and its neighbours;
`job.json` in the working folder says what to send, `recording.json` is what comes back.
"""

import json
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge
from cocotb.types import Logic, LogicArray

from .traffic import Broken, Edge, Traffic

__all__ = ["record"]


class _Watched:
    """The three wires of an edge; an unknown bit where it matters is a fault."""

    def __init__(self, core: Any, name: str) -> None:
        self.name = name
        self._valid = getattr(core, f"{name}_valid")
        self._ready = getattr(core, f"{name}_ready")
        self._word = getattr(core, f"{name}_word")

    def sample(self, clock: int) -> Edge:
        valid = self._known(self._valid, "valid", clock)
        word = self._known(self._word, "word", clock) if valid else 0
        return bool(valid), bool(self._known(self._ready, "ready", clock)), word

    def _known(self, handle: Any, what: str, clock: int) -> int:
        return _known(handle, f"{what} of edge '{self.name}'", clock)


def _known(handle: Any, what: str, clock: int) -> int:
    value = handle.value
    if not value.is_resolvable:
        raise Broken(f"{what} has unknown bits at clock {clock}: {value}")
    return int(value)


def _write(name: str, content: object) -> None:
    # Readers look while this runs, so they must never see half a file.
    scratch = Path(f"{name}.part")
    scratch.write_text(json.dumps(content))
    scratch.replace(name)


async def _stream(dut: Any, job: dict[str, Any], traffic: Traffic) -> None:
    edges = [_Watched(dut.core, name) for name in job["edges"]]
    # While nothing is offered the payload is unknown: nothing may depend on it.
    unknown = LogicArray("X" * len(dut.i_data.value))
    reported = 0
    while not traffic.done or traffic.rest:
        word, last, ready = traffic.drive()
        dut.i_valid.value = word is not None
        dut.i_data.value = unknown if word is None else word
        dut.i_last.value = Logic("X") if word is None else last
        dut.o_ready.value = ready
        await RisingEdge(dut.clk)
        clock = traffic.clocks
        taken = bool(_known(dut.i_ready, "i_ready", clock))
        ends = bool(_known(dut.o_valid, "o_valid", clock) and _known(dut.o_last, "o_last", clock))
        traffic.look(taken, ends, (edge.sample(clock) for edge in edges))
        if len(traffic.ends) > reported:
            reported = len(traffic.ends)
            _write("progress.json", reported)


@cocotb.test()
async def record(dut: Any) -> None:
    """Record; a broken rule goes into the recording, where the caller finds it."""
    job = json.loads(Path("job.json").read_text())
    traffic = Traffic(
        [int(word, 16) for word in job["words"]],
        job["frames"],
        job["edges"],
        **{key: job[key] for key in ("stall_in", "stall_out", "seed", "idle")},
    )
    dut.rst.value = 1
    dut.i_valid.value = 0
    dut.o_ready.value = 0
    Clock(dut.clk, 10, unit="ns").start()
    for _ in range(4):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    broken = ""
    try:
        await _stream(dut, job, traffic)
    except Broken as fault:
        broken = str(fault)
    _write(
        "recording.json",
        {
            "broken": broken,
            "words": {name: [hex(word) for word in words] for name, words in traffic.words.items()},
            "ends": traffic.ends,
            "clocks": traffic.clocks,
        },
    )
    assert not broken, broken
