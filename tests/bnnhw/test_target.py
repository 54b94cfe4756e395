from dataclasses import replace

import pytest

from bnnhw.target import Board, Budget, Clock, Link, Programmer

BOARD = Board(
    name="b",
    title="B",
    family="ice40",
    device="d",
    platform="m:C",
    budget=Budget(lut4=1, ff=1, ebr=0, ebr_bits=4096),
    clock=Clock(source_hz=12, sync_hz=24, pll="pad"),
    link=Link(),
    programmers=(),
)


def test_another_clock():
    assert BOARD.at(48).clock == Clock(source_hz=12, sync_hz=48, pll="pad")
    assert BOARD.at(48).name == "b"
    with pytest.raises(ValueError, match="must be the oscillator's 12 where there is no PLL"):
        replace(BOARD, clock=Clock(source_hz=12, sync_hz=12)).at(24)


@pytest.mark.parametrize("value", [-1, 1.5, True, "3", None])
def test_budget_wrong(value):
    message = f"^Budget.ebr must be a non-negative integer, not {value!r}$"
    with pytest.raises(ValueError, match=message):
        Budget(lut4=1, ff=1, ebr=value, ebr_bits=1)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"source_hz": 0, "sync_hz": 0}, "Clock.source_hz must be a positive integer, not 0"),
        ({"source_hz": 1, "sync_hz": 2.5}, "Clock.sync_hz must be a positive integer, not 2.5"),
        (
            {"source_hz": 1, "sync_hz": 1, "pll": "x"},
            "Clock.pll must be 'none', 'pad' or 'core', not 'x'",
        ),
    ],
)
def test_clock_wrong(fields, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Clock(**fields)


@pytest.mark.parametrize("words", [("-S",), ("{bitstream}", "{bitstream}")])
def test_programmer_wrong(words):
    with pytest.raises(ValueError, match=r"^Programmer.sram must hold '\{bitstream\}' exactly"):
        Programmer(tool="t", sram=words, flash=(), install="i")


def test_link_wrong():
    with pytest.raises(ValueError, match="^Link.baud must be a positive integer, not 0$"):
        Link(baud=0)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "", "Board.name must be a non-empty string, not ''"),
        ("family", "xilinx", "Board.family must be 'ice40' or 'ecp5', not 'xilinx'"),
        ("platform", "nothing", "Board.platform must be 'module:Class', not 'nothing'"),
        ("link", Link(usb="usb"), "Board.link.usb must be empty on iCE40, not 'usb'"),
        ("family", "ecp5", "Board.clock.pll must be 'core' or 'none' on ECP5, not 'pad'"),
    ],
)
def test_board_wrong(field, value, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        replace(BOARD, **{field: value})
