# amaranth: UnusedElaboratable=no
"""Every board file: plain data, its platform, its clock, its pins, and what a build would run."""

import importlib
import re
from dataclasses import asdict
from pathlib import Path

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

import boards
from bnnhw.errors import UsageError
from rtl_gen.build.boards import load_board
from rtl_gen.build.platform import BuildSteps, platform_of, prepare
from rtl_gen.build.pll import ecp5_dividers, ice40_dividers
from rtl_gen.system import divisor_for

FILES = sorted(
    path.stem for path in Path(boards.__path__[0]).glob("*.py") if not path.name.startswith("_")
)
BOARDS = [importlib.import_module(f"boards.{name}").BOARD for name in FILES]

# Written down a second time, from the boards' own pin tables: clock, rx, tx, LED.
PINS = {
    "colorlight-i5": ("P3", "H18", "J17", "U16"),
    "ecp5-evn": ("A10", "P2", "P3", "A13"),
    "hx8k-breakout": ("J3", "B10", "B12", "C3"),
    "icebreaker": ("35", "6", "9", "11"),
    "icepi-zero": ("M1", "K16", "K15", "E13"),
    "icestick": ("21", "9", "8", "99"),
    "icesugar": ("35", "4", "6", "40"),
    "icesugar-pro": ("P6", "A9", "B9", "B11"),
    "orangecrab-25f": ("A9", "N17", "M18", "M3"),
    "orangecrab-85f": ("A9", "N17", "M18", "M3"),
    "tinyfpga-bx": ("B2", "A1", "A2", "B3"),
    "ulx3s-12f": ("G2", "M1", "L4", "B2"),
    "ulx3s-45f": ("G2", "M1", "L4", "B2"),
    "ulx3s-85f": ("G2", "M1", "L4", "B2"),
    "upduino3": ("20", "47", "46", "39"),
}
# How nextpnr calls device and package.
PARTS = {
    "colorlight-i5": ("--25k", "CABGA381", "6"),
    "ecp5-evn": ("--um5g-85k", "CABGA381", "8"),
    "hx8k-breakout": ("--hx8k", "ct256"),
    "icebreaker": ("--up5k", "sg48"),
    "icepi-zero": ("--25k", "CABGA256", "6"),
    "icestick": ("--hx1k", "tq144"),
    "icesugar": ("--up5k", "sg48"),
    "icesugar-pro": ("--25k", "CABGA256", "6"),
    "orangecrab-25f": ("--25k", "CSFBGA285", "8"),
    "orangecrab-85f": ("--85k", "CSFBGA285", "8"),
    "tinyfpga-bx": ("--lp8k", "cm81"),
    "ulx3s-12f": ("--12k", "CABGA381", "6"),
    "ulx3s-45f": ("--45k", "CABGA381", "6"),
    "ulx3s-85f": ("--85k", "CABGA381", "6"),
    "upduino3": ("--up5k", "sg48"),
}
# The USB side of these has no serial port, so the user must read where to join one.
ADAPTER = {"orangecrab-25f", "orangecrab-85f", "tinyfpga-bx", "upduino3"}


