"""Lattice's ECP5-5G evaluation board, with an LFE5UM5G-85F and 12 MHz."""

from bnnhw.target import Board, Clock, Link, Spi

from ._parts import ECP5_85F, open_fpga_loader

__all__ = ["BOARD"]

BOARD = Board(
    name="ecp5-evn",
    title="Lattice ECP5-5G evaluation board",
    family="ecp5",
    device="LFE5UM5G-85F-8BG381",
    platform="amaranth_boards.ecp5_5g_evn:ECP55GEVNPlatform",
    budget=ECP5_85F,
    clock=Clock(source_hz=12_000_000, sync_hz=48_000_000, pll="core"),
    link=Link(
        resource="uart",
        baud=1_000_000,
        spi=Spi(sck="JP_8:23", cs="JP_8:24", mosi="JP_8:19", miso="JP_8:21"),
    ),
    programmers=(open_fpga_loader("ecp5_evn"),),
    notes="As delivered the serial port is not joined to the FPGA: section 6.2 of the board's user"
    " manual says which two resistors to swap, and how to set the FTDI chip to a serial port.",
)
