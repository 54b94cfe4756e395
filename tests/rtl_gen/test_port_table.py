# amaranth: UnusedElaboratable=no
"""The table of ports at the head of the Verilog is the module's, and twins share a module."""

import re

import pytest

from rtl_gen.array import PEArray
from rtl_gen.verilog import emit


def array() -> PEArray:
    return PEArray(pe=2, simd=3, folds=2)


@pytest.mark.parametrize("naming", ["plain", "axis"])
def test_port_table_is_the_module(naming: str) -> None:
    """Every port of the top module stands in the table, with its direction and its width."""
    text, ports = emit(array(), name="chip", header={}, naming=naming)
    lines = text.splitlines()
    comment = lines[: next(k for k, line in enumerate(lines) if not line.startswith("//"))]
    start = next(k for k, line in enumerate(comment) if line.split()[1:2] == ["port"])
    table = [line[2:].split(None, 3) for line in comment[start:]]
    assert table[0] == ["port", "direction", "bits", "meaning"]
    assert table[1:] == [[p.name, p.direction, str(p.width), p.meaning] for p in ports]
    top = re.search(r"^module chip\((.*?)\);\n(.*?)^endmodule", text, re.DOTALL | re.MULTILINE)
    assert top is not None
    declared = re.findall(r"^  (input|output) (?:\[(\d+):0\] )?(\w+) ?;", top[2], re.MULTILINE)
    found = {(name, way, int(high or 0) + 1) for way, high, name in declared}
    assert found == {(row[0], row[1], int(row[2])) for row in table[1:]}
    assert {name for name, _, _ in found} == set(re.findall(r"\w+", top[1]))


def test_elements_that_are_alike_share_a_module() -> None:
    text, _ = emit(array(), name="chip", header={})
    assert len(re.findall(r"^module chip_core_core_pe\d *\(", text, re.MULTILINE)) == 1
    assert len(re.findall(r"^  chip_core_core_pe0 +pe\d+ \(", text, re.MULTILINE)) == 2
