"""TinyFPGA BX with a serial port on its header."""

from typing import Any

from amaranth.build import Attrs, Pins, Resource, Subsignal
from amaranth_boards.tinyfpga_bx import TinyFPGABXPlatform

__all__ = ["TinyFPGABXSerialPlatform"]


class TinyFPGABXSerialPlatform(TinyFPGABXPlatform):
    """Upstream's platform with `uart` on pins 1 and 2 of the header."""

    resources: list[Any] = [
        *TinyFPGABXPlatform.resources,
        Resource(
            "uart",
            0,
            Subsignal("rx", Pins("2", dir="i", conn=("gpio", 0)), Attrs(PULLUP=1)),
            Subsignal("tx", Pins("1", dir="o", conn=("gpio", 0))),
            Attrs(IO_STANDARD="SB_LVCMOS"),
        ),
    ]
