"""Lattice's iCE40-HX8K breakout board; its 12 MHz reach the PLL through the fabric."""

from bnnhw.target import Board, Budget, Clock, Link, Programmer, Spi

__all__ = ["BOARD"]

BOARD = Board(
    name="hx8k-breakout",
    title="Lattice iCE40-HX8K breakout board",
    family="ice40",
    device="iCE40HX8K-CT256",
    platform="amaranth_boards.ice40_hx8k_b_evn:ICE40HX8KBEVNPlatform",
    budget=Budget(lut4=7_680, ff=7_680, ebr=32, ebr_bits=4_096),
    clock=Clock(source_hz=12_000_000, sync_hz=48_000_000, pll="core"),
    link=Link(
        resource="uart",
        baud=1_000_000,
        spi=Spi(sck="j_2:9", cs="j_2:10", mosi="j_2:11", miso="j_2:12"),
    ),
    programmers=(
        Programmer(
            tool="iceprog",
            sram=("-S", "{bitstream}"),
            flash=("{bitstream}",),
            install="your system's package fpga-icestorm",
        ),
    ),
    notes="The jumpers choose between SRAM and flash memory and must match how you load it.",
)
