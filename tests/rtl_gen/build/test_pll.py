import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnnhw.errors import UsageError
from rtl_gen.build.pll import ecp5_dividers, ice40_dividers
from rtl_gen.tools import run_tool

MHZ = 1_000_000


def ice40_reachable(source: int) -> set[int]:
    """Every output within the data sheet's limits, by trying every setting."""
    return {
        source * (divf + 1) // ((divr + 1) << divq)
        for divr in range(16)
        if source / (divr + 1) >= 10e6
        for divf in range(128)
        if 533e6 <= source * (divf + 1) / (divr + 1) <= 1066e6
        for divq in range(1, 7)
        if source * (divf + 1) % ((divr + 1) << divq) == 0
        and 16e6 <= source * (divf + 1) / ((divr + 1) << divq) <= 275e6
    }


def ecp5_reachable(source: int) -> set[int]:
    return {
        source * clkfb // clki
        for clki in range(1, 129)
        if source / clki >= 3.125e6
        for clkfb in range(1, 129)
        if source * clkfb % clki == 0 and 3.125e6 <= source * clkfb / clki <= 400e6
    }


@pytest.mark.parametrize("source", [12 * MHZ, 25 * MHZ, 100 * MHZ])
def test_ice40_finds_every_reachable_clock(source):
    reachable = ice40_reachable(source)
    assert len(reachable) > 100
    for wanted in reachable:
        found = ice40_dividers(source, wanted)
        oscillator = source * (found.divf + 1) / (found.divr + 1)
        assert oscillator / 2**found.divq == wanted
        assert 533e6 <= oscillator <= 1066e6
        assert source / (found.divr + 1) >= 10e6
        assert 0 <= found.divf <= 127 and 1 <= found.divq <= 6


@pytest.mark.parametrize("source", [12 * MHZ, 25 * MHZ, 48 * MHZ])
def test_ecp5_finds_every_reachable_clock(source):
    for wanted in ecp5_reachable(source):
        found = ecp5_dividers(source, wanted)
        assert source * found.clkfb == wanted * found.clki
        assert 400e6 <= wanted * found.clkop <= 800e6
        assert 3.125e6 <= source / found.clki <= 400e6
        assert all(1 <= n <= 128 for n in (found.clki, found.clkfb, found.clkop))


@given(st.integers(1, 500 * MHZ))
def test_other_clocks_are_refused(wanted):
    for search, reachable in (
        (ice40_dividers, ice40_reachable(12 * MHZ)),
        (ecp5_dividers, ecp5_reachable(25 * MHZ)),
    ):
        source = 12 * MHZ if search is ice40_dividers else 25 * MHZ
        if wanted not in reachable:
            with pytest.raises(UsageError):
                search(source, wanted)


def test_refusal_names_clocks_that_exist():
    with pytest.raises(UsageError) as caught:
        ice40_dividers(12 * MHZ, 25 * MHZ + 1)
    assert caught.value.what == "The iCE40 PLL cannot make 25000001 Hz out of 12000000 Hz."
    near = [int(n.replace(" ", "")) for n in re.findall(r"([\d ]+) Hz", caught.value.todo)]
    assert len(near) == 3 and set(near) <= ice40_reachable(12 * MHZ)
    with pytest.raises(UsageError, match="^The ECP5 PLL cannot make 33000001 Hz"):
        ecp5_dividers(25 * MHZ, 33_000_001)


@pytest.mark.parametrize("megahertz", [16.5, 18, 24, 30, 48, 60, 96])
def test_icestorm_agrees(megahertz, tmp_path: Path):
    said = run_tool(["yowasp-icepll", "-i", "12", "-o", str(megahertz)], cwd=tmp_path).output
    found = ice40_dividers(12 * MHZ, int(megahertz * MHZ))
    fields = dict(re.findall(r"^(\w+):\s+(\d+) \(", said, re.MULTILINE))
    assert fields == {
        "DIVR": str(found.divr),
        "DIVF": str(found.divf),
        "DIVQ": str(found.divq),
        "FILTER_RANGE": str(found.filter_range),
    }


@pytest.mark.parametrize("megahertz", [40, 50, 75, 100])
def test_trellis_agrees(megahertz, tmp_path: Path):
    said = run_tool(["yowasp-ecppll", "-i", "25", "-o", str(megahertz)], cwd=tmp_path).output
    found = ecp5_dividers(25 * MHZ, megahertz * MHZ)
    fields = {key: int(value) for key, value in re.findall(r"^(.+ divisor): (\d+)$", said, re.M)}
    assert fields == {
        "Refclk divisor": found.clki,
        "Feedback divisor": found.clkfb,
        "clkout0 divisor": found.clkop,
    }


def test_suggests_what_a_divided_reference_gives() -> None:
    """Clocks between the multiples of the oscillator, and the nearest first to mind."""
    with pytest.raises(UsageError, match="81 250 000 Hz, 84 375 000 Hz, 85 000 000 Hz"):
        ecp5_dividers(25_000_000, 84_000_000)
    assert ecp5_dividers(25_000_000, 85_000_000).clki == 5
