"""TinyFPGA BX, with an iCE40LP8K and 16 MHz that reach the PLL through the fabric."""

from bnnhw.target import Board, Budget, Clock, Link, Programmer, Spi

__all__ = ["BOARD"]

BOARD = Board(
    name="tinyfpga-bx",
    title="TinyFPGA BX",
    family="ice40",
    device="iCE40LP8K-CM81",
    platform=f"{__package__}._platforms.tinyfpga_bx:TinyFPGABXSerialPlatform",
    budget=Budget(lut4=7_680, ff=7_680, ebr=32, ebr_bits=4_096),
    clock=Clock(source_hz=16_000_000, sync_hz=32_000_000, pll="core"),
    link=Link(
        resource="uart",
        baud=1_000_000,
        spi=Spi(sck="gpio_0:13", cs="gpio_0:10", mosi="gpio_0:11", miso="gpio_0:12"),
    ),
    programmers=(
        Programmer(
            tool="tinyprog",
            sram=(),
            flash=("-p", "{bitstream}"),
            install="pip install tinyprog",
        ),
    ),
    notes="The USB socket has no serial port: join a USB-serial adapter of 3.3 V to pins 2 (the"
    " FPGA receives) and 1 (it sends). While the LED pulses, its bootloader takes a bitstream into"
    " the flash memory: say --flash.",
)
