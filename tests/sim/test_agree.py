# amaranth: UnusedElaboratable=no
"""Three simulators at every clock; what starts unknown; and that a difference is seen."""

import dataclasses
import random
import re

import numpy as np
import pytest

from bnnhw.errors import CheckFailed
from sim.abuse_campaigns import broken_frames, resets
from sim.abuse_designs import AbusedNetwork
from sim.abuse_networks import dense
from sim.abuse_player import Trace, compile_abused, play_compiled, play_pysim
from sim.agree import agree, replay_icarus, replay_pysim, unset

Played = tuple[AbusedNetwork, Trace]


@pytest.fixture(scope="module")
def played() -> Played:
    """Play in Verilator, resets and broken frames among it, with every port written down."""
    abused, dice = AbusedNetwork(dense()), random.Random(1)
    cases = broken_frames(abused, dice, count=4)
    cases += resets(abused, dice, (5, 8, 9, 11, 23), stalled=True)
    acts = [case.act for case in cases]
    program = compile_abused(abused.design, quick=True)
    outcomes, trace = play_compiled(abused.design, program, acts, traced=True)
    assert trace is not None and outcomes == play_pysim(abused.design, acts)
    return abused, trace


def test_trace_holds_every_port(played: Played) -> None:
    abused, trace = played
    names = {port.name for port in abused.design.ports}
    assert set(trace.ports) == names | {"rst"}
    # Two clocks of reset at the start, five amid frames, and the one that ends the run.
    assert trace.values[:, 0].sum() == 2 + 5 + 1
    assert trace.values.shape == (len(trace.values), len(trace.ports))


def test_pysim_agrees(played: Played) -> None:
    abused, trace = played
    outputs = sum(port.direction == "output" for port in abused.design.ports)
    compared = agree(abused.design, trace, replay_pysim(abused.design, trace))
    assert compared == outputs * (len(trace.values) - 2)


def test_icarus_agrees_and_knows_every_bit(played: Played) -> None:
    abused, trace = played
    outputs = sum(port.direction == "output" for port in abused.design.ports)
    compared = agree(abused.design, trace, replay_icarus(abused.design, trace))
    assert compared == outputs * (len(trace.values) - 2)


@pytest.mark.parametrize("registers", [False, True])
def test_nothing_unknown_is_offered(played: Played, registers: bool) -> None:
    """Memories that are written start unknown, and registers too: reset is all that is needed."""
    abused, trace = played
    text = abused.design.emitted[0]
    bare = unset(text, registers=registers)
    assert len(re.findall(r"initial begin", bare)) < len(re.findall(r"initial begin", text))
    assert (re.search(r"^  reg .* = .*;$", bare, re.MULTILINE) is None) == registers
    rows = replay_icarus(abused.design, trace, bare)
    assert agree(abused.design, trace, rows, offered=True) > len(trace.values)


def test_constant_memories_keep_their_words() -> None:
    text = (
        "module a;\n  initial begin\n    memory[0] = 1'h1;\n  end\nendmodule\n"
        "module b;\n  reg up = 1'h0;\n  initial begin\n    memory[0] = 1'h0;\n  end\n"
        "      memory[at] <= in;\nendmodule\n"
    )
    assert "memory[0] = 1'h1" in unset(text, registers=False)
    assert "memory[0] = 1'h0" not in unset(text, registers=False)
    assert "reg up = 1'h0;" in unset(text, registers=False)
    assert "  reg up;" in unset(text, registers=True)


def test_unknown_output_is_seen(played: Played) -> None:
    abused, trace = played
    broken = re.sub(r"assign o_last = .*;", "assign o_last = 1'bx;", abused.design.emitted[0])
    with pytest.raises(CheckFailed, match=r"o_last is x at clock \d+, not [01]\."):
        agree(abused.design, trace, replay_icarus(abused.design, trace, broken))


def test_a_control_register_without_reset_is_seen(played: Played) -> None:
    """The guard's counter keeps what it had, and is unknown where it starts so."""
    abused, trace = played
    text = abused.design.emitted[0]
    guard = text.index("module net_core_guard")
    stop = text.index("endmodule", guard)
    part = re.sub(r"if \(rst\) (count|filling) <= [^;]*;\n    else ", "", text[guard:stop])
    assert part != text[guard:stop]
    broken = text[:guard] + part + text[stop:]
    with pytest.raises(CheckFailed, match=r" at clock \d+, not "):
        agree(abused.design, trace, replay_icarus(abused.design, trace, broken))
    with pytest.raises(CheckFailed, match="is x+ at clock"):
        bare = unset(broken, registers=True)
        agree(abused.design, trace, replay_icarus(abused.design, trace, bare), offered=True)


def test_another_value_at_one_clock_is_seen(played: Played) -> None:
    abused, trace = played
    values = trace.values.copy()
    values[-5, trace.ports.index("o_valid")] ^= np.uint64(1)
    changed = dataclasses.replace(trace, values=values)
    rows = replay_icarus(abused.design, trace)
    with pytest.raises(CheckFailed, match=rf"o_valid is . at clock {len(values) - 5}, not ."):
        agree(abused.design, changed, rows)
    with pytest.raises(CheckFailed, match=r"clocks came of"):
        agree(abused.design, trace, rows[:-1])
