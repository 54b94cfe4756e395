# amaranth: UnusedElaboratable=no
"""SPI on every board that has pins for it: where it lies, and what its pads are."""

import re
from dataclasses import replace

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring

from bnnhw.errors import UsageError
from bnnhw.target import Board, Spi
from rtl_gen.build.boards import all_boards, load_board
from rtl_gen.build.platform import BuildSteps, prepare
from rtl_gen.link import SPI_WIRES

# Written down a second time, from the boards' own pin tables: SCK, CS, MOSI, MISO.
PINS = {
    "ecp5-evn": ("R20", "U19", "U20", "T19"),
    "hx8k-breakout": ("N16", "M15", "M16", "L16"),
    "icebreaker": ("45", "4", "2", "47"),
    "icepi-zero": ("G2", "H2", "L2", "J1"),
    "icestick": ("81", "78", "79", "80"),
    "icesugar": ("37", "46", "44", "42"),
    "orangecrab-25f": ("R17", "C8", "N16", "N15"),
    "orangecrab-85f": ("R17", "C8", "N16", "N15"),
    "tinyfpga-bx": ("H2", "G2", "H1", "J1"),
    "ulx3s-12f": ("B11", "C11", "A10", "A11"),
    "ulx3s-45f": ("B11", "C11", "A10", "A11"),
    "ulx3s-85f": ("B11", "C11", "A10", "A11"),
    "upduino3": ("45", "4", "3", "48"),
}
WITHOUT = {"colorlight-i5", "icesugar-pro"}
BOARDS = [board for board in all_boards() if board.link.spi is not None]


class Wires(wiring.Component):
    """Make something of all three inputs."""

    def __init__(self) -> None:
        super().__init__(SPI_WIRES)

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.miso.eq(self.mosi ^ self.sck)
        return m


def texts(steps: BuildSteps, board: Board) -> tuple[str, str]:
    found = steps.files["plain.il"], steps.files[f"plain.{'pcf' if ice40(board) else 'lpf'}"]
    assert isinstance(found[0], str) and isinstance(found[1], str)
    return found[0], found[1]


def ice40(board: Board) -> bool:
    return board.family == "ice40"


def test_which_boards_have_pins() -> None:
    assert {board.name for board in BOARDS} == set(PINS)
    assert {board.name for board in all_boards()} == set(PINS) | WITHOUT


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_constraints_and_pads(board: Board) -> None:
    netlist, constraints = texts(prepare(Wires(), board, name="plain"), board)
    found = re.findall(r"^set_io (\S+) (\S+)$", constraints, re.M)
    found += re.findall(r'^LOCATE COMP "(\S+)" SITE "(\S+)";$', constraints, re.M)
    where = {port: pin for port, pin in found if "spi" in port}
    names = [f"bnnhw_spi_0__{name}__io" for name in ("sck", "cs", "mosi", "miso")]
    assert where == dict(zip(names, PINS[board.name], strict=True))
    assert len({pin for _, pin in found}) == len(found) == 6
    # Nobody at the connector means that nobody speaks, and that MISO is let go.
    pulled = (netlist, r"parameter \\PULLUP 1\n") if ice40(board) else (constraints, "PULLMODE=UP;")
    assert len(re.findall(pulled[1], pulled[0])) == 1
    if ice40(board):
        assert len(re.findall(r"connect \\OUTPUT_ENABLE \\", netlist)) == 1


def test_pins_that_are_not_there_wrong() -> None:
    board = load_board("icebreaker")
    spi = Spi(sck="pmod_9:1", cs="pmod_0:1", mosi="pmod_0:2", miso="pmod_0:3")
    wrong = replace(board, link=replace(board.link, spi=spi))
    with pytest.raises(UsageError, match=r"names pins for SPI that it does not have: .*pmod_9:1"):
        prepare(Wires(), wrong, name="plain")


def test_board_without_pins_wrong() -> None:
    with pytest.raises(ValueError, match=r"^Board 'colorlight-i5' must have link\.spi for a core "):
        prepare(Wires(), load_board("colorlight-i5"), name="plain")


def test_empty_pin_wrong() -> None:
    with pytest.raises(ValueError, match=r"^Spi\.cs must be a non-empty string, not ''$"):
        Spi(sck="1", cs="", mosi="2", miso="3")
