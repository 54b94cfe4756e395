"""Lattice's iCEstick: an iCE40HX1K, for networks of a few hundred cells beside the link."""

from bnnhw.target import Board, Budget, Clock, Link, Spi

from ._parts import ICE_FTDI_FLASH, ICEPROG_FLASH

__all__ = ["BOARD"]

BOARD = Board(
    name="icestick",
    title="Lattice iCEstick",
    family="ice40",
    device="iCE40HX1K-TQ144",
    platform="amaranth_boards.icestick:ICEStickPlatform",
    budget=Budget(lut4=1_280, ff=1_280, ebr=16, ebr_bits=4_096),
    clock=Clock(source_hz=12_000_000, sync_hz=48_000_000, pll="core"),
    link=Link(
        resource="uart",
        baud=1_000_000,
        spi=Spi(sck="pmod_0:4", cs="pmod_0:1", mosi="pmod_0:2", miso="pmod_0:3"),
    ),
    programmers=(ICEPROG_FLASH, ICE_FTDI_FLASH),
    notes="The link takes half of the FPGA; of the bundled networks digits_tiny fits."
    " The USB side reaches the flash memory only: say --flash.",
)
