"""iCESugar, with an iCE40UP5K; its debugger gives 12 MHz to the PLL's own pin."""

from bnnhw.target import Board, Clock, Link, Spi

from ._parts import ICESPROG, UP5K

__all__ = ["BOARD"]

BOARD = Board(
    name="icesugar",
    title="MuseLab iCESugar",
    family="ice40",
    device="iCE40UP5K-SG48",
    platform="amaranth_boards.icesugar:ICESugarPlatform",
    budget=UP5K,
    clock=Clock(source_hz=12_000_000, sync_hz=24_000_000, pll="pad"),
    link=Link(
        resource="uart",
        baud=115_200,
        spi=Spi(sck="pmod_1:4", cs="pmod_1:1", mosi="pmod_1:2", miso="pmod_1:3"),
    ),
    programmers=(ICESPROG,),
    notes="The debugger carries both the programmer and the serial port. It writes the flash memory"
    " only: say --flash.",
)