class Wire(wiring.Component):
    """Send what is received, a clock later."""

    def __init__(self) -> None:
        super().__init__({"rx": In(1), "tx": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.tx.eq(self.rx)
        return m


def text_of(steps: BuildSteps, name: str) -> str:
    text = steps.files[name]
    assert isinstance(text, str)
    return text


def pins_of(constraints: str) -> dict[str, str]:
    """Read where each port lies from a .pcf or .lpf file."""
    found = re.findall(r"^set_io (\S+) (\S+)$", constraints, re.M)
    found += re.findall(r'^LOCATE COMP "(\S+)" SITE "(\S+)";$', constraints, re.M)
    return dict(found)


def test_files_are_named_like_their_boards():
    assert [board.name.replace("-", "_") for board in BOARDS] == FILES
    assert {board.name for board in BOARDS} == set(PINS) == set(PARTS)


@pytest.mark.parametrize("board", BOARDS, ids=FILES)
def test_data_agrees_with_the_platform(board):
    platform = platform_of(board)
    assert platform.default_clk_frequency == board.clock.source_hz
    assert board.device.startswith(platform.device)
    assert board.device.endswith(platform.package)
    platform.lookup(board.link.resource)
    platform.lookup(board.led)


@pytest.mark.parametrize("board", BOARDS, ids=FILES)
def test_constraints_and_netlist(board):
    steps = prepare(Wire(), board, name="plain")
    ice40 = board.family == "ice40"
    clock, rx, tx, led = PINS[board.name]
    netlist = text_of(steps, "plain.il")
    constraints = text_of(steps, "plain.pcf" if ice40 else "plain.lpf")
    where = pins_of(constraints)
    oscillator = platform_of(board).default_clk
    assert where == {
        f"{oscillator}_0__io": clock,
        "uart_0__rx__io": rx,
        "uart_0__tx__io": tx,
        "led_0__io": led,
    }
    assert len(set(where.values())) == 4
    cell = {"pad": "SB_PLL40_PAD", "core": "SB_PLL40_CORE" if ice40 else "EHXPLLL"}
    assert netlist.count(f"cell \\{cell[board.clock.pll]} ") == 1
    assert [command[0] for command in steps.commands] == (
        ["yosys", "nextpnr-ice40", "icepack"] if ice40 else ["yosys", "nextpnr-ecp5", "ecppack"]
    )
    place = steps.commands[1]
    part, package, *grade = PARTS[board.name]
    assert part in place and place[place.index("--package") + 1] == package
    assert ice40 or [place[place.index("--speed") + 1]] == grade
    # An adapter that is not there must read as an idle line.
    if board.name in ADAPTER:
        pulled = (netlist, r"parameter \\PULLUP 1\n") if ice40 else (constraints, "PULLMODE=UP;")
        assert len(re.findall(pulled[1], pulled[0])) == 1


@pytest.mark.parametrize("board", BOARDS, ids=FILES)
def test_clock_can_be_made(board):
    search = {"ice40": ice40_dividers, "ecp5": ecp5_dividers}[board.family]
    assert search(board.clock.source_hz, board.clock.sync_hz)


@pytest.mark.parametrize("board", BOARDS, ids=FILES)
def test_other_clocks(board):
    source = board.clock.source_hz
    faster = board.at(3 * source)
    assert faster.clock.source_hz == source and faster.clock.sync_hz != board.clock.sync_hz
    assert (
        prepare(Wire(), faster, name="plain").commands[1].count(f"{faster.clock.sync_hz / 1e6:.6f}")
    )
    with pytest.raises(UsageError, match="PLL cannot make"):
        prepare(Wire(), board.at(source + 1), name="plain")


@pytest.mark.parametrize("board", BOARDS, ids=FILES)
def test_line_rate_can_be_made(board):
    divisor = divisor_for(board.clock.sync_hz, board.link.baud)
    # A tenth of what the receiver can bear, which leaves the rest to the two oscillators.
    assert abs(board.clock.sync_hz / divisor / board.link.baud - 1) < 0.0025


@pytest.mark.parametrize("board", BOARDS, ids=FILES)
def test_a_programmer_writes_the_flash(board):
    assert any(programmer.flash for programmer in board.programmers)


@pytest.mark.parametrize("board", BOARDS, ids=FILES)
def test_notes_say_what_the_board_lacks(board):
    assert ("USB-serial adapter of 3.3 V" in board.notes) == (board.name in ADAPTER)
    if not any(programmer.sram for programmer in board.programmers):
        assert "--flash" in board.notes


@pytest.mark.parametrize("board", BOARDS, ids=FILES)
def test_plain_data(board):
    assert asdict(board)["name"] == board.name
    assert load_board(board.name).name == board.name
