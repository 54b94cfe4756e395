# amaranth: UnusedElaboratable=no
"""USB's own wires on the boards that have them: where they lie, and their clocks."""

import re
from dataclasses import replace

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring

from bnnhw.errors import UsageError
from bnnhw.target import Board
from rtl_gen.build.boards import all_boards, load_board
from rtl_gen.build.platform import prepare
from rtl_gen.link import USB_WIRES

PINS = {"orangecrab-25f": ("N1", "M2", "N2"), "orangecrab-85f": ("N1", "M2", "N2")}
BOARDS = [board for board in all_boards() if board.link.usb]


class Wires(wiring.Component):
    """Turn the inputs round, one in each of the domains of USB."""

    def __init__(self) -> None:
        super().__init__(USB_WIRES)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.usb += [self.usb_p_o.eq(~self.usb_p_i), self.usb_oe.eq(self.usb_n_i)]
        m.d.usb_io += [self.usb_n_o.eq(~self.usb_n_i), self.usb_pullup.eq(1)]
        return m


def texts(board: Board) -> tuple[str, str]:
    files = prepare(Wires(), board, name="plain").files
    netlist, constraints = files["plain.il"], files["plain.lpf"]
    assert isinstance(netlist, str) and isinstance(constraints, str)
    return netlist, constraints


def test_which_boards_have_a_socket() -> None:
    assert {board.name for board in BOARDS} == set(PINS)


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_pins(board: Board) -> None:
    netlist, constraints = texts(board)
    found = dict(re.findall(r'^LOCATE COMP "(usb_\S+)" SITE "(\S+)";$', constraints, re.M))
    names = [f"usb_0__{name}__io" for name in ("d_p", "d_n", "pullup")]
    assert found == dict(zip(names, PINS[board.name], strict=True))
    assert len(re.findall(r"^ +cell \\BB ", netlist, re.M)) == 2


@pytest.mark.parametrize("megahertz", [48, 60])
def test_clocks(megahertz: int) -> None:
    """The clocks of USB are 48 and 12 MHz with edges that fall together, whatever `sync` is."""
    netlist, _ = texts(load_board("orangecrab-25f").at(megahertz * 1_000_000))
    cells = re.findall(r"cell \\EHXPLLL .*?\n +end\n", netlist, re.S)
    told = [dict(re.findall(r"parameter \\(\w+) \"?([^\s\"]+)\"?\n", cell)) for cell in cells]
    sync, usb = sorted(told, key=lambda cell: "CLKOS_DIV" in cell)
    ratio = int(sync["CLKFB_DIV"]) / int(sync["CLKI_DIV"])
    assert 48 * ratio == megahertz and "CLKOS_DIV" not in sync
    assert usb["CLKFB_DIV"] == usb["CLKI_DIV"] == "1"
    fast, slow = int(usb["CLKOP_DIV"]), int(usb["CLKOS_DIV"])
    assert slow == 4 * fast and 400 <= 48 * fast <= 800 and slow <= 128
    # An output rises one period of the oscillator behind its phase, then at every division.
    phases = int(usb["CLKOP_CPHASE"]), int(usb["CLKOS_CPHASE"])
    assert (phases[1] - phases[0]) % fast == 0
    assert usb["CLKOS_ENABLE"] == "ENABLED"


@pytest.mark.parametrize("name", ["icebreaker", "ulx3s-12f"])
def test_board_without_a_socket_wrong(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^Board '{name}' must have link\.usb for a core "):
        prepare(Wires(), load_board(name), name="plain")


def test_a_resource_that_is_not_there_wrong() -> None:
    board = load_board("orangecrab-25f")
    wrong = replace(board, link=replace(board.link, usb="usb_c"))
    with pytest.raises(UsageError, match=r"needs a resource 'usb_c', which "):
        prepare(Wires(), wrong, name="plain")


def test_an_oscillator_that_gives_no_48_mhz_wrong() -> None:
    board = load_board("ulx3s-12f")
    wrong = replace(board, link=replace(board.link, usb="usb"))
    with pytest.raises(UsageError, match=r"PLL cannot make 48000000 Hz out of 25000000 Hz"):
        prepare(Wires(), wrong, name="plain")


# By the pull-up a core is known to have USB.
@pytest.mark.parametrize("wire", sorted(set(USB_WIRES) - {"usb_pullup"}))
def test_a_core_that_lacks_a_wire_wrong(wire: str) -> None:
    core = Wires()
    delattr(core, wire)
    with pytest.raises(ValueError, match=rf"^Core must have a 1-bit port '{wire}', not None$"):
        prepare(core, load_board("orangecrab-25f"), name="plain")
