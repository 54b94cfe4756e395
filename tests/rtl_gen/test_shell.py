# amaranth: UnusedElaboratable=no
"""Names and widths of the exported ports, in both namings."""

import json
import re

import pytest
from amaranth.lib import wiring

from rtl_gen.accelerator import Accelerator
from rtl_gen.array import PEArray
from rtl_gen.popcount import Popcount
from rtl_gen.shell import NAMINGS, make_shell
from rtl_gen.verilog import emit
from sim.samples import network, planned

IN, OUT = "input", "output"

# 7 inputs in words of 3; logits 0 … 4 in 3 bits, 5 classes in 3 bits.
ACCELERATOR = {
    "plain": [
        ("clk", IN, 1), ("rst", IN, 1),
        ("i_data", IN, 3), ("i_last", IN, 1), ("i_valid", IN, 1), ("i_ready", OUT, 1),
        ("o_data", OUT, 3), ("o_index", OUT, 3),
        ("o_last", OUT, 1), ("o_valid", OUT, 1), ("o_ready", IN, 1),
    ],
    "axis": [
        ("aclk", IN, 1), ("aresetn", IN, 1),
        ("s_axis_tdata", IN, 8), ("s_axis_tlast", IN, 1),
        ("s_axis_tvalid", IN, 1), ("s_axis_tready", OUT, 1),
        ("m_axis_tdata", OUT, 8), ("m_axis_tuser", OUT, 3),
        ("m_axis_tlast", OUT, 1), ("m_axis_tvalid", OUT, 1), ("m_axis_tready", IN, 1),
    ],
}  # fmt: skip

# 3 PEs of 5 lanes, 2 folds: counts 0 … 10 in 4 bits.
ARRAY = {
    "plain": [
        ("clk", IN, 1), ("rst", IN, 1),
        ("i_activation_data", IN, 5), ("i_activation_last", IN, 1), ("i_activation_valid", IN, 1),
        ("i_activation_ready", OUT, 1),
        ("i_weight_data", IN, 15), ("i_weight_valid", IN, 1), ("i_weight_ready", OUT, 1),
        ("o_data", OUT, 12), ("o_last", OUT, 1), ("o_valid", OUT, 1), ("o_ready", IN, 1),
    ],
    "axis": [
        ("aclk", IN, 1), ("aresetn", IN, 1),
        ("s_axis_activation_tdata", IN, 8), ("s_axis_activation_tlast", IN, 1),
        ("s_axis_activation_tvalid", IN, 1), ("s_axis_activation_tready", OUT, 1),
        ("s_axis_weight_tdata", IN, 16), ("s_axis_weight_tvalid", IN, 1),
        ("s_axis_weight_tready", OUT, 1),
        ("m_axis_tdata", OUT, 16), ("m_axis_tlast", OUT, 1),
        ("m_axis_tvalid", OUT, 1), ("m_axis_tready", IN, 1),
    ],
}  # fmt: skip


def cores() -> dict[str, tuple[wiring.Component, dict[str, list[tuple[str, str, int]]]]]:
    graph = network((7, 4, 5), 1)
    return {
        "accelerator": (Accelerator(planned(graph, [(4, 3), (5, 2)])), ACCELERATOR),
        "array": (PEArray(pe=3, simd=5, folds=2), ARRAY),
    }


@pytest.mark.parametrize("naming", NAMINGS)
@pytest.mark.parametrize("kind", ["accelerator", "array"])
def test_ports(kind: str, naming: str) -> None:
    """What the list says is what the Verilog has: no more, no less, no other width."""
    core, expected = cores()[kind]
    text, ports = emit(core, name="unit", header={}, naming=naming)
    assert [(port.name, port.direction, port.width) for port in ports] == expected[naming]
    top = re.search(r"^module unit\(.*?^endmodule", text, re.DOTALL | re.MULTILINE)
    assert top is not None
    declared = re.findall(r"^  (input|output) (?:\[(\d+):0\] )?(\w+);$", top[0], re.MULTILINE)
    found = {(name, direction, int(high or 0) + 1) for direction, high, name in declared}
    assert found == set(expected[naming])


def test_a_port_knows_its_stream_and_field() -> None:
    _, ports = emit(PEArray(pe=1, simd=1, folds=1), name="unit", header={}, naming="axis")
    told = {port.name: (port.stream, port.field) for port in ports}
    assert told["aclk"] == ("", "")
    assert told["s_axis_weight_tdata"] == ("i_weight", "data")
    assert told["m_axis_tready"] == ("o", "ready")
    assert all(json.dumps(port.meaning) for port in ports)


def test_no_port_without_bits() -> None:
    """One class has an index of one bit that is always 0, because no port may have none."""
    plan = planned(network((2, 1), 1), [(1, 1)])
    _, ports = emit(Accelerator(plan), name="unit", header={})
    assert all(port.width >= 1 for port in ports)
    assert ("o_index", 1) in [(port.name, port.width) for port in ports]


def test_naming_wrong() -> None:
    with pytest.raises(ValueError, match=r"^Naming must be one of plain, axis, not 'ahb'$"):
        make_shell(Popcount(width=1), "ahb")
