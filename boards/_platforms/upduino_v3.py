"""UPduino 3 with its oscillator joined to the FPGA, and a serial port on its header."""

from typing import Any

from amaranth.build import Attrs, Pins, PinsN, Resource, Subsignal
from amaranth_boards.upduino_v3 import UpduinoV3Platform

__all__ = ["Upduino3Platform"]


class Upduino3Platform(UpduinoV3Platform):
    """Upstream's platform, clocked by the board instead of the FPGA itself, with a serial port."""

    default_clk = "clk12"
    resources: list[Any] = [
        *UpduinoV3Platform.resources,
        Resource("led", 0, PinsN("39", dir="o"), Attrs(IO_STANDARD="SB_LVCMOS")),
        Resource(
            "uart",
            0,
            Subsignal("rx", Pins("47", dir="i"), Attrs(PULLUP=1)),
            Subsignal("tx", Pins("46", dir="o")),
            Attrs(IO_STANDARD="SB_LVCMOS"),
        ),
    ]
