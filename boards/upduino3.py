"""UPduino 3, with an iCE40UP5K and 12 MHz that reach the PLL through the fabric."""

from bnnhw.target import Board, Clock, Link, Spi

from ._parts import ICEPROG_FLASH, UP5K

__all__ = ["BOARD"]

BOARD = Board(
    name="upduino3",
    title="tinyVision UPduino 3",
    family="ice40",
    device="iCE40UP5K-SG48",
    platform=f"{__package__}._platforms.upduino_v3:Upduino3Platform",
    budget=UP5K,
    clock=Clock(source_hz=12_000_000, sync_hz=24_000_000, pll="core"),
    link=Link(
        resource="uart",
        baud=1_000_000,
        spi=Spi(sck="45", cs="4", mosi="3", miso="48"),
    ),
    programmers=(ICEPROG_FLASH,),
    notes="Solder the jumper OSC (R16), which joins the 12 MHz to the FPGA. The USB side has no"
    " serial port: join a USB-serial adapter of 3.3 V to the header's gpio_47 (the FPGA receives)"
    " and gpio_46 (it sends). As delivered the USB side reaches the flash memory only: say"
    " --flash.",
)
