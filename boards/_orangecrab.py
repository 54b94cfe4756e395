"""What both OrangeCrab boards share."""

from bnnhw.target import Board, Budget, Clock, Link, Programmer, Spi

__all__ = ["orangecrab"]


def orangecrab(*, size: str, budget: Budget) -> Board:
    """Describe the OrangeCrab r0.2 with the ECP5 of one size.

    Parameters
    ----------
    size : str
        The device's size as its part number writes it, such as ``"85F"``.
    budget : Budget
        What that device has.
    """
    return Board(
        name=f"orangecrab-{size.lower()}",
        title=f"OrangeCrab r0.2 {size}",
        family="ecp5",
        device=f"LFE5U-{size}-8MG285",
        platform=f"{__package__}._platforms.orangecrab_r0_2:OrangeCrab{size}Platform",
        budget=budget,
        clock=Clock(source_hz=48_000_000, sync_hz=48_000_000, pll="core"),
        link=Link(
            resource="uart",
            baud=1_000_000,
            spi=Spi(sck="io_0:sck", cs="io_0:9", mosi="io_0:copi", miso="io_0:cipo"),
            usb="usb",
        ),
        programmers=(
            Programmer(
                tool="dfu-util",
                sram=(),
                # -a 0 is the bootloader's place for bitstreams; it never overwrites itself.
                flash=("-d", "1209:5af0", "-a", "0", "-D", "{bitstream}"),
                install="your system's package dfu-util",
            ),
        ),
        notes="The USB socket has no serial port: build with --link usb, which makes one in the"
        " FPGA, or join a USB-serial adapter of 3.3 V to 0 (the FPGA receives) and 1 (it sends) of"
        " the header. Hold the button while you plug the board in, and its bootloader takes a"
        " bitstream into the flash memory: say --flash.",
    )
